"""Parameters lie otherwise in training, and lie in a checkpoint as ever."""

from __future__ import annotations

import numpy as np
import pytest

from mlpcli.nn.layout import Layout
from mlpcli.nn.parameters import Parameters
from mlpcli.nn.units import Share, unit_blocks

SIZES = [6, 21, 8, 33, 3]
P = Parameters.count(SIZES)


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
@pytest.mark.parametrize("inputs", [None, [4, 0, 5, 1, 3, 2], [2, 0, 1]], ids=str)
def test_there_and_back_nothing_changes(ranks: int, inputs: list[int] | None) -> None:
    layout = Layout(SIZES, None if inputs is None else np.array(inputs), ranks)
    flat = np.arange(float(P))
    trained = layout.arrange(flat, np.full(P, np.nan))
    assert sorted(trained) == sorted(flat)
    assert layout.plain == np.array_equal(trained, flat)
    assert np.array_equal(layout.restore(trained, np.full(P, np.nan)), flat)
    by_rank = np.full(P, np.nan)
    for rank in range(ranks):
        layout.restore(trained, by_rank, [rank])
    assert np.array_equal(by_rank, flat)


def test_each_rank_has_the_weights_of_its_units_side_by_side() -> None:
    whole = Parameters(SIZES, np.arange(float(P)))
    order = np.array([4, 0, 5, 1, 3, 2])
    trained = Layout(SIZES, order, 2).arrange(whole.flat, np.empty(P))
    for rank in range(2):
        share, blocks = Share(SIZES, 2, rank, trained), unit_blocks(SIZES, 2, rank)
        assert np.array_equal(share.W[0], whole.W[0][order][:, blocks[0]])
        assert np.array_equal(share.W[1], whole.W[1][:, blocks[1]])
        assert np.array_equal(share.W[3], whole.W[3][blocks[2]])
        assert np.array_equal(share.b[2], whole.b[2][blocks[2]])
        assert np.array_equal(share.b[3], np.zeros(3) if rank else whole.b[3])
        assert all(W.flags.c_contiguous for W in share.W)
        *weights, biases, _, _ = share.spans()
        assert (weights[0].start, biases.stop) == (share.part.start, share.part.stop)
        assert [s.stop - s.start for s in weights] == [W.size for W in share.W]
        assert biases.start - share.part.start == len(share.weights)


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
@pytest.mark.parametrize("n", [1, 2, 7, 16, 50, 100, 1001])
def test_blocks_have_all_units_once_and_differ_by_little(n: int, ranks: int) -> None:
    blocks = [unit_blocks([4, n, 2], ranks, rank)[0] for rank in range(ranks)]
    assert [i for units in blocks for i in range(n)[units]] == list(range(n))
    lengths = [units.stop - units.start for units in blocks]
    assert max(lengths) - min(lengths) <= 7
    if n >= 8 * ranks:
        assert all(length % 4 == 0 for length in lengths[:-1])


def test_parts_of_all_ranks_are_all_parameters() -> None:
    parts = [Share(SIZES, 3, rank, np.zeros(P)).part for rank in range(3)]
    assert [i for part in parts for i in range(P)[part]] == list(range(P))
