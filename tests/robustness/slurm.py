"""Runs the Slurm recipes of `mlpcli/cli/README.md` on a cluster of one node, which it starts.

    python tests/robustness/slurm.py

The sweep must give the same arrays as runs without Slurm; a job that is cancelled and submitted
again, those of one that was not. Needs slurmctld, slurmd, munged and Slurm's PMIx plugin (Debian:
slurm-wlm, munge, libpmix-dev), and root, as slurmd does; if they are absent, that is said.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
TOOLS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "squeue", "sinfo")
SECONDS = 300  # for whatever is waited for

CONFIG = """ClusterName=mlp
SlurmctldHost={host}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
TmpFS={folder}/tmp
SlurmdParameters=config_overrides
ReturnToService=2
NodeName={host} CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
"""
DEEP = """[data]
data = "digits"
[model]
hidden = [200, 200]
[train]
epochs = 60
"""
HERE = ("--nodes=1", "--cpus-per-task=1", "--time=5")  # as much as this cluster has


def missing() -> str:
    """What the check cannot do without; "" if all is there."""
    absent = [tool for tool in TOOLS if shutil.which(tool, path=search_path()) is None]
    if absent:
        return f"{', '.join(absent)} not installed (Debian: slurm-wlm, munge, libpmix-dev)"
    return "" if os.geteuid() == 0 else "slurmd wants root"


def search_path() -> str:
    return f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:/sbin"


def recipes() -> tuple[str, str]:
    """(the script of the sweep, that of the job) as the README has them."""
    text = (ROOT / "mlpcli/cli/README.md").read_text(encoding="utf-8")
    scripts = re.findall(r"```sh\n(#!/bin/bash\n#SBATCH.*?)```", text, re.DOTALL)
    sweep, job = scripts
    return sweep, job


def wait_for(what: str, ready: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not ready():
        if time.monotonic() > end:
            sys.exit(f"slurm: waited {SECONDS} s for {what}")
        time.sleep(0.2)


@contextmanager
def daemon(log: Path, *command: str) -> Iterator[None]:
    """A daemon in the foreground, ended at last."""
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def cluster(folder: Path) -> Iterator[None]:
    """A cluster of this machine alone; the commands find it by SLURM_CONF."""
    with socket.create_server(("", 0)) as a, socket.create_server(("", 0)) as b:
        ports = a.getsockname()[1], b.getsockname()[1]
    host, config = socket.gethostname().split(".")[0], folder / "slurm.conf"
    config.write_text(CONFIG.format(host=host, ports=ports, folder=folder), encoding="ascii")
    os.environ["SLURM_CONF"] = str(config)
    for name in ("state", "spool", "tmp"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    places = ("socket", "log-file", "pid-file", "seed-file")
    files = [f"--{place}={folder}/munge.{place.removesuffix('-file')}" for place in places]
    with ExitStack() as stack:
        logs = {name: folder / f"{name}.out" for name in ("munged", "slurmctld", "slurmd")}
        munge = ("munged", "--foreground", "--force", f"--key-file={key}", *files)
        stack.enter_context(daemon(logs["munged"], *munge))
        wait_for("munged", (folder / "munge.socket").exists)
        for name in ("slurmctld", "slurmd"):
            stack.enter_context(daemon(logs[name], name, "-D", "-f", str(config)))
        wait_for("the node", lambda: "idle" in said("sinfo", "-h", "-o", "%T"))
        try:
            yield
        finally:
            said("scancel", "--user=root")
            wait_for("the end of all jobs", lambda: not said("squeue", "-h").strip())


def said(*command: str, folder: Path | None = None) -> str:
    """Standard output."""
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return result.stdout


def submit(folder: Path, script: str, *options: str) -> str:
    """Submit a job, and return its number."""
    result = said("sbatch", "--parsable", *HERE, *options, script, folder=folder)
    return result.strip() or sys.exit(f"slurm: {script} was not taken")


def end_of(job: str) -> None:
    wait_for(f"the end of job {job}", lambda: not said("squeue", "-h", "-j", job).strip())


def arrays_of(path: Path) -> dict[str, bytes]:
    """The bytes of every array but meta, which holds times."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name].tobytes() for name in file.files if name != "meta"}


def compare(what: str, one: Path, other: Path) -> None:
    if arrays_of(one) != arrays_of(other):
        sys.exit(f"slurm: {what}: {one} and {other} differ")
    print(f"{what}: the same bytes in {len(arrays_of(one))} arrays", flush=True)


def try_sweep(folder: Path, script: str) -> None:
    (folder / "sweep.sh").write_text(script, encoding="utf-8")
    said("sbatch", "--wait", *HERE, "sweep.sh", folder=folder)
    models = sorted((folder / "runs").glob("*.npz"))
    if len(models) != 9:
        sys.exit(f"slurm: the sweep made {len(models)} of 9 models, see {folder}")
    print(said("mlp", "show", *map(str, models), folder=folder).splitlines()[0])
    flags = ("--data", "digits", "--hidden", "50", "--lr", "0.1", "--threads", "1", "-q")
    said("mlp", "train", *flags, "-o", "alone.npz", folder=folder)
    compare("sweep", folder / "runs/h50-lr0.1.npz", folder / "alone.npz")


def try_job(folder: Path, script: str) -> None:
    for name in ("whole", "cancelled"):
        (folder / name).mkdir()
        (folder / name / "job.sh").write_text(script, encoding="utf-8")
        (folder / name / "deep.toml").write_text(DEEP, encoding="ascii")
    end_of(submit(folder / "whole", "job.sh"))
    if not (folder / "whole/deep.npz").exists():
        sys.exit(f"slurm: the job made no deep.npz, see {folder}/whole")
    cancelled, log = folder / "cancelled", folder / "cancelled/deep.jsonl"
    job = submit(cancelled, "job.sh")
    wait_for("epoch 5", lambda: log.exists() and b'"epoch": 5,' in log.read_bytes())
    said("scancel", job)
    end_of(job)
    before = log.read_bytes().count(b'"event": "epoch"')
    if before >= 60:
        sys.exit("slurm: the job was over before it was cancelled")
    print(f"cancelled after epoch {before} of 60", flush=True)
    end_of(submit(cancelled, "job.sh"))
    if log.read_bytes().count(b'"event": "epoch"') != 60:
        sys.exit("slurm: an epoch is missing in the log, or there twice")
    compare("cancelled and submitted again", folder / "whole/deep.npz", cancelled / "deep.npz")


def main() -> None:
    if absent := missing():
        print(f"slurm: left out, {absent}")
        return
    os.environ |= {"PATH": search_path(), "OMPI_MCA_pml": "ob1", "OMPI_MCA_btl": "self,sm"}
    sweep, job = recipes()
    folder = Path(tempfile.mkdtemp(prefix="mlp-slurm-"))
    with cluster(folder):
        kinds = subprocess.run(["srun", "--mpi=list"], capture_output=True, text=True, check=False)
        if "pmix" not in kinds.stdout + kinds.stderr:
            print("slurm: left out, Slurm has no PMIx plugin (Debian: libpmix-dev)")
            return
        try_sweep(folder, sweep)
        try_job(folder, job)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
