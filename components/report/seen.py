"""Says which of the images that a probe scores on the encoder was trained on, with their labels or without.

The encoder is trained on all images of the splits `train` and `unlabelled`, and on no label.
"""

from collections.abc import Mapping
from typing import Any

from components.features.encoders import OURS
from components.report.page.inputs import Inputs
from components.report.page.numbers import CLASSIFIERS, RETRIEVAL, VERIFICATION, Probe, select_measured
from components.report.words import count

Metrics = Mapping[str, Any]

LEARNS = {
    **dict.fromkeys(CLASSIFIERS, "Learns from the labels of {}, which the encoder was trained on without them."),
    "robustness": "Learns from the labels of {}, which the encoder was trained on without them.",
    RETRIEVAL: "Looks for the class among {}, which the encoder was trained on without their labels.",
    "finetune": "Trains the network on with the labels of {}, which it was trained on without them before.",
}


def describe_test_images(data: Metrics, probes: Mapping[str, Probe]) -> str:
    """Describe the test images, and what of them and of the pairs of verification the encoder was trained on."""
    if not data.get("test"):
        text = "There are no test images."
    else:
        there = "There is" if data["test"] == 1 else "There are"
        text = f"{there} {count(data['test'], 'test image(s)')}; {describe_leaks(data)}."
    pairs, seen = read_pairs(probes)
    if seen:
        text += f" In {seen:,} of the {count(pairs, 'pair(s)')} of verification, it was trained on at least one image,"
        text += " without its label."
    return text


def describe_leaks(data: Metrics) -> str:
    """Describe the test images that were trained on: copies of them, and images nearly the same. Where copies were
    dropped from the images to train on, none was."""
    copied = data.get("leaked", 0) if not data.get("dropped") else 0
    near = data.get("nearly_leaked", 0)
    said = "the encoder was trained on none of them"
    if copied:
        said = f"the encoder was trained on exact copies of {copied:,} of them, without their labels"
    if near:
        said += f"; {near:,} {'looks' if near == 1 else 'look'} nearly like one that it was trained on"
    return said


def read_pairs(probes: Mapping[str, Probe]) -> tuple[int, int | None]:
    """Read how many pairs verification judged, and how many have an image that was trained on; None if not known."""
    ours = probes.get(VERIFICATION, {}).get(OURS, {})
    seen = ours.get("pairs_seen")
    return int(ours.get("pairs", 0)), None if seen is None else int(seen)


def describe_probe(name: str, inputs: Inputs) -> str:
    """Describe what a probe scores on and learns from; an empty text if it measured nothing."""
    measured = select_measured(inputs.probes[name])
    if not measured:
        return ""
    if name == "health":
        images = int(next(iter(measured.values())).get("images", 0))
        return f"Measured on {count(images, 'image(s)')} of all splits, trained on or not; it needs no label."
    judged = inputs.read_scores(name).judged
    if name == VERIFICATION:
        return describe_pairs(inputs, judged)
    labelled = count(len(inputs.table.train[1]), "train image(s)")
    learns = LEARNS[name].format(labelled) + " " if name in LEARNS else ""
    total = int(inputs.data.get("test", 0))
    if not judged:
        return learns + describe_test_images(inputs.data, {})
    scored = f"{judged:,} of the" if judged < total else "the"
    return f"{learns}Scores {scored} {count(total, 'test image(s)')}; {describe_leaks(inputs.data)}."


def describe_pairs(inputs: Inputs, judged: int) -> str:
    """Describe the pairs that verification judged."""
    pairs, seen = read_pairs(inputs.probes)
    scores = f"Scores {count(pairs or judged, 'pair(s)')} of images"
    if seen is None:
        return f"{scores}; whether the encoder was trained on some of them is not known."
    if seen:
        return f"{scores}; in {seen:,} of them the encoder was trained on at least one of the two, without its label."
    return f"{scores}, all of them test images; {describe_leaks(inputs.data)}."
