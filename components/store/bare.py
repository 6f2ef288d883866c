"""Takes the metadata out of an encoded image, for pictures that Pillow refuses since their metadata are broken.

What decides the pixels stays, and so does the orientation where it can be read. Sources: JPEG, ITU-T T.81, annex B;
PNG, W3C, section 11; WebP, RFC 9649; TIFF 6.0, section 2; AVIF stores EXIF as an item, ISO/IEC 23008-12, annex A.
"""

import re
import struct
import zlib

from PIL import ExifTags, Image

from components.store.pages import TIFF_BEGINNINGS, get_order, is_big

EXIF, XMP_SEGMENT, XMP_TEXT = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"XML:com.adobe.xmp\0\0\0"
APP0, APP1, APP14, APP15, COMMENT, SCAN = 0xE0, 0xE1, 0xEE, 0xEF, 0xFE, 0xDA  # markers of JPEG
CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")  # of PNG
PARTS = (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"XMP ")  # of WebP
FLAGS = {b"EXIF": 0x08, b"XMP ": 0x04}  # in the first byte of VP8X
ANIMATION_AND_ALPHA = 0x02 | 0x10
TAGS = {*range(254, 260), 262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 317, *range(320, 326), 330, 332, 338, 339}
TAGS |= {347, *range(512, 522), 529, 530, 532, 50706}  # of TIFF: what libtiff and Pillow decode by, and orientation
AVIF_EXIF = re.compile(rb"(infe(?:\x02...(?:..)|\x03...(?:....))..)Exif", re.DOTALL)


def drop_metadata(encoded: bytes) -> bytes:
    """Return the file without metadata; other formats stay as they are. Raises whatever broken files cause."""
    if encoded.startswith(b"\xff\xd8\xff"):
        return drop_from_jpeg(encoded)
    if encoded.startswith(b"\x89PNG\r\n\x1a\n"):
        return drop_from_png(encoded)
    if encoded.startswith(b"RIFF") and encoded[8:12] == b"WEBP":
        return drop_from_webp(encoded)
    if encoded.startswith(TIFF_BEGINNINGS):
        return drop_from_tiff(encoded)
    if encoded[4:8] == b"ftyp":
        return AVIF_EXIF.sub(rb"\1free", encoded)
    if encoded[4:8] == b"jP  ":  # JPEG 2000: the box of the resolution becomes free space
        head, begin, pixels = encoded.partition(b"jp2c")
        return head.replace(b"res ", b"free") + begin + pixels
    return encoded


def drop_from_jpeg(encoded: bytes) -> bytes:
    """Leave out the segments of applications and comments, but for Adobe's, which says how colours are stored."""
    kept, at = [encoded[:2]], 2
    while encoded[at] == 0xFF and encoded[at + 1] != SCAN:
        if encoded[at + 1] == 0xFF:  # filled up
            at += 1
            continue
        marker, end = encoded[at + 1], at + 2 + int.from_bytes(encoded[at + 2 : at + 4])
        content = encoded[at + 4 : end]
        if marker == APP1 and content.startswith(EXIF):
            content = write_orientation(content)
            kept.append(struct.pack(">BBH", 0xFF, APP1, len(content) + 2) + content)
        elif not (APP0 <= marker <= APP15 or marker == COMMENT) or (
            (marker == APP0 and content.startswith(b"JFIF\0") and len(content) >= 12)
            or (marker == APP1 and content.startswith(XMP_SEGMENT))
            or (marker == APP14 and content.startswith(b"Adobe") and len(content) >= 12)
        ):
            kept.append(encoded[at:end])
        at = end
    return b"".join([*kept, encoded[at:]])


def write_orientation(exif: bytes) -> bytes:
    """Return EXIF that holds the orientation alone, if it can be read."""
    read, written = Image.Exif(), Image.Exif()
    try:
        read.load(exif)
        written[ExifTags.Base.Orientation] = int(read[ExifTags.Base.Orientation])
        return written.tobytes()
    except Exception:  # whatever broken metadata cause
        return Image.Exif().tobytes()


def drop_from_png(encoded: bytes) -> bytes:
    """Keep the chunks that make the pixels, and those with an orientation if their checksum is right."""
    kept, at = [encoded[:8]], 8
    while at + 12 <= len(encoded):
        end = at + 12 + int.from_bytes(encoded[at : at + 4])
        kind, content, checksum = encoded[at + 4 : at + 8], encoded[at + 8 : end - 4], encoded[end - 4 : end]
        turns = kind == b"eXIf" or (kind == b"iTXt" and content.startswith(XMP_TEXT))
        if kind in CHUNKS or (turns and zlib.crc32(kind + content).to_bytes(4) == checksum):
            kept.append(encoded[at:end])
        at = end
    return b"".join([*kept, encoded[at:]])


def drop_from_webp(encoded: bytes) -> bytes:
    """Keep the parts that make the pixels, and those with an orientation as far as they are whole."""
    kept, at, flags = [], 12, 0
    while at + 8 <= len(encoded):
        kind, size = encoded[at : at + 4], int.from_bytes(encoded[at + 4 : at + 8], "little")
        end = at + 8 + size + size % 2
        if kind in PARTS and (kind not in FLAGS or end <= len(encoded)):
            kept.append(bytearray(encoded[at:end]))
            flags |= FLAGS.get(kind, 0)
        at = end
    if kept[0].startswith(b"VP8X"):
        kept[0][8] = (kept[0][8] & ANIMATION_AND_ALPHA) | flags
    parts = b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(parts) + 4) + b"WEBP" + parts


def drop_from_tiff(encoded: bytes) -> bytes:
    """Keep the tags of the first page that its pixels are decoded by; the pages after it stay as they are."""
    order = get_order(encoded)
    big = is_big(encoded)
    count_form, place_form, entry, head = ("Q", "Q", 20, 8) if big else ("H", "I", 12, 4)
    [at] = struct.unpack_from(order + place_form, encoded, head)
    [count] = struct.unpack_from(order + count_form, encoded, at)
    begin = at + struct.calcsize(count_form)
    end = begin + count * entry
    if end > len(encoded):
        raise ValueError(f"{count} tags do not fit into the file")
    entries = [encoded[place : place + entry] for place in range(begin, end, entry)]
    kept = [one for one in entries if struct.unpack_from(order + "H", one)[0] in TAGS]
    following = encoded[end : end + struct.calcsize(place_form)]
    patched = struct.pack(order + count_form, len(kept)) + b"".join(kept) + following
    return encoded[:at] + patched + encoded[at + len(patched) :]
