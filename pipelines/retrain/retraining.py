"""One retraining: look for new data, train on it in a worktree, and promote what is measurably better.

docs/retrain.md explains how it works, and what to do with what it leaves.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipelines import notify
from pipelines.errors import USER_ERROR, Say, StageError
from pipelines.notify import Event
from pipelines.registry import lineage, prune, publish, records, staleness, start, trial, versions, worktree
from pipelines.registry.git import run_git
from pipelines.registry.versions import Version
from pipelines.retrain import challenge, gate, labels, trigger, warm, whole
from pipelines.retrain.challenge import MeasureDrift
from pipelines.retrain.gate import Decision, Reason
from pipelines.train import process, settings

NAME = "retrain"  # the name of the flow in Prefect and in reports
SNAPSHOT_MINUTES = 1440.0  # the bytes of every image may have to be read


@dataclass(frozen=True)
class Tools:
    """What a retraining works with, so that it can run as a Prefect flow or without Prefect."""

    say: Say
    run_graph: Callable[[Path, Say], object]  # brings every stage of a checkout up to date
    measure_drift: MeasureDrift | None
    on_begin: Callable[[], None] = lambda: None  # called as soon as it is certain that no other retraining is at work


@dataclass(frozen=True)
class Retraining:
    """The result of a retraining; if it has no branch, no challenger was judged."""

    decision: Decision
    branch: str | None = None
    version: str | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def lines(self) -> list[str]:
        """One line per reason, and then the outcome."""
        return [*format_reasons(self.decision), self.decision.outcome]

    @property
    def text(self) -> str:
        """The decision in a sentence, with the reasons for a rejection."""
        name = self.version or self.branch or ""
        reasons = [] if self.decision.promoted else [reason.text for reason in self.decision.failed_reasons]
        return "; ".join(part for part in [name, *reasons] if part)

    def build_event(self, run: str | None = None, attempt: int = 1) -> Event:
        """Build the event that reports the result."""
        details = {"branch": self.branch, "version": self.version, "reasons": format_reasons(self.decision)}
        return Event(self.decision.outcome, NAME, self.text, details, run, attempt)


def retrain(root: Path, tools: Tools, run: str | None = None, attempt: int = 1) -> Retraining:
    """Retrain once and report it to whom `notify:` names; `run` and `attempt` are Prefect's id and count of the run.

    Raises BusyError, StageError or GraphError; then the next retraining resumes where this one ended.
    """
    with notify.tell_failures(root, NAME, tools.say, run, attempt):
        result = _retrain(root, tools)
        if result.decision.judged:
            notify.tell(root, result.build_event(run, attempt), tools.say)
    return result


def _retrain(root: Path, tools: Tools) -> Retraining:
    say = tools.say
    check_can_commit(root)
    with worktree.lock_retraining(root), worktree.check_out(root, "HEAD") as folder:
        tools.on_begin()
        trial.try_end(root, folder, pushes=publish.fetch_refs(root, say))
        params = settings.read_settings(folder)
        promote = params["promote"]
        challenge.read_plan(folder, promote)  # refuses before hours of work what `promote:` names and the graph lacks
        if (finished_branch := publish.finish_publishing(root, promote, say)) is not None:
            notify.tell(root, read_retraining(root, finished_branch).build_event(), say)
        prune.prune_before_night(root, params, say)
        champion = versions.find_champion(root, promote)
        lineage.prepare_head(folder, champion)
        warm.restore_own(folder)
        labels.bring_labels(root, folder, say)
        own = settings.read_settings(folder)
        take_snapshot(root, folder, own, say)
        rules = records.list_rules(promote, own["retrain"])
        inputs = records.compute_fingerprint(folder, rules, images=True)
        if earlier_branch := records.list_judged(root, promote).get(inputs):
            return Retraining(
                decide_nothing_new(f"the same images, code and parameters were judged in {earlier_branch}")
            )
        if decision_to_wait := trigger.decide_to_wait(root, folder, champion, params, rules, say, tools.measure_drift):
            return Retraining(decision_to_wait)
        trial.check_room(root, folder)
        if champion is not None:
            challenge.check_champion(root, folder, champion, promote)
        details: dict[str, Any] = {
            "inputs": inputs,
            "without_images": records.compute_fingerprint(folder, rules, images=False),
            "champion": None if champion is None else asdict(champion),
            "start": warm.begin(root, folder, champion, say),
        }
        decision, details["numbers"] = train_and_judge(root, folder, champion, promote, tools)
        if not decision.judged:
            return Retraining(decision)
        return save_outcome(root, folder, decision, details, promote, say)


def check_can_commit(root: Path) -> None:
    """Check before hours of work that the results can be committed. Raises StageError."""
    if run_git(root, "rev-parse", "--is-shallow-repository") == "true":
        raise StageError(
            "a shallow clone lacks tags and history: `git fetch --unshallow --tags` brings them", USER_ERROR
        )
    versions.read_author(root)


def take_snapshot(root: Path, folder: Path, params: Mapping[str, Any], say: Say) -> None:
    """Pin what the sources hold now in the worktree's parameters. Raises StageError."""
    place = worktree.read_named_path(folder, "start")
    worktree.link_files(root / place, folder / place, start.FOLDER)
    worktree.link_named_files(root, folder, params)
    command = [sys.executable, "-m", "components.fetch.snapshot", "--accept"]
    if status := process.run(command, cwd=folder, minutes=SNAPSHOT_MINUTES, say=say):
        raise StageError("the sources cannot be read, see above", status)


def decide_nothing_new(text: str) -> Decision:
    """Return the decision that there is nothing new, with its reason."""
    return Decision(records.NOTHING_NEW, [Reason("news", False, f"nothing new: {text}")])


def train_and_judge(
    root: Path, folder: Path, champion: Version | None, promote: Mapping[str, Any], tools: Tools
) -> tuple[Decision, dict[str, Any]]:
    """Run the graph in the worktree, commit it there, and ask the gate; return the decision and its evidence."""
    worktree.restore_outputs(folder)
    try:
        whole.run_whole(folder, lambda: tools.run_graph(folder, tools.say), tools.say)
    except StageError as error:
        if error.status != USER_ERROR:
            raise
        lineage.commit_changes(folder, "Retrained")  # a stage refuses this input, and would tomorrow
        text = "; ".join([*error.last_lines, str(error)])
        return gate.refuse("stages", f"{text}{warm.explain_refusal(folder, text)}"), {}
    if champion is not None and lineage.has_same_lock(folder, champion.commit):
        return decide_nothing_new(f"all that a run reads is what {champion.name} was made of"), {}
    lineage.commit_changes(folder, "Retrained")
    evidence = challenge.gather_evidence(root, folder, champion, promote, tools.say, tools.measure_drift)
    return gate.decide(evidence, promote), evidence.numbers


def save_outcome(
    root: Path, folder: Path, decision: Decision, details: Mapping[str, Any], promote: Mapping[str, Any], say: Say
) -> Retraining:
    """Write the decision into the commit, give the commit its own branch, and publish both."""
    version = versions.choose_next_version(root, promote["artifact"]) if decision.promoted else None
    record = asdict(decision) | {
        "version": version,
        "snapshot": settings.read_settings(folder)["data"]["snapshot"],
        **details,
    }
    records.write_decision(folder, record)
    branch = records.make_branch_name()
    lineage.commit_changes(
        folder, "\n".join([f"Retrained: {decision.outcome}", "", *format_reasons(decision)]), "--amend"
    )
    run_git(root, "branch", branch, run_git(folder, "rev-parse", "HEAD"))
    say(f"{decision.outcome}, on branch {branch}")
    publish.publish_branch(root, folder, branch, promote, say)
    return Retraining(decision, branch, version, details["numbers"])


def read_retraining(root: Path, branch: str) -> Retraining:
    """Read the result of an earlier retraining from the record on its branch."""
    record = records.read_decision(root, branch)
    decision = Decision(record["outcome"], [Reason(**reason) for reason in record["reasons"]])
    return Retraining(decision, branch, record["version"], record["numbers"])


def check_head(root: Path, say: Say) -> bool:
    """Whether what is committed at HEAD is up to date and would pass the gate."""
    with worktree.lock_retraining(root), worktree.check_out(root, "HEAD") as folder:
        if stale := staleness.list_stale(folder):
            say(f"dvc.lock is stale: {', '.join(stale)}; run `dvc repro` and commit")
            return False
        promote = settings.read_settings(folder)["promote"]
        champion = versions.find_champion(root, promote)
        if champion is not None and lineage.has_same_lock(folder, champion.commit):
            say(f"up to date; the encoder is {champion.name}, which is {promote['stage']}")
            return True
        if champion is not None:
            challenge.check_champion(root, folder, champion, promote)
        decision = gate.decide(challenge.gather_evidence(root, folder, champion, promote, say, None), promote)
        for line in format_reasons(decision):
            say(line)
        say(f"the gate {'lets it pass' if decision.promoted else 'refuses it'}")
        return decision.promoted


def format_reasons(decision: Decision) -> list[str]:
    """Format one line per reason."""
    if not decision.judged:
        return [reason.text for reason in decision.reasons]
    return [f"{'ok' if reason.passed else 'NO'}: {reason.text}" for reason in decision.reasons]
