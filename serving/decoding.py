"""`python -m serving.decoding`: a process that decodes images which strangers sent, one after the other.

It is a process of its own, so that a file that crashes its decoder, or takes too long or too much memory, ends this
process and not the service. A message on stdin is a job as JSON and the encoded image; one on stdout is how it went as
JSON, and the pixels or a PNG. An image is looked at before it is decoded: its size stands in its header.
S pixels per side, C channels.
"""

import json
import os
import resource
import struct
import sys
import warnings
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict

from components.encoder.params import Images
from components.features.inputs import has_usual_channels, to_square_of_samples
from components.stage.errors import InputError
from components.store.decode import (
    REFUSALS,
    cut_square,
    decode_shown,
    decode_upright,
    open_image,
    read_all,
    show_samples,
    to_channels,
)
from components.store.full import Shape, find_cut
from components.store.pages import NotRead
from serving.refusal import Refusal

HEAD = struct.Struct("!II")  # of a message: the bytes of its JSON, and those that follow
LONGEST = 200  # characters of what a decoder says
PIXEL_BYTES, OTHER_BYTES = 64, 2_000_000_000  # of address space: several copies of an image, and the libraries


class Job(BaseModel):
    """What is to be made of an image: the square that the encoder sees, or a thumbnail as PNG."""

    model_config = ConfigDict(frozen=True)

    shape: Images
    max_pixels: int
    thumbnail: int | None = None  # pixels per side


class _SeenError(Exception):
    """Stops a reader once the size of an image is known."""


def check_size(encoded: bytes, max_pixels: int) -> None:
    """Check the size in an image's header. Raises Refusal, and what decoders of broken files raise."""

    def check(width: int, height: int, bytes_: int) -> None:
        if width * height > max_pixels or bytes_ > 8 * max_pixels:
            raise Refusal(
                413, f"the image has {width} x {height} pixels, more than the {max_pixels:,} that are decoded here"
            )

    def stop(shape: Shape) -> None:
        check(shape.width, shape.height, shape.width * shape.height * shape.channels * (1 + (shape.bits > 8)))
        raise _SeenError

    try:
        with open_image(encoded) as opened:
            check(*opened.size, 0)
    except UnidentifiedImageError:  # as of many channels, which only read_all opens
        pass
    with suppress(_SeenError):
        read_all(encoded, stop)


def make_square(encoded: bytes, shape: Images) -> np.ndarray:
    """Decode an image as `decode_square` decodes those of the store: -> (C, S, S) uint8, or uint16 by a range.

    Raises InputError, REFUSALS, and what decoders of broken files raise.
    """
    if has_usual_channels(shape) and not shape.deep:
        try:
            return cut_square(to_channels(decode_upright(encoded), shape.channels), shape.side)
        except (UnidentifiedImageError, NotRead):
            pass  # Pillow does not open it, or opens it wrongly
    samples = read_all(encoded)
    if samples is None:
        if cut := find_cut(encoded):
            raise InputError(f"the image: a {cut}, of which only 8 bits can be read; save it as PNG or TIFF")
        samples = show_samples(decode_upright(encoded))
    return to_square_of_samples(samples, shape, "the image")


def make_thumbnail(encoded: bytes, shape: Images, side: int) -> bytes:
    """Draw an image of the store, scaled to fit into a square: a PNG without metadata."""
    low, high = shape.limits
    coloured = None if shape.colours is None else tuple(shape.colours) or None
    drawn = (
        to_channels(decode_upright(encoded), 3)
        if has_usual_channels(shape) and not shape.deep
        else decode_shown(encoded, low=low, high=high, channels=coloured)
    )
    enlarges = max(drawn.size) < side
    how = Image.Resampling.NEAREST if enlarges else Image.Resampling.LANCZOS
    content = BytesIO()
    ImageOps.contain(drawn.convert("RGB"), (side, side), how).save(content, "PNG")
    return content.getvalue()


def do(job: Job, encoded: bytes) -> np.ndarray | bytes:
    """Do a job. Raises Refusal with one line, whatever the bytes are."""
    try:
        with warnings.catch_warnings(action="ignore"):  # Pillow warns of faults that it corrects
            check_size(encoded, job.max_pixels)
            if job.thumbnail is None:
                return make_square(encoded, job.shape)
            return make_thumbnail(encoded, job.shape, job.thumbnail)
    except Refusal:
        raise
    except UnidentifiedImageError:
        raise Refusal(415, "the body is no image of a format that is read here") from None
    except (InputError, *REFUSALS) as error:
        raise Refusal(415, f"the image cannot be taken: {shorten(error)}") from None
    except MemoryError:
        raise Refusal(413, "decoding the image needs more memory than there is") from None
    except Exception as error:  # decoders of broken files raise anything
        raise Refusal(415, f"the image is broken: {shorten(error) or type(error).__name__}") from None


def shorten(error: Exception) -> str:
    """Return what an error says in one line that anybody may read."""
    text = " ".join(str(error).split())
    return "".join(sign if sign.isprintable() else "?" for sign in text)[:LONGEST]


def write_message(stream: BinaryIO, said: dict[str, Any], content: bytes) -> None:
    """Write a message as a whole."""
    text = json.dumps(said).encode()
    stream.write(HEAD.pack(len(text), len(content)) + text + content)
    stream.flush()


def read_message(stream: BinaryIO) -> tuple[bytes, bytes] | None:
    """Read a message: its JSON and its content; None where the other side has ended."""
    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    text, content = HEAD.unpack(head)
    return stream.read(text), stream.read(content)


def answer(text: bytes, encoded: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the answer to a message."""
    try:
        made = do(Job.model_validate_json(text), encoded)
    except Refusal as refusal:
        return {"status": refusal.status, "detail": refusal.detail}, b""
    if isinstance(made, bytes):
        return {}, made
    return {"shape": made.shape, "dtype": str(made.dtype)}, np.ascontiguousarray(made).tobytes()


def main() -> None:
    """Answer until the service has ended. The first message says how many pixels an image may have."""
    answers = os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)  # libtiff tells there what is wrong with a file
    limit = OTHER_BYTES + PIXEL_BYTES * int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    write_message(answers, {}, b"")  # ready
    while message := read_message(sys.stdin.buffer):
        write_message(answers, *answer(*message))


if __name__ == "__main__":
    main()
