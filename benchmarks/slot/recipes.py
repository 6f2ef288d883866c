"""The parts of a slot that train the candidates for the recipe, and tell what the readings during a training cost."""

import json
from typing import Any

from benchmarks import cifar10
from benchmarks.candidates import CANDIDATES, read_candidate
from benchmarks.course import Course, Reading, hold_out_queries
from benchmarks.records import replace_record
from benchmarks.rows import time_row
from benchmarks.slot.given import Slot
from benchmarks.slot.record import Numbers, PartRecord
from benchmarks.slot.timing import free_memory
from components.learning.engine import PLAIN
from components.pretrain.checkpoint import Checkpoint, fingerprint
from components.pretrain.readings import Sample, measure_knn_accuracy, read_health
from components.stage.command import PARAMS_FILE, read_params

FIRST_LIMIT, LIMIT = 400.0, 3600.0  # seconds of the first candidate, before all that tells less, and of another one
FIRST, *OTHERS = CANDIDATES


def train_first(slot: Slot, record: PartRecord) -> None:
    """Train the most promising candidate."""
    record.measure(FIRST, lambda: train_candidate(slot, record, FIRST), limit=FIRST_LIMIT)


def train_others(slot: Slot, record: PartRecord) -> None:
    """Train the other candidates, one after the other; of tiny ones, the one with most views."""
    for name in ["adam-four-views"] if slot.tiny else OTHERS:
        record.measure(name, lambda name=name: train_candidate(slot, record, name), limit=LIMIT)  # type: ignore[misc]


def train_candidate(slot: Slot, record: PartRecord, name: str) -> Numbers:
    """Train a candidate and judge it; its own record has its course so far, also when the time is up before its end."""
    path = slot.locate_record(f"candidate-{name}")
    if path.is_file() and (before := json.loads(path.read_text()))["complete"]:
        return {"known": f"{path.name} is complete", **before["scores"]}
    free_memory()
    params = slot.fit(read_candidate(name))
    content: dict[str, Any] = {"candidate": name, "params": params.model_dump(mode="json"), "complete": False}

    def write() -> None:
        replace_record(path, content, "torch", "torchvision")

    def follow(reading: Reading) -> None:
        content["course"] = course.seen
        write()
        record.note(name, reading)

    key = fingerprint(params.model_dump_json(), [], len(slot.trained[0]), slot.device)
    checkpoint = Checkpoint(slot.scratch, key) if slot.scratch else None
    course = Course(params, slot.trained, slot.device, checkpoint, on_reading=follow)
    content["course"] = course.seen
    write()
    course.run()
    content["scores"] = {
        "held_out_knn": course.seen[-1]["held_out_knn"],
        **course.measure_cost(),
        **judge(slot, course),
    }
    content["complete"] = True
    write()
    scores: Numbers = content["scores"]
    return scores


def judge(slot: Slot, course: Course) -> Numbers:
    """Return the accuracies on the test split, or what they need and is missing."""
    try:
        from benchmarks.accuracy import judge_on_test
    except ModuleNotFoundError as error:
        return {"test_not_measured": f"{error.name} is missing"}
    evaluate = read_params(PARAMS_FILE).evaluate
    if slot.tiny:
        linear, logistic = ({"epochs": 1}, {"c_count": 2, "max_iterations": 2})
        few = {
            "linear": evaluate.linear.model_copy(update=linear),
            "logistic": evaluate.logistic.model_copy(update=logistic),
        }
        evaluate = evaluate.model_copy(update={**few, "knn": evaluate.knn.model_copy(update={"k": 5, "also": ()})})
    return dict(judge_on_test(course, evaluate, slot.trained, slot.test_part))


def measure_readings(slot: Slot, record: PartRecord) -> None:
    """Measure what the readings of health and kNN cost beside an epoch of training."""
    free_memory()
    params = slot.read_settings()
    images, labels = slot.trained
    state, engine, _ = cifar10.start_run(params, images, slot.device, PLAIN)
    rows, queries = hold_out_queries(params, len(images))
    bank, sample = rows[: params.watch.knn_bank], rows[: params.watch.sample]
    given = Sample(images[sample], images[queries], labels[queries], images[bank], labels[bank])
    state.objective.eval()
    works = {
        "health": lambda: read_health(state, engine, given.images, params),
        "kNN": lambda: measure_knn_accuracy(state, engine, given, params),
    }
    for name, work in works.items():

        def time_reading(work: Any = work) -> Numbers:
            time_row(work, slot.device, 1)
            seconds = time_row(work, slot.device, 1 if slot.tiny else 3)
            rate = slot.rates.get("whole step")
            return {"seconds": seconds} | ({"share_of_an_epoch": seconds * rate / len(images)} if rate else {})

        record.measure(name, time_reading, limit=60)
