"""Compares BYOL with what an article calls by that name and with each of that objective's terms, by the same stages.

`python -m benchmarks.article --seeds 0 1 2 --epochs 20` uses the digits and writes the record article-digits.json to
benchmarks/results, a table of it (.md) beside it, and a figure of it to docs. Network, views, optimiser and length are
those of params.yaml and the same for all; only the objective differs. A run that collapse stops is run again, told to
go on, and judged all the same. With `--cifar10 ROOT --images 5000` it uses that many train images of CIFAR-10, a fifth
as many test images, and the presets `cifar10 cpu`.
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

from benchmarks import article_images, cifar10
from benchmarks.article_table import draw_figure, make_table
from benchmarks.recipe import place_pretrain_outputs
from benchmarks.records import RESULTS, write_record
from components.article.params import ArticleWeights
from components.embed import __main__ as embed
from components.embed.params import Embed
from components.evaluate.classify import classify
from components.evaluate.few_labels import FewLabels, plan_few_labels
from components.evaluate.given import select_labelled
from components.evaluate.params import Evaluate
from components.evaluate.results import flatten_metrics
from components.features.embeddings import read_embeddings
from components.features.encoders import OURS, PIXELS, UNTRAINED
from components.features.judging.labelled import LabelledFeatures
from components.learning.device import prepare_device
from components.pretrain import __main__ as pretrain
from components.pretrain.params import Pretrain
from components.probes.health import examine_features
from components.probes.knn import KnnProbe
from components.probes.linear import LinearProbe
from components.probes.logistic import LogisticProbe
from components.stage import command as stage
from components.stage.errors import RunError

BYOL, LISTED, EQUAL = "BYOL", "the article's, weights of params.yaml", "the article's, all weights 1"
LABELS = 2  # per class, for the few-label accuracy
DOCS = Path(__file__).parent.parent / "docs"


class Job(NamedTuple):
    """One run, as it is handed to a worker process."""

    name: str
    seed: int
    pretrain: Pretrain  # objective and seed included
    embed: Embed
    evaluate: Evaluate
    store: Path


def main() -> None:
    """Measure, then write the record, the table and the figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.article", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--epochs", type=int, required=True, help="the length of every run")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time, one core each")
    parser.add_argument("--cifar10", type=Path, metavar="ROOT", help=cifar10.ROOT_HELP)
    parser.add_argument("--images", type=int, default=5000, help="images of CIFAR-10 to train on")
    asked = parser.parse_args()
    name = "article-cifar10" if asked.cifar10 else "article-digits"
    with stage.exit_on_error("article"), tempfile.TemporaryDirectory() as folder:
        store, began = Path(folder, "store"), time.monotonic()
        if asked.cifar10:
            params = article_images.write_cifar10(store, asked.cifar10, asked.images)
        else:
            params = article_images.write_digits(store)
        shared = params.pretrain.model_copy(update={"epochs": asked.epochs, "threads": 1})
        jobs = [
            Job(label, seed, settings.model_copy(update={"seed": seed}), params.embed, params.evaluate, store)
            for seed in asked.seeds
            for label, settings in list_objectives(shared).items()
        ]
        runs = measure_jobs(jobs, asked.workers)
    cost = {"seconds": time.monotonic() - began, "processor_seconds": measure_processor_seconds()}
    results = {**cost, "params": shared.model_dump(mode="json"), "runs": runs}
    path = write_record(name, results, "torch", "torchvision", "scikit-learn", "numpy")
    record = json.loads(path.read_text())
    (RESULTS / f"{name}.md").write_text(make_table(record))
    (DOCS / f"{name}.svg").write_text(draw_figure(record))
    print(make_table(record))


def measure_processor_seconds() -> float:
    """Return the processor time of this process and of those that it waited for."""
    usages = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def list_objectives(params: Any) -> dict[str, Pretrain]:
    """Return the settings of each row of the table: BYOL, the article's with two sets of weights, each term alone."""
    terms = list(ArticleWeights.model_fields)
    weights = {LISTED: params.article, EQUAL: ArticleWeights(**dict.fromkeys(terms, 1.0))}
    weights |= {f"{term} alone": ArticleWeights(**(dict.fromkeys(terms, 0.0) | {term: 1.0})) for term in terms}
    changes: dict[str, dict[str, Any]] = {BYOL: {"objective": "byol"}}
    changes |= {label: {"objective": "article", "article": chosen} for label, chosen in weights.items()}
    return {label: params.model_copy(update=change) for label, change in changes.items()}


def measure_jobs(jobs: list[Job], workers: int) -> dict[str, dict[int, Any]]:
    """Run `workers` jobs at a time, each in a process of its own, and return {encoder: {seed: its numbers}}."""
    numbers_of: dict[tuple[str, int], Any] = {}
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = {pool.submit(run_once, job): job for job in jobs}
        for done in as_completed(waiting):
            job = waiting[done]
            for name, numbers in done.result().items():
                numbers_of[name, job.seed] = numbers
                print(f"{len(numbers_of)}: {name}, seed {job.seed}: {json.dumps(numbers)}", flush=True)
    names = dict.fromkeys(job.name for job in jobs) | dict.fromkeys(name for name, _ in numbers_of)
    return {name: {seed: numbers_of[name, seed] for seed in sorted({job.seed for job in jobs})} for name in names}


def run_once(job: Job) -> dict[str, Any]:
    """Run one job and return {encoder: its numbers}; BYOL's run adds the baselines, the same for all objectives."""
    prepare_device(torch.device("cpu"), job.pretrain.threads)
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        root = Path(folder)
        cost = train_to_the_end(job.pretrain, job.store, root)
        embed.run(job.embed, store=job.store, encoder=root / "encoder", embeddings=root / "embeddings")
        judged = {job.name: OURS} | ({"untrained": UNTRAINED, "pixels": PIXELS} if job.name == BYOL else {})
        scores = {
            label: judge_features(
                select_labelled(read_embeddings(root / "embeddings" / f"{encoder}.parquet")), job.evaluate
            )
            for label, encoder in judged.items()
        }
    return scores | {job.name: scores[job.name] | cost}


def train_to_the_end(params: Pretrain, store: Path, root: Path) -> dict[str, Any]:
    """Run the stage, once more without the stop after a collapse; return what stopped it, or None, and its metrics."""
    try:
        pretrain.run(params, store=store, **place_pretrain_outputs(root))
        stopped = None
    except RunError as error:
        stopped = str(error)
        without_stop = params.model_copy(update={"watch": params.watch.model_copy(update={"collapse": 0.0})})
        pretrain.run(without_stop, store=store, **place_pretrain_outputs(root))
    numbers = json.loads((root / "pretrain.json").read_text())
    return {"stopped": stopped, "pretrain": numbers}


def judge_features(part: LabelledFeatures, params: Evaluate) -> dict[str, Any]:
    """Return accuracies on the test images with 95 % intervals, and the health of the same images' features."""
    asked = params.shared.model_copy(update={"labels_per_class": (LABELS,), "label_fractions": ()})
    few, none = plan_few_labels(part.labels, asked, str), FewLabels({}, {})
    device, seed = torch.device("cpu"), asked.seed
    outcomes = {
        "knn": classify(KnnProbe(part, params.knn, seed, device), part, none, asked, lambda _: None),
        "linear": classify(LinearProbe(part, params.linear, seed, device), part, none, asked, lambda _: None),
        "logistic": classify(LogisticProbe(part, params.logistic, seed, device), part, few, asked, lambda _: None),
        "health": examine_features(torch.from_numpy(part.test), None),
    }
    return {name: flatten_metrics(outcome) for name, outcome in outcomes.items()}


if __name__ == "__main__":
    main()
