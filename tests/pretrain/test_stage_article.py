"""Tests the stage with the article's objective: cut and begun again, its terms logged, its collapse seen."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from components.encoder.saved import CONFIG
from components.pretrain import __main__ as pretrain
from components.stage.command import read_params
from components.stage.errors import RunError
from tests.pretrain.runs import Interrupted, Run, fetch_digits, small_run

ARTICLE = {
    "pretrain__objective": "article",
    "pretrain__optimiser": {
        **{"name": "adam", "learning_rate": 0.002, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.0},
        **{"warmup_epochs": 0.0, "decay": {"name": "step", "factor": 0.5, "every_epochs": 2}},
    },
    "pretrain__encoder": {"name": "article", "hidden": 64, "features": 16},
    "pretrain__watch__collapse": 0.0,  # a network as small as that begins near it
}


@pytest.fixture(scope="module")
def new_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    digits: Path = fetch_digits(tmp_path_factory.mktemp("digits"))
    return lambda **changes: small_run(tmp_path_factory.mktemp("run"), digits, **changes)


def test_the_articles_run_that_was_cut_ends_with_the_same_bits(
    new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = (new_run(**ARTICLE, pretrain__checkpoint_seconds=0.0, pretrain__epochs=2) for _ in range(2))
    whole.here()
    with monkeypatch.context() as patch:
        patch.setattr(pretrain, "Observer", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            cut.here()
    cut.here()
    assert cut.results() == whole.results()


def test_the_articles_objective_tells_its_terms_and_is_not_called_byol(new_run: Callable[..., Run]) -> None:
    """Its terms are in the curve, the metrics and the live log; what is BYOL's alone is in none of them."""
    run = new_run(**ARTICLE)
    run.here()
    metrics = json.loads(run.paths["metrics"].read_text())
    rows = list(csv.DictReader(run.paths["curve"].open()))
    terms = ("reconstruction", "centre", "contrastive", "adversarial")
    weights = read_params(run.folder / "params.yaml").pretrain.article.model_dump() | {"adversarial": 1.0}
    for row in (rows[-1], metrics):
        assert {f"loss_{term}" for term in terms} | {"loss", "feature_spread", "z_std", "rank_me"} <= row.keys()
        total = sum(weights[term] * float(row[f"loss_{term}"]) for term in terms)
        assert float(row["loss"]) == pytest.approx(total, rel=1e-4)
        assert not {"tau", "projection_spread"} & row.keys()
    assert [float(row["learning_rate"]) for row in rows] == pytest.approx([1e-3] * 2 + [5e-4] * 2 + [2.5e-4] * 2)
    assert (run.folder / "live/dvclive/plots/metrics/loss_centre.tsv").is_file()
    made_of = json.loads((run.paths["encoder"] / CONFIG).read_text())["provenance"]
    assert made_of["method"].startswith("reconstruction + centre + contrastive + adversarial, after the article")
    assert made_of["params"]["objective"] == "article"


LONE_CENTRE = {f"pretrain__article__{term}": 0.0 for term in ("reconstruction", "contrastive", "adversarial")} | {
    "pretrain__article__centre": 1.0
}


def test_a_lone_centre_loss_is_seen_to_collapse_and_stops_the_run(new_run: Callable[..., Run]) -> None:
    """Told to go on, it goes on."""
    changes = ARTICLE | LONE_CENTRE | {"pretrain__epochs": 8, "pretrain__optimiser__learning_rate": 0.02}
    run = new_run(**(changes | {"pretrain__watch__collapse": 0.1}))
    said = r"collapse after step \d+: the features of .* pretrain\.article\.centre \(1\) too high"
    with pytest.raises(RunError, match=said) as error:
        run.here()
    assert "\n" not in str(error.value)
    assert not run.paths["encoder"].exists()
    run.set(pretrain__watch__collapse=0.0)
    run.here()
    assert json.loads(run.paths["metrics"].read_text())["feature_spread"] < 0.1
