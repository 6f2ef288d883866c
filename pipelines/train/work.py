"""One run of the graph, however its stages are scheduled: what was stale at its start and what came of each stage."""

from dataclasses import dataclass, field
from pathlib import Path

from pipelines.errors import Say, StageError
from pipelines.train import graph, process, runner
from pipelines.train.graph import Stage
from pipelines.train.process import Processes
from pipelines.train.runner import RAN, UP_TO_DATE

FAILED, NOT_STARTED = "failed", "not started"


@dataclass
class Work:
    """The stages of a checkout, each after those it needs."""

    root: Path
    stages: list[Stage]
    stale: set[str]
    processes: Processes = field(default_factory=process.at_hand)
    errors: dict[str, BaseException] = field(default_factory=dict)  # by stage
    _done: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path) -> "Work":
        """As DVC sees the checkout now."""
        graph.mend(root)
        stages, stale = graph.read_all(root)
        return cls(root, stages, set(stale))

    def bring(self, stage: Stage, say: Say) -> str:
        """Bring one stage up to date. DVC is not asked again where nothing can have changed since the start."""
        if stage.name in self.stale or any(self._done[need] == RAN for need in stage.needs):
            outcome = runner.bring_up_to_date(stage, self.root, say, self.processes.run)
        else:
            outcome = UP_TO_DATE
        self._done[stage.name] = outcome
        return outcome

    def can_start(self, stage: Stage) -> bool:
        """Whether all that it needs is there."""
        return self._done.keys() >= set(stage.needs)

    @property
    def outcomes(self) -> dict[str, str]:
        """What came of every stage, so far."""
        return {
            stage.name: FAILED if stage.name in self.errors else self._done.get(stage.name, NOT_STARTED)
            for stage in self.stages
        }

    def check(self) -> None:
        """Raises the error of the first stage that failed, and StageError where a stage is not up to date after all."""
        for error in self.errors.values():
            raise error
        if RAN not in self._done.values():
            return
        if stale := graph.changes(self.root):
            names = ", ".join(stale)
            raise StageError(f"not up to date after the run, was something edited meanwhile? {names}", 1)
