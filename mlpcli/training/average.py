"""Averages of the weights over the steps of a run, which generalise better than the last ones.

Every few steps the weights w are mixed into the average a in place, a ← a + c·(w − a):

- "ema": 1 − c is the decay over those steps (Polyak & Juditsky 1992; Tarvainen & Valpola 2017). It
  is bounded by t/(t + 9) with t steps done, so that the first weights, which are random, are soon
  forgotten.
- "tail": c = 1/k at the k-th weights, so that a is the plain mean of those of the last part of the
  plan (Izmailov et al. 2018, stochastic weight averaging).
"""

from __future__ import annotations

import numpy as np

from mlpcli.arrays import Array

EVERY = 8
"""The largest number of steps between two weights that are mixed in; at least 16 per epoch."""

_CHUNK = 1 << 15  # parameters at a time, which stay in the cache


class Average:
    """The average of a network's parameters.

    A subclass says how much of them. When they are mixed in depends on the step alone; `flat` and
    `count` continue it exactly.

    Args:
        flat: (P,) the array for the average.
        decay: of "ema", per step.
        first: the step after which "tail" begins.
        steps_per_epoch: see EVERY.

    Attributes:
        flat: (P,) the average; meaningless while `count` is 0.
        count: the number of weights in it.
    """

    def __init__(self, flat: Array, *, decay: float, first: int, steps_per_epoch: int) -> None:
        self.flat = flat
        self.count = 0
        self._decay = decay
        self._first = first
        self._every = max(1, min(EVERY, steps_per_epoch // 16))
        self._change = np.empty(min(len(flat), _CHUNK), flat.dtype)

    def update(self, flat: Array, step: int, part: slice) -> bool:
        """Fold `flat[part]` into the average if step `step` is due; return whether it was.

        Other processes do the same with the other parts.
        """
        if step % self._every:
            return False
        self.count += 1
        share = 1.0 if self.count == 1 else self._share(step)
        for start in range(part.start, part.stop, _CHUNK):
            chunk = slice(start, min(start + _CHUNK, part.stop))
            w, a = flat[chunk], self.flat[chunk]
            change = self._change[: len(w)]
            np.subtract(w, a, out=change)
            np.multiply(change, share, out=change)
            np.add(a, change, out=a)
        return True

    def _share(self, step: int) -> float:
        """The share c of the weights after this step, which are not the first ones."""
        raise NotImplementedError


class Ema(Average):
    """The exponential average, in which recent weights count most."""

    def _share(self, step: int) -> float:
        return 1 - min(self._decay, step / (step + 9)) ** self._every


class Tail(Average):
    """The plain mean over the last part of the plan."""

    def update(self, flat: Array, step: int, part: slice) -> bool:
        if step <= self._first:
            self.count = 0  # an extended plan starts its tail anew
            return False
        return super().update(flat, step, part)

    def _share(self, step: int) -> float:
        return 1 / self.count


AVERAGES: dict[str, type[Average]] = {"ema": Ema, "tail": Tail}
"""The averages, by their names in `--average`."""
