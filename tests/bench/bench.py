"""`make bench`: ours beside its peers, in one run, by medians of interleaved repeats.

Every contender is a process that waits; an epoch is asked of each in turn, so that what else the
machine does falls on all of them alike. Tables go to stdout, all figures and tables to bench.json,
to which options.py adds its own, and with matplotlib a plot to bench.png.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from contenders import CONTENDERS, PACKAGES  # noqa: E402

from mlpcli.cli.threads import thread_count  # noqa: E402

N = 60_000
DEEP = "2500,2000,1500,1000,500"
HIDDEN = ["100", "800", DEEP]
ROWS = {DEEP: 12_800}  # how many are trained on, where not all: an epoch of all takes minutes
TRAIN = ["--data", "mnist", "--val-fraction", "0", "--weights-only", "--quiet"]


_BUSY = 0.25  # load per core
_CALM = 0.2  # seconds: thread pools spin for a while after their work


def contender(name: str, *arguments: str) -> list[str]:
    """The command that starts a contender."""
    return [sys.executable, str(HERE / "contenders.py"), name, *arguments]


def installed(name: str) -> bool:
    """Whether a contender can run here; a line says so if it cannot."""
    package = PACKAGES.get(name)
    if package is None or importlib.util.find_spec(package):
        return True
    print(f"{name}: left out, {package} is not installed (make bench installs it)")
    return False


def epoch_seconds(
    names: list[str], hidden: str, batch: int, repeats: int
) -> dict[str, list[float]]:
    """Seconds of each contender's epochs of N samples, taken in turn."""
    rows = ROWS.get(hidden, N)
    seconds: dict[str, list[float]] = {name: [] for name in names}

    def train(worker: Any) -> str:
        """An epoch; the seconds that it took, or nothing if the worker has failed."""
        with contextlib.suppress(BrokenPipeError):
            worker.stdin.write("\n")
            worker.stdin.flush()
        return str(worker.stdout.readline())

    with contextlib.ExitStack() as stack:
        workers: dict[str, Any] = {}
        for name in names:
            command = contender(name, "steps", hidden, str(batch), str(rows))
            workers[name] = stack.enter_context(
                subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            )
            train(workers[name])  # so that none begins beside the start of another
        for _ in range(repeats):
            for name, worker in list(workers.items()):
                if answer := train(worker):
                    seconds[name].append(float(answer) * N / rows)
                    time.sleep(_CALM)
                else:
                    print(f"{name}: left out at H = {hidden}, batch {batch}: it failed")
                    del workers[name]
        for worker in workers.values():
            worker.stdin.close()
    return {name: values for name, values in seconds.items() if values}


def run(command: list[str]) -> tuple[float, float, str]:
    """(seconds, peak memory in MB, stdout) of a whole process."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        child = os.posix_spawn(
            command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, out.fileno(), 1)]
        )
        _, status, usage = os.wait4(child, 0)
        out.seek(0)
        if os.waitstatus_to_exitcode(status) != 0:
            raise RuntimeError(f"failed: {' '.join(command)}")
        return time.perf_counter() - begun, usage.ru_maxrss / 1024, out.read()


def ours_command(folder: str, *options: str) -> list[str]:
    """`mlp train` as a person calls it."""
    mlp = shutil.which("mlp", path=str(Path(sys.executable).parent))
    start = [mlp] if mlp else [sys.executable, "-m", "mlpcli"]
    return [*start, "train", *TRAIN, "-o", f"{folder}/model.npz", *options]


def whole_process(names: list[str], repeats: int) -> dict[str, dict[str, float]]:
    """Start, load MNIST, 5 epochs at H = 100, save: median seconds and peak MB, interleaved."""
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats):
            for name in names:
                command = contender(name, "process")
                if name == "mlp":
                    command = ours_command(folder, "--epochs", "5", "--lr-schedule", "constant")
                seconds, memory, _ = run(command)
                runs[name].append((seconds, memory))
    return {
        name: {"seconds": median(s for s, _ in rows), "peak_mb": median(m for _, m in rows)}
        for name, rows in runs.items()
    }


def time_to_reach(names: list[str], repeats: int) -> dict[str, dict[str, float | None]]:
    """Seconds from a cold start to 93, 97 and 98 % test accuracy: the median, None where a repeat
    did not reach it.

    The peers stop at the first epoch of 784-200-10 that is good enough; ours is a whole `mlp train`
    of a plan that ends there, checkpoint and all, and its accuracy is what `mlp evaluate` says.
    """
    plans = {
        "0.93": ["--hidden", "32", "--epochs", "1"],
        "0.97": ["--hidden", "100", "--epochs", "3"],
        "0.98": ["--config", FAST],
    }
    times: dict[str, dict[str, list[float]]] = {n: {goal: [] for goal in plans} for n in names}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats):
            for name in names:
                if name == "mlp":
                    for goal, options in plans.items():
                        seconds, _, _ = run(ours_command(folder, *options))
                        evaluate = ours_command(folder)[: -len(TRAIN) - 3]
                        _, _, out = run([*evaluate, "evaluate", f"{folder}/model.npz", "--json"])
                        if json.loads(out)["accuracy"] >= float(goal):
                            times[name][goal].append(seconds)
                    continue
                begun = time.time()
                for line in run(contender(name, "reach", "200", "8"))[2].splitlines():
                    goal, reached = line.split()
                    times[name][goal].append(float(reached) - begun)
    return {
        name: {g: median(found) if len(found) == repeats else None for g, found in goals.items()}
        for name, goals in times.items()
    }


FAST = str(HERE.parent.parent / "configs" / "fast.toml")


def speed_table(figures: dict[str, Any], names: list[str], peak: float) -> str:
    """A Markdown table: our samples per second, our share of the machine's peak, and all seconds
    per epoch (÷ ours).
    """
    lines = ["| s per epoch (÷ mlp) | samples/s | of peak | " + " | ".join(names) + " |"]
    lines.append("|---" * (len(names) + 3) + "|")
    for key, by_name in figures.items():
        ours = median(by_name["mlp"])
        cells = [
            f"{median(v):.{digits(median(v))}f} ({median(v) / ours:.2f})" if v else "–"
            for v in (by_name.get(name) for name in names)
        ]
        share = N * operations(key) / ours / (1e9 * peak)
        row = [key, f"{float(f'{N / ours:.3g}'):,.0f}", f"{100 * share:.0f} %", *cells]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def digits(seconds: float) -> int:
    """Decimals with which a time has about three figures."""
    return 3 if seconds < 1 else 2 if seconds < 10 else 1


def operations(key: str) -> int:
    """Floating-point operations of all products for a sample, the zeros' among them."""
    sizes = [int(n) for n in key.split(",")[0].split("-")]
    weights = [m * n for m, n in pairwise(sizes)]
    return 2 * (3 * sum(weights) - weights[0])


def surroundings() -> dict[str, Any]:
    """What the figures depend on: processor, load, threads, peak, and NumPy's BLAS library."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "threads": thread_count(None),
        "load": round(os.getloadavg()[0], 2),
        "peak_gflops": peak(),
        "environment": {k: v for k, v in os.environ.items() if k.startswith("OPENBLAS_")},
        "kernels": kernels(),
    }


def peak() -> float:
    """What NumPy's product of 2000 × 2000 float32 reaches, in 10⁹ operations per second."""
    code = (
        "import numpy as np, time\n"
        "a = np.random.default_rng(0).random((2000, 2000), np.float32)\n"
        "out, best = np.empty_like(a), 1e9\n"
        "for _ in range(20):\n"
        "    begun = time.perf_counter()\n"
        "    np.matmul(a, a, out=out)\n"
        "    best = min(best, time.perf_counter() - begun)\n"
        "print(16 / best)"
    )
    threads = str(thread_count(None))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"OPENBLAS_NUM_THREADS": threads},
        capture_output=True,
        text=True,
        check=True,
    )
    return round(float(done.stdout), 1)


def warn_if_busy(load: float, threads: int) -> None:
    """Say on stderr if other work has the cores."""
    if load > _BUSY * threads:
        print(
            f"warning: this machine is busy (load {load} on {threads} cores): wait until it is "
            "quiet, or trust the ratios alone",
            file=sys.stderr,
        )


def kernels() -> str:
    """Which processor NumPy's BLAS library computes for, where threadpoolctl is there to ask it."""
    code = "import numpy, threadpoolctl as t; print(t.threadpool_info()[0]['architecture'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def process_table(whole: dict[str, Any], reach: dict[str, Any]) -> str:
    """Markdown: whole-process seconds, peak memory, seconds to 97 % and to 98 %."""
    lines = ["| whole process | s | peak MB | s to 93 % | s to 97 % | s to 98 % |"]
    lines.append("|---" * 6 + "|")
    for name, row in whole.items():
        goals = reach.get(name, {})
        times = [f"{t:.2f}" if (t := goals.get(g)) else "–" for g in ("0.93", "0.97", "0.98")]
        cells = [name, f"{row['seconds']:.2f}", f"{row['peak_mb']:.0f}", *times]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(figures: dict[str, Any], path: Path) -> None:
    """Bars of samples per second."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = min(len(figures), 3)
    rows = -(-len(figures) // columns)
    size = (4.5 * columns, 2.8 * rows)
    figure, axes = pyplot.subplots(rows, columns, figsize=size, squeeze=False)
    for axis in axes.flat[len(figures) :]:
        axis.remove()
    for axis, (key, by_name) in zip(axes.flat, figures.items(), strict=False):
        rates = {name: N / median(v) for name, v in by_name.items() if name != "products"}
        colours = ["tab:blue" if name == "mlp" else "tab:gray" for name in rates]
        axis.barh(list(rates), list(rates.values()), color=colours)
        if "products" in by_name:
            axis.axvline(N / median(by_name["products"]), color="black", linestyle="--")
        axis.set_title(key, fontsize="medium")
        axis.set_xlabel("samples/s (dashed: BLAS's products alone)")
        axis.xaxis.set_major_formatter("{x:,.0f}")
        axis.locator_params("x", nbins=4)
        axis.invert_yaxis()
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--hidden", nargs="*", default=HIDDEN, metavar="H,…")
    parser.add_argument("--batches", nargs="*", type=int, default=[32, 128, 512])
    parser.add_argument("--only", nargs="*", default=list(CONTENDERS))
    parser.add_argument("--no-process", action="store_true", help="leave out the whole processes")
    parser.add_argument("--output", type=Path, default=Path("build"))
    options = parser.parse_args()

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    names = [name for name in options.only if installed(name)]
    result: dict[str, Any] = surroundings()
    print(", ".join(f"{key} {value}" for key, value in result.items()))
    warn_if_busy(result["load"], result["threads"])
    figures: dict[str, Any] = {}
    for hidden in options.hidden:
        for batch in options.batches:
            key = f"784-{hidden.replace(',', '-')}-10, batch {batch}"
            if hidden == DEEP and batch < 128:
                continue  # some would take minutes
            some = [n for n in names if hidden == "100" or n != "note"]  # likewise
            figures[key] = epoch_seconds(some, hidden, batch, options.repeats)
            times = [f"{n} {median(v):.3f}" for n, v in figures[key].items()]
            print(f"{key}: " + ", ".join(times), flush=True)
    result["epoch_seconds"] = figures
    tables = result["tables"] = {}
    if figures:
        tables["speed"] = speed_table(figures, names, result["peak_gflops"])
        print("\n" + tables["speed"])
    if not options.no_process:
        peers = [n for n in names if n not in ("products", "torch-compiled")]
        whole = whole_process(peers, min(options.repeats, 5))
        reach = time_to_reach(peers, min(options.repeats, 3))
        result |= {"process": whole, "reach": reach}
        tables["process"] = process_table(whole, reach)
        print("\n" + tables["process"])
    result["load_after"] = round(os.getloadavg()[0], 2)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "bench.json").write_text(json.dumps(result, indent=1))
    if figures and importlib.util.find_spec("matplotlib"):
        plot(figures, options.output / "bench.png")
    print(f"\n{options.output}/bench.json written")


if __name__ == "__main__":
    main()
