"""Says what a training added to what it began with: the difference of the main numbers, with its interval in pairs.

Both were judged on the same images (page/paired.py). A number from few labels depends on the labels that were drawn as
well, which pairs of images leave out: such a difference has no interval here, and counts only where both numbers' own
intervals lie apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.features.encoders import OURS, START
from components.report.page import numbers
from components.report.page.headline import Headline, describe_labels
from components.report.page.paired import Scores, compare, estimate
from components.report.words import enumerate_words

BEGUN = "what it began with"
WORDS = {-1: ("worse", "than"), 1: ("better", "than"), 0: ("not told apart", "from")}  # in the order of being said
GENTLER = (
    "change less of what it began with (a lower pretrain.optimiser.learning_rate, pretrain.continuing; "
    "python -m presets continue), or use that as it is"
)


@dataclass(frozen=True)
class Added:
    """What was added to one main metric: 1 is better than the start, -1 worse, 0 neither beyond noise."""

    headline: Headline
    outcome: int
    difference: float
    interval: tuple[float, float] | None


def measure_added(headlines: Sequence[Headline], probes: Mapping[str, numbers.Probe], scores: Scores) -> list[Added]:
    """Measure what was added to each main metric of a probe; nothing where there is no start."""
    added = []
    for name, key in headlines:
        probe = numbers.select_measured(probes[name])
        if key in probe.get(START, {}):
            outcome = compare(key, OURS, START, probe, scores)
            paired = estimate(key, OURS, START, scores)
            interval = None if paired is None else (paired.mean - paired.half, paired.mean + paired.half)
            added.append(Added((name, key), outcome, probe[OURS][key] - probe[START][key], interval))
    return added


def write_added(added: Sequence[Added]) -> str:
    """Write a sentence that begins with what got worse; an empty text where there is no start."""
    clauses: list[str] = []
    for outcome, (word, joint) in WORDS.items():
        parts = enumerate_words([describe_added(part) for part in added if part.outcome == outcome])
        said = word if clauses else f"{word} {joint} {BEGUN}"
        clauses += [f"{said}{' by' if outcome else ':'} {parts}"] if parts else []
    text = "; ".join(clauses)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def describe_added(added: Added) -> str:
    """Describe a difference with its interval; it has a sign only where it is not told apart from nothing."""
    (name, key), sign = added.headline, added.outcome or 1
    scale, form, unit = (100, ".1f", " points") if numbers.SHARES.match(key) else (1, ".3f", "")
    form = form if added.outcome else f"+{form}"
    labels = f" {describe_labels(key)}" if name in numbers.CLASSIFIERS else ""
    ends = [f"{sign * scale * end:{form}}" for end in (added.interval or ())[::sign]]
    interval = f" (95 % interval {' to '.join(ends)})" if ends else ""
    return f"{sign * scale * added.difference:{form}}{unit}{labels}{interval}"
