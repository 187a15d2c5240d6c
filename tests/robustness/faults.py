"""`make faults`: commands whose system calls fail, one at a time, and that are sent signals.

strace counts the calls of a command that concern its own folder, and then runs the command again
for each of them with that call failing in each way that it can, or with a signal at that call.
After each run: the exit code is one of the table's, stderr is one line and no traceback, what was
there is untouched or replaced by something whole, nothing stray is left, and nothing hangs.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MLP = [sys.executable, "-m", "mlpcli"]
FAULTS = {
    "openat": ("EACCES", "ENOSPC", "EMFILE", "EIO", "EROFS"),
    "read": ("EIO",),
    "write": ("ENOSPC", "EIO", "EDQUOT"),
    "pwrite64": ("ENOSPC",),
    "fsync": ("EIO", "ENOSPC", "EINVAL", "EOPNOTSUPP"),
    "fchmod": ("EPERM", "EOPNOTSUPP"),
    "flock": ("ENOLCK", "EOPNOTSUPP"),
    "link": ("EPERM", "ENOSPC", "EMLINK"),
    "rename": ("EACCES", "ENOSPC", "EXDEV"),
    "unlink": ("EACCES", "EIO"),
    "mkdir": ("EACCES", "ENOSPC"),
    "ftruncate": ("EIO",),
    "newfstatat": ("EACCES", "EIO"),
    "getdents64": ("EIO",),
    "mmap": ("ENOMEM",),
}
SIGNALS = ("SIGTERM", "SIGINT", "double SIGTERM", "SIGKILL")
CODES = {0, 1, 2, 3, 4, 5, 130, 143, 137}


@dataclass(frozen=True)
class Case:
    """A command to be disturbed, in a folder that `prepare` fills."""

    name: str
    arguments: tuple[str, ...]
    outputs: tuple[str, ...]


PLAIN = ("--embedding", "none")  # which every export takes
SMALL = ("--data", "points.csv", "--hidden", "4", "--epochs", "3", "-q", *PLAIN)
CASES = (
    Case("train", ("train", *SMALL, "--threads", "1"), ("model.npz", "model.npz~")),
    Case(
        "train on two",
        ("train", "--data", "digits", "--hidden", "300", "--epochs", "2", "-q", "--threads", "2"),
        ("model.npz", "model.npz~"),
    ),
    Case(
        "resume",
        ("train", "--resume", "begun.npz", "--log", "log.jsonl", "-q", "--threads", "1"),
        ("begun.npz", "log.jsonl", "log.jsonl~"),
    ),
    Case("evaluate", ("evaluate", "begun.npz", "--report", "r.html", "-q"), ("r.html",)),
    Case("predict", ("predict", "begun.npz", "points.csv", "-o", "out.csv", "-q"), ("out.csv",)),
    Case("show", ("show", "begun.npz", "--curves", "c.png", "-q"), ("c.png",)),
    Case("export", ("export", "begun.npz", "model.py", "-q"), ("model.py",)),
)


@dataclass(frozen=True)
class Fault:
    """What happens at a system call: which one, the how many-th, and how it fails."""

    call: str
    number: int
    how: str

    @property
    def injection(self) -> str:
        if self.how in SIGNALS:
            until = f"..{self.number + 1}" if self.how.startswith("double") else ""
            return f"inject={self.call}:signal={self.how.split()[-1]}:when={self.number}{until}"
        return f"inject={self.call}:error={self.how}:when={self.number}"


def prepare(folder: Path) -> None:
    """A table, a checkpoint that can be continued, one of another run, a log."""
    rows = [f"{k % 7},{k % 5 + 3 * (k % 2)},{'ab'[k % 2]}" for k in range(60)]
    (folder / "points.csv").write_text("\n".join(["x,y,kind", *rows]) + "\n")
    for arguments in (
        ("train", *SMALL, "--stop-after", "1", "-o", "begun.npz", "--log", "log.jsonl"),
        ("train", "--data", "points.csv", "--epochs", "1", "-q", "-o", "model.npz"),
    ):
        subprocess.run([*MLP, *arguments], cwd=folder, env=environment(), check=True, stdout=-3)


def environment() -> dict[str, str]:
    own = {"PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    own |= {"OPENBLAS_NUM_THREADS": "1", "MPLCONFIGDIR": tempfile.gettempdir()}
    return {name: value for name, value in os.environ.items() if name != "MLP_THREADS"} | own


def traced(folder: Path, case: Case, *options: str) -> list[str]:
    calls = ",".join([*FAULTS, "rt_sigaction"])
    trace = ["strace", "-f", "-qq", "-y", "-e", f"trace={calls}", *options]
    return [*trace, *MLP, *case.arguments]


def calls_of(folder: Path, case: Case) -> Iterator[tuple[str, int, bool]]:
    """(call, the how many-th of its kind, whether signals are taken) of those about the folder.

    Until the first line of our code, in which signals are taken, Python itself is at work.
    """
    output = folder.parent / "trace"
    command = traced(folder, case, "-o", str(output))
    subprocess.run(command, cwd=folder, env=environment(), check=True, stdout=-3, stderr=-3)
    counts: Counter[tuple[str, str]] = Counter()
    first, ours = "", False
    for line in output.read_text(errors="replace").splitlines():
        match = re.match(r"(\d+) +(\w+)\((.*)", line)
        if not match:
            continue
        process, call, rest = match.groups()
        first = first or process
        ours = ours or (call == "rt_sigaction" and rest.startswith("SIGTERM, {"))
        counts[process, call] += 1
        if process == first and call in FAULTS and _concerns(folder, rest):
            yield call, counts[process, call], ours


def _concerns(folder: Path, arguments: str) -> bool:
    """Whether a call is about a file in the folder: by its handle, or by a path."""
    handle = re.match(r"\d+<([^>]*)>", arguments)
    if handle:
        return handle[1].startswith(f"{folder}/")
    paths = re.findall(r'(?:AT_FDCWD<[^>]*>, )?"([^"]*)"', arguments)[:2]
    return any(
        (path.startswith(f"{folder}/") or path[:1] not in ("/", ""))
        and "." in Path(path).name  # Python itself looks there for modules before it is ours
        for path in paths
    )


def whole(path: Path) -> bool:
    """Whether a file is what a reader may find at any moment."""
    content = path.read_bytes()
    match path.suffix.rstrip("~"):
        case ".npz":
            return zipfile.is_zipfile(path) and zipfile.ZipFile(path).testzip() is None
        case ".html":
            return content.endswith(b"</html>\n")
        case ".png":
            return content[-8:-4] == b"IEND"
        case ".csv":
            return content.endswith(b"\n")
        case ".py":
            return bool(compile(content, str(path), "exec"))
    return True  # a log may end in the midst of a line


def disturb(origin: Path, case: Case, fault: Fault, patience: float = 60.0) -> str | None:
    """Run a case with a fault; what is wrong with how it ends, or None."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "work"
        shutil.copytree(origin, folder)
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        command = traced(folder, case, "-o", "/dev/null", "-e", fault.injection)
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            _, err = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return "hangs"
        code = process.returncode if process.returncode >= 0 else 128 - process.returncode
        return judge(folder, case, fault, before, code, err.decode(errors="replace"))


def judge(
    folder: Path, case: Case, fault: Fault, before: dict[str, bytes], code: int, err: str
) -> str | None:
    """What is wrong with how a run ended, or None."""
    killed = fault.how == "SIGKILL"
    lines = [line for line in err.splitlines() if line]
    if not killed and code not in CODES:
        return f"ends with {code}: {err[-300:]}"
    if "Traceback" in err or "a defect of mlp" in err:
        return f"says: {err[-300:]}"
    if code and not killed and (len(lines) != 1 or not lines[0].startswith("mlp: ")):
        return f"says {len(lines)} lines with code {code}: {err[-300:]}"
    for name, content in before.items():
        path = folder / name
        if not path.exists():
            return f"{name} is gone"
        if name not in case.outputs and path.read_bytes() != content:
            return f"{name} has changed"
    for path in folder.iterdir():
        if path.name in case.outputs:
            if not whole(path):
                return f"{path.name} is half-written"
        elif path.name not in before and not killed and not unlinked_fails(fault):
            return f"{path.name} is left"
    return None


def unlinked_fails(fault: Fault) -> bool:
    """Whether the fault is that a temporary file cannot be removed."""
    return fault.call == "unlink"


def faults_of(folder: Path, case: Case) -> list[Fault]:
    calls = sorted(set(calls_of(folder, case)))
    return [
        Fault(call, number, how)
        for call, number, ours in calls
        for how in (*FAULTS[call], *(SIGNALS if ours else ()))
    ]


def run(
    share: float, seed: int, cases: tuple[Case, ...], say: Callable[[str], None] = print
) -> int:
    """Try a share of all faults; how many went wrong."""
    chosen_by = random.Random(seed)
    wrong = tried = 0
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        origin = Path(place) / "origin"
        origin.mkdir()
        prepare(origin)
        for case in cases:
            copy = Path(place) / "copy"
            shutil.copytree(origin, copy)
            faults = faults_of(copy, case)
            shutil.rmtree(copy)
            chosen = chosen_by.sample(faults, max(1, round(share * len(faults))))
            found = 0
            for fault in chosen:
                problem = disturb(origin, case, fault)
                if problem:
                    found += 1
                    say(f"  {case.name}, {fault.injection}: {problem}")
            say(f"{case.name:<14} {len(chosen):>6,} of {len(faults):,} faults, {found} wrong")
            tried, wrong = tried + len(chosen), wrong + found
    say(f"{tried:,} faults in {time.monotonic() - begun:.0f} s, {wrong} wrong")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the faults to try")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", help="only cases whose name has this")
    options = parser.parse_args()
    if shutil.which("strace") is None:
        print("strace is not installed (Debian: apt-get install strace): no fault was injected")
        sys.exit(0)
    cases = tuple(case for case in CASES if (options.case or "") in case.name)
    sys.exit(1 if run(options.share, options.seed, cases) else 0)


if __name__ == "__main__":
    main()
