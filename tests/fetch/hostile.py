"""Two hundred files that nobody would want: cut off, flipped, lying, endless, or not files at all."""

import contextlib
import os
import random
import struct
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from tests.fetch.archives import write_tar
from tests.fetch.fetched import photo
from tests.store.encoded import encode_image, encode_tiff

Files = dict[bytes, bytes]
FORMATS: dict[str, tuple[str, dict[str, object]]] = {
    "baseline.jpg": ("JPEG", {}),
    "progressive.jpg": ("JPEG", {"progressive": True}),
    "rgb.png": ("PNG", {}),
    "palette.gif": ("GIF", {}),
    "raw.tif": ("TIFF", {}),
    "lzw.tif": ("TIFF", {"compression": "tiff_lzw"}),
    "deflate.tif": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "lossy.webp": ("WEBP", {}),
    "lossless.webp": ("WEBP", {"lossless": True}),
}
# Where files are cut: after these bytes, at these shares of the whole, or before these last bytes.
PLACES = (1, 3, 8, 13, 20, 33, 60, 0.3, 0.6, 0.9, -2, -1)
MAGIC = {
    "jpg": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "gif": b"GIF89a",
    "bmp": b"BM",
    "tif": b"II*\0\x08\0\0\0",
    "tiff": b"MM\0*\0\0\0\x08",
    "webp": b"RIFF\x24\x01\0\0WEBPVP8 ",
    "jp2": b"\0\0\0\x0cjP  \r\n\x87\n",
    "ppm": b"P6\n",
    "avif": b"\0\0\0\x1cftypavif",
}
LIES = {  # the content of files that call themselves images
    "page.jpg": b"<!DOCTYPE html><title>404</title>",
    "vector.png": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "printed.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) (w) file\n",
    "program.gif": b"MZ" + bytes(100),
    "packed.jpg": b"PK\3\4" + bytes(100),
    "notes.tif": "Grüße".encode(),
    "pickle.png": b"cos\nsystem\n(S'touch pwned'\ntR.",
    "zeros.webp": bytes(5000),
    **{f"empty.{suffix}": b"" for suffix in MAGIC},
}
NAMES = [
    b"new\nline",
    b"carriage\rreturn",
    b"tab\tbed",
    b"\xff\xfe",
    b"caf\xe9",
    "日本".encode(),
    "\u202egpj".encode(),
    b"-rf",
]
NAMES += [
    b'"quoted", comma',
    b"back\\slash",
    b"%2e%2e",
    b"=1+1",
    b"...",
    b" space ",
    b"x" * 200,
    b"\x01\x7f",
    b"*?[a]",
    b"$(id)",
]


def make_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def make_png(width: int, height: int, *more: bytes) -> bytes:
    head = make_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + b"".join(more)
        + make_chunk(b"IDAT", zlib.compress(bytes(10)))
        + make_chunk(b"IEND", b"")
    )


def make_bombs() -> dict[str, bytes]:
    jpeg = bytearray(encode_image(photo(1), "JPEG"))
    size_offset = jpeg.index(b"\xff\xc0") + 5
    jpeg[size_offset : size_offset + 4] = b"\xff\xff\xff\xff"
    gif = bytearray(encode_image(photo(1), "GIF"))
    gif[6:10] = b"\xff\xff\xff\xff"
    bmp = bytearray(encode_image(photo(1), "BMP"))
    bmp[18:26] = struct.pack("<ii", 2**30, 2**30)
    huge = encode_tiff(bytes(9), width=3, height=3, bits=8).replace(
        struct.pack("<HHII", 279, 4, 1, 9), b"\x17\1\4\0\1\0\0\0" + b"\xff" * 4
    )
    canvas = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff" * 6
    return {
        "claimed.png": make_png(60_000, 60_000),
        "real.png": encode_image(Image.new("1", (12_000, 12_000)), "PNG"),
        "text.png": make_png(1, 1, make_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10_000_000)))),
        "profile.png": make_png(1, 1, make_chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(10_000_000)))),
        "claimed.jpg": bytes(jpeg),
        "screen.gif": bytes(gif),
        "claimed.bmp": bytes(bmp),
        "strips.tif": huge,
        "claimed.tif": encode_tiff(bytes(9), width=2**31, height=2**31 - 1, bits=8),
        "canvas.webp": b"RIFF" + struct.pack("<I", 4 + len(canvas)) + b"WEBP" + canvas,
        "claimed.ppm": b"P6 99999999 99999999 255\n" + bytes(9),
    }


def cut_files() -> Iterator[tuple[str, bytes]]:
    for name, (kind, options) in FORMATS.items():
        whole = encode_image(photo(2, (64, 48)), kind, **options)
        for place in PLACES:
            end = int(place * len(whole)) if isinstance(place, float) else place
            yield f"cut {place} {name}", whole[:end]


def flip_bits(copies: int = 5) -> Iterator[tuple[str, bytes]]:
    chance = random.Random(0)
    for name, (kind, options) in FORMATS.items():
        for number in range(copies):
            damaged = bytearray(encode_image(photo(3, (64, 48)), kind, **options))
            for _ in range(4):
                damaged[chance.randrange(4, 120)] ^= 1 << chance.randrange(8)
            yield f"flipped {number} {name}", bytes(damaged)


def make_all_files() -> Files:
    chance = random.Random(1)
    files = {**LIES, **make_bombs(), **dict(cut_files()), **dict(flip_bits())}
    files |= {f"noise.{suffix}": magic + chance.randbytes(3000) for suffix, magic in MAGIC.items()}
    named = {os.fsencode(name): content for name, content in files.items()}
    named |= {name + b".png": b"no image" for name in NAMES}
    return named | {b"/".join([b"deep"] * 60) + b"/a.png": b""}


def write_files(folder: Path) -> set[bytes]:
    """Write all hostile files, links and a pipe, and return the paths of those that the file system took."""
    paths = set()
    for name, content in make_all_files().items():
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
        with contextlib.suppress(OSError, ValueError):  # some file systems allow fewer names
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            paths.add(name)
    links = {"nothing.png": "none", "itself.png": "itself.png", "there.png": "back.png", "back.png": "there.png"}
    links |= {"above": "..", "endless.png": "/dev/zero", "here": "."}
    for name, target in links.items():
        (folder / name).symlink_to(target)
    os.mkfifo(folder / "pipe.jpg")
    return paths | {os.fsencode(name) for name in (*links, "pipe.jpg")}


def write_archive(path: Path, good: bytes) -> dict[str, str]:
    """Write a tar file, and return what becomes of each of its members."""
    members = {"good.png": (good, "stored"), "cat/good.png": (encode_image(photo(78), "PNG"), "stored")}
    members |= {
        "../out.png": (good, "leads out"),
        "a/../../out.png": (good, "leads out"),
        "/tmp/out.png": (good, "leads out"),
    }
    members |= {
        "cut.png": (good[:60], "broken"),
        "empty.png": (b"", "empty"),
        "bomb.png": (make_bombs()["claimed.png"], "bomb"),
    }
    special = {
        "link.png": tarfile.SYMTYPE,
        "hard.png": tarfile.LNKTYPE,
        "zero.png": tarfile.CHRTYPE,
        "p.png": tarfile.FIFOTYPE,
    }
    contents = {name: content for name, (content, _) in members.items()}
    write_tar(path, contents, "w:gz", target="../../secret.png", **special)
    reasons = {name: becomes for name, (_, becomes) in members.items()}
    return reasons | {"link.png": "a link", "hard.png": "a link", "zero.png": "a device", "p.png": "a device"}
