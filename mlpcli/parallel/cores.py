"""How many cores a run uses, and how. Imports no numpy."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mlpcli.records import record


@record
class Cores:
    """The cores of a run.

    Attributes:
        count: all of them.
        processes: how many processes may share them; the BLAS library of each has its part.
    """

    count: int
    processes: int = 1


def allowed_cores(root: Path = Path("/")) -> int:
    """Return how many cores this process may use: by its affinity and by its cgroup's quota.

    Args:
        root: where /proc and the mounted cgroups are, below which tests have their own.
    """
    return min(len(affinity()), cpu_quota(root) or sys.maxsize)


def affinity() -> set[int]:
    """Return the cores that the scheduler may choose from; all if the system does not say."""
    try:
        return os.sched_getaffinity(0)
    except (AttributeError, OSError):  # not on every system, and forbidden in some containers
        return set(range(os.cpu_count() or 1))


def cpu_quota(root: Path = Path("/")) -> int | None:
    """Return how many whole cores the cgroup's quota allows, at least 1; None if it has none."""
    return max(1, int(min(quotas))) if (quotas := list(_quotas(root))) else None


def seconds_ready() -> float:
    """Return how long this thread was ready to run while other work had its core; 0 if unknown."""
    with suppress(OSError, ValueError, IndexError):
        text = Path("/proc/thread-self/schedstat").read_text(encoding="ascii")
        return int(text.split()[1]) / 1e9
    return 0.0


def _quotas(root: Path) -> Iterator[float]:
    """Every limit in cores on this process's cgroup and those above it, of versions 1 and 2."""
    for folder, mounted in _cgroups(root):
        for group in (folder, *folder.parents):
            with suppress(OSError, ValueError, ZeroDivisionError):
                yield _quota(group)
            if group == mounted:
                break


def _quota(group: Path) -> float:
    """The cores that a cgroup may use at a time; ValueError or OSError if it has no limit."""
    if (group / "cpu.max").exists():  # version 2: "max 100000" or "150000 100000"
        quota, period = (group / "cpu.max").read_text(encoding="ascii").split()
    else:
        quota = (group / "cpu.cfs_quota_us").read_text(encoding="ascii")
        period = (group / "cpu.cfs_period_us").read_text(encoding="ascii")
    if int(quota) <= 0:  # -1 is none
        raise ValueError(quota)
    return int(quota) / int(period)


def _cgroups(root: Path) -> Iterator[tuple[Path, Path]]:
    """(this process's cgroup, where its hierarchy is mounted) for each that may limit the CPU."""
    with suppress(OSError, ValueError, IndexError):
        own = root / "proc/self"
        mounts = (own / "mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        lines = (own / "cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
        paths = {line.split(":", 2)[1]: line.split(":", 2)[2] for line in lines}
        for mount in mounts:
            before, _, after = mount.partition(" - ")
            kind, _, options = after.split()[:3]
            top, place = before.split()[3:5]
            if kind == "cgroup2":
                path = paths.get("")
            elif kind == "cgroup" and "cpu" in options.split(","):
                path = next((p for names, p in paths.items() if "cpu" in names.split(",")), None)
            else:
                continue
            if path is None:
                continue
            mounted = root / place.lstrip("/")
            # In a container the mount may begin at its own cgroup, or show another's path.
            inside = path.removeprefix(top.rstrip("/")) if path.startswith(top) else ""
            folder = mounted / inside.lstrip("/")
            yield folder if folder.is_relative_to(mounted) and folder.is_dir() else mounted, mounted
