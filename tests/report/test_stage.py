"""The stage report: one page and a model card, of the encoder and the probes that it is given."""

from pathlib import Path

import pytest

from components.encoder.build import build_encoder
from components.encoder.saved import Config, save_encoder
from components.report import __main__ as report
from components.stage.command import read_params
from components.stage.errors import InputError
from tests.conftest import ROOT
from tests.report.page import pages


def run(folder: pages.Folder, classifier: tuple[str, ...] = (), index: tuple[str, ...] = ()) -> None:
    """Run the stage as `dvc repro report` does."""
    root, params = folder.root, read_params(ROOT / "params.yaml")
    names = ("store", "encoder", "embeddings", "metrics", "predictions", "plots", "suspects")
    evaluate = params.evaluate.model_copy(update={"probes": tuple(folder.probes)})
    asked_for = {"classifier": classifier, "index": index}
    labels = params.labels.model_copy(update={"encoders": tuple(folder.suspects)})
    paths = {name: root / name for name in names} | {"report": root / "out" / "index.html"}
    paths |= {f"{name}_folder": root / name for name in ("classifier", "index")}
    by = [getattr(params, name).model_copy(update={"encoders": asked}) for name, asked in asked_for.items()]
    report.run(params.report, evaluate, *by, labels, **paths, card=root / "encoder" / "README.md")


def add_encoder(folder: pages.Folder) -> None:
    params = read_params(ROOT / "params.yaml").pretrain
    encoder = params.encoder.model_copy(update={"widths": (4, 8)})
    network = build_encoder(encoder, channels=params.images.channels, side=params.images.side)
    provenance = {"method": "BYOL <paper>", "images": 6, "params": params.model_dump(mode="json")}
    config = Config(encoder=encoder, images=params.images, features=8, seed=0, provenance=provenance)
    save_encoder(folder.root / "encoder", network, config)


def test_it_writes_the_page_and_the_card_and_both_have_the_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = pages.write_labelled(tmp_path, names=["ant", "bee"])
    add_encoder(folder)
    run(folder)
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "70.0 %" in page, "accuracy of knn, the last classifier"
    assert "BYOL &lt;paper&gt;" in page, "provenance"
    card = (tmp_path / "encoder" / "README.md").read_text(encoding="utf-8")
    assert "BYOL" in card
    assert "Scores the 8 test images" in card
    verdict = capsys.readouterr().out.splitlines()[-1]
    assert verdict.startswith("Better than the untrained network, but not shown to be better than the pixels.")
    assert f"**What it is worth:** {verdict}" in card


def test_what_an_earlier_classifier_left_goes_when_none_is_asked_for(tmp_path: Path) -> None:
    """Its numbers would stand in Git beside those of this run, as if they were of the same encoder."""
    folder = pages.write_labelled(tmp_path, names=["ant", "bee"])
    add_encoder(folder)
    pages.write_classifier(folder, pages.make_estimate("accuracy", 0.75) | {"temperature": 1.2, "c": 1.0}, "")
    folder.write_text("classifier/config.json", "{}")
    run(folder, classifier=("byol",))
    assert (tmp_path / "classifier" / "config.json").exists()
    assert 'id="classifier"' in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    run(folder)
    assert 'id="classifier"' not in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert not (tmp_path / "metrics" / "classifier.json").exists()
    assert not (tmp_path / "plots" / "classifier").exists()
    assert not (tmp_path / "classifier").exists(), "the service would refuse a new encoder beside it"


def test_what_an_earlier_index_left_goes_when_none_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = pages.write_labelled(tmp_path, names=["ant", "bee"])
    add_encoder(folder)
    files = [tmp_path / name for name in ("metrics/index.json", "index/images.parquet")]
    for file in files:
        folder.write_text(str(file.relative_to(tmp_path)), "{}")
    run(folder, index=("byol",))
    assert all(file.exists() for file in files)
    run(folder)
    assert not (tmp_path / "index").exists()
    assert not (tmp_path / "metrics" / "index.json").exists()
    assert "index.encoders is empty" in capsys.readouterr().out


def test_without_an_encoder_it_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="dvc repro pretrain"):
        run(pages.write_unlabelled(tmp_path))


@pytest.mark.parametrize(("key", "value"), [("map_images", 5001), ("queries", 51), ("neighbours", 0)])
def test_sizes_that_make_the_page_too_large_to_send_are_refused(key: str, value: int) -> None:
    section = read_params(ROOT / "params.yaml").report.model_dump()
    with pytest.raises(ValueError, match=key):
        type(pages.read_settings()).model_validate(section | {key: value})
