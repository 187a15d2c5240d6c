"""Pictures made to look like MNIST's digits, and pictures that cannot be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("PIL", reason="Pillow is not installed (extra report)")

from PIL import Image, ImageDraw

from mlpcli.data.formats import pictures
from mlpcli.errors import DataError

SHAPE = (28, 28)


def drawing(h: int = 150, w: int = 200) -> npt.NDArray[np.float64]:
    """White paper with a dark bar, 60 high and 24 wide, at the upper left."""
    paper = np.full((h, w), 240.0)
    paper[10:70, 15:39] = 30
    return paper


def test_a_dark_bar_becomes_a_bright_one_of_twenty_rows_in_the_middle() -> None:
    image = pictures.prepare(drawing(), SHAPE, pictures.FRAME)
    rows, columns = np.flatnonzero(image.sum(axis=1)), np.flatnonzero(image.sum(axis=0))
    assert (rows[0], rows[-1]) == (4, 23)
    assert len(columns) == 8  # its shape is kept
    assert image.max() == 255
    mass = image.sum(axis=0)
    assert np.dot(mass, np.arange(28) + 0.5) / mass.sum() == pytest.approx(14, abs=0.5)


@pytest.mark.parametrize("change", ["inverted", "lit from a side", "noisy", "grey", "large"])
def test_light_and_size_make_no_difference(change: str) -> None:
    rng = np.random.default_rng(0)
    picture = drawing()
    if change == "inverted":
        picture = 255 - picture
    elif change == "lit from a side":
        picture = picture * np.linspace(0.6, 1, picture.shape[1])
    elif change == "noisy":
        picture = np.clip(picture + rng.normal(0, 6, picture.shape), 0, 255)
    elif change == "grey":
        picture = 120 + 0.2 * picture
    else:
        picture = np.kron(picture, np.ones((12, 12)))
    expected = pictures.prepare(drawing(), SHAPE, pictures.FRAME)
    found = pictures.prepare(picture, SHAPE, pictures.FRAME)
    assert np.abs(found - expected).mean() < 6


@pytest.mark.parametrize(
    ("shape", "frame", "middle"), [(SHAPE, pictures.FRAME, 14.0), ((8, 8), 1.0, 3.5)]
)
def test_the_centre_of_mass_is_where_the_training_images_have_it(
    shape: tuple[int, int], frame: float, middle: float
) -> None:
    # MNIST's test images have it at (14.00, 14.00) on average, Optdigits' at (3.48, 3.57)
    picture = drawing()
    picture[60:70, 39:60] = 30  # an L: its mass is at the lower left
    image = pictures.prepare(picture, shape, frame)
    centres = [np.dot(image.sum(axis=a), np.arange(shape[0])) / image.sum() for a in (0, 1)]
    assert centres[0] == pytest.approx(middle, abs=0.52)
    if frame < 1:  # else there is no room for it
        assert centres[1] == pytest.approx(middle, abs=0.52)


def test_an_image_of_mnist_in_a_picture_is_put_back_where_it_was() -> None:
    image = np.zeros(SHAPE)
    image[5:23, 12:17] = 255  # 18 rows and 5 columns around (13.5, 14)
    image[4, 12:17] = image[23, 12:17] = 255
    picture = np.full((80, 90), 255.0)
    picture[30:58, 40:68] -= image
    found = pictures.prepare(picture, SHAPE, pictures.FRAME)
    assert np.flatnonzero(found.sum(axis=0) > 1000).tolist() == [12, 13, 14, 15, 16]


def test_specks_do_not_count() -> None:
    picture = np.kron(drawing(), np.ones((2, 2)))
    picture[280, 380] = 0
    expected = pictures.prepare(drawing(), SHAPE, pictures.FRAME)
    assert np.abs(pictures.prepare(picture, SHAPE, pictures.FRAME) - expected).mean() < 6


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "I;16", "LA"])
def test_every_kind_of_png_is_read(tmp_path: Path, mode: str) -> None:
    grey = Image.fromarray(drawing().astype(np.uint8))
    if mode == "I;16":
        Image.fromarray((drawing() * 257).astype(np.uint16)).save(tmp_path / "a.png")
    else:
        grey.convert(mode, dither=Image.Dither.NONE).save(tmp_path / "a.png")
    found = pictures.read_image(tmp_path / "a.png", SHAPE)
    assert np.abs(found - pictures.prepare(drawing(), SHAPE, pictures.FRAME)).mean() < 1


@pytest.mark.parametrize("ink", [0, 255])
def test_what_is_transparent_is_paper_of_the_other_colour(tmp_path: Path, ink: int) -> None:
    alpha = np.where(drawing() < 100, 255, 0)
    pixels = np.dstack([np.full_like(alpha, ink)] * 3 + [alpha]).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = pictures.read_image(tmp_path / "a.png", SHAPE)
    assert np.abs(found - pictures.prepare(drawing(), SHAPE, pictures.FRAME)).mean() < 1


def test_a_photograph_that_was_turned_is_turned_back(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right to be seen upright
    turned = Image.fromarray(np.rot90(drawing()).astype(np.uint8))
    turned.save(tmp_path / "a.jpg", exif=exif, quality=95)
    found = pictures.read_image(tmp_path / "a.jpg", SHAPE)
    assert np.abs(found - pictures.prepare(drawing(), SHAPE, pictures.FRAME)).mean() < 4


def test_a_picture_taken_as_it_is_keeps_its_pixels(tmp_path: Path) -> None:
    pixels = np.arange(784, dtype=np.uint8).reshape(28, 28)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = pictures.read_image(tmp_path / "a.png", SHAPE, prepare_it=False)
    np.testing.assert_array_equal(found, pixels)


def test_pictures_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    def refused(name: str, **options: bool) -> str:
        with pytest.raises(DataError) as error:
            pictures.read_image(tmp_path / name, SHAPE, **options)
        return str(error.value).removeprefix(f"{tmp_path}/")

    Image.new("L", (40, 30), 250).save(tmp_path / "blank.png")
    (tmp_path / "text.png").write_text("not a picture")
    Image.fromarray(drawing().astype(np.uint8)).save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    Image.new("L", (9, 9)).save(tmp_path / "a.gif")
    (tmp_path / "a.gif").rename(tmp_path / "gif.png")
    assert refused("blank.png").startswith("blank.png: shows nothing but its background")
    for name in ("text.png", "cut.png", "gif.png"):
        assert refused(name) == f"{name}: is not a PNG or JPEG picture, or is damaged"
    assert refused("none.png") == "none.png: cannot be read: No such file or directory"
    assert refused("whole.png", prepare_it=False) == (
        "whole.png: has 200 × 150 pixels, the model takes 28 × 28; "
        "leave out --no-prepare to have it fitted"
    )


def test_a_picture_that_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    for size in ((10_000, 8_001), (100_001, 1)):
        Image.new("1", size).save(tmp_path / "huge.png")
        with pytest.raises(DataError, match=f"{size[0]} × {size[1]} pixels; scale it down"):
            pictures.read_image(tmp_path / "huge.png", SHAPE)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_a_large_picture_in_a_small_file_takes_little_memory(tmp_path: Path, mode: str) -> None:
    picture = Image.new("L", (7000, 7000), 250)
    ImageDraw.Draw(picture).line((2000, 1000, 5000, 6000), 10, 700)
    picture.convert(mode).save(tmp_path / "large.png")
    assert (tmp_path / "large.png").stat().st_size < 500_000
    code = (
        "import sys; from pathlib import Path\n"
        "from mlpcli.data.formats.pictures import read_image\n"
        "assert read_image(Path(sys.argv[1]), (28, 28)).max() > 250\n"
        "status = Path('/proc/self/status').read_text()\n"  # ru_maxrss is of the parent, too
        "print(status.partition('VmHWM:')[2].split()[0])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "large.png"],
        cwd=Path(pictures.__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(result.stdout) < 400_000  # kB


def test_a_wide_picture_is_reduced_to_the_means_of_its_squares(tmp_path: Path) -> None:
    wide = np.full((1200, 9000), 240, np.uint8)  # 11 × 11 pixels become one
    wide[100:1000, 1000:1030], wide[940:1000, 1000:8800] = 20, 40  # a wide L, over many tiles
    Image.fromarray(wide).save(tmp_path / "wide.png")
    found = pictures.read_image(tmp_path / "wide.png", SHAPE)
    rows = [slice(i, i + 11) for i in range(0, 1200, 11)]
    columns = [slice(j, j + 11) for j in range(0, 9000, 11)]
    means = np.array([[wide[i, j].mean() for j in columns] for i in rows])
    np.testing.assert_allclose(found, pictures.prepare(means, SHAPE, pictures.FRAME), atol=0.01)


def test_a_picture_on_its_side_is_turned_before_its_size_is_compared(tmp_path: Path) -> None:
    picture = Image.fromarray(drawing(28, 30).astype(np.uint8)[:, :30])
    exif = picture.getexif()
    exif[0x0112] = 6  # to be turned by a quarter
    picture.save(tmp_path / "turned.png", exif=exif)
    found = pictures.read_image(tmp_path / "turned.png", (30, 28), prepare_it=False)
    np.testing.assert_array_equal(found, np.rot90(np.asarray(picture, np.float64), -1))
    with pytest.raises(DataError, match="has 28 × 30 pixels, the model takes 30 × 28"):
        pictures.read_image(tmp_path / "turned.png", (28, 30), prepare_it=False)
