"""The runs that benchmarks.article compares differ in the objective alone; runs that collapse are measured as well."""

from pathlib import Path

import pytest

from benchmarks.article import BYOL, EQUAL, LISTED, list_objectives, train_to_the_end
from components.pretrain.params import Pretrain
from components.stage.command import read_params
from tests.conftest import ROOT
from tests.pretrain.runs import fetch_digits, small_run


@pytest.fixture
def shipped() -> Pretrain:
    params: Pretrain = read_params(ROOT / "params.yaml").pretrain
    return params


def test_nothing_but_the_objective_and_its_weights_differs(shipped: Pretrain) -> None:
    rest = [settings.model_dump(exclude={"objective", "article"}) for settings in list_objectives(shipped).values()]
    assert all(settings == rest[0] for settings in rest)


def test_each_term_stands_alone_once_and_all_together_twice(shipped: Pretrain) -> None:
    compared = list_objectives(shipped)
    assert compared[BYOL].objective == "byol"
    assert {settings.objective for name, settings in compared.items() if name != BYOL} == {"article"}
    assert compared[LISTED].article == shipped.article
    assert set(compared[EQUAL].article.model_dump().values()) == {1.0}
    alone = {
        name: {term for term, weight in settings.article.model_dump().items() if weight}
        for name, settings in compared.items()
    }
    assert {name: terms for name, terms in alone.items() if "alone" in name} == {
        f"{term} alone": {term} for term in ("reconstruction", "centre", "contrastive", "adversarial")
    }


def test_a_run_that_collapses_is_told_to_go_on_and_its_message_kept(tmp_path: Path) -> None:
    """The threshold is one that every run falls below."""
    store = fetch_digits(tmp_path / "digits")
    run = small_run(tmp_path, store, pretrain__epochs=1, pretrain__watch__collapse=1e6)
    numbers = train_to_the_end(read_params(run.folder / "params.yaml").pretrain, store, tmp_path)
    assert "collapse after step" in numbers["stopped"]
    assert numbers["pretrain"]["epochs"] == 1
