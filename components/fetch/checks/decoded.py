"""Decodes a candidate whole, once its header has shown that it fits into the memory that params.yaml allows."""

from PIL import Image, UnidentifiedImageError

from components.fetch.checks.deep import draw_eight
from components.fetch.checks.named import name_content
from components.fetch.params import Limits
from components.store.decode import decode_upright, read_all
from components.store.full import Shape
from components.store.pages import refuse_raw
from components.store.samples import Samples

DEEPEST = 8  # bytes of a pixel, as of RGBA of 16 bits, for which data.limits.max_pixels stands


class UnknownFormatError(Exception):
    """The file is no image of a format that is read; the message says what it is."""


class BombError(Exception):
    """The image would take more memory than params.yaml allows."""


def decode(encoded: bytes, path: str, limits: Limits) -> tuple[Image.Image, str, Samples | None]:
    """Decode an image whole and upright, and return it with its format, and all its samples if it holds more.

    Raises as `inspect_content` does.
    """
    kinds = []

    def check(opened: Image.Image) -> None:
        kinds.append(str(opened.format))
        width, height = opened.size
        if width * height > limits.max_pixels:
            raise BombError(f"a decompression bomb: {width} x {height} pixels are more than data.limits.max_pixels")

    def check_shape(shape: Shape) -> None:
        size = f"{shape.width} x {shape.height} pixels"
        if shape.width * shape.height > limits.max_pixels:
            raise BombError(f"a decompression bomb: {size} are more than data.limits.max_pixels")
        if shape.width * shape.height * shape.channels * (1 + (shape.bits > 8)) > DEEPEST * limits.max_pixels:
            raise BombError(
                f"a decompression bomb: {size} of {shape.channels:,} channels are more than {DEEPEST} bytes for "
                "each of data.limits.max_pixels"
            )

    try:
        refuse_raw(encoded, path)
        if samples := read_all(encoded, check_shape):
            return draw_eight(samples, samples.bits), samples.format, samples
        return decode_upright(encoded, check), kinds[-1], None
    except UnidentifiedImageError:
        raise UnknownFormatError(name_content(encoded, path)) from None
