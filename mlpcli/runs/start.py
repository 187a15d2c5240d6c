"""The first weights of a run from a checkpoint (--init-from): the same function of the raw rows.

Columns are matched by name, or by position if one side has no names. The encodings of both are
learned from different rows; where both are affine, the first layer takes up the difference:

    (x − s)·f·w = (x − s′)·f′·(f/f′)·w + (s′ − s)·f·w

So do the frequencies w and phases of an embedding, where x − s counts 2π-fold.
Where a clip follows, the run scales its numbers as the checkpoint does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mlpcli.arrays import Array
from mlpcli.data.encoding import (
    CALENDAR,
    Block,
    Category,
    Encoding,
    Number,
    Part,
    Pixels,
    scales_differ,
)
from mlpcli.data.pose import Pose
from mlpcli.data.scalings import SCALINGS
from mlpcli.errors import CheckpointError
from mlpcli.nn.embeddings import OUTPUTS
from mlpcli.nn.network import MLP
from mlpcli.runs.material import Material
from mlpcli.runs.meta import Ancestor
from mlpcli.runs.model import Model
from mlpcli.runs.seen import lineage
from mlpcli.tasks.choice import same_answers
from mlpcli.tasks.regression import Regression
from mlpcli.text import dashed, quoted

_AS_IT_IS = Pose((0, 0), deslant=False)


def start_from(model: Model, net: MLP, material: Material) -> tuple[Ancestor, ...]:
    """Start `net`, which is to learn from the material, from the weights of a model.

    Returns:
        The checkpoint and its ancestors, for `Meta.ancestors`.

    Raises:
        CheckpointError: it is of another architecture, activation, columns, scaling or classes,
            so that its weights would mean something else.
    """
    _refuse_other_network(model, net, material)
    params = {name: array.astype(np.float64) for name, array in model.file.plain_params.items()}
    _convert_first_layer(model, material, params)
    last = len(net.sizes) - 1
    old, new = model.task, material.task
    if isinstance(old, Regression) and isinstance(new, Regression):
        params[f"W{last}"] *= old.deviation / new.deviation
        params[f"b{last}"] *= old.deviation / new.deviation
        params[f"b{last}"] += (old.mean - new.mean) / new.deviation
    for name, array in params.items():
        net.params[name][:] = array  # a learned scale begins at 1 again
    return lineage(model)


def scale_like(model: Model, material: Material) -> Material:
    """The material with its clipped numbers scaled as those of a model."""
    old, new = model.encoding.parts, material.encoding.parts
    named = {part.column: part for part in old if isinstance(part, Number)}

    def scaled(j: int, part: Part) -> Part:
        if not isinstance(part, Number) or SCALINGS[part.scale].clip is None:
            return part
        there = named.get(part.column) if part.column is not None else None
        was = there or (old[j] if j < len(old) else None)
        if not isinstance(was, Number) or was.scale != part.scale:
            return part
        return replace(part, shift=was.shift, factor=was.factor, median=was.median)

    parts = tuple(scaled(j, part) for j, part in enumerate(new))
    return replace(material, encoding=replace(material.encoding, parts=parts))


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
    if bool(model.file.embedded) != bool(net.embedded):
        raise CheckpointError(
            f"{path}: was trained with other inputs; give --embedding "
            f"{'periodic' if model.file.embedded else 'none'}"
        )


def _convert_first_layer(model: Model, material: Material, params: dict[str, Array]) -> None:
    """Make W1, b1 and the embeddings those for the material's encoding."""
    path = model.file.path

    def refuse(reason: str) -> CheckpointError:
        return CheckpointError(f"{path}: {reason}; its weights would mean something else")

    old, new = model.encoding, material.encoding
    if old.pixels or new.pixels:
        params["W1"] = _pixels(model, material, params["W1"], refuse)
        return
    places = _match(old, new, refuse)
    embedded, W = np.split(params["W1"], [OUTPUTS * model.file.embedded])
    rows, constant = _columns(old, new, W, places)
    if len(embedded):
        shape = (model.file.embedded, OUTPUTS, -1)
        embedded = _embeddings(old, new, embedded.reshape(shape), rows, params, places)
    params["W1"] = np.concatenate([embedded, rows])
    params["b1"] = params["b1"] + constant


def _pixels(
    model: Model, material: Material, W: Array, refuse: Callable[[str], CheckpointError]
) -> Array:
    old, new = model.encoding.pixels, material.encoding.pixels
    if old is None or new is None:
        raise refuse("takes pixels, and these data are columns, or the reverse")
    if old.count != new.count or (
        model.data.image_shape
        and material.data.image_shape
        and model.data.image_shape != material.data.image_shape
    ):
        raise refuse(f"takes {old.count:,} pixels, these data have {new.count:,}, or another shape")
    if scales_differ(old.largest, new.largest):
        raise refuse(
            f"was trained on pixels up to {old.largest:g}, these go up to {new.largest:g}"
            if old.largest and new.largest
            else "was trained on pixels of another scale than these"
        )
    was, now = (part.pose or _AS_IT_IS for part in (old, new))
    if was.deslant != now.deslant:
        raise refuse("was trained with --deslant, or this is and it was not")
    if was.width != now.width:
        raise refuse("was trained with --digit-width, or this is, and not with the same")
    if not new.factor or not old.factor:
        raise refuse("has pixels that are scaled to zero")
    return W * (old.factor / new.factor)


def _columns(old: Encoding, new: Encoding, W: Array, places: dict[int, int]) -> tuple[Array, Array]:
    """(the rows of W1 for `new`, what is added to b1) of those for `old`."""
    rows, constant = np.zeros((new.width, W.shape[1])), np.zeros(W.shape[1])
    inputs = {(b.part, b.of, key): b.start + k for b in old.blocks for k, key in _keys(old, b)}
    for block in new.blocks:
        part, source = new.parts[block.part], places[block.part]
        was = old.parts[source]
        if isinstance(part, Number) and isinstance(was, Number) and block.of != "category":
            w = W[inputs[source, "number", None]]
            if block.of == "number":
                rows[block.start] = w * (was.factor / part.factor) if part.factor else w
                constant += (part.shift - was.shift) * was.factor * w
            elif block.of == "indicator":  # the medians differ, too
                rows[block.start] = (was.median - part.median) * was.factor * w
        for k, key in _keys(new, block):
            if block.of != "number" and (row := inputs.get((source, block.of, key))) is not None:
                rows[block.start + k] += W[row]
    return rows, constant


def _embeddings(
    old: Encoding,
    new: Encoding,
    W: Array,
    rows: Array,
    params: dict[str, Array],
    places: dict[int, int],
) -> Array:
    """The rows of W1 for the embeddings of `new`, of W (M, 3, H) for `old`.

    The embeddings in `params` are converted, and the indicators among `rows`, as medians differ.
    """
    before = {block.part: block.start for block in old.blocks if block.of == "number"}
    after = [block.part for block in new.blocks if block.of == "number"]
    order = [before[places[j]] for j in after]
    own = {name: params[name][order] for name in ("E1", "E2", "E3", "E4")}
    for k, j in enumerate(after):
        part, was = new.parts[j], old.parts[places[j]]
        assert isinstance(part, Number)
        assert isinstance(was, Number)
        w, b, V, _ = (array[k] for array in own.values())
        medians = (np.array([was.median, part.median]) - was.shift) * was.factor
        of_old, of_new = np.cos(2 * np.pi * medians[:, None] * w + b) @ V
        for block in new.blocks:
            if (block.part, block.of) == (j, "indicator"):
                rows[block.start] += (of_old - of_new) @ W[order[k]]
        own["E2"][k] += 2 * np.pi * w * (part.shift - was.shift) * was.factor
        own["E1"][k] *= was.factor / part.factor if part.factor else 1.0
    params |= own
    return np.concatenate(W[order])


def _match(
    old: Encoding, new: Encoding, refuse: Callable[[str], CheckpointError]
) -> dict[int, int]:
    """{position of a part in `new`: in `old`}, by name, or by position if one has no names."""
    before = [part for part in old.parts if not isinstance(part, Pixels)]
    after = [part for part in new.parts if not isinstance(part, Pixels)]
    named = all(part.column is not None for part in (*before, *after))
    keys = [{part.column if named else j: j for j, part in enumerate(s)} for s in (before, after)]
    for there, missing, text in (
        (keys[1], keys[0], "was trained on a column {} that is no input here"),
        (keys[0], keys[1], "was not trained on the column {} of these data"),
    ):
        if lacking := [key for key in missing if key not in there]:
            shown = quoted(str(lacking[0])) if named else str(int(str(lacking[0])) + 1)
            raise refuse(text.format(shown))
    places = {j: keys[0][key] for key, j in keys[1].items()}
    for j, source in places.items():
        part, was = after[j], before[source]
        shown = quoted(part.column) if part.column is not None else str(j + 1)
        if part.kind != was.kind:
            raise refuse(f"takes column {shown} for a {was.kind}, and these data for a {part.kind}")
        units = {p.unit for p in (was, part) if isinstance(p, Number) and p.unit}
        if len(units) > 1:
            raise refuse(f"takes column {shown} in another unit ({' and '.join(sorted(units))})")
        if isinstance(part, Number) and isinstance(was, Number) and not _converts(was, part):
            raise refuse(f"scales its columns by --scale {was.scale}, this run by {part.scale}")
    return places


def _converts(was: Number, now: Number) -> bool:
    """Whether a factor and a constant make the one scaling of the other."""
    clips = SCALINGS[was.scale].clip, SCALINGS[now.scale].clip
    same = (was.shift, was.factor) == (now.shift, now.factor)
    return clips == (None, None) or (clips[0] is clips[1] and same)


def _keys(encoding: Encoding, block: Block) -> list[tuple[int, object]]:
    """(place, what it stands for) of a block's inputs; a rare category stands for itself, too."""
    part = encoding.parts[block.part]
    if not isinstance(part, Category):
        return list(enumerate(block.values if block.of in CALENDAR else [None]))
    kept = len(part.categories)
    keys: list[tuple[int, object]] = list(enumerate(part.categories))
    keys += [(kept, text) for text in part.rare]
    return keys + [(kept + bool(part.rare), None)] * bool(part.missing)
