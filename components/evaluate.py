"""Stage evaluate: what the features are worth by one probe -> metrics/<probe>.json, predictions and plots.

Every encoder is judged on the same draws of labels and the same held-out rows; the test split only scores. What the
images do not allow (a probe that needs labels where there are none) is skipped, and the metrics say why.
"""

import os
from collections.abc import Callable
from pathlib import Path

# Before torch: its threads would wait for each other by spinning, and stall a machine that is busy with other things.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch

from components import stage
from components.byol.device import choose_device, prepare
from components.data.encoders import OURS
from components.evaluation import from_embeddings, from_images, results
from components.evaluation.given import Given
from components.params.base import InputError
from components.params.evaluate import Evaluate
from components.probes.outcome import NothingToMeasureError, Outcome

Judge = Callable[[Evaluate, Given], dict[str, Outcome]]

PROBES: dict[str, Judge] = {
    "knn": from_embeddings.knn,
    "linear": from_embeddings.linear,
    "logistic": from_embeddings.logistic,
    "retrieval": from_embeddings.retrieval,
    "verification": from_embeddings.verification,
    "finetune": from_images.finetune,
    "robustness": from_images.robustness,
    "health": from_images.health,
}


def run(
    params: Evaluate,
    *,
    probe: str,
    store: Path,
    encoder: Path,
    embeddings: Path,
    metrics: Path,
    predictions: Path,
    plots: Path,
) -> None:
    """Judge every encoder in the folder of embeddings with one probe."""
    if probe not in PROBES:
        raise InputError(f"--probe: no probe is called '{probe}'; there are {', '.join(PROBES)}")
    device = choose_device(device_name(params.shared.device), "evaluate.shared.device")
    prepare(device, params.shared.threads)
    given = Given(store, encoder, embeddings, device)
    try:
        outcomes = PROBES[probe](params, given)
        results.write_metrics(metrics, outcomes)
    except NothingToMeasureError as reason:
        print(f"evaluate {probe}: skipped: {reason}", flush=True)
        outcomes = {}
        results.write_skipped(metrics, given.encoders, str(reason))
    results.write_predictions(predictions, outcomes)
    results.write_plots(plots, outcomes, OURS)


def device_name(name: str) -> str:
    """`auto` never takes Apple's GPU: it knows no double precision, which several probes need."""
    return name if name != "auto" or torch.cuda.is_available() else "cpu"


if __name__ == "__main__":
    stage.main(run)
