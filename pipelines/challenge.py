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

import networkx
import pyarrow as pa
import pyarrow.parquet as pq
from dvc.exceptions import DvcException

from pipelines import evidence, graph, images, process, revisions, versions, worktree
from pipelines.evidence import Evidence, Rivals
from pipelines.runner import USER_ERROR, Say, StageError
from pipelines.versions import Version

Drift = Callable[[Path, Path], Mapping[str, Any] | None]  # folders: of the judging, and of the champion's own run


@dataclass(frozen=True)
class Step:
    """A stage to run without DVC; paths from the root."""

    name: str
    command: str
    needs: tuple[Path, ...]
    makes: tuple[Path, ...]


@dataclass(frozen=True)
class Plan:
    """How an encoder is judged."""

    encoder: tuple[Path, ...]  # its files, as far as the stage that trains it makes them
    steps: tuple[Step, ...]
    metrics: Path
    predictions: Path


def read_plan(folder: Path, promote: Mapping[str, Any]) -> Plan:
    """Out of DVC's graph. Raises StageError where `promote:` names what is not there."""
    artifact = versions.artifact_path(folder, promote["artifact"])
    with graph.opened(folder) as repo:
        whole = repo.index.graph  # edges run from consumer to producer
        measures = {
            Path(out.fs_path).stem: stage
            for stage in whole
            for out in stage.outs
            if out.metric and any(one.fs_path.endswith(".parquet") for one in stage.outs)
        }
        if promote["probe"] not in measures:
            said = f"one that dvc.yaml has, {sorted(measures)}, not '{promote['probe']}'"
            raise StageError(f"params.yaml: promote.probe: {said}", USER_ERROR)
        last = measures[promote["probe"]]
        order = [*networkx.topological_sort(whole.subgraph({last, *networkx.descendants(whole, last)}).reverse())]
        producer = next((one for one in order if _below(artifact, one, folder)), None)
        if producer is None:
            said = f"of {artifact}, which is to be promoted, {promote['probe']} judges nothing"
            raise StageError(f"params.yaml: promote.probe: {said}", USER_ERROR)
        steps = [_step(one, folder) for one in order if producer in networkx.descendants(whole, one)]
        encoder = _below(artifact, producer, folder)
    made = steps[-1].makes
    metrics = next(path for path in made if path.stem == promote["probe"] and path.suffix == ".json")
    return Plan(encoder, tuple(steps), metrics, next(path for path in made if path.suffix == ".parquet"))


def _below(artifact: Path, stage: Any, folder: Path) -> tuple[Path, ...]:
    """The outputs of a stage that are the artifact or lie in it."""
    return tuple(path for path in _paths(stage.outs, folder) if artifact in (path, *path.parents))


def _paths(places: Any, folder: Path) -> tuple[Path, ...]:
    return tuple(Path(one.fs_path).relative_to(folder) for one in places)


def _step(stage: Any, folder: Path) -> Step:
    command = stage.cmd if isinstance(stage.cmd, str) else " && ".join(stage.cmd)
    return Step(stage.name, command, _paths(stage.deps, folder), _paths(stage.outs, folder))


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
        return revisions.read(root, [champion.commit])[0].predictions.get(plan.metrics.as_posix())
    except revisions.RevisionError as error:
        say(f"what {champion.name} had judged in its own run is lost: {error}")
        return None


def find_relabelled(challenger: Path, judging: Path, theirs: Path, own: pa.Table, say: Say) -> float | None:
    """Of what the champion's own run judged, the fraction that the challenger's store has in another class.

    None where the champion's store is lost.
    """
    before, now = worktree.named_path(theirs, "store"), worktree.named_path(challenger, "store")
    try:
        worktree.bring(theirs, str(theirs / before))
    except graph.BusyError:
        raise
    except (graph.GraphError, DvcException) as error:
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
    minutes = {stage.name: stage.minutes for stage in graph.read_stages(challenger)}
    made = {path for step in plan.steps for path in step.makes}
    for step in plan.steps:
        for path in step.needs:
            if not made & {path, *path.parents}:
                lend(path, challenger, judging)
        for path in step.makes:
            clear(judging / path)
        say(f"champion on the challenger's images: {step.name}")
        try:
            status = process.run(["sh", "-c", step.command], cwd=judging, minutes=minutes[step.name], say=say)
        except process.TimeLimitError as error:
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
