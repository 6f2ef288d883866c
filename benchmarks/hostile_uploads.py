"""Makes requests as an attacker or a broken client sends them; each must be refused with 4xx and one line.

Every kind is a function that makes some of its kind, all different, from random numbers.
"""

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from PIL import Image

BINARY = "application/octet-stream"


@dataclass(frozen=True)
class Upload:
    """A request that must be refused; `raw` is sent as it is, in parts with pauses, instead of the rest."""

    kind: str
    path: str = "/embed"
    method: str = "POST"
    body: bytes | Callable[[], Iterator[bytes]] = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": BINARY})
    raw: tuple[bytes, ...] = ()
    pause: float = 0.0  # seconds, after each part of `raw`


def draw(chance: random.Random, side: int = 64) -> Image.Image:
    """Draw an image of noise."""
    return Image.frombytes("RGB", (side, side), chance.randbytes(side * side * 3))


def encode(image: Image.Image, kind: str) -> bytes:
    """Encode an image."""
    content = io.BytesIO()
    image.save(content, kind)
    return content.getvalue()


def make_chunk(name: bytes, content: bytes) -> bytes:
    """Make a chunk of a PNG."""
    return struct.pack("!I", len(content)) + name + content + struct.pack("!I", zlib.crc32(name + content))


def make_png(width: int, height: int, content: bytes, *more: bytes) -> bytes:
    """Make a PNG of gray pixels with these compressed bytes."""
    header = make_chunk(b"IHDR", struct.pack("!IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + make_chunk(b"IDAT", content) + make_chunk(b"IEND", b"")


def cut_short(chance: random.Random) -> Upload:
    """Make an image of which the end is missing."""
    kind = chance.choice(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "JPEG2000", "PPM"])
    whole = encode(draw(chance), kind)
    return Upload(f"truncated {kind}", body=whole[: chance.randrange(8, len(whole) * 3 // 5)])


def spoil(chance: random.Random) -> Upload:
    """Make a PNG whose pixels are no compressed bytes."""
    return Upload("spoilt pixels", body=make_png(64, 64, chance.randbytes(chance.randrange(1, 500))))


def claim_size(chance: random.Random) -> Upload:
    """Make a file of some bytes that claims to be of billions of pixels."""
    side = chance.randrange(9_000, 65_000)
    small = make_png(side, side, zlib.compress(b"\0" * 1000))
    gif = b"GIF89a" + struct.pack("<HH", side, side) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff"
    gif += b"," + struct.pack("<HHHH", 0, 0, side, side) + b"\0\x02\x02L\x01\0;"
    bmp = bytearray(encode(draw(chance, 8), "BMP"))
    bmp[18:26] = struct.pack("<ii", side, side)
    jpeg = bytearray(encode(draw(chance, 8), "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack("!HH", side, side)
    ppm = f"P6 {side} {side} 255\n".encode() + bytes(100)
    tiff = encode(Image.new("1", (side // 2, 20_000)), "TIFF") if side % 16 == 0 else ppm
    return Upload("claims billions of pixels", body=bytes(chance.choice([small, gif, bmp, jpeg, ppm, tiff])))


def compress_much(chance: random.Random) -> Upload:
    """Make a true decompression bomb: hundreds of millions of pixels in some hundred KB."""
    side = chance.randrange(8_000, 20_000)
    packer = zlib.compressobj(9)
    row = bytes(side + 1)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return Upload("decompression bomb", body=make_png(side, side, packed))


def hide_bomb(chance: random.Random) -> Upload:
    """Make a PNG whose text unpacks to much more than anybody wrote, around pixels that are none."""
    text = make_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(chance.randrange(60, 90) * 10**6), 9))
    return Upload("bomb in the metadata", body=make_png(64, 64, b"none", text))


def send_other(chance: random.Random) -> Upload:
    """Send what is no image, whatever it is called."""
    others = {
        "text": b"no image " * 20,
        "HTML": b"<html><script>alert(1)</script></html>",
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "PDF": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n%%EOF",
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n%%EOF",
        "ZIP": b"PK\x03\x04" + chance.randbytes(200),
        "ELF": b"\x7fELF\x02\x01\x01" + chance.randbytes(300),
        "pickle": b"\x80\x04cposix\nsystem\n(Vtouch x\ntR.",
        "MP4": b"\0\0\0\x18ftypisom" + chance.randbytes(200),
        "gzip": b"\x1f\x8b\x08" + chance.randbytes(100),
        "noise": chance.randbytes(chance.randrange(1, 3000)),
        "RAW of a camera": b"II*\0\x10\0\0\0CR\x02\0" + chance.randbytes(300),
        "zeros": bytes(chance.randrange(1, 5000)),
        "nothing": b"",
    }
    name = chance.choice(list(others))
    return Upload(
        f"{name}, no image", body=others[name], headers={"Content-Type": chance.choice([BINARY, "image/png"])}
    )


def call_otherwise(chance: random.Random) -> Upload:
    """Send an image as what a page elsewhere can send without being asked: text or a form."""
    kind = chance.choice(["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "a/b"])
    return Upload("wrong Content-Type", body=encode(draw(chance), "PNG"), headers={"Content-Type": kind})


def send_much(chance: random.Random) -> Upload:
    """Send more bytes than are taken, with their number or without."""
    size = chance.randrange(21, 40) * 10**6
    if chance.random() < 0.5:
        return Upload("huge body", body=bytes(size))
    return Upload("huge body of unknown length", body=lambda: (bytes(10**6) for _ in range(size // 10**6)))


NAMES: tuple[str, ...] = (
    *("../../../../etc/passwd", "/etc/passwd", "..\\..\\boot.ini", "%2e%2e%2f%2e%2e%2fparams.yaml", "\0", "a\0b.png"),
    *("file:///etc/passwd", "....//....//etc/passwd", "~root/.ssh/id_rsa", "' OR 1=1 --", "{{7*7}}", "$(id)", "con"),
    *("\u202egnp", "data/store/part-00000.parquet", "\U0001f600", "x" * 9000),
)


def ask_for(chance: random.Random) -> Upload:
    """Ask for an image by a name that is a path, an injection or nothing at all."""
    name = quote(chance.choice(NAMES) + chance.choice(["", f"{chance.random()}"]), safe=chance.choice(["", "/"]))
    route = chance.choice(["/images/{}", "/search?id={}", "/classify?id={}", "/images/{}?side=64"])
    return Upload("hostile id", route.format(name), "GET", headers={})


def ask_beyond(chance: random.Random) -> Upload:
    """Ask with numbers that make no sense."""
    number = chance.choice(["-1", "0", "1e9", "NaN", "999999999999999999999", "", "0x10", "1;2", "null", "١٢"])
    route = chance.choice(["/search?id=a&k={}", "/images/a?side={}"])
    return Upload("hostile number", route.format(quote(number)), "GET", headers={})


def come_from_elsewhere(chance: random.Random) -> Upload:
    """Send what a browser sends for a page of another site, or for a name that points here."""
    headers: dict[str, str] = chance.choice(
        [
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Host": "evil.example"},
            {"Host": "evil.example:8000", "Origin": "http://evil.example:8000"},
            {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
            {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
            {"Host": f"localhost.evil{chance.randrange(99)}.example"},
        ]
    )
    return Upload(
        "from another site", body=encode(draw(chance, 16), "PNG"), headers={"Content-Type": BINARY, **headers}
    )


def speak_wrongly(chance: random.Random) -> Upload:
    """Send what is no HTTP, or HTTP that two readers would read differently."""
    host = b"Host: localhost\r\n"
    raw = chance.choice(
        [
            chance.randbytes(50) + b"\r\n\r\n",
            b"GET\r\n\r\n",
            b"POST /embed HTTP/1.1\r\n" + host + b"Content-Length: -5\r\n\r\n",
            b"POST /embed HTTP/1.1\r\n" + host + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
            b"POST /embed HTTP/1.1\r\n" + host + b"Transfer-Encoding: zip\r\n\r\nabc",
            b"POST /embed HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
            b"GET /health HTTP/1.1\r\n\r\n",
            b"GET /health HTTP/1.1\r\n" + host + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
            b"GET /health HTTP/1.1\r\n" + host + host + b"\r\n",
        ]
    )
    return Upload("no HTTP", raw=(raw,))


def come_slowly(chance: random.Random) -> Upload:
    """Send a head or a body that never ends, a byte at a time."""
    head = b"POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    if chance.random() < 0.5:
        return Upload("slow head", raw=(head, *(b"X-%d: 1\r\n" % number for number in range(400))), pause=0.1)
    begun = head + b"Content-Length: 100000\r\n\r\n"
    return Upload("slow body", raw=(begun, *(b"x" for _ in range(400))), pause=0.1)


KINDS: tuple[tuple[Callable[[random.Random], Upload], int], ...] = (
    (cut_short, 60),
    (spoil, 20),
    (claim_size, 40),
    (compress_much, 6),
    (hide_bomb, 4),
    (send_other, 50),
    (call_otherwise, 12),
    (send_much, 8),
    (ask_for, 40),
    (ask_beyond, 16),
    (come_from_elsewhere, 16),
    (speak_wrongly, 18),
    (come_slowly, 10),
)


def make_uploads(seed: int) -> list[Upload]:
    """Make three hundred uploads."""
    chance = random.Random(seed)
    return [make(chance) for make, count in KINDS for _ in range(count)]
