"""The gate: a challenger takes the champion's place when every rule of `promote:` in params.yaml lets it pass.

Gains are those of pipelines/compare/paired.py, on the test images of the challenger's store, which both encoders were
judged on. Of the first champion only what needs no other is asked.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.registry.records import PROMOTED, REJECTED
from pipelines.retrain.evidence import Evidence


@dataclass(frozen=True)
class Reason:
    """One rule and what came of it, in a sentence with the value and the limit."""

    rule: str
    passed: bool
    text: str


@dataclass(frozen=True)
class Decision:
    """What became of a retraining."""

    outcome: str
    reasons: list[Reason]

    @property
    def promoted(self) -> bool:
        """Whether there is a new champion."""
        return self.outcome == PROMOTED

    @property
    def judged(self) -> bool:
        """Whether there was a challenger."""
        return self.outcome in (PROMOTED, REJECTED)

    @property
    def against(self) -> list[Reason]:
        """Those that kept it out."""
        return [reason for reason in self.reasons if not reason.passed]


def decide(evidence: Evidence, promote: Mapping[str, Any]) -> Decision:
    """Every rule is held against the evidence, so that one look tells all that is wrong."""
    reasons = [*_gain(evidence, promote), *_itself(evidence, promote), *_images(evidence, promote)]
    return Decision(PROMOTED if all(reason.passed for reason in reasons) else REJECTED, reasons)


def refused(rule: str, text: str) -> Decision:
    """Where there is nothing to hold rules against."""
    return Decision(REJECTED, [Reason(rule, False, text)])


def _gain(evidence: Evidence, promote: Mapping[str, Any]) -> Iterator[Reason]:
    """Better than the champion by enough, and not by luck."""
    if evidence.champion is None:
        return
    what = f"{promote['probe']} {promote['metric']}"
    gain = evidence.gain
    if gain is None:
        text = f"{what} cannot be compared with {evidence.champion}'s: no test image has a score of both"
        yield Reason("minimal_gain", False, text)
        return
    of = f"over {evidence.champion} on {gain.images:,} test images"
    yield _at_least("minimal_gain", f"the gain in {what} {of}", gain.difference, promote["minimal_gain"], "+.4f")
    low = f"the low end of the 95 % interval of that gain, {gain.low:+.4f} to {gain.high:+.4f},"
    yield _at_least("minimal_gain_low", low, gain.low, promote["minimal_gain_low"], "+.4f")


def _itself(evidence: Evidence, promote: Mapping[str, Any]) -> Iterator[Reason]:
    """Good enough, and no collapse."""
    what = f"the challenger's {promote['probe']} {promote['metric']}"
    yield _at_least("floor", what, evidence.score, promote["floor"], ".4f")
    for rule, limit in promote["health"].items():
        key = rule.removeprefix("min_")
        yield _at_least(f"health.{rule}", f"the encoder's {key}", evidence.health.get(key), limit, ".4g")


def _images(evidence: Evidence, promote: Mapping[str, Any]) -> Iterator[Reason]:
    """Fit to train and to judge on."""
    for rule, limit in promote["data"].items():
        key = rule.removeprefix("max_")
        if key in evidence.data:
            value = evidence.data[key]
            text = _sentence(f"the {key.replace('_', ' ')} of the images", value, limit, "at most", ".4f")
            yield Reason(f"data.{rule}", value is not None and value <= limit, text)
    limit = promote["drift"]["hold_below"]
    if evidence.drift is not None and limit is not None:
        p, new = evidence.drift["p_value"], evidence.drift["new"]
        if p is not None:
            what = f"the p-value of the {new:,} new images' coming from where the champion's came from"
            text = _sentence(what, p, limit, "at least", ".2g")
            hold = "" if p >= limit else "; held until a person has looked (docs/retrain.md)"
            yield Reason("drift.hold_below", p >= limit, text + hold)


def _at_least(rule: str, what: str, value: float | None, limit: float, form: str) -> Reason:
    return Reason(rule, value is not None and value >= limit, _sentence(what, value, limit, "at least", form))


def _sentence(what: str, value: float | None, limit: float, bound: str, form: str) -> str:
    said = "was not measured" if value is None else f"is {value:{form}}"
    return f"{what} {said}; it must be {bound} {limit:g}"
