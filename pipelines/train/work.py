"""One run of the graph, however its stages are scheduled: what was stale at its start, and each stage's outcome."""

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
    """The stages of a checkout, each after those it needs, and their outcomes in this run."""

    root: Path
    stages: list[Stage]
    stale: set[str]
    processes: Processes = field(default_factory=process.get_processes)
    errors: dict[str, BaseException] = field(default_factory=dict)  # by stage
    _done: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_checkout(cls, root: Path) -> "Work":
        """Read the stages of a checkout, and which of them are stale now."""
        graph.repair_rwlock(root)
        graph.repair_lock_file(root)
        stages, stale = graph.read_stages_and_changes(root)
        return cls(root, stages, set(stale))

    def update_stage(self, stage: Stage, say: Say) -> str:
        """Bring one stage up to date. DVC is not asked again if nothing can have changed since the start."""
        if stage.name in self.stale or any(self._done[need] == RAN for need in stage.needs):
            outcome = runner.bring_up_to_date(stage, self.root, say, self.processes.run)
        else:
            outcome = UP_TO_DATE
        self._done[stage.name] = outcome
        return outcome

    def can_start(self, stage: Stage) -> bool:
        """Whether all stages that this stage needs are done."""
        return self._done.keys() >= set(stage.needs)

    @property
    def outcomes(self) -> dict[str, str]:
        """The outcome of every stage so far."""
        return {
            stage.name: FAILED if stage.name in self.errors else self._done.get(stage.name, NOT_STARTED)
            for stage in self.stages
        }

    def check_outcomes(self) -> None:
        """Raise the error of the first stage that failed, or StageError if a stage is not up to date after the run."""
        for error in self.errors.values():
            raise error
        if RAN not in self._done.values():
            return
        if stale := graph.find_changes(self.root):
            names = ", ".join(stale)
            raise StageError(f"not up to date after the run, was something edited meanwhile? {names}", 1)
