"""Reaches the verdict that a report begins with: what the encoder is better than, by how much, and beyond noise or not.

It is about the run's main numbers and claims nothing else; what the training added to what it began with comes first
(added.py). Where nothing was measured it says so, and what to do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.features.encoders import OURS, PIXELS, UNTRAINED
from components.report.added import GENTLER, Added, measure_added, write_added
from components.report.page import numbers
from components.report.page.headline import Headline, describe_labels, list_headlines
from components.report.page.inputs import Inputs
from components.report.page.paired import Scores, compare
from components.report.words import count, enumerate_words

BASELINES = {PIXELS: "the pixels", UNTRAINED: "the untrained network"}
COLLAPSED = {"z_std": 0.01, "projection_spread": 0.1, "feature_spread": 0.1, "rank_me": 2.0}  # readings below are bad
FEW_EPOCHS, FEW_IMAGES, FEW_JUDGED = 100, 5000, 500  # below these, more is the first thing to try

Probe = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Verdict:
    """The verdict in a sentence, the numbers that it rests on, and what to try where it is not good."""

    sentence: str
    numbers: str = ""
    advice: str = ""

    @property
    def text(self) -> str:
        """All of it in one line."""
        return " ".join(filter(None, (self.sentence, self.numbers, self.advice)))


@dataclass(frozen=True)
class Comparison:
    """One main metric beside the baselines': 1 is better than the baseline, -1 worse, 0 neither beyond noise."""

    headline: Headline
    probe: Probe
    against: Mapping[str, int]  # by baseline
    judged: int


def reach_verdict(inputs: Inputs) -> Verdict:
    """Reach the verdict from the run's main numbers."""
    headlines = list_headlines(inputs.probes)
    if not headlines:
        return Verdict("Nothing can be said of what it is worth.", explain_nothing(inputs), advise_labels(inputs))
    chosen = [headline for headline in headlines if headline[0] == headlines[0][0] and headline[1] != "roc_auc"]
    scores = inputs.read_scores(headlines[0][0])
    compared = [compare_with_baselines(headline, inputs.probes, scores) for headline in chosen]
    added = measure_added(chosen, inputs.probes, scores)
    sentences = [write_added(added), write_sentence(compared) if compared[0].against else ""]
    if not any(sentences):
        sentences = ["Nothing can be said: there is no number of a baseline to compare with."]
    advice = "" if all(result > 0 for result in list_results(compared, added)) else advise(inputs, compared, added)
    return Verdict(" ".join(filter(None, sentences)), describe_numbers(compared), advice)


def compare_with_baselines(headline: Headline, probes: Mapping[str, numbers.Probe], scores: Scores) -> Comparison:
    """Compare a main metric of our encoder with those of the baselines that were measured."""
    name, key = headline
    probe = numbers.select_measured(probes[name])
    having = [encoder for encoder in BASELINES if key in probe.get(encoder, {})]
    against = {encoder: compare(key, OURS, encoder, probe, scores) for encoder in having}
    return Comparison(headline, probe, against, scores.judged)


def write_sentence(compared: list[Comparison]) -> str:
    """Write the verdict's sentence; a baseline that only one of the metrics is better than has a clause of its own."""
    better: list[str] = []
    no_better: list[str] = []
    unproven: list[str] = []
    divided: list[str] = []
    for encoder in compared[0].against:
        outcomes = {part.headline[1]: part.against.get(encoder, 0) > 0 for part in compared}
        good = enumerate_words([describe_labels(key) for key, outcome in outcomes.items() if outcome])
        bad = enumerate_words([describe_labels(key) for key, outcome in outcomes.items() if not outcome])
        if good and bad:
            divided.append(f"better than {BASELINES[encoder]} {good}, but not {bad}")
        else:
            ahead = any(measure_distance(part, encoder) > 0 for part in compared)
            (better if good else unproven if ahead else no_better).append(f"than {BASELINES[encoder]}")
    clauses = [f"better {enumerate_words(better)}"] if better else []
    clauses += [f"no better {enumerate_words(no_better, 'or')}"] if no_better else []
    clauses += [f"not shown to be better {enumerate_words(unproven, 'or')}"] if unproven else []
    text = "; ".join(filter(None, [", but ".join(clauses), *divided]))
    return f"{text[0].upper()}{text[1:]}."


def list_results(compared: Sequence[Comparison], added: Sequence[Added]) -> list[int]:
    """List how each main metric compares with each other encoder's."""
    return [*(part.outcome for part in added), *(result for part in compared for result in part.against.values())]


def measure_distance(comparison: Comparison, encoder: str) -> float:
    """Return how far our encoder's value is above that of a baseline."""
    key, probe = comparison.headline[1], comparison.probe
    return float(probe[OURS][key] - probe[encoder][key])


def describe_numbers(compared: list[Comparison]) -> str:
    """Describe the main metrics of one probe, each with its distance to the baselines."""
    name, key = compared[0].headline
    judged = count(compared[0].judged, "pair(s)" if name == numbers.VERIFICATION else "test image(s)")
    on = f", on {judged}" if compared[0].judged else ""
    measured = "Mean average precision" if key == "map" else "Accuracy"
    values = "; ".join(describe_value(comparison) for comparison in compared)
    return f"{measured} by {numbers.name_probe(name).partition(':')[0]}{on}: {values}."


def describe_value(comparison: Comparison) -> str:
    """Describe a main metric and its distance to each baseline, and whether that is more than noise."""
    (name, key), probe = comparison.headline, comparison.probe
    value = probe[OURS][key]
    said = numbers.spell_value(key, value) + (f" {describe_labels(key)}" if name in numbers.CLASSIFIERS else "")
    distances = {
        encoder: describe_distance(key, measure_distance(comparison, encoder)) for encoder in comparison.against
    }
    noise = {encoder: "beyond noise" if result else "within noise" for encoder, result in comparison.against.items()}
    if len(distances) == 2 and len(set(noise.values())) == 1:
        beside = enumerate_words([f"{size} {BASELINES[encoder]}" for encoder, size in distances.items()])
        return f"{said}, {beside}, both {noise.popitem()[1]}"
    beside = enumerate_words([f"{size} {BASELINES[encoder]} ({noise[encoder]})" for encoder, size in distances.items()])
    return ", ".join(filter(None, (said, beside)))


def describe_distance(key: str, distance: float) -> str:
    """Describe the distance of a metric to that of a baseline, whose name follows."""
    if not distance:
        return "as much as"
    size = f"{100 * abs(distance):.1f} points" if numbers.SHARES.match(key) else f"{abs(distance):.3f}"
    return f"{size} {'below' if distance < 0 else 'above'}"


def advise(inputs: Inputs, compared: list[Comparison], added: Sequence[Added]) -> str:
    """Advise what to try first, by what is known of the run."""
    pretrain = inputs.pretrain
    tips = []
    if collapsed := list_collapsed(pretrain):
        tips.append(f"look at its features, which have nearly collapsed ({collapsed}; docs/pretraining.md, Watching)")
    if any(part.outcome <= 0 and part.difference <= 0 for part in added):
        tips.append(GENTLER)
    if pretrain["epochs"] < FEW_EPOCHS and all(part.outcome >= 0 for part in added):
        tips.append(f"train longer (pretrain.epochs: it had {pretrain['epochs']:,})")
    if pretrain["images"] < FEW_IMAGES:
        tips.append(f"give it more images, with labels or without (it had {pretrain['images']:,})")
    tips.append(
        "choose views and a side that suit the images (pretrain.views and pretrain.images; or python -m presets)"
    )
    if 0 in list_results(compared, added) and 0 < compared[0].judged < FEW_JUDGED:
        tips.append("judge it on more images, which tell smaller differences from noise")
    return f"What to try: {enumerate_words(tips, 'or')}."


def list_collapsed(readings: Mapping[str, Any]) -> str:
    """List the readings that say that the features have collapsed, or nearly; an empty text if none does."""
    low = [name for name, least in COLLAPSED.items() if (value := readings.get(name)) is not None and value < least]
    return ", ".join(f"{name} {readings[name]:.3g}" for name in low)


def explain_nothing(inputs: Inputs) -> str:
    """Explain why no main number was measured, and what the numbers that need no label say."""
    reasons = [numbers.find_skip_reason(probe) for probe in inputs.probes.values()]
    reason = next(filter(None, reasons), "evaluate.probes names none that compares it with the pixels")
    collapsed = list_collapsed(inputs.pretrain | inputs.probes.get("health", {}).get(OURS, {}))
    state = f" Its features have nearly collapsed ({collapsed}; docs/pretraining.md, Watching)." if collapsed else ""
    return f"No probe measured it ({reason}).{state}"


def advise_labels(inputs: Inputs) -> str:
    """Advise how it can be measured."""
    if any(numbers.find_skip_reason(probe) for probe in inputs.probes.values()):
        return "Label images of two classes or more, of the splits train and test (docs/images.md); 50 are a beginning."
    return "Add logistic or retrieval to evaluate.probes in params.yaml."
