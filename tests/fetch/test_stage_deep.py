"""Images of 13 channels of 16 bits go through the whole stage: the store's values equal the files', and damaged files
are one reason each."""

import random

import numpy as np
import pytest

from components.store.decode import decode_square
from tests.fetch.fetched import Fetched, folder_source, photo, save, section
from tests.store.tiffs import BANDS, PLANAR, write_bands, write_tiff

DAMAGED = 20


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Fetched:
    """A run over sound images, packed in several ways, and damaged copies of one, in processes as they are."""
    folder = tmp_path_factory.mktemp("bands")
    chance, pixels = random.Random(5), BANDS >> 4
    files = {
        f"class/{name}.tif": file
        for name, file in {
            "contiguous": write_bands(pixels),
            "deflate": write_bands(np.roll(pixels, 1, axis=0), compression="zlib", predictor=True),
            "tiles": write_bands(np.roll(pixels, 2, axis=0), tile=(16, 16), compression="zlib"),
            "planar": write_tiff(np.roll(pixels, 3, axis=0).transpose(2, 0, 1), **PLANAR),
            "pages": write_tiff(np.roll(pixels, 4, axis=0).transpose(2, 0, 1)),
        }.items()
    }
    whole = files["class/deflate.tif"]
    for number in range(DAMAGED):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[chance.randrange(8, 400)] ^= 1 << chance.randrange(8)
        files[f"damaged/{number}.tif"] = bytes(damaged[: chance.choice((None, None, len(whole) // 2))])
    for name, content in files.items():
        path = folder / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    save(photo(1), folder / "in/class/rgb.png")
    return Fetched(folder / "out").run(
        section([folder_source(folder / "in", "flat")], checks__max_unreadable_fraction=1.0)
    )


def test_the_stores_values_equal_the_files(fetched: Fetched) -> None:
    """From the file to the array nothing is cut to 8 bits and no channel is lost or moved."""
    images = fetched.images
    for number, name in enumerate(("contiguous", "deflate", "tiles", "planar", "pages")):
        encoded = images[f"mine/class/{name}.tif"]
        expected = np.roll(BANDS >> 4, number, axis=0)[:40, 5:45]  # the middle
        square = decode_square(encoded, side=40, channels=13, deep=True)
        assert square.dtype == np.uint16
        assert np.array_equal(square.transpose(1, 2, 0), expected)


def test_findings_and_metrics_name_depth_and_mixture(fetched: Fetched) -> None:
    groups = {(depth["channels"], depth["bits"]): depth for depth in fetched.metrics["depths"]}
    assert groups[13, 16]["highest"] >= int((BANDS >> 4).max())
    assert groups[3, 8]["example"] == "mine/class/rgb.png"
    listed = fetched.read_findings("deep")
    assert {"id": "mine/class/pages.tif", "channels": "13", "bits": "16", "highest": "4095"} in listed


def test_each_damaged_file_is_stored_or_one_reason(fetched: Fetched) -> None:
    stored = {name for name in fetched.column("id") if "/damaged/" in name}
    reasons = {file["path"]: file["reason"] for file in fetched.metrics["rejected_files"]}
    assert len(reasons) + len(stored) == DAMAGED
    assert len(reasons) > DAMAGED // 3
    assert all(reason and "\n" not in reason for reason in reasons.values())
