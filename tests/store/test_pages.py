"""The picture of a TIFF is its first page that is no preview; RAW files of cameras are refused, never shown small."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin, TiffTags

from components.encoder.params import Images
from components.features.inputs import to_square
from components.stage.errors import InputError
from components.store.decode import decode_square, decode_upright, decode_whole, to_channels
from components.store.pages import CAMERA_RAW, PreviewOnly, list_sub_files
from components.store.pages import PAGES as LOOKED_THROUGH
from tests.fetch.fetched import photo
from tests.store.encoded import encode_image

SMALL, LARGE, OTHER = photo(1, (12, 8)), photo(1, (48, 32)), photo(2, (48, 32))
NEW, OLD, MAKE, SUB_IFDS, DNG_VERSION = 254, 255, 271, 330, 50706


def encode_pages(*pages: tuple[Image.Image, dict[int, Any]], **options: Any) -> bytes:
    """Encode a TIFF of these pages, each with its tags; libtiff would not write those of sub-files."""
    file = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(file, True) as writer:
        for picture, tags in pages:
            info = TiffImagePlugin.ImageFileDirectory_v2()
            for tag, value in tags.items():
                info[tag] = value
                if tag == SUB_IFDS:
                    info.tagtype[tag] = TiffTags.LONG
            picture.save(writer, "TIFF", tiffinfo=info, **({} if SUB_IFDS in tags else options))
            writer.newFrame()
    return file.getvalue()


def make_sub_file(file: bytes) -> bytes:
    """Take the second page out of the chain, and let the first page's SubIFDs lead to it."""
    [first] = struct.unpack_from("<L", file, 4)
    end = first + 2 + 12 * struct.unpack_from("<H", file, first)[0]
    second = file[end : end + 4]
    unchained = file[:end] + bytes(4) + file[end + 4 :]
    return unchained.replace(struct.pack("<HHLL", SUB_IFDS, 4, 1, 8), struct.pack("<HHL", SUB_IFDS, 4, 1) + second)


SEEN = Images(side=16, read_side=16, mean=(0.5,) * 3, std=(0.2,) * 3, range=None, colours=None)


def see_square(opened: Image.Image) -> np.ndarray:
    return to_square(opened, SEEN, "images[0]")


PAGES = {
    "a preview first": ((SMALL, {NEW: 1}), (LARGE, {NEW: 0})),
    "a preview first, the picture unmarked": ((SMALL, {NEW: 1}), (LARGE, {})),
    "a preview of a page of several": ((SMALL, {NEW: 3}), (LARGE, {NEW: 2}), (OTHER, {NEW: 2})),
    "several previews": ((SMALL, {NEW: 1}), (SMALL.rotate(180), {NEW: 1}), (LARGE, {NEW: 0}), (OTHER, {})),
    "a mask first": ((OTHER.convert("1"), {NEW: 4}), (LARGE, {})),
    "a preview with sub-files": ((SMALL, {NEW: 1, SUB_IFDS: 8}), (LARGE, {})),
    "pages": ((LARGE, {NEW: 2}), (OTHER, {NEW: 2})),
    "the preview last": ((LARGE, {}), (SMALL, {NEW: 1})),
    "the small page first, but not as a preview": ((LARGE, {}), (photo(9, (96, 64)), {})),
}


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
@pytest.mark.parametrize("kind", PAGES)
def test_the_first_page_that_is_no_preview_is_the_picture(kind: str, compression: str) -> None:
    """And an opened image that is embedded stays as it was, decoded or not."""
    file = encode_pages(*PAGES[kind], compression=compression)
    assert np.array_equal(decode_whole(file, channels=3, deep=False), np.asarray(LARGE))
    square = decode_square(file, side=16, channels=3, deep=False)
    opened = Image.open(io.BytesIO(file))
    for _ in range(2):
        size = opened.size
        assert np.array_equal(see_square(opened), square)
        assert (opened.tell(), opened.size) == (0, size)
        opened.load()
    assert np.array_equal(np.asarray(opened), np.asarray(Image.open(io.BytesIO(file))))


def test_a_preview_may_be_marked_in_the_old_way() -> None:
    file = encode_pages((SMALL, {OLD: 2}), (LARGE, {OLD: 1}))
    assert np.array_equal(decode_whole(file, channels=3, deep=False), np.asarray(LARGE))


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_the_picture_may_be_a_sub_file_of_its_preview(compression: str) -> None:
    file = make_sub_file(encode_pages((SMALL, {NEW: 1, SUB_IFDS: 8}), (LARGE, {NEW: 0}), compression=compression))
    assert Image.open(io.BytesIO(file)).n_frames == 1
    assert np.array_equal(decode_whole(file, channels=3, deep=False), np.asarray(LARGE))
    assert np.array_equal(
        see_square(Image.open(io.BytesIO(file))), decode_square(file, side=16, channels=3, deep=False)
    )


def test_a_picture_with_reduced_sub_files_is_the_picture() -> None:
    file = make_sub_file(encode_pages((LARGE, {SUB_IFDS: 8}), (SMALL, {NEW: 1})))
    assert np.array_equal(decode_whole(file, channels=3, deep=False), np.asarray(LARGE))


def test_a_sub_file_of_a_sensor_makes_a_raw_file_of_the_whole() -> None:
    """Some cameras do not mark the preview before it."""
    for tags in ({NEW: 1, SUB_IFDS: 8}, {SUB_IFDS: 8}):
        file = make_sub_file(encode_pages((SMALL, tags), (LARGE, {})))
        place = file.rindex(struct.pack("<HHLL", 262, 3, 1, 2))
        sensor = file[:place] + struct.pack("<HHLL", 262, 3, 1, 32803) + file[place + 12 :]
        with pytest.raises(PreviewOnly, match=CAMERA_RAW):
            to_channels(decode_upright(sensor), 3)


def test_no_file_can_name_sub_files_without_end() -> None:
    """A file of some megabytes may name a million, each as large as the file."""
    assert list_sub_files({SUB_IFDS: tuple(range(1000))}) == tuple(range(LOOKED_THROUGH))


def test_another_page_that_the_caller_chose_is_the_one_that_is_seen() -> None:
    opened = Image.open(io.BytesIO(encode_pages(*PAGES["pages"])))
    opened.seek(1)
    assert np.array_equal(see_square(opened), see_square(OTHER))


def test_a_preview_alone_is_refused_with_its_size() -> None:
    file = encode_pages((SMALL, {NEW: 1}))
    with pytest.raises(PreviewOnly, match=r"only a preview of 12 x 8 pixels .*: save the picture itself"):
        to_channels(decode_upright(file), 3)
    with pytest.raises(InputError, match=r"images\[0\]: only a preview of 12 x 8 pixels"):
        see_square(Image.open(io.BytesIO(file)))


RAW = {
    "DNG": encode_pages((SMALL, {DNG_VERSION: b"\1\4\0\0"})),
    "DNG with a preview": encode_pages((SMALL, {NEW: 1, DNG_VERSION: b"\1\4\0\0"}), (LARGE, {})),
    "NEF": encode_pages((SMALL, {NEW: 1, MAKE: "NIKON", SUB_IFDS: 8})),
    "ARW": encode_pages((SMALL, {NEW: 1, MAKE: "SONY", SUB_IFDS: 8}), (SMALL, {MAKE: "SONY"})),
    "a camera's, without sub-files": encode_pages((SMALL, {NEW: 1, MAKE: "ACME"})),
    "CR2": b"II*\0\x10\0\0\0CR\2\0" + bytes(4) + encode_pages((SMALL, {MAKE: "Canon"}))[8:],
}


@pytest.mark.parametrize("kind", RAW)
def test_a_raw_file_is_refused_whatever_it_is_called(kind: str) -> None:
    """Otherwise its preview of 160 pixels would be trained on, with the label of the picture."""
    with pytest.raises(PreviewOnly, match=r"a camera RAW file, .*: convert it to JPEG or TIFF first, or remove it"):
        to_channels(decode_upright(RAW[kind]), 3)
    if kind == "CR2":
        return  # this one has no pages
    opened = Image.open(io.BytesIO(RAW[kind]))
    for _ in range(2):
        with pytest.raises(InputError, match=r"images\[0\]: a camera RAW file"):
            see_square(opened)
        opened.load()


@pytest.mark.parametrize("decoded", [False, True])
@pytest.mark.parametrize("name", ["a.nef", "a.NEF", "a.dng", "a.ARW", "a.pef"])
def test_an_opened_tiff_with_the_name_of_a_raw_file_is_refused(name: str, decoded: bool, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(encode_image(SMALL, "TIFF"))
    with Image.open(tmp_path / name) as opened:
        if decoded:
            opened.load()
        with pytest.raises(InputError, match=CAMERA_RAW):
            see_square(opened)


def test_a_photo_is_read_whatever_camera_it_comes_from() -> None:
    """A converter writes the camera's name into a TIFF as well; a mark without a value is none."""
    for tags in ({MAKE: "NIKON"}, {MAKE: "NIKON", SUB_IFDS: 8, NEW: 0}):
        assert np.array_equal(decode_whole(encode_pages((LARGE, tags)), channels=3, deep=False), np.asarray(LARGE))
    preview = encode_pages((LARGE, {NEW: 1}))
    empty = preview.replace(struct.pack("<HHL", NEW, 4, 1), struct.pack("<HHL", NEW, 4, 0))
    assert empty != preview
    assert np.array_equal(decode_whole(empty, channels=3, deep=False), np.asarray(LARGE))
