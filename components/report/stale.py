"""Removes what stages wrote that params.yaml no longer asks for, such as a probe that evaluate.probes leaves out: their
old numbers would stand in Git beside those of this run, as if they were of the same encoder, and the service would
refuse an index or a classifier of an older encoder. Files of other names are the user's own, and so are lists in which
somebody may have written labels.
"""

import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from components.features.encoders import ORDER
from components.stage.disk import name_faults


def remove_stale(
    metrics: Path, predictions: Path, plots: Path, *, known: Collection[str], asked: Collection[str]
) -> None:
    """Remove the metrics, predictions and plots of the `known` stages that are not `asked` for, and say so."""
    for probe in known:
        outputs = (metrics / f"{probe}.json", predictions / f"{probe}.parquet", plots / probe)
        if probe not in asked:
            remove_outputs(outputs, f"params.yaml no longer asks for {probe}")


def remove_stale_suspects(metrics: Path, suspects: Path, *, asked: Collection[str]) -> None:
    """Remove what the stage labels found by encoders that are not `asked` for, and say so."""
    for encoder in ORDER:
        if encoder not in asked:
            outputs = (metrics / f"labels-{encoder}.json", suspects / f"{encoder}.csv")
            remove_outputs(outputs, f"labels.encoders does not name {encoder}")


def remove_stale_index(metrics: Path, index: Path, *, asked: Collection[str]) -> None:
    """Remove the index and its metrics if it is of no encoder, and say so."""
    if not asked:
        remove_outputs((metrics / "index.json", index), "index.encoders is empty")


def remove_stale_classifier(classifier: Path, *, asked: Collection[str]) -> None:
    """Remove the classifier if it is of no encoder, and say so."""
    if not asked:
        remove_outputs((classifier,), "classifier.encoders is empty")


def remove_outputs(outputs: Iterable[Path], reason: str) -> None:
    """Remove those of the files and folders that are there, and say why."""
    found = [path for path in outputs if path.exists()]
    for path in found:
        with name_faults(path, "it is of what no longer runs"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    if found:
        print(f"report: removed {', '.join(map(str, found))}: {reason}", flush=True)
