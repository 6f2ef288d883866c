"""Decides when a retraining begins: enough images are new, or they look different, or anything else has changed.

`retrain:` in params.yaml holds the rules. Images are counted since the run that was judged last, whatever its outcome:
if they were counted since the champion, one rejected night would let every later one begin at a single image. To count
them, only the stages that make the store are run, and a retraining that begins finds them done. Whether the new images
look like the champion's is measured with the champion's encoder (pipelines/retrain/drift.py). If the images cannot be
counted, a retraining begins.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.disk import name_file
from pipelines.errors import USER_ERROR, DamageError, GraphError, LockedError, Say, StageError
from pipelines.registry import keep, records, worktree
from pipelines.registry.git import run_git
from pipelines.registry.versions import Version
from pipelines.retrain import challenge, images, warm, whole
from pipelines.retrain.challenge import MeasureDrift
from pipelines.retrain.gate import Decision, Reason
from pipelines.retrain.images import ImageChanges
from pipelines.train import graph, plain, settings
from pipelines.train.work import Work

RECORD = "trigger.jsonl"  # in the scratch folder; one line for each count of the images


class UncountedError(Exception):
    """The number of new images cannot be found."""


def decide_to_wait(
    root: Path,
    folder: Path,
    champion: Version | None,
    params: Mapping[str, Any],
    given: Sequence[Any],
    say: Say,
    measure_drift: MeasureDrift | None,
) -> Decision | None:
    """Return the decision to wait with its reason; None if a retraining begins. Raises StageError or GraphError.

    `given` are the settings that decide the outcome beside those of the stages.
    """
    rules = params["retrain"]
    if champion is None or rules["new_images"] == 1:
        return None
    name, commit = records.find_last_judged(root, champion, params["promote"])
    with worktree.check_out(root, commit) as judged_folder:
        if not differ_only_in_images(judged_folder, folder, given):
            say(f"a retraining begins: code, parameters or rules are not those of {name}")
            return None
        try:
            changes = count_changes(judged_folder, folder, params["flow"]["retry_seconds"], say)
        except UncountedError as error:
            say(f"a retraining begins: how many images are new since {name} cannot be told: {error}")
            return None
    is_too_few = changes.count < rules["new_images"]
    drift = None
    if is_too_few and changes.new and measure_drift and rules["drift_below"] is not None:
        drift = measure_new_drift(root, folder, champion, changes, params["promote"], measure_drift)
    p = drift["p_value"] if drift else None
    begins = not is_too_few or (p is not None and p < rules["drift_below"])
    text = f"{changes} of {rules['new_images']:,} since {name}{describe_drift(drift, begins)}"
    append_record(root / worktree.read_named_path(folder, "scratch") / RECORD, begins, name, champion, changes, drift)
    if begins:
        say(f"a retraining begins: {text}")
        return None
    return Decision(records.WAITING, [Reason("news", False, f"waiting: {text}")])


def differ_only_in_images(judged_folder: Path, folder: Path, rules: Sequence[Any]) -> bool:
    """Whether code, parameters and rules are the same in both checkouts."""
    judged = read_judged(judged_folder)
    if judged is None:
        warm.restore_own(judged_folder)
        sections = settings.read_settings(judged_folder)
        judged_rules = records.list_rules(sections.get("promote", {}), sections.get("retrain", {}))
        judged = records.compute_fingerprint(judged_folder, judged_rules, images=False)
    return judged == records.compute_fingerprint(folder, rules, images=False)


def read_judged(folder: Path) -> str | None:
    """Read what a retraining recorded of the code, parameters and rules; None if the user made the commit.

    A file that a training began with, and Git does not have, is known by that record alone.
    """
    is_ours = run_git(folder, "log", "-1", "--format=%s").startswith(keep.SUBJECT)
    return records.read_decision(folder, "HEAD").get("without_images") if is_ours else None


def count_changes(judged_folder: Path, folder: Path, retry_seconds: float, say: Say) -> ImageChanges:
    """Compare the store in `folder` with the one that was judged last. Raises UncountedError."""
    old_store, new_store = (
        checkout / worktree.read_named_path(checkout, "store") for checkout in (judged_folder, folder)
    )
    try:
        worktree.fetch_outputs(judged_folder, str(old_store))
        run = functools.partial(make_store, new_store, folder, retry_seconds, say)
        whole.run_whole(folder, run, say, [new_store.relative_to(folder)])
    except LockedError:
        raise
    except (GraphError, DamageError) as error:
        raise UncountedError(error) from None
    except StageError as error:
        if error.status != USER_ERROR:
            raise
        raise UncountedError(error) from None  # the retraining will end in a rejection
    return images.compare_stores(old_store, new_store)


def make_store(store: Path, folder: Path, retry_seconds: float, say: Say) -> None:
    """Bring the stages that make the store up to date, and no others. Raises StageError or GraphError."""
    work = Work.from_checkout(folder)
    maker = next((stage for stage in work.stages if any(store == folder / out for out in stage.outputs)), None)
    if maker is None:
        raise GraphError("no stage makes path.store")
    for stage in graph.list_needed(maker, work.stages):
        plain.update_with_retries(work, stage, say, retry_seconds)


def measure_new_drift(
    root: Path,
    folder: Path,
    champion: Version,
    changes: ImageChanges,
    promote: Mapping[str, Any],
    measure_drift: MeasureDrift,
) -> Mapping[str, Any] | None:
    """Measure how the new images alone drift from the champion's own. Raises StageError or GraphError."""
    store = worktree.read_named_path(folder, "store")
    with (
        worktree.check_out(root, champion.commit) as champion_folder,
        worktree.check_out(root, run_git(folder, "rev-parse", "HEAD")) as trial_folder,
    ):
        worktree.fetch_outputs(
            champion_folder, *(str(champion_folder / path) for path in challenge.read_plan(folder, promote).encoder)
        )
        images.write_selection(folder / store, changes.new, trial_folder / store)
        return measure_drift(trial_folder, champion_folder)


def describe_drift(drift: Mapping[str, Any] | None, begins: bool) -> str:
    """Describe the measured drift as the end of a sentence."""
    if drift is None:
        return ""
    if drift["p_value"] is None:
        return ", too few to tell whether they look like those before"
    comparison = "but they look unlike" if begins else "and they look like"
    return f", {comparison} those before (p = {drift['p_value']:.2g})"


def append_record(
    path: Path, begins: bool, since: str, champion: Version, changes: ImageChanges, drift: Mapping[str, Any] | None
) -> None:
    """Append one count to the record as a line of JSON."""
    line = {
        "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "begins": begins,
        "since": since,
        "champion": champion.name,
        "new": len(changes.new),
        "gone": changes.gone,
        "changed": changes.changed,
        "drift": drift,
    }
    with name_file(path), path.open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(line)}\n")
