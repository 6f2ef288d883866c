"""The stage evaluate measures the features with one probe and writes metrics/<probe>.json, predictions and plots.

Every encoder is judged on the same draws of labels and the same held-out rows; the test split only scores. A probe that
the images do not allow (it needs labels and there are none) is skipped, and the metrics say why.
"""

import components.stage.openmp  # noqa: F401  (before torch)

import importlib
from pathlib import Path

from components.evaluate import results
from components.evaluate.given import Given
from components.evaluate.outcome import NothingToMeasureError
from components.evaluate.params import Evaluate
from components.features.encoders import OURS
from components.features.judging.device import choose_judging_device
from components.learning.device import prepare_device
from components.stage.command import main
from components.stage.disk import check_file, check_folder
from components.stage.errors import InputError


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
    if probe not in params.known_probes:
        raise InputError(f"--probe: no probe is called '{probe}'; there are {', '.join(params.known_probes)}")
    for file in (metrics, predictions):
        check_file(file)
    check_folder(plots)
    device = choose_judging_device(params.shared.device, "evaluate.shared.device")
    prepare_device(device, params.shared.threads)
    given = Given(store, encoder, embeddings, device)
    try:
        # By name, so that an edit of another probe makes nothing stale.
        outcomes, skipped = importlib.import_module(f"components.probes.{probe}").judge(params, given), ""
    except NothingToMeasureError as nothing:
        print(f"evaluate {probe}: skipped: {nothing}", flush=True)
        outcomes, skipped = {}, str(nothing)
    for metric, reason in results.merge_left_out(outcomes).items():
        print(f"evaluate {probe}: {metric} is left out: {reason}", flush=True)
    results.write_predictions(predictions, outcomes)
    results.write_plots(plots, outcomes, OURS)
    if skipped:  # the numbers come last, when all that they stand for is written
        results.write_skipped(metrics, given.encoders, skipped)
    else:
        results.write_metrics(metrics, outcomes)


if __name__ == "__main__":
    main(run)
