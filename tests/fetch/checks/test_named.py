"""A file that is no image of a format that is read is named for what it is, with what to do about it."""

import numpy as np
import pytest
from PIL import Image

from components.fetch.checks.inspect import Fault, inspect
from components.fetch.checks.named import UNKNOWN
from components.fetch.params import Limits, Reencode
from components.fetch.sources.candidate import Candidate
from components.store.pages import CAMERA_RAW, RAW_SUFFIXES
from tests.fetch.fetched import photo
from tests.store.encoded import encode_image, encode_tiff
from tests.store.metadata import SHORT, write_into_tiff

LIMITS = Limits(max_pixels=10_000, max_bytes=100_000)
TIFF, JPEG = encode_image(photo(1), "TIFF"), encode_image(photo(1), "JPEG")
SENSOR = encode_tiff(bytes(18), width=3, height=3, bits=16, black=32803)  # of colour filters


def find_fault(content: bytes, path: str = "a") -> Fault:
    fault = inspect(Candidate("s", path, content, None, None), LIMITS, None)
    assert isinstance(fault, Fault), fault
    return fault


NAMED = [  # content, how the reason goes on, whether it holds a picture whatever its name
    (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC: convert it to JPEG", True),
    (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC: convert it to JPEG", True),
    (b"\xff\x0a\xfa\x7f", "JPEG XL: convert it", True),
    (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl ", "JPEG XL: convert it", True),
    (b"8BPS\0\1" + bytes(20), "a Photoshop file: convert it", False),
    (b"<svg/>", "SVG: draw it as PNG", False),
    (b'<?xml version="1.0"?>\n<!-- <!-- -->\n<svg xmlns="x"/>', "SVG: draw it as PNG", False),
    (b"\n<!DOCTYPE html><title>404</title><svg/>", "a web page: download the image itself", False),
    (b"%PDF-1.4\n", "a PDF: draw it as PNG", False),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript: draw it as PNG", False),
    (b"\x1aE\xdf\xa3\x01\0\0\0webm", "a video: save its frames", False),
    (b"\0\0\0\x14ftypqt  ", "a video: save its frames", False),
    (b"RIFF\x24\0\0\0AVI LIST", "a video: save its frames", False),
    (b"\0\0\1\0\1\0", "an icon or a cursor: convert it", False),
    (b"\0\0\2" + bytes(9), "TGA: convert it", False),
    (b"qoif" + bytes(10), "QOI: convert it", False),
    (bytes(128) + b"DICM", "DICOM: convert it", False),
    (b"v/1\1\2\0\0\0", "OpenEXR: convert it", False),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a", "a pointer of Git LFS: run `git lfs pull`", False),
    (b"PK\3\4" + bytes(9), "an archive or arrays: save each of its images", False),
]


@pytest.mark.parametrize(("content", "goes_on", "picture"), NAMED)
def test_a_format_that_is_not_read_is_named(content: bytes, goes_on: str, picture: bool) -> None:
    """A photo of a phone counts as unreadable whatever it is called; a drawing or a video only by an image's name."""
    for path in ("a", "a.bin", "a.jpg"):
        fault = find_fault(content, path)
        assert fault.reason.startswith(f"{UNKNOWN}, but {goes_on}")
        assert fault.reason.endswith((" first", " itself"))
        assert fault.image is (picture or path == "a.jpg")


@pytest.mark.parametrize("path", ["a.heic", "a.HEIF", "a.jxl"])
def test_files_with_a_phones_suffix_count_whatever_is_in_them(path: str) -> None:
    assert find_fault(b"nothing known", path) == Fault(UNKNOWN, True)


RAW = [b"FUJIFILMCCD-RAW 0201", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", b"IIRO\x08\0\0\0", b"IIU\0\x18\0\0\0", SENSOR]
RAW += [b"FOVb\0\0\2\0", b"\0MRM\0\0", b"II\x1a\0\0\0HEAPCCDR"]


@pytest.mark.parametrize("content", RAW)
def test_a_raw_file_is_known_by_its_beginning(content: bytes) -> None:
    assert find_fault(content) == find_fault(content, "a.tif") == Fault(CAMERA_RAW, True)


@pytest.mark.parametrize("suffix", RAW_SUFFIXES)
def test_a_raw_file_is_known_by_its_name(suffix: str) -> None:
    for path in (f"a{suffix}", f"b/A{suffix.upper()}"):
        assert find_fault(TIFF, path) == find_fault(bytes(100), path) == Fault(CAMERA_RAW, True)
    assert find_fault(b"Mac OS X", f"b/._a{suffix}").image is False


def test_a_jpeg_that_calls_itself_raw_is_stored_as_what_it_is() -> None:
    facts = inspect(Candidate("s", "a.nef", JPEG, None, None), LIMITS, None)
    assert not isinstance(facts, Fault)
    assert (facts.format, facts.misnamed) == ("JPEG", True)


@pytest.mark.parametrize("content", [JPEG[:9], b"\x89PNG\r\n\x1a\n" + bytes(9), b"RIFF\x24\0\0\0WEBPVP8 ", TIFF[:8]])
def test_a_header_that_is_broken_is_called_broken(content: bytes) -> None:
    fault = find_fault(content)
    assert fault.reason.startswith("broken: ")
    assert fault.image


def test_a_tiff_of_numbers_that_are_not_read_says_which_they_are() -> None:
    half = find_fault(encode_tiff(np.zeros(4, np.float16).tobytes(), width=2, height=2, bits=16, numbers=3))
    assert half.reason.startswith("a TIFF whose pixels have 1 x 16 bits, floating-point, or are packed")
    assert "save it as gray, RGB or RGBA of 8 bits" in half.reason
    assert half.image


def test_a_profile_that_is_none_does_not_stop_an_image_from_being_encoded_anew() -> None:
    """Pillow reads the tag of whatever type it is, and fails to write it."""
    file = encode_image(Image.new("RGB", (80, 40), "red"), "TIFF", tiffinfo={34675: b"no profile"})
    for content in (file, write_into_tiff(file, 34675, SHORT, 1, b"\1\0\0\0")):
        facts = inspect(Candidate("s", "a", content, None, None), LIMITS, Reencode(max_side=32, jpeg_quality=90))
        assert not isinstance(facts, Fault), facts
