"""Judges the champion's encoder on the challenger's store, by the same stages that judge the challenger's encoder.

In a worktree at the challenger's commit, the trial folder, the champion's encoder files take the place of the
challenger's, and the commands of the stages between the encoder and the decisive metric are run as DVC resolves them,
but without DVC: nothing that they write becomes an output of a stage. The outputs of the other stages are linked from
the challenger's folder. The champion folder is a worktree at the champion's commit.
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
from pipelines.registry import lineage, versions, worktree
from pipelines.registry.git import run_git
from pipelines.registry.versions import Version
from pipelines.retrain import evidence, images, labels, whole
from pipelines.retrain.evidence import Evidence, Rivals
from pipelines.train import graph, process
from pipelines.train.graph import Stage

MeasureDrift = Callable[[Path, Path], Mapping[str, Any] | None]  # from the trial folder and the champion folder


@dataclass(frozen=True)
class Plan:
    """How an encoder is judged."""

    encoder: tuple[Path, ...]  # those of its files that the stage that trains it writes
    steps: tuple[Stage, ...]  # from the encoder to the decisive metric, each after those it needs
    metrics: Path
    predictions: Path

    @property
    def made(self) -> set[Path]:
        """The paths of what is made anew for the champion, its encoder included."""
        return {*self.encoder, *(path for step in self.steps for path in step.outputs)}


def read_plan(folder: Path, promote: Mapping[str, Any]) -> Plan:
    """Find in DVC's graph how an encoder is judged. Raises StageError if `promote:` names what the graph lacks."""
    artifact = versions.find_artifact_path(folder, promote["artifact"])
    stages = graph.read_stages(folder)
    stages_by_probe = {path.stem: stage for stage in stages for path in stage.metrics if _list_predictions(stage)}
    if promote["probe"] not in stages_by_probe:
        problem = f"one that dvc.yaml has, {sorted(stages_by_probe)}, not '{promote['probe']}'"
        raise StageError(f"params.yaml: promote.probe: {problem}", USER_ERROR)
    judging_stage = stages_by_probe[promote["probe"]]
    needed = graph.list_needed(judging_stage, stages)
    encoder = {stage.name: files for stage in needed if (files := _find_artifact_outputs(artifact, stage))}
    if not encoder:
        problem = f"{promote['probe']} does not judge {artifact}, which is to be promoted"
        raise StageError(f"params.yaml: promote.probe: {problem}", USER_ERROR)
    producer = next(iter(encoder))
    steps = tuple(
        stage for stage in needed if producer in {earlier.name for earlier in graph.list_needed(stage, stages)[:-1]}
    )
    metrics = next(path for path in judging_stage.metrics if path.stem == promote["probe"])
    return Plan(encoder[producer], steps, metrics, _list_predictions(judging_stage)[0])


def _list_predictions(stage: Stage) -> list[Path]:
    """List the Parquet files that a stage writes."""
    return [path for path in stage.outputs if path.suffix == ".parquet"]


def _find_artifact_outputs(artifact: Path, stage: Stage) -> tuple[Path, ...]:
    """Find the outputs of a stage that are the artifact or lie in it."""
    return tuple(path for path in stage.outputs if artifact in (path, *path.parents))


def check_champion(root: Path, folder: Path, champion: Version, promote: Mapping[str, Any]) -> None:
    """Check that the champion's files that it is judged by are whole. Raises DamageError."""
    plan = read_plan(folder, promote)
    inputs = [path for step in plan.steps for path in step.inputs]
    whole.check_champion(root, champion, [*plan.encoder, plan.predictions, *inputs])


def gather_evidence(
    root: Path,
    challenger_folder: Path,
    champion: Version | None,
    promote: Mapping[str, Any],
    say: Say,
    measure_drift: MeasureDrift | None,
) -> Evidence:
    """Gather what the gate asks about the challenger, which is committed, with its outputs, in `challenger_folder`."""
    plan = read_plan(challenger_folder, promote)
    own_evidence = evidence.read_evidence(
        graph.read_metrics(challenger_folder), plan.metrics.as_posix(), promote["metric"]
    )
    if own_evidence.start_score is not None:
        predictions = read_challenger_predictions(plan, challenger_folder)
        own_evidence = evidence.add_start(own_evidence, predictions, promote["metric"])
    if champion is None:
        return own_evidence
    own_predictions = read_own_predictions(root, champion, plan, say)
    with (
        worktree.check_out(root, champion.commit) as champion_folder,
        worktree.check_out(root, run_git(challenger_folder, "rev-parse", "HEAD")) as trial_folder,
    ):
        bring_encoder(plan, champion_folder, trial_folder)
        judge_champion(plan, challenger_folder, trial_folder, say)
        champion_predictions = read_predictions(trial_folder / plan.predictions)
        challenger_predictions = read_challenger_predictions(plan, challenger_folder)
        scores = read_scores(plan, challenger_folder, champion_folder, trial_folder, promote["metric"])
        relabelled = find_relabelled_fraction(challenger_folder, trial_folder, champion_folder, own_predictions, say)
        drift = measure_drift(trial_folder, champion_folder) if measure_drift else None
    return evidence.add_gain(
        own_evidence,
        Rivals(champion.name, champion_predictions, challenger_predictions, own_predictions, relabelled, drift, scores),
        promote["metric"],
    )


def read_scores(
    plan: Plan, challenger_folder: Path, champion_folder: Path, trial_folder: Path, metric: str
) -> tuple[float, float] | None:
    """Return the champion's metric as its commit has it and as measured now; None if they need not be the same.

    They must be if the steps had the same images, code and parameters then as now.
    """
    if not lineage.have_same_inputs(challenger_folder, champion_folder, {step.name for step in plan.steps}, plan.made):
        return None
    recorded, measured = (
        evidence.read_score(graph.read_metrics(folder), plan.metrics.as_posix(), metric)
        for folder in (champion_folder, trial_folder)
    )
    return None if recorded is None or measured is None else (recorded, measured)


def read_own_predictions(root: Path, champion: Version, plan: Plan, say: Say) -> pa.Table | None:
    """Read the predictions of the champion's own run; if they are lost, say so and return None."""
    try:
        return revisions.read_revisions(root, [champion.commit])[0].predictions.get(plan.metrics.as_posix())
    except RevisionError as error:
        say(f"what {champion.name} had judged in its own run is lost: {error}")
        return None


def find_relabelled_fraction(
    challenger_folder: Path, trial_folder: Path, champion_folder: Path, own_predictions: pa.Table | None, say: Say
) -> float | None:
    """Return which fraction of the images that the champion's own run judged has another class in the new store, and
    not by the hand of a person.

    None if the predictions of that run or the champion's store are lost.
    """
    if own_predictions is None:
        return None
    old_store = worktree.read_named_path(champion_folder, "store")
    new_store = worktree.read_named_path(challenger_folder, "store")
    try:
        for folder, path in ((champion_folder, old_store), *list_findings(challenger_folder, champion_folder)):
            worktree.fetch_outputs(folder, str(folder / path))
    except LockedError:
        raise
    except GraphError as error:
        say(f"whether images have another label now cannot be told, the champion's are lost: {error}")
        return None
    link_input(new_store, challenger_folder, trial_folder)
    given = labels.read_given(challenger_folder) | labels.read_given(champion_folder)
    return images.measure_relabelled(
        champion_folder / old_store, trial_folder / new_store, set(own_predictions["id"].to_pylist()), given
    )


def list_findings(*folders: Path) -> list[tuple[Path, Path]]:
    """List the findings of checkouts that lack them: the checkout and the path there."""
    named = [(folder, worktree.find_named_path(folder, "findings")) for folder in folders]
    return [(folder, path) for folder, path in named if path is not None and not (folder / path).exists()]


def bring_encoder(plan: Plan, champion_folder: Path, trial_folder: Path) -> None:
    """Bring the champion's encoder into the trial folder, and nothing of the challenger's: an older version of the
    stage that trained the champion may have written fewer files."""
    written = {output.path for output in graph.list_outputs(champion_folder)}
    files = [path for path in plan.encoder if path in written]
    worktree.fetch_outputs(champion_folder, *(str(champion_folder / path) for path in files))
    for path in plan.encoder:
        if path in files:
            copy_path(champion_folder / path, trial_folder / path)
        else:
            clear_output(trial_folder / path)


def copy_path(source: Path, target: Path) -> None:
    """Copy a file or a folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)


def judge_champion(plan: Plan, challenger_folder: Path, trial_folder: Path, say: Say) -> None:
    """Run the steps on the champion's encoder in `trial_folder`. Raises StageError."""
    for step in plan.steps:
        for path in step.inputs:
            if not plan.made & {path, *path.parents}:
                link_input(path, challenger_folder, trial_folder)
        for path in step.outputs:
            clear_output(trial_folder / path)
        say(f"champion on the challenger's images: {step.name}")
        try:
            status = process.run(["sh", "-c", step.command], cwd=trial_folder, minutes=step.minutes, say=say)
        except TimeLimitError as error:
            raise StageError(f"{step.name} of the champion: {error}", 1) from None
        if status:
            raise StageError(f"{step.name} of the champion failed, see its output above", 1)


def link_input(path: Path, challenger_folder: Path, trial_folder: Path) -> None:
    """Link an input that the trial folder lacks from the challenger, which fetches it first in a fresh clone."""
    if not (trial_folder / path).exists():
        if not (challenger_folder / path).exists():
            worktree.fetch_outputs(challenger_folder, str(challenger_folder / path))
        worktree.link_path(challenger_folder / path, trial_folder / path)


def clear_output(path: Path) -> None:
    """Remove an output before its stage runs, as DVC does: the challenger's metrics file in Git may stand there."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)


def read_challenger_predictions(plan: Plan, challenger_folder: Path) -> pa.Table:
    """Read the challenger's predictions, which a fresh clone fetches first. Raises StageError or GraphError."""
    if not (challenger_folder / plan.predictions).exists():
        worktree.fetch_outputs(challenger_folder, str(challenger_folder / plan.predictions))
    return read_predictions(challenger_folder / plan.predictions)


def read_predictions(path: Path) -> pa.Table:
    """Read predictions, one row per image and encoder. Raises StageError."""
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise StageError(f"{path.name}: cannot be read: {' '.join(str(error).split())}", 1) from None
