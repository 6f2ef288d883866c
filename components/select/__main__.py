"""The stage select chooses which images to label next and writes them, best first, with their pictures beside them.

It needs the features alone and never looks at a test image. The list is a source of kind `manifest` as soon as its
column `label` is filled in: the pictures that its column `path` names lie beside it, whatever the images came from.
"""

import components.stage.openmp  # noqa: F401  (before torch)

import time
from pathlib import Path

import pyarrow as pa

from components.features.encoders import OURS
from components.learning.device import choose_device, prepare_device
from components.select.choose import Choice, choose
from components.select.copies import read_copies
from components.select.listing import check_untouched, write_listing
from components.select.params import Select
from components.select.pool import Pool, read_pool
from components.show.progress import Progress
from components.stage.command import main
from components.stage.disk import check_folder
from components.stage.errors import InputError
from components.store.store import Store


def run(params: Select, *, strategy: str, store: Path, findings: Path, embeddings: Path, labelling: Path) -> None:
    """Choose images to label by one strategy, and write STRATEGY.csv and the folder STRATEGY of their pictures."""
    if strategy not in params.known_strategies:
        raise InputError(
            f"--strategy: no strategy is called '{strategy}'; there are {', '.join(params.known_strategies)}"
        )
    check_folder(labelling)
    check_untouched(labelling / f"{strategy}.csv")
    device = choose_device(params.device, "select.device")
    prepare_device(device, params.threads)
    opened, began = Store(store), time.monotonic()
    pool = read_pool(embeddings / f"{OURS}.parquet", params.pool, read_copies(findings))
    count = min(params.budget, len(pool.features))
    progress = Progress(f"select {strategy}", count, "images") if count else None
    choice = choose(pool, strategy, params, device, progress)
    line, ids = f"select {strategy}: {describe(pool, choice, params)}", pool.ids.take(pa.array(choice.rows, pa.int64()))
    write_listing(labelling, strategy, ids, choice.scores, opened, line)
    print(f"{line}, {time.monotonic() - began:.1f} s", flush=True)


def describe(pool: Pool, choice: Choice, params: Select) -> str:
    """Describe in a line what was chosen, and why there is less of it than was asked for."""
    if not len(pool.features):
        return (
            "nothing to choose: all images but those for testing have labels; select.pool: train chooses all the same"
        )
    kind = "images without a label" if params.pool == "unlabelled" else "train images, as if none had a label,"
    line = f"{len(choice.rows):,} of {len(pool.features):,} {kind} chosen, beside {len(pool.labels):,} labelled ones"
    if choice.passed_over:
        line += f"; {choice.passed_over:,} passed over as nearly the same as one of these"
    return line


if __name__ == "__main__":
    main(run)
