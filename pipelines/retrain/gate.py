"""The gate: a challenger takes the champion's place when it passes every rule of `promote:` in params.yaml.

Gains are those of pipelines/compare/paired.py, on the test images of the challenger's store, on which both encoders
were judged. The first champion only has to pass the rules that need no other encoder.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.registry.records import PROMOTED, REJECTED
from pipelines.retrain.evidence import Evidence


@dataclass(frozen=True)
class Reason:
    """One rule and whether it was passed, with a sentence that gives the value, the limit and the limit's key."""

    rule: str
    passed: bool
    text: str


@dataclass(frozen=True)
class Decision:
    """The outcome of a retraining, with its reasons."""

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
    def failed_reasons(self) -> list[Reason]:
        """The reasons that kept the challenger out."""
        return [reason for reason in self.reasons if not reason.passed]


def decide(evidence: Evidence, promote: Mapping[str, Any]) -> Decision:
    """Check every rule against the evidence, so that one decision names everything that is wrong."""
    reasons = [
        *_check_gain(evidence, promote),
        *_check_champion(evidence, promote),
        *_check_start(evidence, promote),
        *_check_challenger(evidence, promote),
        *_check_images(evidence, promote),
    ]
    return Decision(PROMOTED if all(reason.passed for reason in reasons) else REJECTED, reasons)


def refuse(rule: str, text: str) -> Decision:
    """Reject a challenger for which there is no evidence to check."""
    return Decision(REJECTED, [Reason(rule, False, text)])


def _check_gain(evidence: Evidence, promote: Mapping[str, Any]) -> Iterator[Reason]:
    """Check that the challenger is better than the champion by enough, and not by luck."""
    if evidence.champion is None:
        return
    metric = f"{promote['probe']} {promote['metric']}"
    gain = evidence.gain
    if gain is None:
        problem = "no test image has a score of both (promote.minimal_gain)"
        text = f"{metric} cannot be compared with {evidence.champion}'s: {problem}"
        yield Reason("minimal_gain", False, text)
        return
    scope = f"over {evidence.champion} on {gain.images:,} test images"
    yield _require_at_least(
        "minimal_gain", f"the gain in {metric} {scope}", gain.difference, promote["minimal_gain"], "+.4f"
    )
    low = f"the low end of the 95 % interval of that gain, {gain.low:+.4f} to {gain.high:+.4f},"
    yield _require_at_least("minimal_gain_low", low, gain.low, promote["minimal_gain_low"], "+.4f")


def _check_champion(evidence: Evidence, promote: Mapping[str, Any]) -> Iterator[Reason]:
    """Check that the champion still does what it did: a gain over a champion that fails now is none."""
    if evidence.champion_scores is not None:
        recorded, measured = evidence.champion_scores
        subject = f"{evidence.champion}'s {promote['probe']} {promote['metric']}, {recorded:.4f} in its commit, is"
        subject += f" {measured:.4f} on the same images now; the difference"
        difference, limit = abs(measured - recorded), promote["champion_within"]
        text = _format_sentence("champion_within", subject, difference, limit, "at most", ".4f")
        yield Reason("champion_within", difference <= limit, text)


def _check_start(evidence: Evidence, promote: Mapping[str, Any]) -> Iterator[Reason]:
    """Check that the training lost nothing of what it began with, where that was not drawn at random."""
    limit, score, start = promote["start_within"], evidence.score, evidence.start_score
    if limit is None or score is None or start is None:
        return
    added = evidence.added
    difference = score - start if added is None else added.difference
    subject = (
        f"the challenger's {promote['probe']} {promote['metric']}, {score:.4f}, was {start:.4f} before its training;"
    )
    if added is not None:
        subject += f" on {added.images:,} test images (95 % interval {added.low:+.4f} to {added.high:+.4f})"
    yield _require_at_least("start_within", f"{subject} the difference", difference, -limit, "+.4f")


def _check_challenger(evidence: Evidence, promote: Mapping[str, Any]) -> Iterator[Reason]:
    """Check that the challenger is good enough, and that its embeddings have not collapsed."""
    metric = f"the challenger's {promote['probe']} {promote['metric']}"
    yield _require_at_least("floor", metric, evidence.score, promote["floor"], ".4f")
    for rule, limit in promote["health"].items():
        key = rule.removeprefix("min_")
        yield _require_at_least(f"health.{rule}", f"the encoder's {key}", evidence.health.get(key), limit, ".4g")


def _check_images(evidence: Evidence, promote: Mapping[str, Any]) -> Iterator[Reason]:
    """Check that the images are fit for training and judging."""
    for rule, limit in promote["data"].items():
        key = rule.removeprefix("max_")
        if key in evidence.data:
            value = evidence.data[key]
            subject = f"the {key.replace('_', ' ')} of the images"
            text = _format_sentence(f"data.{rule}", subject, value, limit, "at most", ".4f")
            yield Reason(f"data.{rule}", value is not None and value <= limit, text)
    limit = promote["drift"]["hold_below"]
    if evidence.drift is not None and limit is not None:
        p, new_images = evidence.drift["p_value"], evidence.drift["new"]
        if p is not None:
            subject = f"the p-value of the {new_images:,} new images' coming from where the champion's came from"
            text = _format_sentence("drift.hold_below", subject, p, limit, "at least", ".2g")
            hold = "" if p >= limit else "; held until a person has looked (docs/retrain.md)"
            yield Reason("drift.hold_below", p >= limit, text + hold)


def _require_at_least(rule: str, subject: str, value: float | None, limit: float, form: str) -> Reason:
    text = _format_sentence(rule, subject, value, limit, "at least", form)
    return Reason(rule, value is not None and value >= limit, text)


def _format_sentence(rule: str, subject: str, value: float | None, limit: float, bound: str, form: str) -> str:
    value_text = "was not measured" if value is None else f"is {value:{form}}"
    return f"{subject} {value_text}; it must be {bound} {limit:g} (promote.{rule})"
