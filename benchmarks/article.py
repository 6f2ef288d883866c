"""BYOL beside what an article calls by that name, and beside each of that objective's terms alone, by the same stages.

`python -m benchmarks.article --seeds 0 1 2 --epochs 20` takes the digits and writes the record article-digits.json to
benchmarks/results, the same as a table (.md) beside it, and as a figure in docs. Everything but the objective is as
params.yaml has it and the same for all: network, views, optimiser, length. What stops by collapse is told to go on and
judged all the same. With `--cifar10 ROOT --images 5000` it takes so many train images of CIFAR-10, a fifth as many test
images, and the presets `cifar10 cpu`.
"""

import argparse
import io
import json
import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks import article_images
from benchmarks.article_table import draw_figure, make_table
from benchmarks.recipe import pretrain_outputs
from benchmarks.records import RESULTS, write_record
from components.article.params import ArticleWeights
from components.embed import __main__ as embed
from components.embed.params import Embed
from components.evaluate.classify import classify
from components.evaluate.given import labelled
from components.evaluate.params import Evaluate
from components.evaluate.probe import Labelled
from components.evaluate.results import flat
from components.features.embeddings import read_embeddings
from components.features.encoders import OURS, PIXELS, UNTRAINED
from components.learning.device import prepare
from components.pretrain import __main__ as pretrain
from components.pretrain.params import Pretrain
from components.probes.health import examine
from components.probes.knn import KnnProbe
from components.probes.linear import LinearProbe
from components.probes.logistic import LogisticProbe
from components.stage import command as stage
from components.stage.errors import RunError

BYOL, LISTED, EQUAL = "BYOL", "the article's, weights of params.yaml", "the article's, all weights 1"
LABELS = 2  # a class, of the few-label accuracy
DOCS = Path(__file__).parent.parent / "docs"


class Job(NamedTuple):
    """One run, as a worker is given it."""

    name: str
    seed: int
    pretrain: Pretrain  # objective and seed included
    embed: Embed
    evaluate: Evaluate
    store: Path


def main() -> None:
    """Measure; write record, table and figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.article", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--epochs", type=int, required=True, help="of every run")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time, a core each")
    parser.add_argument("--cifar10", type=Path, metavar="ROOT", help="the folder that holds cifar-10-batches-py")
    parser.add_argument("--images", type=int, default=5000, help="of CIFAR-10, to train on")
    asked = parser.parse_args()
    name = "article-cifar10" if asked.cifar10 else "article-digits"
    with stage.one_line_errors("article"), tempfile.TemporaryDirectory() as folder:
        store, began = Path(folder, "store"), time.monotonic()
        if asked.cifar10:
            params = article_images.write_cifar10(store, asked.cifar10, asked.images)
        else:
            params = article_images.write_digits(store)
        shared = params.pretrain.model_copy(update={"epochs": asked.epochs, "threads": 1})
        jobs = [
            Job(label, seed, one.model_copy(update={"seed": seed}), params.embed, params.evaluate, store)
            for seed in asked.seeds
            for label, one in objectives(shared).items()
        ]
        runs = measure(jobs, asked.workers)
    cost = {"seconds": time.monotonic() - began, "processor_seconds": processor_seconds()}
    found = {**cost, "params": shared.model_dump(mode="json"), "runs": runs}
    path = write_record(name, found, "torch", "torchvision", "scikit-learn", "numpy")
    record = json.loads(path.read_text())
    (RESULTS / f"{name}.md").write_text(make_table(record))
    (DOCS / f"{name}.svg").write_text(draw_figure(record))
    print(make_table(record))


def processor_seconds() -> float:
    """Of this process and those that it waited for: what the measurement takes of cores that nobody else uses."""
    usages = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def objectives(params: Any) -> dict[str, Pretrain]:
    """By the names of the table: BYOL, the article's with two sets of weights, and each term alone with weight 1."""
    terms = list(ArticleWeights.model_fields)
    weights = {LISTED: params.article, EQUAL: ArticleWeights(**dict.fromkeys(terms, 1.0))}
    weights |= {f"{term} alone": ArticleWeights(**(dict.fromkeys(terms, 0.0) | {term: 1.0})) for term in terms}
    changes: dict[str, dict[str, Any]] = {BYOL: {"objective": "byol"}}
    changes |= {label: {"objective": "article", "article": one} for label, one in weights.items()}
    return {label: params.model_copy(update=change) for label, change in changes.items()}


def measure(jobs: list[Job], workers: int) -> dict[str, dict[int, Any]]:
    """{encoder: {seed: what was found}}, so many jobs at a time, each in a process of its own."""
    found: dict[tuple[str, int], Any] = {}
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = {pool.submit(run_once, job): job for job in jobs}
        for done in as_completed(waiting):
            job = waiting[done]
            for name, numbers in done.result().items():
                found[name, job.seed] = numbers
                print(f"{len(found)}: {name}, seed {job.seed}: {json.dumps(numbers)}", flush=True)
    names = dict.fromkeys(job.name for job in jobs) | dict.fromkeys(name for name, _ in found)
    return {name: {seed: found[name, seed] for seed in sorted({job.seed for job in jobs})} for name in names}


def run_once(job: Job) -> dict[str, Any]:
    """{encoder: its numbers}; BYOL's run brings the two baselines along, which are the same for every objective."""
    prepare(torch.device("cpu"), job.pretrain.threads)
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        root = Path(folder)
        cost = train(job.pretrain, job.store, root)
        embed.run(job.embed, store=job.store, encoder=root / "encoder", embeddings=root / "embeddings")
        judged = {job.name: OURS} | ({"untrained": UNTRAINED, "pixels": PIXELS} if job.name == BYOL else {})
        scores = {
            label: judge(labelled(read_embeddings(root / "embeddings" / f"{encoder}.parquet")), job.evaluate)
            for label, encoder in judged.items()
        }
    return scores | {job.name: scores[job.name] | cost}


def train(params: Pretrain, store: Path, root: Path) -> dict[str, Any]:
    """The stage; after a collapse once more, told to go on. What stopped it, if anything did, and the seconds."""
    try:
        pretrain.run(params, store=store, **pretrain_outputs(root))
        stopped = None
    except RunError as error:
        stopped = str(error)
        on = params.model_copy(update={"watch": params.watch.model_copy(update={"collapse": 0.0})})
        pretrain.run(on, store=store, **pretrain_outputs(root))
    numbers = json.loads((root / "pretrain.json").read_text())
    return {"stopped": stopped, "pretrain": numbers}


def judge(part: Labelled, params: Evaluate) -> dict[str, Any]:
    """Accuracies on the test images with their 95 % intervals, and the health of the same images' features."""
    every = params.shared.model_copy(update={"labels_per_class": (), "label_fractions": ()})
    few = every.model_copy(update={"labels_per_class": (LABELS,)})
    device, seed = torch.device("cpu"), params.shared.seed
    found = {
        "knn": classify(KnnProbe(part, params.knn, seed, device), part, every, lambda _: None),
        "linear": classify(LinearProbe(part, params.linear, seed, device), part, every, lambda _: None),
        "logistic": classify(LogisticProbe(part, params.logistic, seed, device), part, few, lambda _: None),
        "health": examine(torch.from_numpy(part.test), None),
    }
    return {name: flat(outcome) for name, outcome in found.items()}


if __name__ == "__main__":
    main()
