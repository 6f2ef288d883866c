"""Labels the images of what is served: which come next, what is given, and what that is worth."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.fetch.given import GivenLabels
from components.fetch.given_rows import Row
from components.stage.disk import DiskError
from components.stage.errors import InputError
from serving.labelling.expected import Expected, ExpectedAccuracy, describe_judged, make_judge
from serving.labelling.order import Next, Order
from serving.labelling.pool import Pool
from serving.places import GRAPH, read_paths
from serving.refusal import Refusal
from serving.served import Served


@dataclass(frozen=True)
class Progress:
    """How many labels are given, and the accuracy expected after each batch of them."""

    given: int
    expected: list[Expected]
    computing: bool
    judged_on: str


@dataclass
class Labelling:
    """The labels of a checkout, whichever version of the encoder is served."""

    kept: GivenLabels
    order: Order
    expected: ExpectedAccuracy
    strategies: tuple[str, ...]  # of `select`, in the order of params.yaml
    _pool: tuple[Served, Pool] | None = field(default=None)

    def open_pool(self, served: Served) -> Pool:
        """Return the images that can be labelled: those of the index. Raises Refusal if there is none."""
        kept = self._pool  # looked at once, as requests that began with another version may ask at the same time
        if kept is not None and kept[0] is served:
            return kept[1]
        index = served.require_index()
        version = f"{served.version} {served.loaded.isoformat()}"
        pool = Pool(version, index.ids, index.splits, index.labels, tuple(index.classes), index.vectors)
        self._pool = served, pool
        return pool

    def read(self) -> dict[str, str]:
        """Return the given labels, image by image, in the order in which they were given. Raises Refusal."""
        return {row.id: row.label for row in self._read()}

    def _read(self) -> list[Row]:
        try:
            return list(self.kept.read().values())
        except InputError as error:
            raise Refusal(503, str(error)) from None

    def list_recent(self, pool: Pool, count: int) -> list[tuple[int, str]]:
        """List the images that were labelled last, the newest last, as rows of the pool with their labels."""
        newest = sorted((row for row in self._read() if row.id in pool.rows), key=lambda row: row.when)[-count:]
        return [(pool.rows[row.id], row.label) for row in newest]

    def choose(self, pool: Pool, count: int) -> Next:
        """Choose the next images to label."""
        return self.order.choose(pool, self.read(), count, self.strategies)

    def follow(self, pool: Pool) -> Progress:
        """Tell how far it is."""
        given = self.read()
        expected, computing = self.expected.look(pool, given)
        return Progress(len(given), expected, computing, describe_judged(pool, given))

    def give(self, served: Served, name: str, label: str, who: str) -> int:
        """Give an image a label, which is on the disk when this returns; return how many are given. Raises Refusal."""
        if name not in self.open_pool(served).rows:
            raise Refusal(404, "no image of this id")
        try:
            self.kept.give(name, label, who)
        except (InputError, DiskError) as error:
            raise Refusal(503, str(error)) from None
        return len(self.read())

    def take_back(self, name: str, who: str) -> int:
        """Take back the label of an image, if it has one; return how many are given. Raises Refusal."""
        try:
            self.kept.undo(name, who)
        except (InputError, DiskError) as error:
            raise Refusal(503, str(error)) from None
        return len(self.read())


def open_labelling(root: Path, params: Any) -> Labelling:
    """Open the labels of a checkout; `params` is its whole params.yaml. Raises InputError."""
    paths = read_paths(root)
    folders = {name: root / paths[name] if name in paths else None for name in ("labels", "labelling", "suspects")}
    if folders["labels"] is None:
        raise InputError(f"{root / GRAPH}: there is no path.labels among its vars")
    kept = GivenLabels(folders["labels"])
    kept.read()
    logistic = params.evaluate.logistic
    expected = ExpectedAccuracy(make_judge(logistic, logistic.few_label_c), params.serving.label_batch)
    return Labelling(kept, Order(folders["labelling"], folders["suspects"]), expected, params.select.strategies)
