"""What is seen in an image, however it is encoded, and why an image cannot be stored."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.fetch.checks.inspect import DIGEST, SUFFIXES_BY_FORMAT, Fault, ImageFacts, inspect
from components.fetch.params import Limits
from components.fetch.sources.candidate import Candidate
from components.store.decode import decode_whole
from tests.fetch.fetched import photo, save
from tests.small import encode_png
from tests.store.encoded import encode_image, encode_png16, encode_tiff

LIMITS = Limits(max_pixels=10_000, max_bytes=100_000)
NOISE = np.random.default_rng(5).integers(0, 256, (20, 30, 3), dtype=np.uint8)
WHOLE = encode_png(NOISE)


def inspect_image(content: bytes | Path | np.ndarray, path: str = "a.png", **changes: Any) -> ImageFacts | Fault:
    return inspect(Candidate("s", path, content, None, None, **changes), LIMITS, None)


def see(content: bytes | Path | np.ndarray, path: str = "a.png") -> ImageFacts:
    facts = inspect_image(content, path)
    assert isinstance(facts, ImageFacts), facts
    return facts


def test_bytes_a_file_and_pixels_give_the_same_but_for_the_digest_of_the_content(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(WHOLE)
    assert see(file) == see(WHOLE)
    assert see(file).encoded == WHOLE, "stored as it is"
    assert see(file).content == hashlib.sha256(WHOLE).digest()[:DIGEST]
    assert see(NOISE)._replace(encoded=b"", content=b"") == see(WHOLE)._replace(encoded=b"", content=b"")
    assert np.array_equal(decode_whole(see(NOISE).encoded, channels=3, deep=False), NOISE)
    gray = see(NOISE[..., 0])
    assert np.array_equal(decode_whole(gray.encoded, channels=1, deep=False)[..., 0], NOISE[..., 0])


@pytest.mark.parametrize(
    ("content", "path", "reason", "image"),
    [
        (b"", "a.png", "empty: no byte in it", True),
        (b"", ".gitkeep", "empty: no byte in it", False),
        (b"notes", "a.txt", "no image of a format that is read", False),
        (b"notes", "README", "no image of a format that is read", False),
        (b"notes", "a.JPG", "no image of a format that is read", True),
        (b"<svg/>", "a.svg", "no image of a format that is read", False),
        (WHOLE[:-400], "a.png", "broken: image file is truncated", True),
        (WHOLE[:-400], "a", "broken: image file is truncated", True),
        (
            encode_png(np.zeros((101, 100))),
            "a.png",
            "a decompression bomb: 100 x 101 pixels are more than data.limits.max",
            True,
        ),
        (bytes(100_001), "a.png", "more bytes than data.limits.max_bytes", True),
        (bytes(100_001), "a.mp4", "more bytes than data.limits.max_bytes", False),
        (encode_tiff(bytes(36), width=3, height=3, bits=32), "a", "pixels that are floats, signed or of 32 bits", True),
        (encode_image(Image.new("F", (3, 3)), "TIFF"), "a.tif", "pixels that are floats, signed or of 32 bits", True),
        (Path("gone.png"), "a.png", "cannot be read: No such file or directory", True),
        (Path("/"), "folder", "cannot be read: Is a directory", False),
    ],
)
def test_a_reason_says_what_is_wrong_and_whether_it_should_be_an_image(
    content: bytes | Path, path: str, reason: str, image: bool
) -> None:
    """A file with an image's name or beginning counts as unreadable; a README does not stop the run."""
    fault = inspect_image(content, path)
    assert isinstance(fault, Fault)
    assert fault.reason.startswith(reason)
    assert fault.image is image
    assert "\n" not in fault.reason


def test_a_source_that_lists_images_is_believed_and_what_macos_puts_beside_them_is_none() -> None:
    """Otherwise a list of broken files without suffixes would pass, and a zip file from a Mac would stop the run."""
    counted = inspect(Candidate("s", "0001", b"text", None, None, declared_image=True), LIMITS, None)
    assert isinstance(counted, Fault)
    assert counted.image
    beside = inspect_image(b"Mac OS X", "bees/._a.jpg")
    assert isinstance(beside, Fault)
    assert not beside.image


def test_as_many_pixels_and_bytes_as_allowed_are_read() -> None:
    assert see(encode_png(np.zeros((100, 100)))).width == 100
    padded = WHOLE + bytes(LIMITS.max_bytes - len(WHOLE))
    assert len(see(padded).encoded) == LIMITS.max_bytes


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything may be read")
def test_a_file_that_may_not_be_read_is_rejected(tmp_path: Path) -> None:
    file = save(photo(1), tmp_path / "a.png")
    file.chmod(0)
    assert inspect_image(file) == Fault("cannot be read: Permission denied", True)


@pytest.mark.parametrize("error", [MemoryError(), RecursionError("too deep"), ValueError("bad\nchunk"), KeyError()])
def test_whatever_a_decoder_raises_is_a_reason(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Image.Image, "load", fail)
    fault = inspect_image(WHOLE)
    assert isinstance(fault, Fault)
    assert fault.reason in {
        "decoding needs more memory than there is",
        "broken: too deep",
        "broken: bad chunk",
        "broken: KeyError",
    }
    assert fault.image


def test_what_its_source_says_is_wrong_goes_before_what_is_in_it() -> None:
    assert inspect_image(WHOLE, fault="a link to nothing") == Fault("a link to nothing", True)
    assert inspect_image(WHOLE, "notes.txt", fault="a link to nothing") == Fault("a link to nothing", False)


@pytest.mark.parametrize("fault", [None, "holds no image"])
def test_what_its_source_calls_an_image_counts_as_one_whatever_its_name(fault: str | None) -> None:
    """A row of a table has no suffix; a thousand broken ones must not pass for a thousand notes."""
    for content in (b"", b"notes", bytes(LIMITS.max_bytes + 1)):
        outcome = inspect_image(content, "shard/0000001", fault=fault, declared_image=True)
        assert isinstance(outcome, Fault)
        assert outcome.image


def test_equal_pixels_have_an_equal_digest_however_they_are_encoded() -> None:
    """Otherwise a test image that is saved anew among the training images would not be found."""
    few = np.random.default_rng(0).integers(0, 2, (20, 30), dtype=np.uint8) * 255  # colours that every format can hold
    gray = Image.fromarray(few)
    opaque = gray.convert("RGBA")
    files = [
        encode_image(image, "PNG")
        for image in (gray, gray.convert("RGB"), opaque, gray.convert("P"), gray.convert("1"))
    ]
    files += [encode_image(gray, kind) for kind in ("BMP", "GIF", "PPM", "JPEG2000")]
    files += [encode_image(gray, "TIFF", compression=packing) for packing in ("raw", "tiff_lzw", "group4")[:2]]
    files += [encode_image(opaque, "WEBP", lossless=True), encode_png16(few[..., None].astype(np.uint16) * 257)]
    facts = [*map(see, files), see(few), see(np.stack([few] * 3, axis=2))]
    assert len({image_facts.pixels for image_facts in facts}) == len({image_facts.look for image_facts in facts}) == 1
    assert len({image_facts.content for image_facts in facts}) == len(facts), (
        "while the split goes by the bytes of the file"
    )


def test_other_pixels_have_another_digest() -> None:
    """The images differ in one pixel, in the shape of the same bytes, or in transparency."""
    changed = NOISE.copy()
    changed[3, 4, 1] ^= 1
    shades = [Image.fromarray(NOISE).convert("RGBA") for _ in range(3)]
    for image, alpha in zip(shades, (255, 254, 0), strict=True):
        image.putalpha(alpha)
    variants = [
        encode_png(NOISE),
        encode_png(changed),
        encode_png(NOISE.reshape(30, 20, 3)),
        *(encode_image(image, "PNG") for image in shades[1:]),
    ]
    assert len({see(file).pixels for file in variants}) == len(variants)
    assert see(encode_image(shades[0], "PNG")).pixels == see(WHOLE).pixels


@pytest.mark.parametrize(
    "pixels", [NOISE, np.zeros((1, 1), np.uint8), np.full((7, 1, 3), (255, 0, 3), np.uint8)], ids=str
)
def test_statistics_are_those_of_all_pixels_in_float64(pixels: np.ndarray) -> None:
    facts = see(pixels)
    values = np.broadcast_to(pixels if pixels.ndim == 3 else pixels[..., None], (*pixels.shape[:2], 3)) / 255
    np.testing.assert_allclose(facts.means, values.mean(axis=(0, 1)), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(facts.squares, (values**2).mean(axis=(0, 1)), rtol=1e-12, atol=1e-15)
    assert (facts.width, facts.height) == (pixels.shape[1], pixels.shape[0])


def test_what_is_transparent_counts_as_white() -> None:
    image = Image.new("RGBA", (10, 10), (0, 0, 0, 0))
    facts = see(encode_image(image, "PNG"))
    assert facts.means == (1, 1, 1)
    assert facts.flat
    assert facts.gray


@pytest.mark.parametrize(
    ("pixels", "gray", "flat"),
    [
        (np.full((6, 6), 77, np.uint8), True, True),
        (np.full((6, 6, 3), (1, 2, 3), np.uint8), False, True),
        (np.repeat(NOISE[..., :1], 3, axis=2), True, False),
        (np.eye(3, dtype=np.uint8).reshape(1, 3, 3) * 255, False, False),  # red, green, blue: the same histograms
        (NOISE, False, False),
    ],
)
def test_gray_and_flat_are_told_by_every_pixel(pixels: np.ndarray, gray: bool, flat: bool) -> None:
    assert (see(pixels).gray, see(pixels).flat) == (gray, flat)


@pytest.mark.parametrize("kind", sorted(SUFFIXES_BY_FORMAT))
def test_a_suffix_of_another_format_is_noticed_and_the_own_ones_are_not(kind: str) -> None:
    file = encode_image(photo(1), kind, **({"save_all": True, "append_images": [photo(2)]} if kind == "MPO" else {}))
    assert see(file).format == kind
    assert {
        see(file, f"a{suffix}").misnamed
        for suffix in (*SUFFIXES_BY_FORMAT[kind], ".JPG" if kind == "JPEG" else "", ".x")
    } == {False}
    assert see(file, "a.gif" if kind != "GIF" else "a.png").misnamed
    assert see(file, "a.heic").misnamed
