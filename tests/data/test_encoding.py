"""What the network sees of a row, by independent arithmetic on tables small enough to check."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from mlpcli.arrays import Array
from mlpcli.data.batches import Batches
from mlpcli.data.columns import UNSEEN, Column
from mlpcli.data.dataset import Dataset
from mlpcli.data.encoder import Encoder
from mlpcli.data.encoding import Category, Date, Encoding, Number, Pixels
from mlpcli.data.learning import learn_encoding
from mlpcli.data.split import Split
from mlpcli.errors import DataError
from mlpcli.nn.network import MLP
from mlpcli.schema import ShapeError
from mlpcli.tasks.regression import Regression

NAN = math.nan


def table(*columns: Column, X: Any, **more: Any) -> Dataset:
    X = np.array(X)
    placed = tuple(Column(c.name, j, c.kind, c.categories) for j, c in enumerate(columns))
    return Dataset("t.csv", X, np.zeros(len(X), np.int64), "", columns=placed or None, **more)


def number(name: str = "x") -> Column:
    return Column(name, 0)


def category(name: str, *values: str) -> Column:
    return Column(name, 0, "category", values)


def learn(data: Dataset, rows: Any = None, scale: str = "standard") -> Encoding:
    return learn_encoding(scale, data, split(data.X, rows))


def split(X: Array, rows: Any = None) -> Split:
    rows = np.arange(len(X)) if rows is None else np.array(rows)
    return Split("train", X, np.zeros(len(X), np.intp), rows)


def encoded(encoding: Encoding, X: Array, dtype: Any = np.float64) -> Array:
    """(N, D) all rows, as the network would see them."""
    batches = Batches(split(X), encoding, len(X), dtype)
    inputs = np.full((len(X), encoding.width), 7, dtype)
    batches.cut(batches.in_order(), 0, inputs, np.empty(len(X), np.intp))
    return inputs


# Numbers


def test_a_number_is_standardised_by_the_training_rows_alone() -> None:
    data = table(number(), X=[[2.0], [4.0], [1000.0], [6.0]])
    encoding = learn(data, rows=[0, 1, 3])
    sigma = math.sqrt(8 / 3)
    assert encoded(encoding, data.X)[:, 0] == pytest.approx(
        [-2 / sigma, 0, 996 / sigma, 2 / sigma], rel=1e-15
    )


def test_a_missing_number_is_the_median_of_those_there_and_an_input_says_so() -> None:
    data = table(number("a"), number("b"), X=[[1, 5], [NAN, 5.5], [4, 6], [10, 7], [3, 9]])
    encoding = learn(data)
    filled = np.array([1, 3.5, 4, 10, 3])
    inputs = encoded(encoding, data.X)
    assert encoding.width == 3
    assert inputs[:, 0] == pytest.approx((filled - filled.mean()) / filled.std(), rel=1e-14)
    assert inputs[:, 2].tolist() == [0, 1, 0, 0, 0]
    part = encoding.parts[0]
    assert isinstance(part, Number)
    assert (part.median, part.missing, part.low, part.high) == (3.5, 0.2, 1, 10)


def test_a_number_that_no_training_row_misses_is_the_median_later_and_needs_no_input() -> None:
    data = table(number(), X=[[1.0], [2.0], [6.0], [NAN]])
    encoding = learn(data, rows=[0, 1, 2])
    inputs = encoded(encoding, data.X)
    assert inputs.shape == (4, 1)
    assert inputs[3, 0] == inputs[1, 0]


def test_a_number_that_every_training_row_misses_is_0_with_its_indicator() -> None:
    data = table(number("a"), number("b"), X=[[NAN, 1.0], [NAN, 2.0], [8.0, 3.0]])
    inputs = encoded(learn(data, rows=[0, 1]), data.X)
    assert inputs[:, 0].tolist() == [0, 0, 0]
    assert inputs[:, 2].tolist() == [1, 1, 0]


def test_a_column_that_is_constant_in_the_training_rows_is_0() -> None:
    data = table(number(), X=[[3.0], [3.0], [9.0]])
    for scale in ("standard", "robust"):
        assert encoded(learn(data, rows=[0, 1], scale=scale), data.X)[:2].tolist() == [[0], [0]]


def test_the_robust_scale_by_hand() -> None:
    # Quartiles of 0, 1, 2, 3, 100 are 1, 2 and 3; of 0, 0, 0, 0, 8 all are 0, and the range is 8.
    data = table(number("a"), number("b"), X=[[0, 0], [1, 0], [2, 0], [3, 0], [100.0, 8.0]])
    inputs = encoded(learn(data, scale="robust"), data.X)
    affine = np.array([[-1, 0], [-0.5, 0], [0, 0], [0.5, 0], [49, 2]])
    assert inputs == pytest.approx(affine / np.sqrt(1 + (affine / 3) ** 2), rel=1e-14)
    assert np.abs(inputs).max() < 3


def test_quartiles_too_close_for_an_inverse_leave_the_range_or_nothing() -> None:
    """1/1e-310 overflows."""
    X = np.array([[0, 0], [1e-310, 1e-310], [2e-310, 2e-310], [3e-310, 3e-310], [4e-310, 8.0]])
    inputs = encoded(learn(table(number("a"), number("b"), X=X), scale="robust"), X)
    assert inputs[:, 0].tolist() == [0] * 5
    assert inputs[:4, 1] == pytest.approx([0] * 4, abs=1e-300)
    assert inputs[4, 1] == pytest.approx(2 / np.sqrt(1 + 4 / 9))


@pytest.mark.parametrize("scale", ["standard", "robust"])
def test_a_column_that_rounding_alone_varies_is_constant(scale: str) -> None:
    X = np.array([[0.3, 0.3], [0.1 + 0.2, 0.1 + 0.2], [0.3, 0.3], [0.1 + 0.2, 8.0]])
    inputs = encoded(learn(table(number("a"), number("b"), X=X), scale=scale), X)
    assert inputs[:, 0].tolist() == [0] * 4
    assert inputs[:3, 1] == pytest.approx(inputs[0, 1], abs=1e-12)
    assert inputs[3, 1] > 1.5


def test_none_leaves_numbers_as_they_are() -> None:
    data = table(number(), X=[[2.0], [4.0], [NAN]])
    assert encoded(learn(data, scale="none"), data.X).tolist() == [[2, 0], [4, 0], [3, 1]]


OFFSETS = [1.7e9, 5.4e6, 1.7e10, -3e7]


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_varies_little_around_a_large_value_keeps_its_digits(
    offset: float, dtype: Any
) -> None:
    small = np.array([0.0, 1, 2, 3, 4, 10])
    X = (offset + small)[:, np.newaxis]
    inputs = encoded(learn(table(number(), X=X)), X, dtype)[:, 0]
    assert inputs == pytest.approx((small - small.mean()) / small.std(), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("power", [-490, -150, -126, 126, 400])
@pytest.mark.parametrize("scale", ["standard", "robust"])
def test_a_unit_of_a_power_of_two_changes_no_input(power: int, scale: str) -> None:
    """Beyond float32, too: differences are taken and scaled in float64 there."""
    X = np.random.default_rng(0).normal(3, 1, (20, 2))
    X[3, 1] = NAN
    far = X * [2.0**power, 1]
    plain = encoded(learn(table(X=X), scale=scale), X, np.float32)
    assert encoded(learn(table(X=far), scale=scale), far, np.float32) == pytest.approx(
        plain, rel=1e-6, abs=1e-6
    )


def test_numbers_whose_squares_overflow_are_refused() -> None:
    said = r"t\.csv: column 2 reaches 1e\+200, where squares cannot be computed; rescale it"
    for sign in (-1, 1):
        with pytest.raises(DataError, match=said), np.errstate(all="ignore"):
            learn(table(X=[[1.0, 2.0], [1.0, sign * 1e200]]))


@pytest.mark.parametrize("raw", [np.int64, np.int32, np.uint32, np.float32, np.uint16, np.int8])
def test_no_dtype_of_the_rows_loses_digits_before_the_mean_is_taken_off(raw: Any) -> None:
    info: Any = np.iinfo(raw) if np.dtype(raw).kind in "iu" else None
    high = min(int(info.max), 2_000_000_000) if info else 2**24
    small = np.array([0, 1, 2, 3, 4, 10])
    X = (high - small).astype(raw)[:, np.newaxis]
    inputs = encoded(learn(table(X=X)), X, np.float32)[:, 0]
    assert inputs == pytest.approx((small.mean() - small) / small.std(), rel=1e-6)


def test_the_same_values_are_encoded_alike_whatever_their_dtype() -> None:
    values = np.random.default_rng(0).integers(0, 2, (50, 4))
    expected = (values - values.mean(axis=0)) / values.std(axis=0)
    for dtype in (np.uint8, np.int8, bool, np.int64, np.float16, np.float32, np.float64):
        X = values.astype(dtype)
        assert encoded(learn(table(X=X), scale="auto"), X) == pytest.approx(expected, rel=1e-12)


# Images


@pytest.mark.parametrize(
    ("dtype", "largest"), [(np.uint8, 255), (np.uint8, 16), (np.float32, 1), (np.uint16, 4095)]
)
def test_images_are_divided_by_the_largest_value_of_the_training_rows(
    dtype: Any, largest: float
) -> None:
    X = np.array([[0, largest / 4, 0, largest], [largest * 2, 0, 0, 0]]) // 1
    X = X.astype(dtype) if largest != 255 else np.minimum(X, 200).astype(dtype)
    encoding = learn(table(X=X, image_shape=(2, 2)), rows=[0], scale="auto")
    assert encoding.parts == (Pixels("pixels", 4, 1 / X[0].max(), float(X[0].max())),)
    assert encoded(encoding, X) == pytest.approx(X / float(X[0].max()), rel=1e-15)


def test_black_images_stay_black() -> None:
    X = np.zeros((3, 4), np.uint8)
    assert not encoded(learn(table(X=X, image_shape=(2, 2)), scale="auto"), X).any()


@pytest.mark.parametrize("largest", [1e-45, 1e39])
def test_images_beyond_float32_are_refused(largest: float) -> None:
    X = np.array([[0.0, largest]])
    said = f"t.csv: the training images reach {largest:.4g}, which float32 cannot hold; rescale"
    with pytest.raises(DataError, match=re.escape(said)):
        learn(table(X=X, image_shape=(1, 2)), scale="auto")


def test_images_can_be_standardised_pixel_by_pixel() -> None:
    X = np.array([[0, 8], [4, 0]], np.uint8)
    inputs = encoded(learn(table(X=X, image_shape=(1, 2)), scale="standard"), X)
    assert inputs.tolist() == [[-1, 1], [1, -1]]


# Categories


def test_a_category_is_one_hot_and_an_unseen_one_is_0_in_every_input() -> None:
    colours = category("colour", "blue", "green", "red", "white")
    data = table(colours, number(), X=[[2, 1.0], [0, 3.0], [2, 1.0], [0, 3.0], [1, 1], [UNSEEN, 1]])
    encoding = learn(data, rows=[0, 1, 2, 3])
    assert encoding.parts[0] == Category("category", "colour", 0, ("blue", "red"))
    inputs = encoded(encoding, data.X)
    assert inputs[:, 0].tolist() == [-1, 1, -1, 1, -1, -1]  # numbers come first
    assert inputs[:, 1:].tolist() == [[0, 1], [1, 0], [0, 1], [1, 0], [0, 0], [0, 0]]


def test_a_missing_category_is_one_of_its_own_if_training_rows_miss_one() -> None:
    data = table(category("c", "a", "b"), X=[[0], [NAN], [1], [0]])
    encoding = learn(data)
    assert encoded(encoding, data.X).tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]
    part = encoding.parts[0]
    assert isinstance(part, Category)
    assert part.missing == 0.25
    without = learn(data, rows=[0, 2, 3])
    assert encoded(without, data.X).tolist() == [[1, 0], [0, 0], [0, 1], [1, 0]]


def test_the_rarest_of_many_categories_are_taken_as_one() -> None:
    names = tuple(f"c{k:04}" for k in range(1003))
    codes = np.concatenate([np.arange(1003), np.arange(500), np.arange(600, 1003)])
    data = table(category("many", *names), X=codes[:, np.newaxis].astype(float))
    encoding = learn(data)
    part = encoding.parts[0]
    assert isinstance(part, Category)
    # 500 to 599 occur once; of them the last three in the alphabet are rare.
    assert part.rare == ("c0597", "c0598", "c0599")
    assert len(part.categories) == 1000
    inputs = encoded(encoding, data.X)
    assert inputs.shape[1] == 1001
    assert (inputs.sum(axis=1) == 1).all()
    assert inputs[597:600, 1000].tolist() == [1, 1, 1]
    assert np.flatnonzero(inputs[600]) == [597]


def test_categories_are_known_by_their_text_not_by_the_number_a_file_gives_them() -> None:
    data = table(category("c", "a", "b", "c"), X=[[1], [2], [1], [0]])
    encoding = learn(data, rows=[0, 1, 2])
    kept = Encoding.from_json(encoding.to_json())
    assert kept.columns == (Column("c", 0, "category", ("b", "c")),)
    # read again for the model, b is 0 and c is 1
    assert encoded(kept, np.array([[0.0], [1], [UNSEEN]])).tolist() == [[1, 0], [0, 1], [0, 0]]
    # as it was read first, b is 1 and c is 2
    assert encoded(encoding, data.X).tolist() == [[1, 0], [0, 1], [1, 0], [0, 0]]


# Dates


def days(text: str) -> float:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1)).total_seconds() / 86400


def test_a_date_is_its_days_and_what_varies_of_month_weekday_and_hour() -> None:
    texts = ["2024-02-29T06:00", "2024-03-07T18:59:59", "1969-12-25T00:00", "2024-02-29T23:30"]
    data = table(Column("when", 0, "date"), X=[[days(text)] for text in texts])
    encoding = learn(data, rows=[0, 1, 2])
    part = encoding.parts[0]
    assert isinstance(part, Date)
    assert part.months == (1, 2, 11)
    assert part.weekdays == ()  # all are Thursdays
    assert part.hours == (0, 6, 18)
    inputs = encoded(encoding, data.X)
    there = data.X[:3, 0]
    assert inputs[:3, 0] == pytest.approx((there - there.mean()) / there.std(), rel=1e-12)
    assert inputs[:, 1:].tolist() == [
        [1, 0, 0, 0, 1, 0],
        [0, 1, 0, 0, 0, 1],
        [0, 0, 1, 1, 0, 0],
        [1, 0, 0, 0, 0, 0],
    ]


@pytest.mark.parametrize("year", [1900, 1969, 1970, 2000, 2024, 2100])
def test_months_weekdays_and_hours_are_those_of_the_calendar(year: int) -> None:
    moments = [datetime(year, m, d, (m * d) % 24) for m in range(1, 13) for d in range(1, 29)]
    X = np.array([[days(m.isoformat())] for m in moments])
    encoding = learn(table(Column("when", 0, "date"), X=X))
    inputs = encoded(encoding, X)[:, 1:]
    for start, of in ((0, [m.month - 1 for m in moments]), (12, [m.weekday() for m in moments])):
        width = 12 if start == 0 else 7
        assert inputs[:, start : start + width].argmax(axis=1).tolist() == of
    hours = sorted({m.hour for m in moments})
    assert [hours[k] for k in inputs[:, 19:].argmax(axis=1)] == [m.hour for m in moments]


def test_a_missing_date_is_the_median_day_and_falls_on_nothing() -> None:
    texts = ["2024-01-01", "2024-02-06", "2024-02-07"]
    data = table(Column("when", 0, "date"), X=[*([days(t)] for t in texts), [NAN]])
    inputs = encoded(learn(data), data.X)
    assert inputs[3, 0] == inputs[1, 0]
    assert inputs[:, 1].tolist() == [0, 0, 0, 1]
    assert inputs[3, 2:].tolist() == [0] * 5


# Leakage, and what the checkpoint keeps


def mixed(seed: int = 0, n: int = 40) -> Dataset:
    rng = np.random.default_rng(seed)
    X = np.column_stack(
        [
            rng.normal(50, 10, n),
            rng.integers(0, 4, n),
            rng.integers(19000, 20000, n) + rng.integers(0, 24, n) / 24,
            rng.exponential(size=n),
        ]
    ).astype(np.float64)
    X[rng.random(X.shape) < 0.15] = NAN
    kinds = [number("a"), category("b", "p", "q", "r", "s"), Column("c", 0, "date"), number("d")]
    return table(*kinds, X=X)


@pytest.mark.parametrize("scale", ["none", "standard", "robust"])
def test_nothing_of_another_row_changes_what_is_learned(scale: str) -> None:
    data, train = mixed(), np.arange(0, 40, 2)
    learned = learn(data, rows=train, scale=scale)
    for value in (NAN, 1e6, 3.0):
        changed = data.X.copy()
        changed[1::2] = value
        other = learn(table(*(data.columns or ()), X=changed), rows=train, scale=scale)
        assert other.to_json() == learned.to_json()


@pytest.mark.parametrize("scale", ["none", "standard", "robust"])
def test_a_checkpoint_keeps_all_of_it_exactly(scale: str) -> None:
    data = mixed()
    learned = learn(data, scale=scale)
    kept = Encoding.from_json(learned.to_json())
    assert kept.parts == learned.parts
    assert np.array_equal(encoded(kept, data.X), encoded(learned, data.X))  # all codes occur


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda parts: parts.clear(), "encodes nothing"),
        (lambda parts: parts.append({"kind": "pixels", "count": 3}), "pixels beside columns"),
        (lambda parts: parts[0].update(scale="rank"), "scales by 'rank', which is not known"),
        (lambda parts: parts[0].update(factor=NAN), r"\[0\].factor is nan, expected a number"),
        (lambda parts: parts[1].update(kind="word"), r"\[1\].kind is .word"),
        (lambda parts: parts[1].update(missing=2), r"\[1\].missing is 2, expected"),
    ],
)
def test_a_damaged_encoding_is_refused_with_the_reason(change: Any, said: str) -> None:
    parts = learn(mixed()).to_json()
    change(parts)
    with pytest.raises(ValueError, match=said):
        Encoding.from_json(parts)
    assert issubclass(ShapeError, ValueError)


# Beside scikit-learn


@pytest.mark.peers
@pytest.mark.parametrize("scale", ["standard", "robust"])
def test_it_is_scikit_learns_pipeline_to_1e_10(scale: str) -> None:
    pipeline = pytest.importorskip("sklearn.pipeline")
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import MissingIndicator, SimpleImputer
    from sklearn.preprocessing import OneHotEncoder, RobustScaler, StandardScaler

    data = mixed(n=300)
    columns = [0, 1, 3]
    kinds = [number("a"), category("b", "p", "q", "r", "s"), number("d")]
    X = data.X[:, columns]
    train, rest = X[:200], X[200:]
    scaler = StandardScaler() if scale == "standard" else RobustScaler()
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    transformer = ColumnTransformer(
        [
            ("numbers", pipeline.make_pipeline(SimpleImputer(strategy="median"), scaler), [0, 2]),
            ("gaps", MissingIndicator(features="all"), [0, 2]),
            ("categories", encoder, [1]),
        ]
    )
    transformer.fit(train)
    expected = transformer.transform(rest)
    if scale == "robust":
        expected[:, :2] /= np.sqrt(1 + (expected[:, :2] / 3) ** 2)
    encoding = learn(table(*kinds, X=X), rows=range(200), scale=scale)
    np.testing.assert_allclose(encoded(encoding, rest), expected, rtol=1e-10, atol=1e-10)


def test_of_large_blocks_batches_can_say_only_which_input_is_1() -> None:
    names = tuple(f"n{k:03}" for k in range(70))
    codes = np.arange(140) % 71.0  # of which 70 is not known
    codes[codes == 70] = UNSEEN
    rng = np.random.default_rng(0)
    X = np.column_stack([codes, rng.normal(size=140), rng.integers(0, 2, 140)])
    data = table(category("large", *names), number(), category("small", "p", "q"), X=X)
    encoding = learn(data)
    whole = encoded(encoding, X)
    batches = Batches(split(X), encoding, 140, np.float64)
    assert batches.widths == (3, 1)  # the number, p and q; then the large one
    part, hot = np.full((140, 3), 7.0), np.full((140, 1), 7)
    batches.cut(batches.in_order(), 0, part, np.empty(140, np.intp), hot=hot)
    assert np.array_equal(part, whole[:, :3])
    unseen = codes == UNSEEN
    assert np.array_equal(hot[~unseen, 0], 3 + whole[~unseen, 3:].argmax(axis=1))
    assert (hot[unseen] == -1).all()
    assert not whole[unseen, 3:].any()


def test_outliers_and_infinities_of_single_precision_are_clipped_too() -> None:
    X = np.array([[0.0], [1], [2], [3], [4]])
    encoding = learn(table(number(), X=X), scale="robust")
    far = np.array([[1e30], [-1e30], [1e300], [-1e300]])
    for dtype in (np.float32, np.float64):
        with np.errstate(over="ignore"):
            assert encoded(encoding, far, dtype).ravel() == pytest.approx([3, -3, 3, -3], rel=1e-6)


@pytest.mark.peers
def test_the_gradient_is_0_at_scikit_learns_ridge_solution() -> None:
    """Of a linear network on encoded rows: squared error, penalty, encoding and target at once."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    data = mixed(n=300)
    rows = np.arange(250)
    encoding = learn(data, rows=rows)
    X = encoded(encoding, data.X[rows])
    y = np.random.default_rng(1).normal(50, 20, len(rows))
    task = Regression.learn(y, "t.csv")
    net = MLP([encoding.width, 1], loss="squared-error", dtype=np.float64)
    for reg in (1e-3, 0.7):
        # ½·mean(e²) + ½λ‖w‖² is scikit-learn's Σe² + α‖w‖² at α = N·λ, over 2N
        ridge = linear_model.Ridge(alpha=len(rows) * reg, solver="cholesky", tol=1e-14)
        ridge.fit(X, (y - y.mean()) / y.std())
        net.params["W1"][:, 0], net.params["b1"][0] = ridge.coef_, ridge.intercept_
        _, gradient = net.loss_and_grad(X, task.encode(y), reg=reg)
        for array in gradient.values():
            np.testing.assert_allclose(array, 0, atol=1e-10)
        net.params["W1"][0] += 0.01  # and nowhere else
        _, gradient = net.loss_and_grad(X, task.encode(y), reg=reg)
        assert np.abs(gradient["W1"]).max() > 1e-4


def test_few_rows_that_are_cut_again_and_again_are_encoded_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(90, 2)), rng.integers(-1, 3, 90)])
    X[::7, 0] = NAN
    data = table(number(), number("z"), category("c", "p", "q", "r"), X=X)
    encoding, rows = learn(data), rng.permutation(90)[:50]
    once = Batches(split(X, rows), encoding, 16, np.float32, repeated=True)
    each_time = Batches(split(X, rows), encoding, 16, np.float32)
    applied: list[int] = []
    apply = Encoder.apply

    def counted(self: Encoder, raw: Array, *more: Any) -> None:
        applied.append(len(raw))
        apply(self, raw, *more)

    monkeypatch.setattr(Encoder, "apply", counted)
    for epoch in range(3):
        for step in range(once.steps):
            for share in (slice(0, 7), slice(7, None)):
                found, expected = (np.full((16, encoding.width), 9, np.float32) for _ in range(2))
                for batches, inputs in ((once, found), (each_time, expected)):
                    order = batches.order(epoch)
                    batches.cut(order, step, inputs, np.empty(16, np.intp), share, epoch=epoch)
                assert found.tobytes() == expected.tobytes()
    assert sum(applied) == 50 + 3 * 50
