"""Images with more than 8 bits or many channels are compared and measured by all that their files hold."""

import struct
from typing import Any

import numpy as np
import pytest

from components.fetch.checks.inspect import Fault, ImageFacts, inspect
from components.fetch.params import Limits, Reencode
from components.fetch.sources.candidate import Candidate
from tests.fetch.fetched import photo
from tests.store.encoded import encode_image, encode_png16
from tests.store.tiffs import BANDS, CONTIGUOUS, PLANAR, set_tag, write_bands, write_tiff

LIMITS = Limits(max_pixels=10_000, max_bytes=1_000_000)
TWELVE = BANDS >> 4  # of 12 bits


def inspect_file(content: bytes, **changes: Any) -> ImageFacts | Fault:
    return inspect(Candidate("s", "a.tif", content, None, None), LIMITS.model_copy(update=changes), None)


def see(content: bytes) -> ImageFacts:
    facts = inspect_file(content)
    assert isinstance(facts, ImageFacts), facts
    return facts


def find_fault(content: bytes, **changes: Any) -> str:
    fault = inspect_file(content, **changes)
    assert isinstance(fault, Fault)
    assert fault.image
    assert "\n" not in fault.reason
    return fault.reason


def test_channels_are_measured_as_their_values_stand_in_the_file() -> None:
    facts = see(write_bands(TWELVE))
    assert facts.full is not None
    assert (facts.full.channels, facts.full.bits, facts.full.bands) == (13, 16, True)
    assert facts.full.highest == TWELVE.max()
    values = TWELVE.astype(float)
    np.testing.assert_allclose(facts.full.means, values.mean(axis=(0, 1)), rtol=1e-12)
    np.testing.assert_allclose(facts.full.squares, (values**2).mean(axis=(0, 1)), rtol=1e-12)
    assert (facts.width, facts.height, facts.format) == (50, 40, "TIFF")
    assert facts.encoded == write_bands(TWELVE), "stored as it is"


def test_one_bit_of_the_ninth_channel_makes_another_image_and_another_packing_does_not() -> None:
    """Two images that differ in infrared alone are no copies; one that is packed anew is."""
    changed = TWELVE.copy()
    changed[3, 4, 8] ^= 1
    same = [
        write_bands(TWELVE, compression="zlib"),
        write_tiff(TWELVE.transpose(2, 0, 1), **PLANAR),
        write_tiff(TWELVE.transpose(2, 0, 1)),
        write_bands(TWELVE, byteorder=">", tile=(16, 16)),
    ]
    assert {see(file).pixels for file in same} == {see(write_bands(TWELVE)).pixels}
    others = [write_bands(changed), write_bands(TWELVE[..., :12]), write_bands(TWELVE.reshape(50, 40, 13))]
    assert len({see(file).pixels for file in (same[0], *others)}) == 4


def test_gray_and_colours_of_16_bits_are_told_apart_by_their_lower_bits() -> None:
    values = np.random.default_rng(1).integers(0, 2**16, (20, 30, 3))
    changed = values ^ (np.indices(values.shape).sum(axis=0) == 0)
    opaque = np.concatenate([values, np.full((20, 30, 1), 65535)], axis=2)
    facts = [see(encode_png16(pixels)) for pixels in (values, changed, opaque)]
    assert [image.pixels == facts[0].pixels for image in facts] == [True, False, True]
    assert see(write_tiff(values.astype(np.uint16), **CONTIGUOUS | {"photometric": "rgb"})).pixels == facts[0].pixels
    gray = values[..., :1]
    repeated = see(encode_png16(np.repeat(gray, 3, axis=2)))
    assert repeated.gray
    assert repeated.pixels == see(encode_png16(gray)).pixels


def test_what_looks_alike_is_found_however_dark_its_bits_make_it() -> None:
    """Thumbnails and hashes of 12 bits in 16 would otherwise be black, and all such images near copies."""
    one, other = (np.asarray(photo(number, (64, 48), "L")).astype(np.uint16) * 16 for number in (1, 2))
    dark, another = see(write_tiff(one)), see(write_tiff(other))
    shown = see(encode_image(photo(1, (64, 48), "L"), "PNG"))
    assert (dark.look ^ shown.look).bit_count() <= 2
    assert (dark.look ^ another.look).bit_count() > 8
    assert max(dark.thumbnail) > 128


def test_gray_and_flat_are_told_by_all_bits() -> None:
    nearly = np.full((6, 6, 1), 1000)
    nearly[0, 0] = 1001
    assert [see(encode_png16(values)).flat for values in (np.full((6, 6, 1), 1000), nearly)] == [True, False]
    tinted = np.concatenate([nearly, nearly, nearly + 1], axis=2)
    assert not see(encode_png16(tinted)).gray
    assert not see(write_bands(np.repeat(TWELVE[..., :1], 5, axis=2))).gray, "nobody knows the colours of bands"


def test_an_image_of_many_channels_is_not_scaled_down_as_that_would_cut_it() -> None:
    file = write_bands(TWELVE)
    facts = inspect(Candidate("s", "a.tif", file, None, None), LIMITS, Reencode(max_side=16, jpeg_quality=90))
    assert isinstance(facts, ImageFacts)
    assert facts.encoded == file


def test_a_bomb_of_channels_is_refused_before_it_is_decoded() -> None:
    """The header is all that is read: 1,000 x 10 pixels of 1,000 channels take 20 MB, and others without end."""
    bomb = write_bands(np.zeros((8, 8, 1000), np.uint16), compression="zlib")
    wide = set_tag(bomb, 256, 1000)
    assert find_fault(wide).startswith("a decompression bomb: 1000 x 8 pixels of 1,000 channels are more than 8 bytes")
    assert find_fault(set_tag(bomb, 256, 2**31 - 1)).startswith("a decompression bomb: 2147483647 x 8 pixels are")
    assert find_fault(set_tag(bomb, 277, 10_000)) == "10,000 channels, more than 1,024"


def make_cycle(file: bytes) -> bytes:
    """Let the last page of a TIFF of Intel's order be followed by its first."""
    [first] = struct.unpack_from("<I", file, 4)
    at = first
    while at:
        place = at + 2 + 12 * struct.unpack_from("<H", file, at)[0]
        [at] = struct.unpack_from("<I", file, place)
    return file[:place] + struct.pack("<I", first) + file[place + 4 :]


LARGE_TILES = set_tag(set_tag(write_bands(TWELVE, tile=(48, 64)), 322, 2**30), 323, 2**30)
PACKED = write_bands(TWELVE, compression="zlib")
HOSTILE = {
    "one strip of many": set_tag(write_bands(TWELVE, rowsperstrip=1), 278, 4),
    "tiles larger than memory": LARGE_TILES,
    "a strip beyond the end": set_tag(write_bands(TWELVE), 273, 2**31),
    "a strip that is cut off": write_bands(TWELVE)[:-500],
    "a packed strip that is cut off": PACKED[:-500],
    "a packed strip of nothing": set_tag(PACKED, 279, 0),
    "two thousand million counts": set_tag(PACKED, 258, 8, count=2**31),
    "a page without height": set_tag(PACKED, 257, 0),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_one_reason(kind: str) -> None:
    find_fault(HOSTILE[kind])


def test_pages_in_a_circle_end() -> None:
    """The first is the picture, whatever the description says."""
    circles = [
        make_cycle(write_tiff(TWELVE.transpose(2, 0, 1), metadata=None)),
        make_cycle(write_tiff(TWELVE[..., :5].transpose(2, 0, 1)).replace(b"[5, 40", b"[9, 40")),
    ]
    for circle in circles:
        facts = see(circle)
        assert facts.full is not None
        assert facts.full.channels == 1
