"""Facts of images that need not exist."""

from collections.abc import Iterable
from typing import Any

from components.fetch.checks.facts import Facts
from components.fetch.checks.inspect import Fault, Seen
from components.fetch.checks.verdict import Verdict, judge
from components.fetch.params import Checks
from components.fetch.sources.candidate import Candidate
from components.store.store import TRAIN

SHIPPED = Checks(
    max_unreadable_fraction=1.0,
    near_duplicate_bits=3,
    leaked="drop",
    max_leaked_fraction=1.0,
    max_near_leaked_fraction=1.0,
    max_class_ratio=1e9,
)


def far_look(number: int) -> int:
    """Looks that differ in at least 4 bits, for numbers below 2**16: each bit of the number stands four times."""
    return sum(0b1111 << 4 * bit for bit in range(16) if number >> bit & 1)


def seen(number: int, **changes: Any) -> Seen:
    """An image of its own; `pixels` and `look` are numbers too."""
    told = {"pixels": number, "look": far_look(number), "encoded": bytes(10), "format": "JPEG"} | changes
    told["pixels"] = b"%016d" % told["pixels"]
    plain = {"content": b"", "width": 32, "height": 24, "misnamed": False, "gray": False, "flat": False}
    return Seen(**plain | {"means": (0.5, 0.5, 0.5), "squares": (0.5, 0.5, 0.5)} | told)


def add(facts: Facts, number: int, label: str | None, split: str = TRAIN, source: str = "s", **changes: Any) -> Facts:
    facts.add(Candidate(source, f"{number}.jpg", b"", label, None), seen(number, **changes), split)
    return facts


def reject(facts: Facts, path: str, reason: str = "broken", image: bool = True) -> Facts:
    facts.reject(Candidate("s", path, b"", None, None), Fault(reason, image))
    return facts


def facts_of(images: Iterable[tuple[str | None, str]]) -> Facts:
    """Of (label, split) each."""
    facts = Facts()
    for number, (label, split) in enumerate(images):
        add(facts, number, label, split)
    return facts


def verdict(facts: Facts, **changes: Any) -> Verdict:
    """By checks that allow everything but for these changes."""
    return judge(facts, SHIPPED.model_copy(update=changes))
