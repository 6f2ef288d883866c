"""Facts of images that need not exist, and the verdict on them."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from components.fetch.checks.deep import Full
from components.fetch.checks.facts import Facts
from components.fetch.checks.inspect import Fault, ImageFacts
from components.fetch.checks.verdict import Verdict, reach_verdict
from components.fetch.params import Checks
from components.fetch.sources.candidate import Candidate
from components.store.store import TRAIN

SHIPPED = Checks(
    max_unreadable_fraction=1.0,
    near_duplicate_bits=3,
    max_withheld_fraction=1.0,
    leaked="drop",
    max_leaked_fraction=1.0,
    max_near_leaked_fraction=1.0,
    max_class_ratio=1e9,
)

THUMBNAIL = (
    np.random.default_rng(0).integers(0, 256, 256, dtype=np.uint8).tobytes()
)  # of every image, unless it has its own


def far_look(number: int) -> int:
    """Return a look; those of numbers below 2**16 differ in at least 4 bits, since each bit stands four times."""
    return sum(0b1111 << 4 * bit for bit in range(16) if number >> bit & 1)


def make_image_facts(number: int, **changes: Any) -> ImageFacts:
    """Return facts of an image that equals no other; `pixels` and `look` are numbers too."""
    values = {"pixels": number, "look": far_look(number), "encoded": bytes(10), "format": "JPEG"} | changes
    values["pixels"] = b"%016d" % values["pixels"]
    defaults = {
        "content": b"",
        "thumbnail": THUMBNAIL,
        "width": 32,
        "height": 24,
        "full": None,
        "misnamed": False,
        "gray": False,
        "flat": False,
    }
    return ImageFacts(**defaults | {"means": (0.5, 0.5, 0.5), "squares": (0.5, 0.5, 0.5)} | values)


def make_full(*, channels: int, highest: int, bits: int = 16, mean: float = 100.0) -> Full:
    """Return what is measured of an image of such channels, whose values are all `mean`; five or more are bands."""
    means, squares = (mean,) * channels, (mean**2,) * channels
    gray = channels == 1
    return Full(channels, bits, channels > 4, highest, means, squares, gray=gray, flat=False)


def add(facts: Facts, number: int, label: str | None, split: str = TRAIN, source: str = "s", **changes: Any) -> Facts:
    facts.add(Candidate(source, f"{number}.jpg", b"", label, None), make_image_facts(number, **changes), split)
    return facts


def reject(facts: Facts, path: str, reason: str = "broken", image: bool = True) -> Facts:
    facts.reject(Candidate("s", path, b"", None, None), Fault(reason, image))
    return facts


def make_facts(images: Iterable[tuple[str | None, str]]) -> Facts:
    """Return the facts of images, given as (label, split)."""
    facts = Facts()
    for number, (label, split) in enumerate(images):
        add(facts, number, label, split)
    return facts


def verdict(facts: Facts, **changes: Any) -> Verdict:
    """Reach a verdict by checks that allow everything but for these changes."""
    return reach_verdict(facts, SHIPPED.model_copy(update=changes))
