"""Every hyperparameter's declaration, what is said of wrong values, and which value wins."""

from __future__ import annotations

import itertools
import json
import tomllib
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlpcli.config.config import DEFAULT, Config, check_flag, make_config, resolve
from mlpcli.config.defaults import DEFAULTS
from mlpcli.config.kinds import (
    ATTACKS,
    Attack,
    BatchSize,
    Choice,
    Columns,
    Labels,
    NormLimits,
    Number,
    Shape,
    Sources,
    Switch,
    Text,
    Widths,
)
from mlpcli.config.options import DISTORTIONS, OPTIONS, SECTIONS, Option
from mlpcli.config.toml import check_sections, own_configs, read_config
from mlpcli.errors import ConfigError, InputError, UsageError

options = pytest.mark.parametrize("option", OPTIONS.values(), ids=lambda option: option.name)


KNOWN_SECTIONS = ", ".join(f"[{name}]" for name in SECTIONS)


@pytest.fixture
def refused(tmp_path: Path) -> Any:
    """What is said of a config file of this text, after the file's name."""

    def read(text: str) -> str:
        path = tmp_path / "run.toml"
        path.write_text(text)
        with pytest.raises(ConfigError) as error:
            read_config(path)
        return str(error.value).removeprefix(f"{path}: ")

    return read


def values_of(option: Option) -> st.SearchStrategy[Any]:
    """Values that a kind takes, as TOML has them."""
    kind = option.kind
    if isinstance(kind, Choice):
        return st.sampled_from([*kind.choices])
    if isinstance(kind, Text):
        return st.text(st.characters(codec="utf-8"), min_size=1)
    if isinstance(kind, Widths):
        return st.lists(st.integers(1, 1_000_000), max_size=4)
    if isinstance(kind, Shape):
        return st.lists(st.integers(1, 100_000), min_size=2, max_size=2)
    if isinstance(kind, BatchSize):
        return st.just("full") | st.integers(1, 10**20)
    if isinstance(kind, NormLimits):
        return st.floats(0, exclude_min=True, allow_infinity=False)
    if isinstance(kind, Labels):
        labels = st.text(st.characters(codec="utf-8"), min_size=1) | st.integers()
        return st.lists(labels, max_size=3)
    if isinstance(kind, Sources):
        path = st.text(st.characters(codec="utf-8"), min_size=1)
        return path | st.lists(path, min_size=1, max_size=3)
    if isinstance(kind, Columns):
        return st.lists(st.text(st.characters(codec="utf-8"), min_size=1), max_size=3)
    if isinstance(kind, Switch):
        return st.booleans()
    if isinstance(kind, Attack):
        sizes = st.floats(0, exclude_min=True, allow_infinity=False)
        named = st.builds(lambda word, size: f"{word}:{size!r}", st.sampled_from(ATTACKS), sizes)
        return named | st.just("none")
    low = kind.at_least if kind.at_least is not None else kind.above
    high = kind.at_most if kind.at_most is not None else kind.below
    if kind.whole:
        assert low is not None
        return st.integers(int(low), None if high is None else int(high))
    numbers = st.floats(low, high, allow_nan=False, allow_infinity=False)
    return numbers.filter(lambda x: x not in (kind.above, kind.below))


# What is declared


@options
def test_every_option_has_help_and_says_what_it_takes(option: Option) -> None:
    assert option.help.endswith(".")
    assert option.kind.metavar


def test_names_are_unique_across_sections() -> None:
    assert sum(len(cls.__dataclass_fields__) for cls in SECTIONS.values()) == len(OPTIONS)


def test_no_alias_is_ambiguous_or_an_option_itself() -> None:
    aliases = [alias for option in OPTIONS.values() for alias in option.also]
    assert len(aliases) == len(set(aliases))
    assert not set(aliases) & set(OPTIONS)


@options
def test_every_default_is_a_value_that_its_kind_takes(option: Option) -> None:
    if option.default is not None:
        assert option.kind.check(option.default) == option.default


@options
def test_every_option_that_is_off_by_default_says_what_then_happens(option: Option) -> None:
    if option.default is None and option.lasting:
        assert "Default:" in option.help


# What is read


def test_a_file_gives_its_values(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        '[data]\ndata = "points.csv"\nlabel_column = 3\n'
        "[model]\nhidden = [800, 800]\n"
        '[train]\nlr = 1\nbatch-size = "full"\nepochs = 7\n'
    )
    values = read_config(path)
    assert values == {
        "data": "points.csv",
        "label_column": "3",
        "hidden": (800, 800),
        "lr": 1.0,
        "batch_size": "full",
        "epochs": 7,
    }
    assert isinstance(values["lr"], float)


def test_a_file_may_begin_with_a_byte_order_mark_and_none_is_a_word(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(b"\xef\xbb\xbf" + b'[model]\nhidden = "none"\n')
    assert read_config(path) == {"hidden": ()}
    path.write_text('[augment]\ngentle_classes = "none"\n')
    assert read_config(path) == {"gentle_classes": ()}


@options
def test_a_key_is_the_flag_with_hyphens_or_underscores(option: Option, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    value = option.default if option.default is not None else 1
    if option.default is None and isinstance(option.kind, Number) and not option.kind.whole:
        value = 0.5
    if option.default is None and isinstance(option.kind, Choice):
        value = next(iter(option.kind.choices))
    if isinstance(option.kind, Shape):
        value = [28, 28]
    for key in (option.name, option.flag.removeprefix("--")):
        path.write_text(f"[{option.section}]\n{key} = {json.dumps(value)}\n")
        assert list(read_config(path)) == [option.name]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[trian]\nlr = 1",
            f"there is no section [trian]; did you mean train? ({KNOWN_SECTIONS})",
        ),
        ("[zzz]", f"there is no section [zzz] ({KNOWN_SECTIONS})"),
        ("lr = 1", "lr belongs under [train]"),
        ("train = 1", "train is a section; write [train]"),
        ("[[train]]\nlr = 1", "train is a section; write [train]"),
        ("[model]\nlr = 1", "lr belongs under [train], not [model]"),
        ("[train]\nbatchsize = 1", "[train] has no key batchsize; did you mean batch_size?"),
        ("[train]\nlearning_rate = 1", "[train] has no key learning_rate; did you mean lr?"),
        ("[train]\nlearning-rate = 1", "[train] has no key learning-rate; did you mean lr?"),
        ("[train]\nWeight_Decay = 1", "[train] has no key Weight_Decay; did you mean reg?"),
        (
            "[model]\nhidden_layer_sizes = 1",
            "[model] has no key hidden_layer_sizes; did you mean hidden?",
        ),
        ("[train]\nqwxyz = 1", "[train] has no key qwxyz"),
        ("[train]\nbatch-size = 1\nbatch_size = 1", "[train] batch_size is given twice"),
        ("[train]\nlr = 0", "[train] lr = 0: expected a number above 0"),
        ("[train]\nlr = -0.5", "[train] lr = -0.5: expected a number above 0"),
        ("[train]\nlr = 1e400", "[train] lr = inf: expected a number above 0"),
        ("[train]\nlr = nan", "[train] lr = nan: expected a number above 0"),
        ("[train]\nlr = true", "[train] lr = true: expected a number above 0"),
        ('[train]\nlr = "0.1"', '[train] lr = "0.1": expected a number above 0'),
        ("[train]\nlr = [0.1]", "[train] lr = [0.1]: expected a number above 0"),
        ("[train]\nlr = {a = 1}", "[train] lr = {a = 1}: expected a number above 0"),
        (
            "[train]\nlr = 2026-01-01",
            "[train] lr = 2026-01-01: expected a number above 0",
        ),
        (
            "[train]\nmomentum = 1",
            "[train] momentum = 1: expected a number at least 0 and below 1",
        ),
        (
            "[train]\nepochs = 2.0",
            "[train] epochs = 2.0: expected a whole number at least 1 and at most 1000000000",
        ),
        (
            f"[train]\nepochs = {'9' * 400}",
            f"[train] epochs = {'9' * 79}…: "
            "expected a whole number at least 1 and at most 1000000000",
        ),
        (
            "[train]\nseed = -1",
            "[train] seed = -1: expected a whole number at least 0 and at most 9223372036854775807",
        ),
        (
            "[train]\nwarmup = 1e308",
            "[train] warmup = 1e+308: expected a number at least 0 and at most 1000000000",
        ),
        (
            "[train]\nlr_step = 1e-320",
            "[train] lr_step = 1e-320: expected a number at least 0.001",
        ),
        (
            "[train]\nbatch_size = 0",
            "[train] batch_size = 0: expected a whole number at least 1, or full",
        ),
        (
            '[train]\nbatch_size = "half"',
            '[train] batch_size = "half": expected a whole number at least 1, or full',
        ),
        (
            '[train]\noptimizer = "addam"',
            '[train] optimizer = "addam": expected one of momentum, sgd, nesterov, adam, adamw; '
            "did you mean adam?",
        ),
        (
            "[model]\nactivation = 3",
            "[model] activation = 3: expected one of relu, leaky-relu, tanh, sigmoid, "
            "gelu, silu, selu, mish",
        ),
        (
            "[model]\nhidden = [10, 0]",
            "[model] hidden = [10, 0]: "
            "expected widths from 1 to 1000000, as in 100 or 800,800, or none",
        ),
        (
            "[model]\nhidden = [true]",
            "[model] hidden = [true]: "
            "expected widths from 1 to 1000000, as in 100 or 800,800, or none",
        ),
        (
            "[model]\nhidden = 1000001",
            "[model] hidden = 1000001: "
            "expected widths from 1 to 1000000, as in 100 or 800,800, or none",
        ),
        ('[data]\ndata = ""', '[data] data = "": expected text'),
        ("[data]\ndata = 1.5", "[data] data = 1.5: expected text"),
        (
            "[train]\nmax_norm = [2, 0]",
            "[train] max_norm = [2, 0]: expected a number above 0, or one per layer",
        ),
        (
            "[augment]\nmirror_images = 1",
            "[augment] mirror_images = 1: expected true or false",
        ),
        (
            "[augment]\ngentle_classes = [1.5]",
            "[augment] gentle_classes = [1.5]: expected class labels, as in 1,7, or none",
        ),
        ("[augment]\nrotation = 10", "[augment] has no key rotation; did you mean rotate?"),
    ],
)
def test_what_is_wrong_is_named_with_key_value_and_what_was_expected(
    refused: Any, text: str, said: str
) -> None:
    assert refused(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[train]\nlr = 1\nlr = 2", "Cannot overwrite a value"),
        ("[train\nlr = 1", "Expected ']'"),
        (f"[train]\nepochs = {'9' * 5000}", "Exceeds the limit"),
        (f"[train]\nlr = {'[' * 100_000}", "nested too deeply"),
    ],
    ids=["a key given twice", "a bracket left open", "a number without end", "nested deeply"],
)
def test_a_file_that_is_not_toml_is_refused_with_the_reason(
    refused: Any, text: str, said: str
) -> None:
    assert refused(text).startswith(f"is not TOML: {said}")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(b"[train]\nlr = \xff\xfe\n")
    with pytest.raises(ConfigError, match="is not TOML: "):
        read_config(path)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read_config(tmp_path / "none.toml")
    assert str(error.value) == f"{tmp_path}/none.toml: cannot be read: No such file or directory"
    with pytest.raises(InputError, match=f"{tmp_path}: cannot be read: Is a directory"):
        read_config(tmp_path)


def test_sections_of_a_checkpoint_are_checked_the_same_way() -> None:
    assert check_sections({"train": {"lr": 1}}, "model.npz") == {"lr": 1.0}
    with pytest.raises(ConfigError, match=r"^model.npz: is not a table of sections$"):
        check_sections([], "model.npz")
    with pytest.raises(ConfigError, match=r"^model.npz: \[train\] lr = 0: expected"):
        check_sections({"train": {"lr": 0}}, "model.npz")


# Flags


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("hidden", "800,800", (800, 800)),
        ("hidden", "100", (100,)),
        ("hidden", "none", ()),
        ("lr", "1", 1.0),
        ("lr", "1e-3", 0.001),
        ("epochs", "7", 7),
        ("batch_size", "full", "full"),
        ("batch_size", "64", 64),
        ("seed", str(2**63 - 1), 2**63 - 1),
        ("label_column", "-1", "-1"),
        ("max_norm", "2", 2.0),
        ("max_norm", "4.38,3,4.63", (4.38, 3.0, 4.63)),
        ("gentle_classes", "1,7", ("1", "7")),
        ("gentle_classes", "none", ()),
        ("optimizer", "adamw", "adamw"),
    ],
)
def test_a_flag_is_parsed_into_what_toml_gives(name: str, text: str, value: Any) -> None:
    assert check_flag(name, text) == value
    assert type(check_flag(name, text)) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("lr", "abc", "--lr abc: expected a number above 0"),
        ("lr", "", "--lr '': expected a number above 0"),
        ("lr", "nan", "--lr nan: expected a number above 0"),
        ("lr", "1e400", "--lr 1e400: expected a number above 0"),
        ("lr", "9" * 400, f"--lr {'9' * 79}…: expected a number above 0"),
        (
            "epochs",
            "1.5",
            "--epochs 1.5: expected a whole number at least 1 and at most 1000000000",
        ),
        (
            "epochs",
            "9" * 5000,
            f"--epochs {'9' * 79}…: expected a whole number at least 1 and at most 1000000000",
        ),
        ("dropout", "1", "--dropout 1: expected a number at least 0 and below 1"),
        ("lr_decay", "2", "--lr-decay 2: expected a number above 0 and at most 1"),
        (
            "hidden",
            "10,,10",
            "--hidden 10,,10: expected widths from 1 to 1000000, as in 100 or 800,800, or none",
        ),
        (
            "batch_size",
            "full ",
            "--batch-size full : expected a whole number at least 1, or full",
        ),
        ("data", "", "--data '': expected text"),
        ("ignore", "", "--ignore '': expected columns, as in age,3, or none"),
        ("only", " ", "--only ' ': expected columns, as in age,3, or none"),
        (
            "max_norm",
            "2,x",
            "--max-norm 2,x: expected a number above 0, or one per layer",
        ),
        (
            "gentle_classes",
            "1,,7",
            "--gentle-classes 1,,7: expected class labels, as in 1,7, or none",
        ),
        (
            "loss",
            "nll",
            "--loss nll: expected one of cross-entropy, mse, bce, "
            "squared-error, absolute-error, huber",
        ),
    ],
)
def test_a_wrong_flag_is_named_with_what_was_expected(name: str, text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        check_flag(name, text)
    assert str(error.value) == said


# Which value wins


def test_a_flag_goes_before_the_file_and_the_file_before_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[train]\nlr = 0.2\nreg = 0.2\n")
    checkpoint = make_config({"lr": 0.3, "reg": 0.3, "epochs": 33, "stop_after": 3})
    config = resolve({"lr": 0.1}, path, checkpoint).train
    assert (config.lr, config.reg, config.epochs) == (0.1, 0.2, 33)
    assert config.stop_after is None  # asked of one call, not of the run
    assert config.batch_size == 128
    assert resolve({}, path).train.epochs is None


@pytest.mark.parametrize(
    ("optimizer", "lr"),
    [("momentum", 0.1), ("nesterov", 0.1), ("sgd", 0.5), ("adam", 1e-3), ("adamw", 1e-3)],
)
def test_the_learning_rate_suits_the_optimizer_unless_given(optimizer: str, lr: float) -> None:
    assert make_config({"optimizer": optimizer}).train.lr == lr
    assert make_config({"optimizer": optimizer, "lr": 7.0}).train.lr == 7.0


def test_the_decay_suits_the_schedule_unless_given() -> None:
    assert make_config({"lr_schedule": "step"}).train.lr_decay == 0.1
    assert make_config({"lr_schedule": "exponential"}).train.lr_decay == 0.95
    assert make_config({"lr_schedule": "step", "lr_decay": 0.5}).train.lr_decay == 0.5
    assert make_config({}).train.lr_decay is None


def test_patience_without_validation_rows_is_refused() -> None:
    with pytest.raises(UsageError) as error:
        make_config({"patience": 3, "val_fraction": 0.0})
    assert str(error.value) == "--patience needs validation rows; raise --val-fraction above 0"


def test_as_many_norms_as_layers_are_asked_for() -> None:
    limits = make_config({"hidden": (8, 8), "max_norm": (1.0, 2.0, 3.0)}).train.max_norm
    assert limits == (1.0, 2.0, 3.0)
    with pytest.raises(UsageError) as error:
        make_config({"hidden": (8,), "max_norm": (1.0, 2.0, 3.0)})
    assert str(error.value) == (
        "--max-norm has 3 limits for a network of 2 layers of weights; "
        "give one for each, or one for all"
    )


@pytest.mark.parametrize("kind", ["affine", "elastic"])
def test_the_distortions_suit_their_kind_unless_given(kind: str) -> None:
    usual = make_config({"augment": kind}).augment
    for name, value in DISTORTIONS[kind].items():
        assert getattr(usual, name) == value
        assert f"{value:g}" in OPTIONS[name].help
        assert getattr(make_config({"augment": kind, name: 0.5}).augment, name) == 0.5
    assert make_config({}).augment.rotate is None


def from_flags(words: list[str]) -> dict[str, Any]:
    """The values that these flags give."""
    found: dict[str, Any] = {}
    rest = iter(words)
    for flag in rest:
        option = next(o for o in OPTIONS.values() if flag in (o.flag, o.off_flag))
        switch = isinstance(option.kind, Switch)
        found[option.name] = flag == option.flag if switch else check_flag(option.name, next(rest))
    return found


@pytest.mark.parametrize("kind", DEFAULTS)
def test_the_flags_of_a_run_give_all_its_values_whatever_its_defaults_follow(kind: str) -> None:
    leading = ("optimizer", "parametrisation", "init", "lr_schedule", "augment")
    tried = 0
    choices = [[*OPTIONS[name].kind.choices] for name in leading]
    for values in itertools.product(*choices):
        for rest in ({}, {"lr": 0.1, "reg": 0.0}):
            try:
                config = make_config(dict(zip(leading, values, strict=True)) | rest, kind)
            except UsageError:
                continue  # some do not go together
            tried += 1
            found = from_flags(config.to_flags(kind))
            assert make_config(found, kind).values() == config.values()
    assert tried > 500


def test_the_defaults_of_a_kind_need_no_flags() -> None:
    config = make_config({"augment": "elastic", "mirror_images": True, "rotate": 3.0})
    assert config.to_flags() == [
        *("--augment", "elastic", "--rotate", "3.0", "--mirror-images"),
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"rotate": 5.0},
            "--rotate does nothing with --augment none; give --augment affine or elastic, too",
        ),
        (
            {"augment": "none", "mirror_images": True},
            "--mirror-images does nothing with --augment none; "
            "give --augment affine or elastic, too",
        ),
        (
            {"augment": "affine", "elastic_alpha": 5.0},
            "--elastic-alpha does nothing with --augment affine; give --augment elastic, too",
        ),
        (
            {"beta2": 0.9},
            "--beta2 does nothing with --optimizer momentum; give --optimizer adam or adamw, too",
        ),
        (
            {"optimizer": "sgd", "momentum": 0.5},
            "--momentum does nothing with --optimizer sgd; "
            "give --optimizer momentum or nesterov or adam or adamw, too",
        ),
        (
            {"lr_decay": 0.5},
            "--lr-decay does nothing with --lr-schedule cosine; "
            "give --lr-schedule step or exponential, too",
        ),
        (
            {"lr_schedule": "exponential", "lr_step": 3.0},
            "--lr-step does nothing with --lr-schedule exponential; give --lr-schedule step, too",
        ),
        (
            {"average": "tail", "average_decay": 0.9},
            "--average-decay does nothing with --average tail; give --average ema, too",
        ),
    ],
)
def test_an_option_that_would_not_be_used_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as error:
        resolve(given, None)
    assert str(error.value) == said


def test_what_an_option_needs_are_values_of_another() -> None:
    for option in OPTIONS.values():
        if option.needs:
            leader, *needed = option.needs
            for value in needed:
                OPTIONS[leader].kind.check(value)


@pytest.mark.parametrize("kind", DEFAULTS)
@pytest.mark.parametrize("off", [{"optimizer": "sgd"}, {"average": "none"}, {}], ids=str)
def test_a_printed_configuration_is_taken_again(
    tmp_path: Path, kind: str, off: dict[str, Any]
) -> None:
    path = tmp_path / "run.toml"
    printed = make_config({"data": "digits", **off}, kind)
    path.write_text(printed.to_toml())
    assert resolve({}, path, kind_of=lambda data: kind) == printed


@options
def test_a_flag_that_says_default_takes_back_the_file_and_the_checkpoint(
    option: Option, tmp_path: Path
) -> None:
    def flag(name: str) -> Any:
        return check_flag(name, "default", takes_back=True)

    if isinstance(option.kind, (Text, Sources, Columns, Labels)):
        assert "default" in flag(option.name)  # a file, a column or a class of that name
        return
    if isinstance(option.kind, Switch):
        return  # its flag has no value
    path = tmp_path / "run.toml"
    path.write_text("[train]\npatience = 5\nclip_norm = 1.0\n[augment]\naugment = 'affine'\n")
    assert flag(option.name) is DEFAULT
    before = make_config({"clip_norm": 2.0, "hidden": (7,), "lr": 0.5})
    with_it = resolve({option.name: DEFAULT}, path, before).values()
    usual = make_config({"augment": with_it["augment"]}).values()
    assert with_it[option.name] == usual[option.name]


def test_what_a_flag_takes_back_leaves_the_rest_of_the_file_idle(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('[augment]\naugment = "affine"\nrotate = 5\n')
    off = resolve({"augment": DEFAULT}, path)
    assert (off.augment.augment, off.augment.rotate) == ("none", None)
    usual = resolve({"rotate": DEFAULT}, path)
    assert usual.augment.rotate == DISTORTIONS["affine"]["rotate"] != 5


def test_default_is_no_value_where_no_file_says_any() -> None:
    with pytest.raises(UsageError, match=r"^--patience default: expected a whole number"):
        check_flag("patience", "default")


def test_the_distortions_of_a_file_are_turned_off_by_a_flag(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('[augment]\naugment = "elastic"\nrotate = 5\nelastic_alpha = 3\n')
    off = resolve({"augment": "none"}, path)
    assert (off.augment.augment, off.augment.rotate, off.to_flags()) == ("none", None, [])
    (again := tmp_path / "again.toml").write_text(off.to_toml())
    assert resolve({}, again) == off  # what is printed can be given
    assert resolve({"augment": "affine"}, path).augment.rotate == 5.0
    path.write_text("[augment]\nrotate = 5\n")
    with pytest.raises(UsageError, match=r"^--rotate does nothing with --augment none"):
        resolve({}, path)


def test_what_another_option_led_to_follows_it_when_a_run_goes_on() -> None:
    elastic = make_config({"augment": "elastic", "shear": 4.0})
    affine = resolve({"augment": "affine"}, None, elastic).augment
    assert (affine.rotate, affine.shear, affine.shift) == (15.0, 4.0, 2.0)
    assert (affine.elastic_sigma, affine.elastic_alpha) == (None, None)
    steps = make_config({"lr_schedule": "step", "lr_step": 3.0})
    assert resolve({"lr_schedule": "exponential"}, None, steps).train.lr_decay == 0.95
    own = make_config({"lr_schedule": "step", "lr_decay": 0.5})
    assert resolve({"lr_schedule": "exponential"}, None, own).train.lr_decay == 0.5
    assert resolve({"lr_schedule": "cosine"}, None, own).train.lr_decay is None
    assert resolve({"epochs": 7}, None, own).train.lr_decay == 0.5


LED = {
    "augment": {"rotate": 3.0, "elastic_alpha": 9.0, "mirror_images": True},
    "lr_schedule": {"lr_decay": 0.5, "lr_step": 3.0},
    "optimizer": {"momentum": 0.7, "beta2": 0.9, "final_momentum": 0.8},
    "average": {"average_decay": 0.9, "average_from": 0.5},
}
"""Values of options that do nothing beside some values of another."""


@pytest.mark.parametrize("leader", LED)
def test_a_run_that_goes_on_with_another_kind_can_be_repeated(leader: str, tmp_path: Path) -> None:
    kind = OPTIONS[leader].kind
    assert isinstance(kind, Choice)
    for before, after in itertools.permutations(kind.choices, 2):
        needs = {name: OPTIONS[name].needs[1:] for name in LED[leader]}
        own = {name: value for name, value in LED[leader].items() if before in needs[name]}
        config = resolve({leader: after}, None, make_config({leader: before} | own))
        values = config.values()
        assert {n: values[n] for n in own if after in needs[n]} == {
            n: value for n, value in own.items() if after in needs[n]
        }
        assert resolve(from_flags(config.to_flags()), None) == config
        (path := tmp_path / "printed.toml").write_text(config.to_toml())
        assert resolve({}, path) == config


# As TOML


@options
@settings(suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_value_comes_back_from_toml(option: Option, data: st.DataObject) -> None:
    value = option.kind.check(data.draw(values_of(option)))
    config = make_config({option.name: value})
    back = make_config(check_sections(tomllib.loads(config.to_toml()), "text"))
    assert back == config
    assert config.values()[option.name] == value


def test_a_config_comes_back_from_json() -> None:
    config = make_config({"hidden": (3, 4), "data": 'a "quoted" \\ name', "max_norm": 3.5})
    assert make_config(check_sections(json.loads(json.dumps(config.sections())), "json")) == config


def test_what_is_off_is_left_out_of_toml() -> None:
    text = make_config({}).to_toml()
    assert "max_norm" not in text
    assert "lr = 0.1\n" in text
    assert "hidden = [100]\n" in text
    assert 'optimizer = "momentum"\n' in text
    assert make_config({"hidden": ()}).to_toml().count("hidden = []\n") == 1


def test_the_defaults_are_those_of_the_dataclasses() -> None:
    defaults = Config().values()
    assert {name: option.default for name, option in OPTIONS.items()} == defaults


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a" + ".a" * 20_000 + " = 1\n", "is not TOML: a line with more than 500 points"),
        ("[" + "a." * 20_000 + "a]\n", "is not TOML: a line with more than 500 points"),
        ("# nothing\n" * 20_000, "has more than 128 KiB; this is not a config file of mlp"),
        ("a = " + "[" * 100_000, "is not TOML: nested too deeply"),
    ],
    ids=["key", "table", "long", "deep"],
)
def test_a_file_made_to_exhaust_the_parser_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bomb.toml"
    path.write_text(text)
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError) as error:
            read_config(path)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
    assert str(error.value) == f"{path}: {said}"


def test_a_device_without_end_is_no_config_file() -> None:
    with pytest.raises(ConfigError, match=r"/dev/zero: has more than 128 KiB"):
        read_config(Path("/dev/zero"))


# The configs that come with the package


def test_a_name_stands_for_the_config_that_comes_with_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist").mkdir()  # a folder, of data perhaps, is no config file
    folder = Path(__file__).parents[1] / "configs"
    assert own_configs() == {path.stem: path for path in folder.glob("*.toml")}
    for name, path in own_configs().items():
        assert read_config(Path(name)) == read_config(path) != {}


def test_an_existing_file_goes_before_the_config_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist").write_text("[train]\nlr = 0.25\n")
    assert read_config(Path("mnist")) == {"lr": 0.25}


@pytest.mark.parametrize("wrong", ["mnits", "mnist.toml", "configs/mnist.toml"])
def test_the_nearest_name_is_said_of_a_config_that_is_not_there(
    wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        read_config(Path(wrong))
    assert str(error.value) == (
        f"{wrong}: cannot be read: No such file or directory; did you mean mnist?"
    )
