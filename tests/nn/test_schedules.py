"""Schedules are functions of the step alone, with the end points that they promise."""

import math
from itertools import pairwise

import pytest

from mlpcli.nn.schedules import LR_SCHEDULES, lr_schedule, momentum_schedule

STEPS, PER_EPOCH = 100, 10


def schedule(kind, **options):
    return lr_schedule(kind, 0.5, steps=STEPS, steps_per_epoch=PER_EPOCH, **options)


@pytest.mark.parametrize("kind", sorted({*LR_SCHEDULES} - {"coslog4"}))
def test_the_rate_starts_at_lr_and_never_rises(kind):
    rates = [schedule(kind)(step) for step in range(STEPS)]
    assert rates[0] == 0.5
    assert all(later <= earlier for earlier, later in pairwise(rates))
    assert rates[-1] > 0


@pytest.mark.parametrize("kind", LR_SCHEDULES)
def test_the_rate_does_not_depend_on_what_was_asked_before(kind):
    rate = schedule(kind, warmup=1)
    forwards = [rate(step) for step in range(STEPS)]
    backwards = [rate(step) for step in reversed(range(STEPS))]
    assert forwards == backwards[::-1]


def test_cosine_and_linear_reach_0_where_the_plan_ends():
    assert schedule("linear")(STEPS) == 0
    assert schedule("cosine")(STEPS) == pytest.approx(0, abs=1e-16)
    assert schedule("linear")(2 * STEPS) == 0


def test_cosine_and_linear_are_at_half_in_the_middle():
    assert schedule("linear")(50) == 0.25
    assert schedule("cosine")(50) == pytest.approx(0.25)
    assert schedule("cosine")(25) == pytest.approx(0.25 * (1 + math.sqrt(0.5)))


def test_constant_stays():
    assert {schedule("constant")(step) for step in range(STEPS)} == {0.5}


def test_step_falls_by_its_factor_at_once():
    rate = schedule("step", decay=0.1, decay_epochs=3)
    assert [rate(step) for step in (0, 29)] == [0.5, 0.5]
    assert [rate(step) for step in (30, 59)] == pytest.approx([0.05, 0.05])
    assert rate(60) == pytest.approx(0.005)


@pytest.mark.parametrize("decay_epochs", [0.1, 0.2, 0.3, 0.7, 1.1, 3])
def test_step_falls_where_a_period_ends_whatever_it_is_as_a_float(decay_epochs):
    rate = schedule("step", decay=0.5, decay_epochs=decay_epochs)
    period = round(10 * decay_epochs)  # in steps
    for step in range(STEPS):
        assert rate(step) == pytest.approx(0.5 * 0.5 ** (step // period), rel=1e-12), step


def test_flat_cosine_stays_for_half_the_plan_and_reaches_0_at_its_end():
    rate = schedule("flat-cosine")
    assert {rate(step) for step in range(51)} == {0.5}
    assert rate(75) == pytest.approx(0.25)
    assert rate(STEPS) == pytest.approx(0, abs=1e-16)


def test_coslog4_has_four_waves_each_twice_as_long_as_the_one_before():
    rate = schedule("coslog4")
    zeros = [0, 100 / 15, 300 / 15, 700 / 15, 100]  # where 1 + 15t is a power of two
    peaks = [(2 ** (k + 0.5) - 1) / 15 * 100 for k in range(4)]
    for low, peak in zip(zeros[:-1], peaks, strict=True):
        assert rate(round(low)) < 0.05
        assert rate(round(peak)) > 0.42
    assert rate(STEPS) == pytest.approx(0, abs=1e-15)


def test_exponential_falls_by_its_factor_over_an_epoch():
    rate = schedule("exponential", decay=0.8)
    assert rate(PER_EPOCH) == pytest.approx(0.4)
    assert rate(27) / rate(17) == pytest.approx(0.8)


@pytest.mark.parametrize("kind", LR_SCHEDULES)
def test_warm_up_rises_in_equal_shares_to_lr(kind):
    rate = schedule(kind, warmup=0.5)
    assert [rate(step) for step in range(5)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert rate(5) == (0.0 if kind == "coslog4" else 0.5)


def test_the_schedule_after_a_warm_up_still_ends_with_the_plan():
    assert schedule("linear", warmup=2)(60) == pytest.approx(0.25)
    assert schedule("linear", warmup=2)(STEPS) == 0


def test_a_warm_up_longer_than_the_plan_is_the_whole_plan():
    rate = schedule("cosine", warmup=50)
    assert rate(STEPS - 1) == 0.5
    assert rate(49) == 0.25


def test_momentum_goes_from_one_end_to_the_other():
    rate = momentum_schedule(0.5, 0.99, steps=50)
    assert rate(0) == 0.5
    assert rate(49) == pytest.approx(0.99)
    assert rate(200) == pytest.approx(0.99)
    assert rate(7) - rate(6) == pytest.approx(rate(40) - rate(39))


def test_momentum_stays_where_no_other_end_is_given():
    assert {momentum_schedule(0.9, None, steps=10)(step) for step in range(12)} == {0.9}


def test_a_plan_of_one_step_has_a_momentum():
    assert momentum_schedule(0.5, 0.9, steps=1)(0) == 0.5
