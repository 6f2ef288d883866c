"""Tests params.yaml as flows read it: checked by the types of the stages, whose messages are passed on."""

from pathlib import Path

import pytest

from pipelines.errors import StageError
from pipelines.train import settings
from tests.conftest import Project, set_params
from tests.pipelines import tiny


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return tiny.make_project(tmp_path, "stages: {}", at_once=3)


def test_every_section_comes_with_its_numbers_as_numbers(project: Project) -> None:
    sections = settings.read_settings(project.root)
    assert sections["flow"] == {"at_once": 3, "retry_seconds": 0}
    assert sections["pretrain"]["optimiser"]["weight_decay"] == 1e-4, "not text, as PyYAML has it"
    assert sections["pretrain"]["views"]["second"].keys() == sections["pretrain"]["views"]["first"].keys()


def test_a_slip_is_the_users_error_with_the_line_that_names_it(project: Project) -> None:
    set_params(project.root / "params.yaml", {"flow.at_once": 0, "report.seed": "one"})
    with pytest.raises(StageError) as caught:
        settings.read_settings(project.root)
    assert caught.value.status == 2
    assert str(caught.value).splitlines() == [
        "params.yaml: flow.at_once: Input should be greater than or equal to 1, not 0",
        "params.yaml: report.seed: Input should be a valid integer, not 'one'",
    ]
