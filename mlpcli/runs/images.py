"""What training does to images before it learns from them: distortions, and moves by gradients."""

from __future__ import annotations

import numpy as np

from mlpcli.arrays import Array
from mlpcli.config import kinds
from mlpcli.config.config import Config
from mlpcli.config.options import AugmentConfig, DataConfig, ModelConfig
from mlpcli.data.augment import Augmenter, Distortions
from mlpcli.data.dataset import Dataset
from mlpcli.data.pose import Pose, PoseNormaliser
from mlpcli.data.split import Splits
from mlpcli.errors import UsageError
from mlpcli.nn.adversarial import Attack
from mlpcli.tasks.classification import Classification
from mlpcli.tasks.task import Task

_SHOWN_CLASSES, _SHOWN_WAYS = 10, 10  # of a sheet of distorted images


def attack(
    asked: str, model: ModelConfig, image_shape: tuple[int, int] | None, source: str
) -> Attack | None:
    """What moves samples, as `--adversarial` asks; None if nothing does.

    Raises:
        UsageError: they are no images, or their pixels are embedded.
    """
    parsed = kinds.Attack.read(asked)
    if parsed and image_shape is None:
        raise UsageError(
            f"--adversarial {asked}: {source} holds no images, and only pixels are moved; "
            "leave it out"
        )
    if parsed and model.embedding != "none":
        raise UsageError(
            f"--adversarial {asked}: cannot be beside --embedding {model.embedding}; leave one of "
            "them out"
        )
    return Attack(*parsed) if parsed else None


def pose(config: DataConfig, data: Dataset) -> Pose | None:
    """What images are brought into, or None if they stay as they are.

    Raises:
        UsageError: the data hold no images, or are scaled column by column.
    """
    width = config.digit_width
    if not config.deslant and width is None:
        return None
    flag = "--deslant" if config.deslant else f"--digit-width {width:g}"
    if data.image_shape is None:
        raise UsageError(f"{flag}: {data.source} holds no images; leave it out")
    if config.scale not in ("auto", "none"):
        raise UsageError(f"{flag}: is for --scale auto or none")
    return Pose(data.image_shape, config.deslant, width)


def distortions(augment: AugmentConfig, data: Dataset, task: Task) -> Distortions | None:
    """How the images are distorted, or None if they are not.

    Raises:
        UsageError: the data hold no images, or no such class.
    """
    if augment.augment == "none":
        return None
    if data.image_shape is None:
        raise UsageError(
            f"--augment {augment.augment}: {data.source} holds no images to distort; "
            "give --augment none"
        )
    labels = [str(label) for label in task.classes] if isinstance(task, Classification) else []
    for label in augment.gentle_classes:
        if label not in labels:
            raise UsageError(
                f"--gentle-classes {label}: {data.source} has no such class; "
                f"its classes are {', '.join(labels[:20])}{' …' if len(labels) > 20 else ''}"
            )
    return Distortions(
        rotate=augment.rotate or 0.0,
        shear=augment.shear or 0.0,
        zoom=augment.zoom or 0.0,
        shift=augment.shift or 0.0,
        alpha=augment.elastic_alpha or 0.0,
        sigma=augment.elastic_sigma or 0.0,
        mirror=augment.mirror_images,
        gentle=tuple(labels.index(label) for label in augment.gentle_classes),
    )


def distorted_samples(config: Config, data: Dataset, splits: Splits) -> tuple[Array, Array]:
    """(before, after): training images (k, h, w), and each distorted in ten ways (k, 10, h, w).

    The first image of each class, of at most ten classes.
    """
    limits, train = distortions(config.augment, data, splits.task), splits.train
    assert limits is not None
    assert data.image_shape is not None
    classes, first = np.unique(train.y[train.rows], return_index=True)
    rows = train.rows[first[:_SHOWN_CLASSES]]
    images = np.repeat(train.X[rows], _SHOWN_WAYS, axis=0)
    posed = pose(config.data, data)
    if posed:
        images = PoseNormaliser(posed, len(images)).apply(images)
    out = np.empty(images.shape, np.float32)
    rng = np.random.default_rng(config.train.seed)
    labels = np.repeat(classes[: len(rows)], _SHOWN_WAYS)
    Augmenter(data.image_shape, limits, len(images)).apply(images, labels, rng, out)
    before = train.X[rows].reshape(-1, *data.image_shape)
    return before, out.reshape(len(rows), _SHOWN_WAYS, *data.image_shape)
