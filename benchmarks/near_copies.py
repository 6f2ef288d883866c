"""Measures how well near copies are told from pictures that only look alike, with and without the second look.

`python -m benchmarks.near_copies --cifar10 ROOT --photos FOLDER --mnist FILE --fashion FILE` plants changed copies of
images of each kind and counts those that are found. Among the digits of scikit-learn, MNIST and Fashion-MNIST the test
images that nearly equal another image are false alarms, but for a few. CIFAR-10 has real near copies between train and
test, which a look at the pairs confirms for nearly all that are found. Each FILE is an .npy of (N, 28, 28) uint8; of
images without a split of their own, a seventh is for testing.
"""

import argparse
import random
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from sklearn.datasets import load_digits

from benchmarks import cifar10
from benchmarks.cifar10 import ROOT_HELP
from benchmarks.records import write_record
from components.fetch.checks.duplicates import find_copies, find_near_copies
from components.fetch.checks.inspect import THUMBNAIL, ImageFacts, inspect
from components.fetch.checks.second_look import look_again
from components.fetch.params import Limits
from components.fetch.sources.candidate import Candidate
from components.stage.command import PARAMS_FILE, exit_on_error, read_params

PLANTED, SEED = 200, 0  # images of each kind that are changed
OLD_BITS = 3  # of the check by hashes alone
Change = Callable[[Image.Image], Image.Image]


def scale(image: Image.Image, factor: float) -> Image.Image:
    """Scale both sides by this factor."""
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)


def pack(image: Image.Image, quality: int) -> Image.Image:
    """Encode the image as JPEG, and decode it."""
    packed = BytesIO()
    image.save(packed, "JPEG", quality=quality)
    return Image.open(packed).convert("RGB")


def crop(image: Image.Image, share: float) -> Image.Image:
    """Cut this share of each side away, half at each end, and a pixel at least."""
    width, height = (max(1, round(side * share)) for side in image.size)
    left, top = width // 2, height // 2
    return image.crop((left, top, image.width - width + left, image.height - height + top))


def frame(image: Image.Image) -> Image.Image:
    """Put a black frame around the image, of a fiftieth of its shorter side and a pixel at least."""
    edge = max(1, round(0.02 * min(image.size)))
    framed = Image.new("RGB", (image.width + 2 * edge, image.height + 2 * edge))
    framed.paste(image, (edge, edge))
    return framed


def mark(image: Image.Image) -> Image.Image:
    """Lay a half-transparent white mark over a corner."""
    marked, size = image.copy(), (max(2, image.width // 4), max(1, image.height // 12))
    place = (image.width - size[0] - image.width // 20, image.height - size[1] - image.height // 20)
    marked.paste(Image.new("RGB", size, "white"), place, Image.new("L", size, 128))
    return marked


def add_noise(image: Image.Image) -> Image.Image:
    """Add Gaussian noise with a deviation of 6 levels."""
    pixels = np.asarray(image) + np.random.default_rng(SEED).normal(0, 6, (image.height, image.width, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


CHANGES: dict[str, Change] = {
    **{f"JPEG {quality}": lambda image, q=quality: pack(image, q) for quality in (30, 60, 95)},  # type: ignore[misc]
    **{f"scaled by {factor}": lambda image, f=factor: scale(image, f) for factor in (0.5, 0.75, 1.3, 2.0)},  # type: ignore[misc]
    "brightness 0.8": lambda image: ImageEnhance.Brightness(image).enhance(0.8),
    "brightness 1.15": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "contrast 1.2": lambda image: ImageEnhance.Contrast(image).enhance(1.2),
    "gamma 0.8": lambda image: image.point(lambda value: 255 * (value / 255) ** 0.8),
    "saturation 0.6": lambda image: ImageEnhance.Color(image).enhance(0.6),
    "gray": lambda image: image.convert("L").convert("RGB"),
    **{f"cropped by {share}": lambda image, s=share: crop(image, s) for share in (0.01, 0.02, 0.03)},  # type: ignore[misc]
    "shifted by a pixel": lambda image: image.transform(image.size, Image.Transform.AFFINE, (1, 0, 1, 0, 1, 1)),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(max(0.4, min(image.size) / 400))),
    "noise of 6 levels": add_noise,
    "framed": frame,
    "marked": mark,
}


def main() -> None:
    """Measure every kind of image and write the record."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.near_copies", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--cifar10", type=Path, required=True, help=ROOT_HELP)
    parser.add_argument("--photos", type=Path, required=True, help="a folder of JPEG files, at any depth")
    parser.add_argument("--mnist", type=Path, required=True)
    parser.add_argument("--fashion", type=Path, required=True)
    asked = parser.parse_args()
    with exit_on_error("near_copies"):
        bits = read_params(PARAMS_FILE).data.checks.near_duplicate_bits
        parts = [
            cifar10.read_cifar10(asked.cifar10, test=test)[0].permute(0, 2, 3, 1).numpy() for test in (False, True)
        ]
    kinds: dict[str, list[Any]] = {
        "photographs": sorted(asked.photos.rglob("*.jpg")),
        "cifar10": list(np.concatenate(parts)),
        "digits": list((load_digits().images * 255 / 16).round().astype(np.uint8)),
        "mnist": list(np.load(asked.mnist)),
        "fashion_mnist": list(np.load(asked.fashion)),
    }
    record: dict[str, Any] = {"seed": SEED, "planted": PLANTED, "bits": bits, "old_bits": OLD_BITS}
    for name, images in kinds.items():
        is_test = np.random.default_rng(SEED).random(len(images)) < 1 / 7
        if name == "cifar10":
            is_test = np.arange(len(images)) >= len(parts[0])
        record[name] = {"images": len(images), **measure_kind(images, is_test, bits)}
        print(name, record[name]["near_test_fraction"], flush=True)
    write_record("near-copies", record, "numpy", "pillow", "imagehash")


def measure_kind(images: list[Any], is_test: np.ndarray, bits: int) -> dict[str, Any]:
    """Return what is found among the images, before and after, and of the planted copies of some of them."""
    facts = [see(open_any(image)) for image in images]
    found, seconds = {}, {}
    for name, search_bits, second in (("hashes", OLD_BITS, False), ("second_look", bits, True)):
        began = time.perf_counter()
        found[name] = round(float(find_near_tests(facts, is_test, search_bits, second)), 5)
        seconds[name] = round(time.perf_counter() - began, 2)
    chosen = random.Random(SEED).sample(range(len(images)), min(PLANTED, len(images)))
    recall = {}
    for change, apply in CHANGES.items():
        pairs = [(facts[row], see(apply(open_any(images[row])))) for row in chosen]
        recall[change] = {
            "hashes": count_found(pairs, OLD_BITS, False),
            "second_look": count_found(pairs, bits, True),
        }
    return {"near_test_fraction": found, "seconds": seconds, "recall": recall}


def open_any(image: Any) -> Image.Image:
    """Return an RGB image of pixels or of a file."""
    return (Image.open(image) if isinstance(image, Path) else Image.fromarray(image)).convert("RGB")


def see(image: Image.Image) -> ImageFacts:
    """Return the facts that the stage has about an image."""
    facts = inspect(
        Candidate("s", "a.png", np.asarray(image), None, None), Limits(max_pixels=10**9, max_bytes=10**9), None
    )
    assert isinstance(facts, ImageFacts), facts
    return facts


def find_near_tests(facts: list[ImageFacts], is_test: np.ndarray, bits: int, second: bool) -> float:
    """Return the fraction of test images that nearly equal another image."""
    copies = find_copies(np.array([image.pixels for image in facts], dtype="V16"))
    looks = np.array([image.look for image in facts], dtype=np.uint64)
    thumbnails, details = describe(facts)

    def look(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return look_again(thumbnails[left], thumbnails[right], np.minimum(details[left], details[right]))

    near = find_near_copies(copies, looks, bits, is_test.astype(int), look if second else lambda left, _: left >= 0)
    return float((is_test & near.find_near(~is_test)).sum() / is_test.sum())


def count_found(pairs: list[tuple[ImageFacts, ImageFacts]], bits: int, second: bool) -> float:
    """Return the fraction of pairs that are found to be near copies, or to be the same."""
    same = np.array([one.pixels == other.pixels for one, other in pairs])
    near = np.array([(one.look ^ other.look).bit_count() <= bits for one, other in pairs])
    if second:
        (left, some), (right, more) = (describe(facts) for facts in zip(*pairs, strict=True))
        near &= look_again(left, right, np.minimum(some, more))
    return round(float((near | same).mean()), 3)


def describe(facts: "list[ImageFacts] | tuple[ImageFacts, ...]") -> tuple[np.ndarray, np.ndarray]:
    """Return the thumbnails and the details of images, as the second look takes them."""
    thumbnails = np.frombuffer(b"".join(image.thumbnail for image in facts), np.uint8)
    details = np.minimum([image.width * image.height / THUMBNAIL**2 for image in facts], 1)
    return thumbnails.reshape(-1, THUMBNAIL, THUMBNAIL), details


if __name__ == "__main__":
    main()
