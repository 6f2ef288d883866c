"""What a retraining came to, as Markdown for Prefect: rule by rule, and the gain over the champion."""

from collections.abc import Mapping
from typing import Any

from pipelines.flows.pages import table
from pipelines.retrain.retraining import Retraining

GAINS = {"all": "gain", "that the champion's own run had judged": "gain_known", "new": "gain_new"}


def draw(done: Retraining) -> str:
    """What a retraining came to, rule by rule, and the gain over the champion."""
    made = [f"{name}: `{value}`" for name, value in (("version", done.version), ("branch", done.branch)) if value]
    parts = [f"# {done.decision.outcome.capitalize()}", *made]
    if not done.decision.judged:
        return "\n\n".join([*parts, *(reason.text for reason in done.decision.reasons)])
    rules = [[reason.rule, "ok" if reason.passed else "**no**", reason.text] for reason in done.decision.reasons]
    parts.append(table(["rule", "", ""], rules))
    if gains := [[name, *gain_cells(done.numbers[key])] for name, key in GAINS.items() if done.numbers.get(key)]:
        parts += ["## Challenger against champion", table(["test images", "", "gain", "95 % interval"], gains)]
    return "\n\n".join(parts)


def gain_cells(gain: Mapping[str, Any]) -> list[str]:
    """Of one set of test images."""
    interval = f"{gain['low']:+.4f} to {gain['high']:+.4f}"
    return [f"{gain['images']:,}", f"{gain['difference']:+.4f}", interval]
