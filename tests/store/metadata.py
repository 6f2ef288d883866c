"""Makes pictures with metadata that are broken in ways that cameras, editors and converters break them."""

import struct
import zlib
from collections.abc import Callable

from PIL import Image

from tests.store.encoded import encode_image

ORIENTATION, MAKE, RESOLUTION, UNIT, XMP, LATER = 274, 271, 282, 296, 700, 34665
BYTE, ASCII, SHORT, LONG, RATIONAL, SIGNED_RATIONAL, FLOAT = 1, 2, 3, 4, 5, 10, 11
TURNED = (ORIENTATION, SHORT, 1, struct.pack("<HH", 6, 0))
XMP_TURNED = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
Entry = tuple[int, int, int, bytes]  # tag, type, count, and four bytes: the value or where it lies


def make_exif(*entries: Entry, extra: bytes = b"") -> bytes:
    """Make EXIF of these entries; what does not fit into four bytes lies at `far(number of entries)`."""
    body = b"".join(struct.pack("<HHL", *entry[:3]) + entry[3] for entry in entries)
    return b"Exif\0\0II*\0" + struct.pack("<LH", 8, len(entries)) + body + bytes(4) + extra


def far(entries: int) -> bytes:
    """Where `extra` lies after so many entries."""
    return struct.pack("<L", 8 + 2 + 12 * entries + 4)


def add_segment(jpeg: bytes, content: bytes, marker: int = 0xE1) -> bytes:
    """Add a segment to a JPEG."""
    return jpeg[:2] + struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content + jpeg[2:]


def make_chunk(kind: bytes, content: bytes, checksum: int | None = None) -> bytes:
    """Make a chunk of PNG, with a wrong checksum if one is given."""
    right = zlib.crc32(kind + content)
    return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", right if checksum is None else checksum)


def add_chunk(png: bytes, chunk: bytes, before: bytes = b"IDAT") -> bytes:
    """Add a chunk to a PNG, before the first of a kind."""
    place = png.index(before) - 4
    return png[:place] + chunk + png[place:]


def add_box(jp2: bytes, into: bytes, box: bytes) -> bytes:
    """Add a box at the end of another one of JPEG 2000."""
    begin = jp2.index(into) - 4
    [length] = struct.unpack_from(">L", jp2, begin)
    end = begin + length
    return jp2[:begin] + struct.pack(">L", length + len(box)) + jp2[begin + 4 : end] + box + jp2[end:]


def write_into_tiff(tiff: bytes, tag: int, kind: int, count: int, value: bytes) -> bytes:
    """Make another entry of an entry of a TIFF that Pillow wrote."""
    [place] = struct.unpack_from("<L", tiff, 4)
    [entries] = struct.unpack_from("<H", tiff, place)
    for at in range(place + 2, place + 2 + 12 * entries, 12):
        if struct.unpack_from("<H", tiff, at) == (tag,):
            return tiff[:at] + struct.pack("<HHL", tag, kind, count) + value + tiff[at + 12 :]
    raise KeyError(tag)


JPEG_EXIF = {  # what APP1 holds, and whether the picture is to be turned
    "a header twice": (b"Exif\0\0" + make_exif(TURNED), True),
    "a signed rational of 0": (
        make_exif(TURNED, (RESOLUTION, SIGNED_RATIONAL, 1, far(2)), extra=struct.pack("<ll", -1, 0)),
        True,
    ),
    "a rational that is a byte": (make_exif(TURNED, (RESOLUTION, BYTE, 1, b"\x48\0\0\0")), True),
    "a whole number that is a float": (make_exif(TURNED, (UNIT, FLOAT, 1, struct.pack("<f", 2.5))), True),
    "an offset beyond the end": (make_exif(TURNED, (LATER, LONG, 1, b"\xff\xff\xff\x05")), True),
    "a directory that leads to itself": (make_exif(TURNED, (34853, LONG, 1, b"\x08\0\0\0")), True),
    "a type that nobody knows": (make_exif(TURNED, (50000, 99, 1, bytes(4))), True),
    "no value at all": (make_exif(TURNED, (RESOLUTION, RATIONAL, 0, bytes(4))), True),
    "the orientation twice in one": (make_exif((ORIENTATION, SHORT, 2, struct.pack("<HH", 6, 6))), True),
    "an orientation that does not exist": (make_exif((ORIENTATION, SHORT, 1, struct.pack("<HH", 99, 0))), False),
    "an orientation as text": (make_exif((ORIENTATION, ASCII, 2, b"6\0\0\0")), False),
    "cut off in the orientation": (make_exif(TURNED)[:20], False),
    "no EXIF": (b"Exif\0\0" + bytes(20), False),
    "nothing after the header": (b"Exif\0\0", False),
    "XMP alone": (b"http://ns.adobe.com/xap/1.0/\0" + XMP_TURNED, True),
    "XMP in other quotes": (b"http://ns.adobe.com/xap/1.0/\0" + XMP_TURNED.replace(b'="6"', b" = '6'"), True),
    "XMP that is no text": (b"http://ns.adobe.com/xap/1.0/\0\xff\xfe" + XMP_TURNED, True),
}


def make_broken(picture: Image.Image) -> dict[str, tuple[bytes, bool]]:
    """Encode the picture without loss, in formats and with faults by name, and say whether it is to be turned."""
    png, webp = encode_image(picture, "PNG"), encode_image(picture, "WEBP", lossless=True, exif=make_exif(TURNED))
    tiff = encode_image(picture, "TIFF", tiffinfo={ORIENTATION: 6, MAKE: "Someone", XMP: XMP_TURNED}, dpi=(72, 72))
    packed = encode_image(picture, "TIFF", tiffinfo={ORIENTATION: 6, MAKE: "Someone"}, compression="tiff_lzw")
    jp2 = encode_image(picture, "JPEG2000")
    turned = make_chunk(b"eXIf", make_exif(TURNED)[6:])
    xmp = make_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP_TURNED)
    bomb = zlib.compress(bytes(10_000_000))
    beyond: Callable[[bytes, int], bytes] = lambda file, tag: write_into_tiff(file, tag, ASCII, 999, b"\xff\xff\0\0")  # noqa: E731
    return {
        "PNG: EXIF that is none": (add_chunk(png, make_chunk(b"eXIf", b"II*\0\xff\xff\xff\x7f")), False),
        "PNG: a profile that is no number": (
            add_chunk(png, make_chunk(b"tEXt", b"Raw profile type exif\0\nexif\n  zz\nnothex\n")),
            False,
        ),
        "PNG: text packed in an unknown way": (add_chunk(png, turned + make_chunk(b"zTXt", b"a\0\7abc")), True),
        "PNG: text that is a bomb": (add_chunk(png, xmp + make_chunk(b"zTXt", b"a\0\0" + bomb)), True),
        "PNG: colour profile packed in an unknown way": (add_chunk(png, turned + make_chunk(b"iCCP", b"a\0\7")), True),
        "PNG: colour profile that is empty": (add_chunk(png, turned + make_chunk(b"iCCP", b"")), True),
        "PNG: a wrong checksum": (add_chunk(png, turned + make_chunk(b"tEXt", b"a\0b", checksum=1)), True),
        "PNG: a wrong checksum of EXIF": (
            add_chunk(png, make_chunk(b"eXIf", make_exif(TURNED)[6:], checksum=1)),
            False,
        ),
        "PNG: broken after the pixels": (add_chunk(png, make_chunk(b"zTXt", b"a\0\7abc") + turned, b"IEND"), True),
        "PNG: XMP and broken EXIF": (add_chunk(png, make_chunk(b"eXIf", b"no EXIF") + xmp), True),
        "WebP: no EXIF": (webp.replace(make_exif(TURNED)[6:], bytes(len(make_exif(TURNED)) - 6)), False),
        "WebP: cut off in EXIF": (webp[:-9], False),
        "JPEG 2000: resolution that ends too early": (add_box(jp2, b"jp2h", b"\0\0\0\x0ares \0\0"), False),
        "TIFF: resolution as text": (write_into_tiff(tiff, RESOLUTION, ASCII, 3, b"72\0\0"), True),
        "TIFF: data beyond the end": (beyond(tiff, MAKE), True),
        "TIFF: packed, data beyond the end": (beyond(packed, MAKE), True),
        "TIFF: XMP of numbers": (write_into_tiff(tiff, XMP, SHORT, 4, b"\x08\0\0\0"), True),
    }
