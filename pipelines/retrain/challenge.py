"""Champion against challenger on the challenger's store: the champion's encoder judged by the stages that judge ours.

In a worktree at the challenger's commit the champion's encoder files take the place of the challenger's, and the
commands of the stages between the encoder and the decisive metric are run as DVC resolves them, without DVC: nothing
that they write is an output of anything. What the others made is linked from the challenger.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.compare import revisions
from pipelines.errors import USER_ERROR, GraphError, LockedError, RevisionError, Say, StageError, TimeLimitError
from pipelines.registry import versions, worktree
from pipelines.registry.versions import Version
from pipelines.retrain import evidence, images
from pipelines.retrain.evidence import Evidence, Rivals
from pipelines.train import graph, process
from pipelines.train.graph import Stage

Drift = Callable[[Path, Path], Mapping[str, Any] | None]  # folders: of the judging, and of the champion's own run


@dataclass(frozen=True)
class Plan:
    """How an encoder is judged."""

    encoder: tuple[Path, ...]  # its files, as far as the stage that trains it makes them
    steps: tuple[Stage, ...]  # from the encoder to the decisive metric, each after those it needs
    metrics: Path
    predictions: Path


def read_plan(folder: Path, promote: Mapping[str, Any]) -> Plan:
    """Find in DVC's graph how an encoder is judged. Raises StageError where `promote:` names what is not there."""
    artifact = versions.artifact_path(folder, promote["artifact"])
    stages = graph.read_stages(folder)
    judges = {path.stem: stage for stage in stages for path in stage.metrics if _predictions(stage)}
    if promote["probe"] not in judges:
        said = f"one that dvc.yaml has, {sorted(judges)}, not '{promote['probe']}'"
        raise StageError(f"params.yaml: promote.probe: {said}", USER_ERROR)
    judge = judges[promote["probe"]]
    above = _needed(judge, stages)
    encoder = {stage.name: files for stage in above if (files := _below(artifact, stage))}
    if not encoder:
        said = f"of {artifact}, which is to be promoted, {promote['probe']} judges nothing"
        raise StageError(f"params.yaml: promote.probe: {said}", USER_ERROR)
    producer = next(iter(encoder))
    steps = tuple(stage for stage in above if producer in {one.name for one in _needed(stage, stages)[:-1]})
    metrics = next(path for path in judge.metrics if path.stem == promote["probe"])
    return Plan(encoder[producer], steps, metrics, _predictions(judge)[0])


def _needed(stage: Stage, stages: list[Stage]) -> list[Stage]:
    """All that a stage needs, each after those it needs itself, and the stage last."""
    wanted = {stage.name}
    for earlier in reversed(stages):
        wanted |= set(earlier.needs) if earlier.name in wanted else set()
    return [*(one for one in stages if one.name in wanted and one != stage), stage]


def _predictions(stage: Stage) -> list[Path]:
    return [path for path in stage.outputs if path.suffix == ".parquet"]


def _below(artifact: Path, stage: Stage) -> tuple[Path, ...]:
    """Find the outputs of a stage that are the artifact or lie in it."""
    return tuple(path for path in stage.outputs if artifact in (path, *path.parents))


def gather(
    root: Path, challenger: Path, champion: Version | None, promote: Mapping[str, Any], say: Say, drift: Drift | None
) -> Evidence:
    """All that the gate asks of the challenger, which is committed and lies in `challenger` with its outputs."""
    plan = read_plan(challenger, promote)
    alone = evidence.of_run(graph.metrics(challenger), plan.metrics.as_posix(), promote["metric"])
    if champion is None:
        return alone
    own = read_own(root, champion, plan, say)
    with (
        worktree.checked_out(root, champion.commit) as theirs,
        worktree.checked_out(root, worktree.git(challenger, "rev-parse", "HEAD")) as judging,
    ):
        worktree.bring(theirs, *(str(theirs / path) for path in plan.encoder))
        for path in plan.encoder:
            copy(theirs / path, judging / path)
        judge(plan, challenger, judging, say)
        if not (challenger / plan.predictions).exists():
            worktree.bring(challenger, str(challenger / plan.predictions))
        judged, ours = (read_predictions(folder / plan.predictions) for folder in (judging, challenger))
        relabelled = None if own is None else find_relabelled(challenger, judging, theirs, own, say)
        drifted = drift(judging, theirs) if drift else None
    return evidence.against(alone, Rivals(champion.name, judged, ours, own, relabelled, drifted), promote["metric"])


def read_own(root: Path, champion: Version, plan: Plan, say: Say) -> pa.Table | None:
    """What the champion's own run had judged; None where that is lost, which keeps nobody from judging anew."""
    try:
        return revisions.read_revisions(root, [champion.commit])[0].predictions.get(plan.metrics.as_posix())
    except RevisionError as error:
        say(f"what {champion.name} had judged in its own run is lost: {error}")
        return None


def find_relabelled(challenger: Path, judging: Path, theirs: Path, own: pa.Table, say: Say) -> float | None:
    """Of what the champion's own run judged, the fraction that the challenger's store has in another class.

    None where the champion's store is lost.
    """
    before, now = worktree.named_path(theirs, "store"), worktree.named_path(challenger, "store")
    try:
        worktree.bring(theirs, str(theirs / before))
    except LockedError:
        raise
    except GraphError as error:
        say(f"whether images have another label now cannot be told, the champion's are lost: {error}")
        return None
    lend(now, challenger, judging)
    return images.relabelled(theirs / before, judging / now, set(own["id"].to_pylist()))


def copy(there: Path, here: Path) -> None:
    """A file or a folder."""
    here.parent.mkdir(parents=True, exist_ok=True)
    if there.is_dir():
        shutil.copytree(there, here)
    else:
        shutil.copy2(there, here)


def judge(plan: Plan, challenger: Path, judging: Path, say: Say) -> None:
    """Run the steps on the encoder in `judging`. Raises StageError."""
    made = {path for step in plan.steps for path in step.outputs}
    for step in plan.steps:
        for path in step.inputs:
            if not made & {path, *path.parents}:
                lend(path, challenger, judging)
        for path in step.outputs:
            clear(judging / path)
        say(f"champion on the challenger's images: {step.name}")
        try:
            status = process.run(["sh", "-c", step.command], cwd=judging, minutes=step.minutes, say=say)
        except TimeLimitError as error:
            raise StageError(f"{step.name} of the champion: {error}", 1) from None
        if status:
            raise StageError(f"{step.name} of the champion failed, see its output above", 1)


def lend(path: Path, challenger: Path, judging: Path) -> None:
    """What the challenger has and the judging lacks; in a fresh clone it has to come from the remote first."""
    if not (judging / path).exists():
        if not (challenger / path).exists():
            worktree.bring(challenger, str(challenger / path))
        worktree.link(challenger / path, judging / path)


def clear(path: Path) -> None:
    """As DVC does before a stage runs; Git's metrics file of the challenger may stand there."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)


def read_predictions(path: Path) -> pa.Table:
    """Image by image. Raises StageError."""
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise StageError(f"{path.name}: cannot be read: {' '.join(str(error).split())}", 1) from None
