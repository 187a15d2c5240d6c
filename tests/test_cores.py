"""How many cores a run takes: never more than affinity and the cgroup's quota allow."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mlpcli.parallel import cores
from mlpcli.parallel.cores import allowed_cores, cpu_quota


def system(root: Path, cgroup: str, mounts: list[tuple[str, str, str, str]]) -> Path:
    """A root folder with this /proc/self/cgroup, and hierarchies (top, place, kind, options)."""
    own = root / "proc/self"
    own.mkdir(parents=True)
    (own / "cgroup").write_text(cgroup)
    lines = ["22 1 0:21 / /proc rw,nosuid - proc proc rw"]
    for number, (top, place, kind, options) in enumerate(mounts, start=30):
        lines.append(f"{number} 25 0:{number} {top} {place} rw shared:9 - {kind} {kind} {options}")
        (root / place.lstrip("/")).mkdir(parents=True)
    (own / "mountinfo").write_text("\n".join(lines) + "\n")
    return root


def limit(group: Path, quota: object, period: int = 100_000, *, version: int = 2) -> None:
    group.mkdir(parents=True, exist_ok=True)
    if version == 2:
        (group / "cpu.max").write_text(f"{quota} {period}\n")
    else:
        (group / "cpu.cfs_quota_us").write_text(f"{quota}\n")
        (group / "cpu.cfs_period_us").write_text(f"{period}\n")


V2 = [("/", "/sys/fs/cgroup", "cgroup2", "rw")]
V1 = [
    ("/", "/sys/fs/cgroup/memory", "cgroup", "rw,memory"),
    ("/", "/sys/fs/cgroup/cpu,cpuacct", "cgroup", "rw,cpu,cpuacct"),
]


@pytest.mark.parametrize(
    ("quota", "period", "whole"),
    [
        (200_000, 100_000, 2),
        (350_000, 100_000, 3),
        (150_000, 100_000, 1),
        (10_000, 100_000, 1),
        (100_000, 25_000, 4),
        ("max", 100_000, None),
    ],
)
def test_version_2_says_it_in_cpu_max(tmp_path: Path, quota, period, whole) -> None:
    root = system(tmp_path, "0::/user.slice/run-1.scope\n", V2)
    limit(root / "sys/fs/cgroup/user.slice/run-1.scope", quota, period)
    assert cpu_quota(root) == whole


@pytest.mark.parametrize(("quota", "whole"), [(200_000, 2), (50_000, 1), (-1, None)])
def test_version_1_says_it_in_two_files(tmp_path: Path, quota: int, whole: int | None) -> None:
    root = system(tmp_path, "3:cpu,cpuacct:/slurm/job_7\n2:memory:/slurm/job_7\n", V1)
    limit(root / "sys/fs/cgroup/cpu,cpuacct/slurm/job_7", quota, version=1)
    limit(root / "sys/fs/cgroup/memory/slurm/job_7", 100_000, version=1)  # of no meaning there
    assert cpu_quota(root) == whole


def test_the_least_of_all_groups_above_counts(tmp_path: Path) -> None:
    root = system(tmp_path, "0::/a/b/c\n", V2)
    limit(root / "sys/fs/cgroup/a/b/c", "max")
    limit(root / "sys/fs/cgroup/a/b", 600_000)
    limit(root / "sys/fs/cgroup/a", 300_000)
    assert cpu_quota(root) == 3
    limit(root / "sys/fs/cgroup", 100_000)
    assert cpu_quota(root) == 1


def test_a_container_sees_its_own_group_where_the_hierarchy_is_mounted(tmp_path: Path) -> None:
    path = "/docker/0123abcd"
    seen = system(
        tmp_path / "1", f"4:cpu:{path}\n", [(path, "/sys/fs/cgroup/cpu", "cgroup", "cpu")]
    )
    limit(seen / "sys/fs/cgroup/cpu", 200_000, version=1)
    assert cpu_quota(seen) == 2
    hidden = system(tmp_path / "2", "0::/\n", [("/../../x", "/sys/fs/cgroup", "cgroup2", "rw")])
    limit(hidden / "sys/fs/cgroup", 200_000)
    assert cpu_quota(hidden) == 2
    elsewhere = system(tmp_path / "3", f"0::{path}\n", V2)  # the path is the host's
    limit(elsewhere / "sys/fs/cgroup", 500_000)
    assert cpu_quota(elsewhere) == 5


@pytest.mark.parametrize(
    "cgroup", ["", "nonsense\n", "0::\n", "0::/\n", "1:cpu:/\n", "0::/../../etc\n"]
)
def test_what_cannot_be_read_is_no_limit(tmp_path: Path, cgroup: str) -> None:
    assert cpu_quota(tmp_path / "nothing") is None
    assert cpu_quota(system(tmp_path, cgroup, V2)) is None
    limit(tmp_path / "sys/fs/cgroup", "what", 0)
    assert cpu_quota(tmp_path) is None


def test_affinity_and_quota_both_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = system(tmp_path, "0::/\n", V2)
    limit(root / "sys/fs/cgroup", 300_000)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert allowed_cores(root) == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5})
    assert allowed_cores(root) == 1


def test_without_an_affinity_all_cores_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_: int) -> set[int]:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    monkeypatch.setattr(os, "sched_getaffinity", forbidden)
    assert cores.affinity() == set(range(6))
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores.affinity() == set(range(6))


# What a person is told


SMALL = ("--data", "digits", "--hidden", "8", "--epochs", "1")


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of which this process may use two cores."""
    monkeypatch.setattr("mlpcli.cli.threads.allowed_cores", lambda: 2)


SAID = ": more threads than cores are slower, and this process may use 2 cores: taking 2"


@pytest.mark.usefixtures("two")
def test_more_threads_than_cores_are_not_taken_and_that_is_said(mlp, checkpoints) -> None:
    err = mlp.ok("train", *SMALL, "--threads", "8").err
    assert err.splitlines()[0] == "--threads 8" + SAID
    assert checkpoints.meta("model.npz")["threads"] == 2
    for arguments in (
        ("evaluate", "model.npz"),
        ("predict", "model.npz", "digits"),
        ("gradcheck", "model.npz"),
    ):
        err = mlp(*arguments, "--threads", "8").err
        assert err.splitlines()[0] == "--threads 8" + SAID
    assert SAID not in mlp.ok("train", *SMALL, "--threads", "2", "-o", "two.npz").err


@pytest.mark.usefixtures("two")
def test_what_the_environment_asks_for_is_bounded_too(
    mlp, checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "64")
    assert ("OPENBLAS_NUM_THREADS 64" + SAID) in mlp.ok("train", *SMALL).err.splitlines()
    assert checkpoints.meta("model.npz")["threads"] == 2
    assert os.environ["OPENBLAS_NUM_THREADS"] in ("1", "2")  # each process's part


@pytest.mark.usefixtures("two")
def test_a_run_of_more_threads_than_there_are_is_not_told_to_take_them(mlp, checkpoints) -> None:
    mlp.ok("train", *SMALL, "--threads", "1")
    meta = checkpoints.meta("model.npz") | {"threads": 16}
    checkpoints.rewrite("model.npz", meta=json.dumps(meta))
    err = mlp.ok("train", "--resume", "model.npz", "--threads", "1").err
    assert (
        "model.npz was trained with --threads 16, now with 1: the last digits may differ"
        in err.splitlines()
    )
