"""The first weights of a run from a checkpoint (--init-from): the same function of the raw rows.

Columns are matched by name, or by position if one side has no names. The encodings of both are
learned from different rows; where both are affine, the first layer takes up the difference:

    (x − s)·f·w = (x − s′)·f′·(f/f′)·w + (s′ − s)·f·w
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.encoding import Encoding, Number, Pixels
from mlpcli.errors import CheckpointError
from mlpcli.nn.network import MLP
from mlpcli.runs.build import Material
from mlpcli.runs.meta import Ancestor
from mlpcli.runs.model import Model, load
from mlpcli.runs.seen import lineage
from mlpcli.tasks.choice import same_answers
from mlpcli.tasks.regression import Regression
from mlpcli.text import dashed, quoted


def start_from(path: Path, net: MLP, material: Material) -> tuple[Ancestor, ...]:
    """Start `net`, which is to learn from the material, from the weights of a checkpoint.

    Returns:
        The checkpoint and its ancestors, for `Meta.ancestors`.

    Raises:
        CheckpointError: it is of another architecture, activation, columns, scaling or classes,
            so that its weights would mean something else.
    """
    model = load(path)
    _refuse_other_network(model, net, material)
    params = {name: array.astype(np.float64) for name, array in model.file.params.items()}
    W1, constant = _first_layer(model, material, params["W1"])
    params["W1"], params["b1"] = W1, params["b1"] + constant
    last = len(net.sizes) - 1
    old, new = model.task, material.task
    if isinstance(old, Regression) and isinstance(new, Regression):
        params[f"W{last}"] *= old.deviation / new.deviation
        params[f"b{last}"] *= old.deviation / new.deviation
        params[f"b{last}"] += (old.mean - new.mean) / new.deviation
    for name, array in params.items():
        net.params[name][:] = array
    return lineage(model)


def _refuse_other_network(model: Model, net: MLP, material: Material) -> None:
    path, sizes = model.file.path, model.file.sizes
    if sizes[1:] != net.sizes[1:]:
        raise CheckpointError(
            f"{path}: is of {dashed(sizes)}, this run of {dashed(net.sizes)}; "
            "--hidden and the data must be the same"
        )
    if not same_answers(model.task, material.task):
        raise CheckpointError(f"{path}: was trained on other classes than these data have")
    if len(sizes) > 2 and model.network().activation is not net.activation:
        raise CheckpointError(
            f"{path}: was trained with another activation; give --activation "
            f"{model.config.model.activation}"
        )


def _first_layer(model: Model, material: Material, W: Array) -> tuple[Array, Array]:
    """(W1, what is added to b1) for the material's encoding, of W1 for the model's."""
    path = model.file.path

    def refuse(reason: str) -> CheckpointError:
        return CheckpointError(f"{path}: {reason}; its weights would mean something else")

    old, new = model.encoding, material.encoding
    if isinstance(old.parts[0], Pixels) or isinstance(new.parts[0], Pixels):
        return _pixels(model, material, W, refuse), np.zeros(W.shape[1])
    return _columns(old, new, W, refuse)


def _pixels(
    model: Model, material: Material, W: Array, refuse: Callable[[str], CheckpointError]
) -> Array:
    old, new = model.encoding.parts[0], material.encoding.parts[0]
    if not isinstance(old, Pixels) or not isinstance(new, Pixels):
        raise refuse("takes pixels, and these data are columns, or the reverse")
    if old.count != new.count or (
        model.data.image_shape
        and material.data.image_shape
        and model.data.image_shape != material.data.image_shape
    ):
        raise refuse(f"takes {old.count:,} pixels, these data have {new.count:,}, or another shape")
    if model.data.full_scale != material.data.full_scale:
        raise refuse(
            f"was trained on pixels up to {model.data.full_scale:g}, these go up to "
            f"{material.data.full_scale:g}"
            if model.data.full_scale and material.data.full_scale
            else "was trained on pixels of another scale than these"
        )
    if not new.factor or not old.factor:
        raise refuse("has pixels that are scaled to zero")
    return W * (old.factor / new.factor)


def _columns(
    old: Encoding, new: Encoding, W: Array, refuse: Callable[[str], CheckpointError]
) -> tuple[Array, Array]:
    before = [part for part in old.parts if isinstance(part, Number)]
    after = [part for part in new.parts if isinstance(part, Number)]
    named = all(part.column is not None for part in (*before, *after))
    keys = [[part.column if named else part.position for part in side] for side in (before, after)]
    if len(set(keys[0])) < len(keys[0]) or not named:
        keys = [list(range(len(before))), list(range(len(after)))]
    for there, missing, text in (
        (keys[1], keys[0], "was trained on a column {} that these data do not have"),
        (keys[0], keys[1], "was not trained on the column {} of these data"),
    ):
        if lacking := [key for key in missing if key not in there]:
            shown = quoted(str(lacking[0])) if named else str(int(str(lacking[0])) + 1)
            raise refuse(text.format(shown))
    rows, constant = np.zeros((len(after), W.shape[1])), np.zeros(W.shape[1])
    for place, key in enumerate(keys[1]):
        part, source = after[place], keys[0].index(key)
        was, w = before[source], W[source]
        rows[place] = w * (was.factor / part.factor) if part.factor else w
        constant += (part.shift - was.shift) * was.factor * w
    return rows, constant
