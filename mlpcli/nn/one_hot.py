"""Products with inputs of which most are 0: one-hot blocks, and columns that a batch does not use.

X = [dense | 0 | one-hot], where `hot` (N, K) has for each sample which inputs of the K blocks are
1; -1 if none of a block is. A row of W is added where the dense product would multiply it by 1:

    X·W = dense·W[:M] + Σₖ W[hotₖ],   (Xᵀ·δ)ⱼ = Σ δ over the samples whose hotₖ is j, for j ≥ M

Places are counted from input `origin` of X on.
"""

from __future__ import annotations

import numpy as np

from mlpcli.arrays import Array


def multiply(dense: Array, hot: Array | None, W: Array, out: Array, origin: int = 0) -> Array:
    """out (N, H) ← X·W of dense (N, M), hot (N, K) or None, and W (D, H)."""
    np.matmul(dense, W[: dense.shape[1]], out=out)
    rows = W[origin:]
    for places in hot.T if hot is not None else ():
        if places.min(initial=0) >= 0:
            out += rows[places]
        else:
            there = places >= 0
            out[there] += rows[places[there]]
    return out


def collect(
    dense: Array, hot: Array | None, delta: Array, rows: slice, out: Array, origin: int = 0
) -> None:
    """out[rows] ← (Xᵀ·delta)[rows] of dense (N, M), hot (N, K), delta (N, H); out is (D, H)."""
    M = dense.shape[1]
    start, stop, _ = rows.indices(len(out))
    if start < M:
        np.matmul(dense.T[start : min(stop, M)], delta, out=out[start : min(stop, M)])
    first = max(start, M)
    out[first:stop] = 0
    out, first, stop = out[origin:], first - origin, stop - origin
    for places in hot.T if hot is not None else ():
        samples = np.argsort(places, kind="stable")
        places = places[samples]
        low, high = np.searchsorted(places, (first, stop))
        if low == high:
            continue
        samples, places = samples[low:high], places[low:high]
        out[places] = delta[samples]  # right where one sample alone has the place
        begins = np.flatnonzero(np.diff(places, prepend=-1))
        counts = np.diff(begins, append=len(places))
        shared = counts > 1
        if shared.any():
            sums = delta[samples[np.repeat(shared, counts)]]
            starts = np.cumsum(counts[shared]) - counts[shared]
            out[places[begins[shared]]] = np.add.reduceat(sums, starts, axis=0)
