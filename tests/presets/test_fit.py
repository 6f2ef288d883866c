"""`--from metrics/data.json` fits params.yaml to the images that fetch found, so that nobody copies numbers."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.stage.command import read_params
from components.stage.errors import InputError
from presets import __main__ as presets
from presets.apply import list_presets, make_yaml
from presets.fit import fit_input, fit_views, read_found
from tests.conftest import ROOT, set_params

SOURCES = [
    {"kind": "folder", "name": "photos", "url": "photos", "layout": "flat"},
    {"kind": "manifest", "name": "labelled", "url": "labels.csv"},
]
MEAN, STD = [0.5212, 0.4777, 0.3504], [0.2803, 0.2584, 0.2878]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The shipped params.yaml with these sources."""
    path = Path(shutil.copy(ROOT / "params.yaml", tmp_path_factory.mktemp("own") / "params.yaml"))
    set_params(path, {"data.sources": SOURCES})
    return path.read_bytes()


@pytest.fixture
def params(own: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_bytes(own)
    return path


def write_found(folder: Path, **changes: Any) -> Path:
    """Write what fetch found in 5,000 photographs, 50 of them labelled, or with some changes."""
    found = {
        "train": 25,
        "unlabelled": 4950,
        "sources": {"photos": 4950, "labelled": 50},
        "by_class": [{"class": "ant", "train": 14, "test": 11}, {"class": "bee", "train": 11, "test": 14}],
        "sizes": {"width": {"median": 500}, "height": {"median": 375}},
        "channels": {"mean": MEAN, "std": STD},
    } | changes
    path = folder / "data.json"
    path.write_text(json.dumps(found))
    return path


def fit(params: Path, names: str, **found: Any) -> Any:
    """Apply presets, with `--from` and a file like that, and return what params.yaml then holds."""
    presets.apply(params, names.split(), write_found(params.parent, **found))
    return read_params(params)


def test_photographs_take_channels_and_statistics_from_what_was_found(params: Path) -> None:
    fitted = fit(params, "photos")
    images = fitted.pretrain.images
    assert (images.mean, images.std) == (tuple(MEAN), tuple(STD))
    assert (images.side, images.read_side) == (128, 160)
    assert fitted.pretrain.views.first.blur == 1
    assert (fitted.pretrain.batch_size, fitted.pretrain.epochs) == (256, 200)


def test_no_image_is_enlarged_and_small_ones_are_not_blurred(params: Path) -> None:
    pretrain = fit(params, "photos", sizes={"width": {"median": 60}, "height": {"median": 48}}).pretrain
    assert (pretrain.images.side, pretrain.images.read_side) == (48, 48)
    assert (pretrain.views.first.blur, pretrain.views.second.blur, pretrain.views.second.solarise) == (0, 0, 0.2)


def test_gray_photographs_have_one_channel_and_views_without_colours(
    params: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretrain = fit(params, "photos", channels={"mean": [0.4], "std": [0.2]}).pretrain
    assert ", 1 channel, " in capsys.readouterr().out
    assert (pretrain.images.mean, pretrain.images.std) == ((0.4,), (0.2,))
    first = pretrain.views.first
    assert (first.saturation, first.hue, first.grayscale, first.contrast) == (0, 0, 0, 0.4)


@pytest.mark.parametrize("asked", [[0.1], [0.1, 0.5], [0.1, 0.1, 0.1, 0.5]])
def test_many_channels_bring_their_range_and_leave_no_alpha(asked: list[float], tmp_path: Path) -> None:
    """A mean left over from RGBA would be one number too many for 13 bands."""
    channels = {"mean": [0.4] * 13, "std": [0.2] * 13, "range": [0, 4095]}
    images: dict[str, Any] = {"side": 32, "read_side": 32, "colours": None, "mean": asked, "std": asked}
    fit_input(images, read_found(write_found(tmp_path, channels=channels)))
    assert {key: images[key] for key in channels} == channels
    views: dict[str, Any] = {"first": dict.fromkeys(("saturation", "hue", "grayscale", "blur"), 1.0), "second": None}
    fit_views(views | {"target": None}, side=96, colours=False)
    assert views["first"] == {"saturation": 0, "hue": 0, "grayscale": 0, "blur": 1.0}


def test_alpha_stays_where_it_was_asked_for(params: Path) -> None:
    set_params(params, {"pretrain.images.mean": [0.1, 0.1, 0.1, 0.5], "pretrain.images.std": [0.2, 0.2, 0.2, 0.6]})
    images = fit(params, "views/imagenet").pretrain.images
    assert (images.mean, images.std) == ((*MEAN, 0.5), (*STD, 0.6))


@pytest.mark.parametrize("images", [6, 370, 3000])
def test_few_images_are_seen_more_often_in_smaller_batches(images: int, params: Path) -> None:
    pretrain = fit(params, "photos cpu", train=images, unlabelled=0).pretrain
    steps = images // pretrain.batch_size
    assert steps >= 3
    assert pretrain.epochs * steps >= 1000
    assert (pretrain.epochs - 1) * steps < 1000, "and not longer than that"
    assert pretrain.optimiser.warmup_epochs == pytest.approx(pretrain.epochs / 10, abs=3)
    assert pretrain.watch.every_epochs >= pretrain.epochs // 10


@pytest.mark.parametrize(("accumulate", "images", "expected"), [(8, 4975, (256, 8)), (8, 370, (64, 2)), (8, 9, (2, 1))])
def test_smaller_batches_are_cut_into_parts_no_larger_than_before(
    accumulate: int, images: int, expected: tuple[int, int], params: Path
) -> None:
    """Parts that no longer divide the batch would be refused, and larger ones might not fit into the memory."""
    set_params(params, {"pretrain.accumulate": accumulate})
    pretrain = fit(params, "photos", train=images, unlabelled=0).pretrain
    assert (pretrain.batch_size, pretrain.accumulate) == expected


def test_the_order_of_presets_decides_and_the_place_of_the_flag_does_not(params: Path) -> None:
    found = write_found(params.parent)
    written = []
    for arguments in (["photos", "cpu", "--from", found], ["photos", "--from", found, "cpu"]):
        shutil.copy(params, params.with_suffix(".copy"))
        command = [sys.executable, "-m", "presets", *arguments, "--params", params.with_suffix(".copy")]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        written.append(params.with_suffix(".copy").read_text())
    assert written[0] == written[1]
    assert "side: 32 " in written[0], "of the preset that came last"
    assert written[0].count("#") > 0.9 * params.read_text().count("#"), "comments stay"


@pytest.mark.parametrize("name", list_presets())
def test_every_preset_takes_the_statistics_and_is_judged_by_a_probe_that_runs(name: str, params: Path) -> None:
    """With another probe, the first retraining would be refused."""
    preset = make_yaml().load(ROOT / "presets" / f"{name}.yaml")
    if name == "continue":
        set_params(params, {"pretrain.start": {"kind": "champion"}})
    sources = [source.get("name", source["kind"]) for source in preset.get("data", {}).get("sources", SOURCES)]
    fitted = fit(params, name, sources=dict.fromkeys(sources, 50))
    assert (fitted.pretrain.images.mean, fitted.pretrain.images.std) == (tuple(MEAN), tuple(STD))
    assert fitted.promote.probe in fitted.evaluate.probes
    assert ("promote" in preset) == ("probes" in preset.get("evaluate", {})), "so that no mixture of presets differs"
    if "promote" in preset:
        assert preset["promote"].keys() == {"probe", "metric", "floor"}


def test_no_more_neighbours_vote_than_a_class_has_labels(params: Path) -> None:
    """Of 25 labels of two classes, 20 neighbours would name whichever class has more."""
    fitted = fit(params, "photos")
    assert (fitted.evaluate.knn.k, fitted.evaluate.knn.also, fitted.pretrain.watch.knn_k) == (12, (), 6)
    many = fit(params, "photos", train=5000)
    assert many.evaluate.knn.k == 12, "a value only becomes smaller: `git checkout params.yaml` comes before"
    set_params(params, {"evaluate.knn.k": 20, "evaluate.knn.also": [{"k": 200, "temperature": 0.1}]})
    knn = fit(params, "photos", train=5000).evaluate.knn
    assert (knn.k, knn.also[0].k) == (20, 200)


def test_a_first_champion_must_do_better_than_always_naming_the_commonest_class(params: Path) -> None:
    assert fit(params, "photos").promote.floor == 14 / 25
    assert (
        fit(params, "photos", by_class=[{"class": str(number), "test": 3} for number in range(300)]).promote.floor
        == 0.01
    )
    assert fit(params, "photos", by_class=[]).promote.floor == 0.1, "no test label, so as the preset has it"


def test_images_of_other_sources_are_no_measure(params: Path) -> None:
    """A clone comes with the digits' metrics/data.json: 8 gray pixels."""
    before = params.read_bytes()
    with pytest.raises(InputError, match=r"data\.json: has the images of digits, and data\.sources in .* names photos"):
        fit(params, "photos", sources={"digits": 1797})
    assert params.read_bytes() == before


def test_no_preset_at_all_leaves_the_rest_as_it_is(params: Path) -> None:
    before = read_params(params)
    fitted = fit(params, "")
    assert fitted.pretrain.images.side == before.pretrain.images.side
    assert (fitted.evaluate.probes, fitted.promote.probe) == (before.evaluate.probes, before.promote.probe)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "cannot be read: No such file or directory"),
        ("{", "not JSON"),
        ("[1]", "valid dictionary"),
        ('{"train": 3}', "unlabelled: Field required"),
        ("\x80", "not JSON"),
    ],
    ids=["missing", "cut off", "a list", "another file", "no text"],
)
def test_a_file_that_fetch_did_not_write_is_one_line(text: str | None, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    if text is not None:
        path.write_text(text, encoding="latin-1")
    with pytest.raises(InputError) as caught:
        read_found(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert reason in line
    assert len(line.splitlines()) == 1


def test_statistics_that_no_network_can_use_are_refused_and_change_nothing(params: Path) -> None:
    before = params.read_bytes()
    with pytest.raises(InputError, match=r"pretrain\.images\.std"):
        fit(params, "photos", channels={"mean": [0.5], "std": [0.0]})
    assert params.read_bytes() == before


@pytest.mark.parametrize(
    ("names", "guesses"), [("photos", True), ("photos cpu", True), ("cifar10", False), ("cpu", False)]
)
def test_statistics_of_other_images_are_pointed_out(
    names: str, guesses: bool, params: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    presets.apply(params, names.split(), None)
    assert (f"`python -m presets {names} --from metrics/data.json`" in capsys.readouterr().out) is guesses
    assert math.isclose(read_params(params).pretrain.images.mean[0], 0.485) is (names.startswith("photos"))


def test_a_transformers_patches_fill_the_side(params: Path) -> None:
    sizes = {"width": {"median": 100}, "height": {"median": 75}}
    assert fit(params, "photos vit", sizes=sizes).pretrain.images.side == 64, "of 75 pixels, in patches of 16"
