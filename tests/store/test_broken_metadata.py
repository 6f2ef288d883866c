"""Broken metadata reject no sound picture: it is shown upright where its orientation can be read, else as it stands."""

import io
import random
import struct
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps, UnidentifiedImageError

from components.features.inputs import show_upright
from components.store.bare import drop_metadata
from components.store.decode import decode_upright, decode_whole, to_channels
from tests.fetch.fetched import photo
from tests.store.encoded import encode_image
from tests.store.metadata import JPEG_EXIF, TURNED, XMP_TURNED, add_segment, far, make_broken, make_exif

PICTURE = photo(3, (20, 12))
JPEG = encode_image(PICTURE, "JPEG", quality=95)
BROKEN = make_broken(PICTURE)
MODEL = (272, 2, 9, far(2))
AS_IT_STANDS, UPRIGHT = np.asarray(PICTURE), np.rot90(np.asarray(PICTURE), -1)


def embed_as_seen(file: bytes) -> np.ndarray | None:
    """Return what `load_encoder(...).embed` is given of a file, or None if Pillow cannot open it."""
    try:
        opened = Image.open(io.BytesIO(file))
    except (OSError, ValueError):
        return None
    return np.asarray(to_channels(show_upright(opened), 3))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fault", JPEG_EXIF)
def test_a_jpeg_is_shown_whatever_its_exif_says(fault: str) -> None:
    content, turned = JPEG_EXIF[fault]
    stored = decode_whole(JPEG, channels=3, deep=False)
    expected = np.rot90(stored, -1) if turned else stored
    for marker in (0xE1, 0xE2):  # as EXIF, and where it does not belong
        file = add_segment(JPEG, content, marker)
        shown = decode_whole(file, channels=3, deep=False)
        assert np.array_equal(shown, expected if marker == 0xE1 else stored)
        assert np.array_equal(embed_as_seen(file), shown)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("marker", [0xE0, 0xE2, 0xED, 0xEE])
@pytest.mark.parametrize(
    "content", [b"JFIF\0", b"Photoshop 3.0\x008BIM\0", b"ICC_PROFILE\0", b"Adobe\0", b"MPF\0MM\0*"]
)
def test_a_jpeg_with_segments_that_are_cut_off_is_shown_upright(content: bytes, marker: int) -> None:
    file = add_segment(add_segment(JPEG, make_exif(TURNED)), content, marker)
    assert np.array_equal(
        decode_whole(file, channels=3, deep=False), np.rot90(decode_whole(JPEG, channels=3, deep=False), -1)
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fault", BROKEN)
def test_pictures_of_other_formats_are_shown_as_well(fault: str) -> None:
    file, turned = BROKEN[fault]
    shown = decode_whole(file, channels=3, deep=False)
    assert np.array_equal(shown, UPRIGHT if turned else AS_IT_STANDS)
    seen = embed_as_seen(file)
    assert seen is None or np.array_equal(seen, shown)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fault", [name for name in BROKEN if "the end" not in name and "cut off" not in name])
def test_a_broken_picture_stays_refused_whatever_its_metadata(fault: str) -> None:
    file, _ = BROKEN[fault]
    place = file.index(b"IDAT") + 40 if b"IDAT" in file else len(file) // 2
    with pytest.raises(
        Exception, match=r"truncated|broken|decode|identify|not enough|Truncated|cannot|range|too large"
    ):
        decode_whole(file[:place], channels=3, deep=False)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_that_counts_more_tags_than_it_has_bytes_takes_no_memory(order: str) -> None:
    """With 64 bits it may count so many that a list of them would fill any machine."""
    head = {"<": b"II+\0", ">": b"MM\0+"}[order] + struct.pack(order + "HHQ", 8, 0, 16)
    with pytest.raises(ValueError, match="do not fit into the file"):
        drop_metadata(head + struct.pack(order + "Q", 10**6) + bytes(100))
    with pytest.raises(UnidentifiedImageError):
        to_channels(decode_upright(head + struct.pack(order + "Q", 2**62) + bytes(100)), 3)


def test_an_avif_is_turned_by_its_own_boxes_though_its_exif_is_broken() -> None:
    """Pillow refuses to open it."""
    file = encode_image(PICTURE, "AVIF", exif=make_exif(TURNED, MODEL, extra=b"A camera\0"), quality=100)
    broken = file.replace(b"II*\0\x08\0\0\0", bytes(8))
    assert broken != file
    assert np.array_equal(decode_whole(broken, channels=3, deep=False), decode_whole(file, channels=3, deep=False))
    assert decode_whole(broken, channels=3, deep=False).shape[:2] == (20, 12)


def find_metadata(file: bytes, *texts: bytes) -> list[int]:
    """Return the places of the bytes of these texts in a file."""
    return [place for text in texts for place in range(file.index(text), file.index(text) + len(text))]


EXIF = make_exif(
    TURNED, (271, 2, 9, b"\x32\0\0\0"), (282, 5, 1, b"\x3b\0\0\0"), extra=b"A camera\0" + bytes([72, 0, 0, 0, 1])
)
MUTATED: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: encode_image(PICTURE, "JPEG", exif=EXIF),
    "JPEG with XMP": lambda: encode_image(PICTURE, "JPEG", exif=EXIF, xmp=XMP_TURNED),
    "PNG": lambda: encode_image(PICTURE, "PNG", exif=EXIF),
    "WEBP": lambda: encode_image(PICTURE, "WEBP", lossless=True, exif=EXIF, xmp=XMP_TURNED),
    "MPO": lambda: encode_image(PICTURE, "MPO", exif=EXIF, save_all=True, append_images=[PICTURE]),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", MUTATED)
def test_whatever_happens_to_the_metadata_the_pixels_are_right(kind: str) -> None:
    """Where there is no XMP, and Pillow's own reading does not fail, it is the reference."""
    file, chance = MUTATED[kind](), random.Random(0)
    places = find_metadata(file, EXIF[6:], *([XMP_TURNED] if XMP_TURNED in file else []))
    upright = decode_whole(file, channels=3, deep=False)
    turns = [upright, *(np.asarray(Image.fromarray(upright).transpose(method)) for method in Image.Transpose)]
    for _ in range(100):
        damaged = bytearray(file)
        for place in chance.sample(places, chance.choice([1, 2, 4, 16])):
            damaged[place] = chance.choice([0, 1, 2, 3, 5, 7, 10, 11, 12, 255, chance.randrange(256)])
        shown = decode_whole(bytes(damaged), channels=3, deep=False)
        assert any(np.array_equal(shown, turned) for turned in turns), damaged
        seen = embed_as_seen(bytes(damaged))
        assert seen is None or np.array_equal(seen, shown), damaged
        if XMP_TURNED in file:  # which is read where EXIF states no orientation that exists
            continue
        try:
            reference = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(damaged))))
        except Exception:
            continue
        assert np.array_equal(shown, reference), damaged
