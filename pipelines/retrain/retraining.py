"""One retraining: look for new data, train on it in a worktree, and promote what is measurably better.

How it works, and what to do with what it leaves: docs/retrain.md.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipelines import notify
from pipelines.errors import USER_ERROR, Say, StageError
from pipelines.notify import Event
from pipelines.registry import lineage, publish, records, staleness, versions, worktree
from pipelines.registry.versions import Version
from pipelines.registry.worktree import git
from pipelines.retrain import challenge, gate, trigger
from pipelines.retrain.challenge import Drift
from pipelines.retrain.gate import Decision, Reason
from pipelines.train import process, settings

NAME = "retrain"  # what Prefect and those who are told know it by
SNAPSHOT_MINUTES = 1440.0  # the bytes of every image may have to be read


@dataclass(frozen=True)
class Tools:
    """What a retraining works with, so that it can be a flow of Prefect's or none."""

    say: Say
    run_graph: Callable[[Path, Say], object]  # brings every stage of a checkout up to date
    measure_drift: Drift | None
    begun: Callable[[], None] = lambda: None  # called as soon as it is sure that no other retraining is at work


@dataclass(frozen=True)
class Retraining:
    """What it came to; without a branch, nothing was trained."""

    decision: Decision
    branch: str | None = None
    version: str | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def lines(self) -> list[str]:
        """A line a reason, and the outcome."""
        return [*lines(self.decision), self.decision.outcome]

    @property
    def text(self) -> str:
        """In a sentence: what was decided, and of a rejection why."""
        name = self.version or self.branch or ""
        why = [] if self.decision.promoted else [reason.text for reason in self.decision.against]
        return "; ".join(one for one in [name, *why] if one)

    def event(self, run: str | None = None, attempt: int = 1) -> Event:
        """To be told."""
        details = {"branch": self.branch, "version": self.version, "reasons": lines(self.decision)}
        return Event(self.decision.outcome, NAME, self.text, details, run, attempt)


def retrain(root: Path, tools: Tools, run: str | None = None, attempt: int = 1) -> Retraining:
    """One retraining, told to whom `notify:` names; `run` and `attempt` are Prefect's of it.

    Raises BusyError, StageError or GraphError; then the next one takes up where this one ended.
    """
    with notify.telling(root, NAME, tools.say, run, attempt):
        done = _retrain(root, tools)
        if done.decision.judged:
            notify.tell(root, done.event(run, attempt), tools.say)
    return done


def _retrain(root: Path, tools: Tools) -> Retraining:
    say = tools.say
    can_commit(root)
    with worktree.alone(root), worktree.checked_out(root, "HEAD") as folder:
        tools.begun()
        publish.fetch(root, say)
        chosen = settings.read(folder)
        promote = chosen["promote"]
        if (finished := publish.finish(root, promote, say)) is not None:
            notify.tell(root, of_branch(root, finished).event(), say)
        champion = versions.champion(root, promote)
        lineage.begin(folder, champion)
        take_snapshot(root, folder, say)
        inputs = records.fingerprint(folder, promote, images=True)
        if before := records.judged(root).get(inputs):
            return Retraining(nothing_new(f"the same images, code and parameters were judged in {before}"))
        if waiting := trigger.wait(root, folder, champion, chosen, say, tools.measure_drift):
            return Retraining(waiting)
        decision, numbers = train_and_judge(root, folder, champion, promote, tools)
        if not decision.judged:
            return Retraining(decision)
        about = {"inputs": inputs, "numbers": numbers, "champion": None if champion is None else asdict(champion)}
        return keep(root, folder, decision, about, promote, say)


def can_commit(root: Path) -> None:
    """Before hours of work, whether they can be kept. Raises StageError."""
    if git(root, "rev-parse", "--is-shallow-repository") == "true":
        raise StageError(
            "a shallow clone lacks tags and history: `git fetch --unshallow --tags` brings them", USER_ERROR
        )
    versions.author(root)


def take_snapshot(root: Path, folder: Path, say: Say) -> None:
    """Pin what the sources hold now in the worktree's parameters. Raises StageError."""
    worktree.share_named(root, folder, settings.read(folder))
    command = [sys.executable, "-m", "components.fetch.snapshot", "--accept"]
    if status := process.run(command, cwd=folder, minutes=SNAPSHOT_MINUTES, say=say):
        raise StageError("the sources cannot be read, see above", status)


def nothing_new(text: str) -> Decision:
    """Nothing to decide."""
    return Decision(records.NOTHING_NEW, [Reason("news", False, f"nothing new: {text}")])


def train_and_judge(
    root: Path, folder: Path, champion: Version | None, promote: Mapping[str, Any], tools: Tools
) -> tuple[Decision, dict[str, Any]]:
    """Run the graph in the worktree, commit it there, and ask the gate; with the numbers that it was told."""
    worktree.restore(folder)
    try:
        tools.run_graph(folder, tools.say)
    except StageError as error:
        if error.status != USER_ERROR:
            raise
        lineage.commit(folder, "Retrained")  # a stage refuses these images or parameters: so will it tomorrow
        return gate.refused("stages", "; ".join([*error.said, str(error)])), {}
    if champion is not None and lineage.same_lock(folder, champion.commit):
        return nothing_new(f"all that a run reads is what {champion.name} was made of"), {}
    lineage.commit(folder, "Retrained")
    evidence = challenge.gather(root, folder, champion, promote, tools.say, tools.measure_drift)
    return gate.decide(evidence, promote), evidence.numbers


def keep(
    root: Path, folder: Path, decision: Decision, about: Mapping[str, Any], promote: Mapping[str, Any], say: Say
) -> Retraining:
    """The decision in the commit, the commit on a branch of its own, and both published."""
    version = versions.next_version(root, promote["artifact"]) if decision.promoted else None
    record = asdict(decision) | {"version": version, "snapshot": settings.read(folder)["data"]["snapshot"], **about}
    records.write(folder, record)
    branch = records.branch_name()
    lineage.commit(folder, "\n".join([f"Retrained: {decision.outcome}", "", *lines(decision)]), "--amend")
    git(root, "branch", branch, git(folder, "rev-parse", "HEAD"))
    say(f"{decision.outcome}, on branch {branch}")
    publish.publish(root, folder, branch, promote, say)
    return Retraining(decision, branch, version, about["numbers"])


def of_branch(root: Path, branch: str) -> Retraining:
    """What an earlier one came to, as it has written down."""
    record = records.read(root, branch)
    decision = Decision(record["outcome"], [Reason(**reason) for reason in record["reasons"]])
    return Retraining(decision, branch, record["version"], record["numbers"])


def check(root: Path, say: Say) -> bool:
    """Whether what is committed at HEAD is up to date and would pass the gate."""
    with worktree.alone(root), worktree.checked_out(root, "HEAD") as folder:
        if stale := staleness.stale(folder):
            say(f"dvc.lock is stale: {', '.join(stale)}; run `dvc repro` and commit")
            return False
        promote = settings.read(folder)["promote"]
        champion = versions.champion(root, promote)
        if champion is not None and lineage.same_lock(folder, champion.commit):
            say(f"up to date; the encoder is {champion.name}, which is {promote['stage']}")
            return True
        decision = gate.decide(challenge.gather(root, folder, champion, promote, say, None), promote)
        for line in lines(decision):
            say(line)
        say(f"the gate {'lets it pass' if decision.promoted else 'refuses it'}")
        return decision.promoted


def lines(decision: Decision) -> list[str]:
    """A line a reason."""
    if not decision.judged:
        return [reason.text for reason in decision.reasons]
    return [f"{'ok' if reason.passed else 'NO'}: {reason.text}" for reason in decision.reasons]
