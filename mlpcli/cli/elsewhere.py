"""What other tools call things, to answer a newcomer: flags that are no hyperparameters, commands.

What hyperparameters are called elsewhere is declared with them (`also`, `mlpcli.config.options`).
"""

from __future__ import annotations

from collections.abc import Collection

from mlpcli.config.options import OPTIONS
from mlpcli.text import find_nearest, nearest

COMMANDS = {
    "train": ("fit", "learn", "run", "start", "retrain", "finetune", "fine-tune", "resume"),
    "evaluate": ("eval", "test", "score", "validate", "assess", "report", "metrics", "benchmark"),
    "predict": ("infer", "inference", "classify", "label", "apply", "transform", "ask"),
    "show": ("info", "inspect", "describe", "summary", "summarize", "list", "compare", "plot"),
    "export": ("convert", "save", "onnx", "deploy", "serve", "to-onnx", "lesson", "explain"),
    "download": ("get", "fetch", "data", "dataset", "datasets", "pull", "mnist"),
    "gradcheck": ("check", "grad", "gradient", "gradients", "verify", "grad-check", "checkgrad"),
}

FLAGS = {
    "--threads": ("workers", "num-workers", "n-jobs", "jobs", "cores", "nthreads", "num-threads"),
    "--output": ("out", "save", "save-to", "output-file", "model-file", "checkpoint", "out-file"),
    "--resume": ("continue", "restart", "resume-from", "from-checkpoint", "load"),
    "--init-from": ("pretrained", "warm-start", "init", "finetune-from", "weights-from"),
    "--log": ("log-file", "logfile", "metrics", "history", "tensorboard", "wandb"),
    "--quiet": ("silent",),
    "--verbose": ("debug",),
    "--mpi": ("distributed", "ddp", "nodes"),
    "--config": ("cfg", "conf", "config-file", "yaml", "params", "options"),
    "--report": ("html", "page", "html-report"),
    "--probabilities": ("proba", "predict-proba", "probs", "scores"),
}

ABSENT = {
    ("device", "gpu", "gpus", "cuda", "accelerator"): "mlp computes on the CPU; --threads COUNT "
    "says how many cores",
    ("l1", "l1-ratio", "lasso", "l1-reg"): "there is no L1 penalty; --reg is the L2 penalty",
    ("onnx", "to-onnx", "export"): "mlp export model.npz model.onnx writes ONNX",
    ("cv", "cross-validation", "k-fold", "kfold"): "mlp train --folds 5 cross-validates",
    ("conv", "cnn", "kernel-size", "filters"): "mlp trains fully connected layers only",
    ("amp", "fp16", "bf16", "half", "mixed-precision"): "--dtype is float32 or float64",
}
"""What there is not, and what to do instead."""


def suggest_command(word: str) -> str:
    """ "; did you mean …?" for a command that does not exist, or nothing."""
    for name, others in COMMANDS.items():
        if word.lower() in others:
            return f"; did you mean {name}?"
    return nearest(word, COMMANDS)


def suggest_flag(word: str, flags: Collection[str]) -> str:
    """What to say of a flag that a command, which has these, does not have; or nothing."""
    bare = word.lstrip("-").lower().replace("_", "-")
    names = {other: flag for flag, others in FLAGS.items() for other in others}
    names |= {also.replace("_", "-"): o.flag for o in OPTIONS.values() for also in o.also}
    names = {other: flag for other, flag in names.items() if flag in flags}
    if bare in names:
        return f"; did you mean {names[bare]}?"
    for others, answer in ABSENT.items():
        if bare in others:
            return f"; {answer}"
    own = {flag.removeprefix("--"): flag for flag in flags if flag.startswith("--")}
    found = find_nearest(bare, own) or find_nearest(bare, names)
    return f"; did you mean {(names | own)[found]}?" if found else ""
