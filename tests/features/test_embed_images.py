"""Tests that `load_encoder(folder).embed(images)` sees a program's images as the pipeline sees their files.

The reference is `decode_square`, by which the stages read the store.
"""

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from components.encoder.normalise import normalise
from components.features import load as files
from components.features.load import LoadedEncoder
from components.stage.errors import InputError
from components.store.decode import decode_square
from tests.encoder.made import make_encoder
from tests.store.encoded import encode_png16, encode_tiff

SIDE = 8
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (10, 14, 4), np.uint8)
GRAY, RGB, RGBA = (Image.fromarray(part) for part in (PIXELS[..., 0], PIXELS[..., :3].copy(), PIXELS))


def make_loaded_encoder(channels: int) -> LoadedEncoder:
    return LoadedEncoder(*make_encoder(channels=channels, side=SIDE))


def embed_reference(loaded: LoadedEncoder, encoded: bytes) -> np.ndarray:
    square = decode_square(encoded, side=SIDE, channels=loaded.config.images.channels, deep=False)
    with torch.no_grad():
        features: torch.Tensor = loaded.network(normalise(torch.from_numpy(square[None].copy()), loaded.config.images))
    return features.numpy()  # (1, D)


SIGNED = Image.open(io.BytesIO(encode_tiff(bytes(9), width=3, height=3, bits=8, numbers=2)))
TURNED = Image.Exif()
TURNED[0x0112] = 6

FILES: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
    "gray PNG": (GRAY, "PNG", {}),
    "RGB PNG": (RGB, "PNG", {}),
    "RGBA PNG": (RGBA, "PNG", {}),
    "palette with a transparent colour": (RGB.quantize(16), "PNG", {"transparency": 3}),
    "one bit": (GRAY.convert("1"), "PNG", {}),
    "16 bits": (Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257), "PNG", {}),
    "CMYK JPEG": (RGB.convert("CMYK"), "JPEG", {}),
    "JPEG turned by EXIF": (RGB, "JPEG", {"exif": TURNED}),
    "TIFF turned by EXIF": (RGB, "TIFF", {"exif": TURNED}),
    "16 bits TIFF turned by EXIF": (Image.fromarray(PIXELS[..., 1].astype(np.uint16) * 257), "TIFF", {"exif": TURNED}),
    "animation": (RGB, "GIF", {"save_all": True, "append_images": [RGB.rotate(90)]}),
}


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", FILES)
def test_an_opened_file_is_seen_as_the_pipeline_sees_it(kind: str, channels: int) -> None:
    """Each image is embedded twice, since a changed image would give other features the second time."""
    image, form, options = FILES[kind]
    file = io.BytesIO()
    image.save(file, form, **options)
    loaded = make_loaded_encoder(channels)
    opened = Image.open(io.BytesIO(file.getvalue()))
    opened.load()  # by which Pillow itself turns a TIFF file
    before = (opened.size, opened.getexif().get(0x0112), opened.tobytes())
    features = loaded.embed([opened, opened])
    np.testing.assert_allclose(features, np.repeat(embed_reference(loaded, file.getvalue()), 2, axis=0), atol=1e-5)
    assert (opened.size, opened.getexif().get(0x0112), opened.tobytes()) == before
    assert features.dtype == np.float32


def test_an_image_that_is_not_decoded_yet_stays_so_and_a_draft_stays_a_draft() -> None:
    """The caller may go on with it, on another page for example."""
    file = io.BytesIO()
    RGB.resize((140, 100)).save(file, "JPEG")
    loaded, opened = make_loaded_encoder(3), Image.open(file)
    features = loaded.embed([opened, opened])
    np.testing.assert_allclose(features, np.repeat(embed_reference(loaded, file.getvalue()), 2, axis=0), atol=1e-5)
    assert opened.tile
    opened.draft("RGB", (35, 25))
    small = loaded.embed(opened)
    assert opened.size == (35, 25)
    np.testing.assert_array_equal(small, loaded.embed(opened.copy()))


@pytest.mark.parametrize("decoded", [False, True])
def test_what_is_transparent_in_16_bits_is_seen_so(decoded: bool) -> None:
    colours = np.array([[[0x1234, 0x5678, 0x9ABC], [65535, 0, 0]] * 4] * 8)
    file = encode_png16(colours, transparent=(0x1234, 0x5678, 0x9ABC))
    loaded, opened = make_loaded_encoder(4), Image.open(io.BytesIO(file))
    if decoded:
        opened.load()
    np.testing.assert_allclose(loaded.embed(opened), embed_reference(loaded, file), atol=1e-5)


@pytest.mark.parametrize(
    ("array", "image"),
    [(PIXELS[..., 0], GRAY), (PIXELS[..., :1], GRAY), (PIXELS[..., :3], RGB), (PIXELS, RGBA)],
    ids=["(N, H, W)", "one channel", "RGB", "RGBA"],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_an_array_is_the_images_in_it(array: np.ndarray, image: Image.Image, channels: int) -> None:
    loaded = make_loaded_encoder(channels)
    single = loaded.embed(image)
    assert single.shape == (1, 8)
    np.testing.assert_array_equal(loaded.embed(np.stack([array, array])), loaded.embed([image, image]))
    np.testing.assert_allclose(loaded.embed([array]), single, atol=1e-6)


def test_many_images_come_back_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, grays = (
        make_loaded_encoder(1),
        np.arange(7, dtype=np.uint8)[:, None, None] * np.full((1, 9, 9), 30, np.uint8),
    )
    whole = loaded.embed(grays)
    monkeypatch.setattr(files, "BATCH", 3)
    np.testing.assert_allclose(loaded.embed(list(grays)), whole, atol=1e-6)


@pytest.mark.parametrize("nothing", [[], (), np.zeros((0, 8, 8), np.uint8), np.zeros((0, 8, 8, 3), np.uint8)])
def test_no_images_have_no_features(nothing: Any) -> None:
    features = make_loaded_encoder(3).embed(nothing)
    assert (features.shape, features.dtype) == ((0, 8), np.float32)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.full((2, 8, 8), 300.0), r"images\[0\]: numbers of type float64, from 300 to 300; scale to 0\.\.255"),
        (np.full((2, 8, 8), 0.5, np.float32), r"float32, from 0\.5 to 0\.5; scale to 0\.\.255 as uint8"),
        (np.full((2, 8, 8), -1), "int64, from -1 to -1"),
        (np.zeros((8, 8), np.uint8), r"images: an array of shape \(8, 8\); pass"),
        (np.zeros((8, 9, 3), np.uint8), r"shape \(8, 9, 3\) looks like one image; pass images\[None\]"),
        (np.zeros((2, 3, 8, 8), np.uint8), r"images\[0\]: an array of shape \(3, 8, 8\); .*\(N, H, W, C\)"),
        (np.zeros((2, 0, 8), np.uint8), r"images\[0\]: an array of shape \(0, 8\)"),
        ([GRAY, "photo.jpg"], r"images\[1\]: str; pass Pillow images"),
        ([GRAY, Image.new("F", (8, 8))], r"images\[1\]: pixels that are floats"),
        (SIGNED, r"images\[0\]: pixels that are floats, signed .*: save it with 8 or 16 bits per channel, unsigned"),
        ("photo.jpg", "images: str; pass Pillow images"),
        (torch.zeros(2, 8, 8), "images: Tensor; pass Pillow images"),
    ],
)
def test_what_cannot_be_read_is_said(images: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_loaded_encoder(1).embed(images)
