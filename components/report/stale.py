"""Removes what stages wrote that params.yaml no longer asks for, such as a probe that evaluate.probes leaves out: their
old numbers would stand in Git beside those of this run, as if they were of the same encoder. Files of other names are
the user's own.
"""

import shutil
from collections.abc import Collection
from pathlib import Path

from components.stage.disk import name_faults


def remove_stale(
    metrics: Path, predictions: Path, plots: Path, *, known: Collection[str], asked: Collection[str]
) -> None:
    """Remove the metrics, predictions and plots of the `known` stages that are not `asked` for, and say so."""
    for probe in known:
        outputs = (metrics / f"{probe}.json", predictions / f"{probe}.parquet", plots / probe)
        found = [path for path in outputs if probe not in asked and path.exists()]
        for path in found:
            with name_faults(path, "it is of a stage that no longer runs"):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        if found:
            print(f"report: removed {', '.join(map(str, found))}: params.yaml no longer asks for {probe}", flush=True)
