"""What every test of tests/faults counts its trials with.

A test tries the same kind of fault many times: a few times in `make test`, all of them by `make faults`, which runs
`pytest tests/faults --whole` and writes one record per kind to benchmarks/results/faults/. docs/reliability.md shows
these records. A trial that fails does not end the others, so that a record says how many of how many were survived.
"""

import re
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from benchmarks.machine import describe_machine
from benchmarks.records import RESULTS, write_json
from tests.conftest import ROOT

SHOWN = 20  # failed trials in a record and in a test's message


@dataclass
class Campaign:
    """Counts the trials of one kind of fault, and keeps what was wrong in those that failed."""

    whole: bool
    seed: int
    tried: int = 0
    failed: list[str] = field(default_factory=list)

    def choose(self, quick: int, whole: int) -> int:
        """Return the number of trials: `quick` in `make test`, `whole` in `make faults`."""
        return whole if self.whole else quick

    @contextmanager
    def trial(self, what: str) -> Iterator[None]:
        """Count one trial; an error inside the block is kept, with what was tried, and the next trial may begin."""
        self.tried += 1
        try:
            yield
        except (Exception, pytest.fail.Exception) as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            name = where.filename.rpartition("/")[2]
            self.failed.append(f"{what}: {type(error).__name__} at {name}:{where.lineno}: {error}"[:2000])


@pytest.fixture
def campaign(request: pytest.FixtureRequest) -> Iterator[Campaign]:
    """The trials of the test that asks for this; they are judged, and recorded if all were made, when it ends."""
    counted = Campaign(request.config.getoption("--whole"), request.config.getoption("--seed"))
    began = time.monotonic()
    yield counted
    if counted.whole and counted.tried:
        kind = re.sub(r"\[(.*)\]", r": \1", request.node.name.removeprefix("test_"))
        record = {
            "class": request.path.stem.removeprefix("test_"),
            "kind": kind.replace("_", " "),
            "command": "make faults",
            "seed": counted.seed,
            "tried": counted.tried,
            "survived": counted.tried - len(counted.failed),
            "failed": [hide_folders(text) for text in counted.failed[:SHOWN]],
            "seconds": round(time.monotonic() - began, 1),
            "machine": describe_machine("dvc", "prefect", "torch", "pyarrow"),
        }
        name = re.sub(r"[\W_]+", "-", f"{record['class']}-{kind}")
        write_json(RESULTS / "faults" / f"{name}.json", record)
    assert counted.tried, "no trial was made"
    if counted.failed:
        pytest.fail(f"{len(counted.failed)} of {counted.tried} trials:\n" + "\n".join(counted.failed[:SHOWN]))


@pytest.fixture
def _whole(request: pytest.FixtureRequest) -> None:
    """Skip a test that only `make faults` has the time for."""
    if not request.config.getoption("--whole"):
        pytest.skip("too long for `make test`")


def hide_folders(text: str) -> str:
    """Leave out of a message the folders of this machine."""
    return re.sub(r"(?<![\w.])/(?:[\w.+-]+/)+", "…/", text.replace(str(ROOT), "…").replace(sys.prefix, "…"))
