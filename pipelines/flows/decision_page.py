"""Draws the result of a retraining as Markdown for Prefect."""

from collections.abc import Mapping
from typing import Any

from pipelines.flows.pages import draw_table
from pipelines.retrain.retraining import Retraining

GAINS = {"all": "gain", "that the champion's own run had judged": "gain_known", "new": "gain_new"}


def draw_decision(retraining: Retraining) -> str:
    """Draw the decision with every rule, and the gain over the champion."""
    created = [
        f"{name}: `{value}`"
        for name, value in (("version", retraining.version), ("branch", retraining.branch))
        if value
    ]
    parts = [f"# {retraining.decision.outcome.capitalize()}", *created]
    if not retraining.decision.judged:
        return "\n\n".join([*parts, *(reason.text for reason in retraining.decision.reasons)])
    rules = [[reason.rule, "ok" if reason.passed else "**no**", reason.text] for reason in retraining.decision.reasons]
    parts.append(draw_table(["rule", "", ""], rules))
    if gains := [
        [name, *format_gain(retraining.numbers[key])] for name, key in GAINS.items() if retraining.numbers.get(key)
    ]:
        parts += ["## Challenger against champion", draw_table(["test images", "", "gain", "95 % interval"], gains)]
    return "\n\n".join(parts)


def format_gain(gain: Mapping[str, Any]) -> list[str]:
    """Format the cells of the gain on one set of test images."""
    interval = f"{gain['low']:+.4f} to {gain['high']:+.4f}"
    return [f"{gain['images']:,}", f"{gain['difference']:+.4f}", interval]
