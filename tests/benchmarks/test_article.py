"""What benchmarks.article compares differs in the objective alone, and what collapses is measured all the same."""

from pathlib import Path

import pytest

from benchmarks.article import BYOL, EQUAL, LISTED, objectives, train
from components.pretrain.params import Pretrain
from components.stage.command import read_params
from tests.conftest import ROOT
from tests.pretrain.runs import fetch_digits, small_run


@pytest.fixture
def shipped() -> Pretrain:
    params: Pretrain = read_params(ROOT / "params.yaml").pretrain
    return params


def test_nothing_but_the_objective_and_its_weights_differs(shipped: Pretrain) -> None:
    rest = [one.model_dump(exclude={"objective", "article"}) for one in objectives(shipped).values()]
    assert all(one == rest[0] for one in rest)


def test_each_term_stands_alone_once_and_all_together_twice(shipped: Pretrain) -> None:
    compared = objectives(shipped)
    assert compared[BYOL].objective == "byol"
    assert {one.objective for name, one in compared.items() if name != BYOL} == {"article"}
    assert compared[LISTED].article == shipped.article
    assert set(compared[EQUAL].article.model_dump().values()) == {1.0}
    alone = {
        name: {term for term, weight in one.article.model_dump().items() if weight} for name, one in compared.items()
    }
    assert {name: terms for name, terms in alone.items() if "alone" in name} == {
        f"{term} alone": {term} for term in ("reconstruction", "centre", "contrastive", "adversarial")
    }


def test_a_run_that_collapses_is_told_to_go_on_and_its_message_kept(tmp_path: Path) -> None:
    """A threshold that any run falls below."""
    store = fetch_digits(tmp_path / "digits")
    run = small_run(tmp_path, store, pretrain__epochs=1, pretrain__watch__collapse=1e6)
    found = train(read_params(run.folder / "params.yaml").pretrain, store, tmp_path)
    assert "collapse after step" in found["stopped"]
    assert found["pretrain"]["epochs"] == 1
