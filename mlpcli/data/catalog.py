"""The data sets that have a name, the data directory, and the kind of data that `--data` names.

Importing it imports neither numpy nor requests: the command line reads the names for its help and
for completion.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from mlpcli.data.formats import registry
from mlpcli.errors import UsageError
from mlpcli.records import record


@record
class RemoteFile:
    """A file as it is published, compressed by gzip, and as it is stored, decompressed.

    Attributes:
        name: its name in the data directory; `.gz` follows on a mirror.
        size, sha256: bytes and digest, decompressed.
        gz_size, gz_sha256: bytes and digest of the .gz as published. A mirror may have compressed
            it again, so neither is required of a download whose decompressed digest is right.
    """

    name: str
    size: int
    sha256: str
    gz_size: int
    gz_sha256: str


@record
class RemoteSet:
    """A data set of four IDX files that `mlp download` fetches.

    Attributes:
        name: what it is called after `--data`, and its folder in the data directory.
        files: in the order of `idx.FILES`.
        mirrors: base URLs, tried in turn.
        class_names: what the labels 0 … C-1 stand for, if they are only numbers.
    """

    name: str
    files: tuple[RemoteFile, ...]
    mirrors: tuple[str, ...]
    class_names: tuple[str, ...] | None = None

    @property
    def size(self) -> int:
        """Bytes on disk, decompressed."""
        return sum(file.size for file in self.files)

    @property
    def gz_size(self) -> int:
        """Bytes to download."""
        return sum(file.gz_size for file in self.files)


DOWNLOADS: dict[str, RemoteSet] = {
    "mnist": RemoteSet(
        name="mnist",
        files=(
            RemoteFile(
                "train-images-idx3-ubyte",
                47040016,
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                9912422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            RemoteFile(
                "train-labels-idx1-ubyte",
                60008,
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                28881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            RemoteFile(
                "t10k-images-idx3-ubyte",
                7840016,
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                1648877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            RemoteFile(
                "t10k-labels-idx1-ubyte",
                10008,
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                4542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ),
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
    ),
    "fashion-mnist": RemoteSet(
        name="fashion-mnist",
        files=(
            RemoteFile(
                "train-images-idx3-ubyte",
                47040016,
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                26421880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            RemoteFile(
                "train-labels-idx1-ubyte",
                60008,
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                29515,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            RemoteFile(
                "t10k-images-idx3-ubyte",
                7840016,
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                4422102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            RemoteFile(
                "t10k-labels-idx1-ubyte",
                10008,
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                5148,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        ),
        mirrors=(
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        class_names=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
    ),
}

# Always there; the value says where they come from.
BUILT_IN = {
    "digits": "embedded in the package",
    "spiral": "generated",
    "penguins": "a table, embedded in the package",
}

TABLES = ("penguins",)
"""Those that are a table like a person's own, with columns to choose the label from."""

FILL_THEIR_FRAME = ("digits", "fashion-mnist")
"""Images whose object is not set in a margin, as MNIST's is."""

NAMES = (*DOWNLOADS, *BUILT_IN)  # as config has them, too; a test compares


def data_dir(option: Path | None = None) -> Path:
    """Where downloads lie.

    It is `option`, else MLP_DATA_DIR, else $XDG_CACHE_HOME/mlp, else ~/.cache/mlp. The last one
    still begins with `~` if this user has no home folder: what comes with mlp does not need it.

    Raises:
        UsageError: it begins with `~` as it was chosen, and that home folder is not known.
    """
    given = option or os.environ.get("MLP_DATA_DIR")
    chosen = Path(os.path.expanduser(given or _default_data_dir()))
    if given:
        require_home(chosen)
    return chosen


def require_home(data_dir: Path) -> None:
    """Make sure that the data directory is a known place.

    Raises:
        UsageError: it begins with `~`, and that home folder is not known.
    """
    if str(data_dir).startswith("~"):
        raise UsageError(
            f"{data_dir}: that home folder is not known; name a data directory by --data-dir"
        )


def is_downloaded(name: str, data_dir: Path) -> bool:
    """Whether every file of a downloadable data set is there, by its size (nothing is read)."""
    return all(is_stored(file, data_dir / name) for file in DOWNLOADS[name].files)


def is_stored(file: RemoteFile, folder: Path) -> bool:
    """Whether a file of the right name and size is in `folder`."""
    try:
        return os.path.getsize(folder / file.name) == file.size
    except OSError:
        return False


def default_source(data_dir: Path) -> str:
    """What to use when no `--data` is given: "mnist" when it has been downloaded, else "digits"."""
    return "mnist" if is_downloaded("mnist", data_dir) else "digits"


def kind_of_source(source: str | Sequence[str] | None, image_shape: tuple[int, int] | None) -> str:
    """The kind of data, whose defaults a run takes, by the name or the beginning of the files.

    Args:
        source: as `--data`, or None.
        image_shape: as `--image-shape`.

    Returns:
        A key of `mlpcli.config.defaults.DEFAULTS`; "tables" also of what cannot be opened.
    """
    if source is None or source in NAMES:
        return "tables" if source in TABLES else "images"
    if image_shape is not None:
        return "images"
    if not isinstance(source, str) or registry.is_table(source):
        return "tables"
    from mlpcli.data.formats import rows

    return "images" if rows.holds_images(Path(source).expanduser()) else "tables"


def download_command(name: str, directory: Path) -> str:
    """The command that downloads a data set into `directory`."""
    command = f"mlp download {name}"
    if directory != Path(os.path.expanduser(_default_data_dir())):
        command += f" --data-dir {shlex.quote(str(directory))}"
    return command


def _default_data_dir() -> str:
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification says to ignore one that is not absolute.
    return os.environ.get("MLP_DATA_DIR") or os.path.join(
        cache if os.path.isabs(cache) else "~/.cache", "mlp"
    )
