"""When a retraining begins: enough images are new, or they look unlike those before, or anything else has changed.

`retrain:` in params.yaml holds the rules. Images are counted since the run that was judged last, whatever came of it:
counted since the champion, one rejected night would let every later one begin at a single image. To count them, only
the stages that make the store are run, and a retraining that begins finds them done. Whether the new images look like
those before the champion's encoder tells (pipelines/retrain/drift.py). What cannot be counted begins a retraining.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.errors import USER_ERROR, GraphError, LockedError, Say, StageError
from pipelines.registry import records, worktree
from pipelines.registry.versions import Version
from pipelines.registry.worktree import git
from pipelines.retrain import challenge, images
from pipelines.retrain.challenge import Drift
from pipelines.retrain.gate import Decision, Reason
from pipelines.retrain.images import Changes
from pipelines.train import plain, settings
from pipelines.train.work import Work

RECORD = "trigger.jsonl"  # in the scratch folder; a line each time that images were counted


class UncountedError(Exception):
    """It cannot be told how many images are new."""


def wait(
    root: Path, folder: Path, champion: Version | None, chosen: Mapping[str, Any], say: Say, measure: Drift | None
) -> Decision | None:
    """Why a retraining of what `folder` has is not to begin yet; None where it is. Raises StageError or GraphError."""
    rules = chosen["retrain"]
    if champion is None or rules["new_images"] == 1:
        return None
    name, commit = records.last_judged(root, champion)
    with worktree.checked_out(root, commit) as before:
        if not same_but_for_images(before, folder, chosen["promote"]):
            say(f"a retraining begins: code, parameters or rules are not those of {name}")
            return None
        try:
            found = count(before, folder, chosen["flow"]["retry_seconds"], say)
        except UncountedError as error:
            say(f"a retraining begins: how many images are new since {name} cannot be told: {error}")
            return None
    few = found.count < rules["new_images"]
    drift = None
    if few and found.new and measure and rules["drift_below"] is not None:
        drift = look(root, folder, champion, found, chosen["promote"], measure)
    p = drift["p_value"] if drift else None
    begins = not few or (p is not None and p < rules["drift_below"])
    text = f"{found} of {rules['new_images']:,} since {name}{looks(drift, begins)}"
    note(root / worktree.named_path(folder, "scratch") / RECORD, begins, name, champion, found, drift)
    if begins:
        say(f"a retraining begins: {text}")
        return None
    return Decision(records.WAITING, [Reason("news", False, f"waiting: {text}")])


def same_but_for_images(before: Path, folder: Path, promote: Mapping[str, Any]) -> bool:
    """Whether code, parameters and rules are what they were."""
    theirs = settings.read(before).get("promote", {})
    return records.fingerprint(before, theirs, images=False) == records.fingerprint(folder, promote, images=False)


def count(before: Path, folder: Path, retry_seconds: float, say: Say) -> Changes:
    """The images of `folder` against those of `before`. Raises UncountedError."""
    theirs, ours = (one / worktree.named_path(one, "store") for one in (before, folder))
    try:
        worktree.bring(before, str(theirs))
        make(ours, folder, retry_seconds, say)
    except LockedError:
        raise
    except GraphError as error:
        raise UncountedError(error) from None
    except StageError as error:
        if error.status != USER_ERROR:
            raise
        raise UncountedError(error) from None  # the retraining makes a rejection of it
    return images.compare(theirs, ours)


def make(store: Path, folder: Path, retry_seconds: float, say: Say) -> None:
    """Bring up to date what makes the store, and no other stage. Raises StageError or GraphError."""
    work = Work.of(folder)
    needed = {stage.name for stage in work.stages if any(store == folder / out for out in stage.outputs)}
    if not needed:
        raise GraphError("no stage makes path.store")
    for stage in reversed(work.stages):
        needed |= set(stage.needs) if stage.name in needed else set()
    for stage in work.stages:
        if stage.name in needed:
            plain.bring(work, stage, say, retry_seconds)


def look(
    root: Path, folder: Path, champion: Version, found: Changes, promote: Mapping[str, Any], measure: Drift
) -> Mapping[str, Any] | None:
    """The drift of the new images alone from those of the champion's own run. Raises StageError or GraphError."""
    store = worktree.named_path(folder, "store")
    with (
        worktree.checked_out(root, champion.commit) as theirs,
        worktree.checked_out(root, git(folder, "rev-parse", "HEAD")) as judging,
    ):
        worktree.bring(theirs, *(str(theirs / path) for path in challenge.read_plan(folder, promote).encoder))
        images.select(folder / store, found.new, judging / store)
        return measure(judging, theirs)


def looks(drift: Mapping[str, Any] | None, begins: bool) -> str:
    """What was seen, as the end of a sentence."""
    if drift is None:
        return ""
    if drift["p_value"] is None:
        return ", too few to tell whether they look like those before"
    how = "but they look unlike" if begins else "and they look like"
    return f", {how} those before (p = {drift['p_value']:.2g})"


def note(
    record: Path, begins: bool, since: str, champion: Version, found: Changes, drift: Mapping[str, Any] | None
) -> None:
    """One line more."""
    line = {
        "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "begins": begins,
        "since": since,
        "champion": champion.name,
        "new": len(found.new),
        "gone": found.gone,
        "changed": found.changed,
        "drift": drift,
    }
    with record.open("a") as file:
        file.write(f"{json.dumps(line)}\n")
