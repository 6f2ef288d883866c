"""`python -m pipelines.retrain`: look for new data, train on it in a worktree, and promote what is measurably better.

Exit status: 0 done, whatever was decided, also where another retraining is at work; 2 the user's input is wrong; 1
anything else. `--check` is for CI and changes nothing: 1 where dvc.lock is stale or the gate would refuse what is
committed. How it works, and what to do with what it leaves: docs/retrain.md.
"""

import argparse
import functools
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipelines import (
    challenge,
    drift,
    gate,
    graph,
    lineage,
    process,
    publish,
    records,
    settings,
    staleness,
    train,
    versions,
    worktree,
)
from pipelines.challenge import Drift
from pipelines.gate import Decision, Reason
from pipelines.runner import USER_ERROR, Say, StageError
from pipelines.versions import Version
from pipelines.worktree import git

OTHER_ERROR, INTERRUPTED, TERMINATED = 1, 130, 143
SNAPSHOT_MINUTES = 1440.0  # the bytes of every image may have to be read
LAST_LINES = 5  # of a stage that refuses, which say why


def retrain(root: Path, say: Say, measure_drift: Drift | None = None) -> Decision:
    """One retraining. Raises BusyError, StageError or GraphError; then the next one takes up where this one ended."""
    can_commit(root)
    with worktree.alone(root), worktree.checked_out(root, "HEAD") as folder:
        publish.fetch(root, say)
        promote = settings.read(folder)["promote"]
        publish.finish(root, promote, say)
        champion = versions.champion(root, promote)
        lineage.begin(folder, champion)
        take_snapshot(root, folder, say)
        inputs = records.fingerprint(folder, promote)
        if before := records.judged(root).get(inputs):
            return nothing_new(f"the same images, code and parameters were judged in {before}")
        decision, numbers = train_and_judge(root, folder, champion, promote, say, measure_drift)
        if decision.outcome != gate.NOTHING_NEW:
            about = {"inputs": inputs, "numbers": numbers, "champion": None if champion is None else asdict(champion)}
            keep(root, folder, decision, about, promote, say)
    return decision


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
    command = [sys.executable, "-m", "components.data.snapshot", "--accept"]
    if status := process.run(command, cwd=folder, minutes=SNAPSHOT_MINUTES, say=say):
        raise StageError("the sources cannot be read, see above", status)


def nothing_new(text: str) -> Decision:
    """Nothing to decide."""
    return Decision(gate.NOTHING_NEW, [Reason("news", False, f"nothing new: {text}")])


def train_and_judge(
    root: Path,
    folder: Path,
    champion: Version | None,
    promote: Mapping[str, Any],
    say: Say,
    measure_drift: Drift | None,
) -> tuple[Decision, dict[str, Any]]:
    """Run the graph in the worktree, commit it there, and ask the gate; with the numbers that it was told."""
    worktree.restore(folder)
    said: list[str] = []

    def listen(line: str) -> None:
        said.append(line)
        say(line)

    try:
        train.run_graph(folder, listen, server=False)
    except StageError as error:
        if error.status != USER_ERROR:
            raise
        lineage.commit(folder, "Retrained")  # a stage refuses these images or parameters: so will it tomorrow
        return gate.refused("stages", "; ".join(line for line in [*said[-LAST_LINES:], str(error)] if line)), {}
    if champion is not None and lineage.same_lock(folder, champion.commit):
        return nothing_new(f"all that a run reads is what {champion.name} was made of"), {}
    lineage.commit(folder, "Retrained")
    evidence = challenge.gather(root, folder, champion, promote, say, measure_drift)
    return gate.decide(evidence, promote), evidence.numbers


def keep(
    root: Path, folder: Path, decision: Decision, about: Mapping[str, Any], promote: Mapping[str, Any], say: Say
) -> None:
    """The decision in the commit, the commit on a branch of its own, and both published."""
    version = versions.next_version(root, promote["artifact"]) if decision.promoted else None
    record = asdict(decision) | {"version": version, "snapshot": settings.read(folder)["data"]["snapshot"], **about}
    records.write(folder, record)
    branch = records.branch_name()
    lineage.commit(folder, "\n".join([f"Retrained: {decision.outcome}", "", *lines(decision)]), "--amend")
    git(root, "branch", branch, git(folder, "rev-parse", "HEAD"))
    say(f"{decision.outcome}, on branch {branch}")
    publish.publish(root, folder, branch, promote, say)


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
    if decision.outcome == gate.NOTHING_NEW:
        return [reason.text for reason in decision.reasons]
    return [f"{'ok' if reason.passed else 'NO'}: {reason.text}" for reason in decision.reasons]


def main() -> int:
    """Retrain or check; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.retrain", description="Retrain on what is new.")
    parser.add_argument("--check", action="store_true", help="for CI: is what is committed up to date and good enough?")
    only_check = parser.parse_args().check
    root = Path.cwd()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # so that the worktree is removed

    def say(line: str) -> None:
        print(line, flush=True)

    try:
        if only_check:
            return 0 if check(root, say) else OTHER_ERROR
        decision = retrain(root, say, functools.partial(drift.measure, say=say))
        for line in [*lines(decision), decision.outcome]:
            say(line)
    except worktree.BusyError as error:
        print(error, file=sys.stderr)
        return OTHER_ERROR if only_check else 0
    except StageError as error:
        print(error, file=sys.stderr)
        return USER_ERROR if error.status == USER_ERROR else OTHER_ERROR
    except graph.GraphError as error:
        print(f"dvc.yaml: {error}", file=sys.stderr)
        return OTHER_ERROR if isinstance(error, graph.BusyError) else USER_ERROR
    except KeyboardInterrupt:
        print("interrupted; the next run goes on from the last checkpoint", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
