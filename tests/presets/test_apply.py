"""Presets hold what their pages promise, and applying one changes the keys it sets and nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from components.learning.optimiser import scale_learning_rate
from components.learning.views import make_view
from components.stage.command import check_params
from components.stage.errors import InputError
from presets.apply import apply_presets, list_presets, merge, to_plain
from tests.conftest import ROOT, set_params

SHIPPED = ROOT / "params.yaml"


@pytest.fixture
def params(tmp_path: Path) -> Path:
    return Path(shutil.copy(SHIPPED, tmp_path / "params.yaml"))


def read_with(*presets: str) -> Any:
    return check_params(to_plain(apply_presets(SHIPPED, list(presets))), SHIPPED)


def apply(params: Path, *arguments: str, status: int = 0) -> str:
    """Run `python -m presets` as a user does, check its exit status and return its output."""
    command = [sys.executable, "-m", "presets", *arguments, "--params", str(params)]
    done = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == status, done.stdout
    return done.stdout


@pytest.mark.parametrize("name", [name for name in list_presets() if name != "continue"])
def test_every_preset_fits_the_shipped_params(name: str) -> None:
    assert read_with(name).pretrain.epochs > 0


def test_care_for_a_start_fits_once_there_is_a_start(params: Path) -> None:
    said = apply(params, "photos", "continue", status=2)
    assert "continuing.norms: frozen would hold on to random weights, as start.kind is none" in said
    set_params(params, {"pretrain.start": {"kind": "champion"}})
    apply(params, "photos", "continue")
    assert check_params(to_plain(apply_presets(params, [])), params).pretrain.continuing.norms == "frozen"


def test_the_views_for_photographs_are_the_papers_table() -> None:
    """The values are those of arXiv 2006.07733, appendix B, written out here once more."""
    views = read_with("views/imagenet").pretrain.views
    for view in (views.first, views.second):
        assert view.crop_area == (0.08, 1)
        assert view.crop_ratio == pytest.approx((3 / 4, 4 / 3), abs=1e-4)
        assert (view.flip, view.jitter, view.grayscale) == (0.5, 0.8, 0.2)
        assert (view.brightness, view.contrast, view.saturation, view.hue) == (0.4, 0.4, 0.2, 0.1)
        assert view.blur_sigma == (0.1, 2.0)
        assert not any((view.rotate, view.scale, view.shift, view.shear, view.noise))
    assert (views.first.blur, views.second.blur) == (1.0, 0.1)
    assert (views.first.solarise, views.second.solarise) == (0.0, 0.2)


def test_small_photographs_are_not_blurred_and_gray_ones_keep_their_one_channel() -> None:
    small, gray = read_with("views/cifar").pretrain.views, read_with("views/grayscale").pretrain.views
    assert (small.first.blur, small.second.blur, small.second.solarise) == (0, 0, 0.2)
    assert (gray.first.hue, gray.first.saturation, gray.first.grayscale, gray.first.contrast) == (0, 0, 0, 0.4)


def test_the_views_of_tiny_images_are_those_that_are_shipped() -> None:
    assert read_with("views/cifar", "views/tiny").pretrain.views == read_with().pretrain.views


def test_the_articles_preset_is_its_listing_and_its_text() -> None:
    """Section 5.2 has Adam at 1e-3, batches of 64, 50 epochs, ImageNet's normalisation, plain images, 2048 features."""
    params = read_with("cifar10", "article").pretrain
    assert (params.objective, params.encoder.name) == ("article", "article")
    assert (params.encoder.hidden, params.encoder.features) == (4096, 2048)
    assert (params.epochs, params.batch_size, params.images.side) == (50, 64, 32)
    assert (params.images.mean, params.images.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert scale_learning_rate(params.optimiser, params.batch_size) == pytest.approx(1e-3)
    optimiser = params.optimiser
    assert (optimiser.name, optimiser.decay.name, optimiser.warmup_epochs) == ("adam", "constant", 0)
    assert set(params.article.model_dump().values()) == {1.0}


def test_a_recipe_of_byol_says_so_over_another_objective() -> None:
    for name in ("cifar10", "imagenette", "faces", "vehicles"):
        assert read_with("article", name).pretrain.objective == "byol"


def test_plain_views_are_the_image_itself_twice() -> None:
    views = read_with("article").pretrain.views
    image = torch.rand(2, 3, 32, 32)
    for view in (views.first, views.second):
        assert torch.equal(make_view(image, view, torch.Generator().manual_seed(0), 32), image)


def test_an_optimiser_of_another_name_takes_no_keys_of_the_old_one() -> None:
    assert read_with("cifar10").pretrain.optimiser.name == "sgd"
    assert read_with("cifar10", "imagenette").pretrain.optimiser.name == "lars"


def test_only_what_the_preset_sets_changes_and_comments_stay(params: Path) -> None:
    params.write_text(params.read_text().replace("    k: 20\n", "    k: 7\n"))
    before = params.read_text().splitlines()
    assert "git diff" in apply(params, "views/imagenet")
    after = params.read_text().splitlines()
    assert len(after) == len(before)
    changed = {line.split(":")[0].strip() for old, line in zip(before, after, strict=True) if old != line}
    first = {"crop_area", "crop_ratio", "flip", "rotate", "scale", "shift", "shear", "jitter", "brightness"}
    assert changed <= first | {"saturation", "hue", "grayscale", "blur", "noise", "second"}
    assert sum("#" in line for line in after) == sum("#" in line for line in before)
    assert "    k: 7" in "\n".join(after)


def test_without_a_name_they_are_listed(params: Path) -> None:
    before = params.read_bytes()
    listed = apply(params)
    assert all(name in listed for name in list_presets())
    assert "cifar10           CIFAR-10 with ResNet-18 for 200 epochs, meant for a GPU\n" in listed, "a whole sentence"
    assert params.read_bytes() == before


def test_a_name_that_there_is_not_is_one_line_and_changes_nothing(params: Path) -> None:
    before = params.read_bytes()
    said = apply(params, "cifar10", "cifar11", status=2)
    assert said.splitlines() == [f"presets: there is no 'cifar11'; there are {', '.join(list_presets())}"]
    assert params.read_bytes() == before


def test_a_preset_over_broken_params_is_refused_and_changes_nothing(params: Path) -> None:
    set_params(params, {"evaluate.knn.k": 0})
    before = params.read_bytes()
    assert f"{params}: evaluate.knn.k: " in apply(params, "cifar10", status=2)
    assert params.read_bytes() == before


@pytest.mark.parametrize("text", [None, "a: [", "- a"], ids=["missing", "no YAML", "a list"])
def test_a_file_that_holds_no_params_is_named(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=r"params\.yaml: "):
        apply_presets(path, ["cifar10"])


def test_merging_goes_into_mappings_and_replaces_all_else() -> None:
    under: dict[str, Any] = {"a": {"x": 1, "y": 2}, "b": [1, 2], "m": {"name": "old", "k": 1}, "second": {"s": 1}}
    merge(under, {"a": {"y": 3}, "b": [4], "m": {"name": "new", "l": 2}, "second": {}, "c": 5})
    assert under == {"a": {"x": 1, "y": 3}, "b": [4], "m": {"name": "new", "l": 2}, "second": {}, "c": 5}
