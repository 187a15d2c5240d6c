"""What a report is about: models, rows, predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mlpcli.arrays import Array
from mlpcli.data.split import Split
from mlpcli.evaluation.importance import Importances
from mlpcli.records import record
from mlpcli.tasks.task import Predictions, Task, TaskReport


@record
class Images:
    """That rows of X are images of `shape` (height, width), with pixels from 0 to `full_scale`."""

    shape: tuple[int, int]
    full_scale: float | None


@record
class Member:
    """A model as the page describes it.

    Attributes:
        name: its file.
        scores: on the split.
        sizes: [D, H…, C].
        options: {name: value} of its configuration.
        toml: the same as a config file.
        command: what trains it again.
        changed: whether it was resumed with other options, so that the command does not do so
            exactly.
        history: a dict an epoch, or of fewer epochs where they are very many.
        epoch, epochs: the epoch whose weights were kept, of how many.
        parameters: how many there are.
        seconds: of training.
        W: (D, H) the first layer's weights.
    """

    name: str
    scores: TaskReport
    sizes: list[int]
    options: dict[str, Any]
    toml: str
    command: str
    changed: bool
    history: Sequence[dict[str, Any]]
    epoch: int
    epochs: int
    parameters: int
    seconds: float
    W: Array


@record
class Report:
    """What a page is made of.

    Attributes:
        members: one model, or those of a committee.
        task: what they are asked for.
        source, split: the data, and the rows of them.
        names: of the classes.
        scores, predictions: the model's, or the committee's.
        images: where the data are images.
        columns: the names of a table's columns.
        describe: returns the values of a raw row (R,) for a person.
        importances: what each column of a table is worth, or None.
        commands: how the data are got and the evaluation is repeated: (before, after) training.
        made: by what and when.
    """

    members: Sequence[Member]
    task: Task
    source: str
    split: Split
    names: Sequence[str]
    scores: TaskReport
    predictions: Predictions
    images: Images | None
    columns: Sequence[str] | None
    describe: Callable[[Array], list[str]]
    importances: Importances | None
    commands: tuple[Sequence[str], Sequence[str]]
    made: str

    @property
    def title(self) -> str:
        if len(self.members) == 1:
            return self.members[0].name
        return f"Committee of {len(self.members)}"
