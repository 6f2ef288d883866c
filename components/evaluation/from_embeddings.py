"""The probes that need no more than the embeddings, each on every encoder's.

M train images, N test images, D features, K classes.
"""

from pathlib import Path
from typing import Any

import numpy as np

from components.data.embeddings import Embeddings
from components.data.store import TEST, TRAIN
from components.evaluation.given import Given
from components.evaluation.pairs import parse_pairs
from components.params.base import InputError
from components.params.evaluate import Evaluate
from components.probes.classify import classify, count_draws
from components.probes.knn import KnnProbe
from components.probes.linear import LinearProbe
from components.probes.logistic import LogisticProbe
from components.probes.outcome import NothingToMeasureError, Outcome
from components.probes.probe import Labelled
from components.probes.retrieval import retrieve
from components.probes.verification import Pairs, draw_pairs, verify
from components.terminal.progress import Progress


def labelled(table: Embeddings) -> Labelled:
    """The labelled images of train and test. Raises NothingToMeasureError where they tell no classes apart."""
    (train, labels), (test, truth) = table.train, table.test
    if not len(labels) and not len(truth):
        raise NothingToMeasureError("needs labelled images, and there are none")
    for split, count in ((TRAIN, len(labels)), (TEST, len(truth))):
        if not count:
            raise NothingToMeasureError(f"needs labelled images to train and to test on, and {split} has none")
    if len(np.unique(labels)) < 2:
        raise NothingToMeasureError("needs two classes or more among the train images, and there is one")
    return Labelled(train, labels, test, truth, table.ids[(table.splits == TEST) & (table.labels >= 0)])


def knn(params: Evaluate, given: Given) -> dict[str, Outcome]:  # noqa: D103
    return _classify("knn", KnnProbe, params, given)


def linear(params: Evaluate, given: Given) -> dict[str, Outcome]:  # noqa: D103
    return _classify("linear", LinearProbe, params, given)


def logistic(params: Evaluate, given: Given) -> dict[str, Outcome]:  # noqa: D103
    return _classify("logistic", LogisticProbe, params, given)


def _classify(name: str, probe: Any, params: Evaluate, given: Given) -> dict[str, Outcome]:
    progress = Progress(f"evaluate {name}", len(given.encoders) * count_draws(params.shared), "fits")

    def judge(part: Labelled) -> Outcome:
        made = probe(part, getattr(params, name), params.shared.seed, given.device)
        return classify(made, part, params.shared, progress.advance)

    return {encoder: judge(labelled(given.table(encoder))) for encoder in given.encoders}


def retrieval(params: Evaluate, given: Given) -> dict[str, Outcome]:  # noqa: D103
    progress = Progress("evaluate retrieval", None, "queries")
    return {
        encoder: retrieve(
            labelled(given.table(encoder)), params.retrieval, params.shared.seed, given.device, progress.advance
        )
        for encoder in given.encoders
    }


def verification(params: Evaluate, given: Given) -> dict[str, Outcome]:  # noqa: D103
    found, pairs = {}, None
    for encoder in given.encoders:
        table = given.table(encoder)
        pairs = pairs or choose_pairs(params, table)  # the same of all
        found[encoder] = verify(table.features, table.ids, pairs, params.verification)
    return found


def choose_pairs(params: Evaluate, table: Embeddings) -> Pairs:
    """From the file that params.yaml names, or drawn from the labels of the test images."""
    named = params.verification.pairs
    if named is None:
        tested = np.flatnonzero((table.splits == TEST) & (table.labels >= 0))
        return draw_pairs(tested, table.labels[tested], params.verification, params.shared.seed)
    try:
        text = Path(named).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise InputError(f"params.yaml: evaluate.verification.pairs: {named} cannot be read: {reason}") from None
    return parse_pairs(text, table.ids, named)
