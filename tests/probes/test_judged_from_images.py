"""The probes that read images and networks work on real digits of three classes and an untrained encoder."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from components.encoder.build import build_encoder
from components.encoder.saved import Config, save_encoder
from components.evaluate.given import Given
from components.evaluate.outcome import NothingToMeasureError, Outcome
from components.evaluate.params import Evaluate
from components.features.embedders import make_embedders
from components.features.judging.statistics import Estimate
from components.features.load import load_start
from components.pretrain.params import Pretrain, WholePretrain
from components.probes import finetune, health, knn, linear, logistic, retrieval, robustness, verification
from components.stage.command import read_params
from components.stage.errors import InputError
from components.store.store import SPLITS
from tests.conftest import ROOT
from tests.encoder.made import save_begun
from tests.small import decode_images, fill_store, make_settings, write_embeddings

IMAGES, TRAIN = 120, 75
PRETRAIN = make_settings(encoder__widths=[8, 16], images__read_side=12, images__mean=[0.3], images__std=[0.37])
MakeInputs = Callable[..., Given]


@pytest.fixture(scope="module")
def params() -> Evaluate:
    """The section `evaluate` with small sizes, so that the probes are quick."""
    whole: Evaluate = read_params(ROOT / "params.yaml").evaluate
    changes: dict[str, dict[str, Any]] = {
        "logistic": {"c_count": 5},
        "finetune": {"fractions": (0.1, 1.0), "learning_rates": (0.1,), "epochs": 10, "min_steps": 30},
        "robustness": {"noise": (0.3,), "blur": (), "pgd": (4.0,), "pgd_steps": 3, "images": 1000}
        | {"classifier": whole.robustness.classifier.model_copy(update={"c_count": 5})},
        "health": {"images": 50},
        "shared": {"labels_per_class": (2,), "label_fractions": (), "draws": 10},
    }
    return whole.model_copy(update={name: getattr(whole, name).model_copy(update=new) for name, new in changes.items()})


def embed_all(given: Given, images: torch.Tensor, precision: torch.dtype) -> None:
    """Write embeddings as the stage embed does; `byol` and `random` have different weights."""
    rows = given.store.read_columns(["id", "split", "label"])
    start = load_start(given.encoder_folder, given.encoder.config)
    for name, embedder in make_embedders(given.encoder, start, given.device, precision, pixels_side=8).items():
        write_embeddings(
            given.embeddings_folder / f"{name}.parquet", rows, embedder(images).numpy(), embedder.precision
        )


@pytest.fixture(scope="module")
def make_inputs(tmp_path_factory: pytest.TempPathFactory) -> MakeInputs:
    """A function that writes store, encoder and embeddings; the encoder sees the 12 x 12 pixels as 8 x 8."""
    digits = load_digits(n_class=3)
    pixels = np.kron(digits.images[:IMAGES] * 15.9, np.ones((2, 2)))[:, 2:14, 2:14]

    def write_inputs(
        labels: list[int | None], pretrain: Pretrain | None = PRETRAIN, precision: torch.dtype = torch.float32
    ) -> Given:
        folder = tmp_path_factory.mktemp("given")
        splits = ["train" if n < TRAIN else "test" for n in range(IMAGES)]
        splits = [split if label is not None else "unlabelled" for split, label in zip(splits, labels, strict=True)]
        fill_store(folder / "store", list(pixels), labels=labels, splits=splits)
        torch.manual_seed(1)
        network = build_encoder(PRETRAIN.encoder, channels=1, side=8)
        provenance = {} if pretrain is None else {"params": pretrain.model_dump()}
        config = Config(encoder=PRETRAIN.encoder, images=PRETRAIN.images, features=16, seed=0, provenance=provenance)
        save_encoder(folder / "encoder", network, config)
        given = Given(folder / "store", folder / "encoder", folder / "embeddings", torch.device("cpu"))
        embed_all(given, torch.from_numpy(decode_images(given.store, SPLITS)), precision)
        return given

    return write_inputs


@pytest.fixture(scope="module")
def given(make_inputs: MakeInputs) -> Given:
    """The inputs with the digits' own labels, except for two images that have none."""
    return make_inputs(list_labels())


@pytest.fixture(scope="module")
def begun(make_inputs: MakeInputs) -> Given:
    """The inputs of an encoder whose training began with weights that were trained before."""
    plain = make_inputs(list_labels())
    save_begun(plain.encoder_folder, plain.encoder.network, plain.encoder.config)
    given = replace(plain)
    embed_all(given, torch.from_numpy(decode_images(given.store, SPLITS)), torch.float32)
    return given


def list_labels() -> list[int | None]:
    """List the digits' own labels, but for the first and the last."""
    return [None, *load_digits(n_class=3).target[1 : IMAGES - 1].tolist(), None]


def list_test_ids(given: Given) -> list[str]:
    rows = given.store.read_columns(["id", "split"]).to_pylist()
    return [str(row["id"]) for row in rows if row["split"] == "test"]


def test_fine_tuning_tells_real_digits_whatever_the_encoder_began_with(params: Evaluate, given: Given) -> None:
    outcomes = finetune.judge(params, given)
    assert set(outcomes) == {"byol", "random"}
    for outcome in outcomes.values():
        whole, tenth = outcome.metrics["accuracy"], outcome.metrics["accuracy_10_percent"]
        assert isinstance(whole, Estimate)
        assert isinstance(tenth, Estimate)
        assert whole.value > 0.9
        assert tenth.value > 1 / 3
        assert outcome.ids.tolist() == list_test_ids(given)
    byol, random = (outcomes[encoder].scores["accuracy_10_percent"] for encoder in ("byol", "random"))
    assert np.any(byol != random), "both began with the same weights"


def test_fine_tuning_cuts_views_from_what_is_read_and_judges_what_is_embedded(
    params: Evaluate, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def look(encoder: nn.Module, pictures: Any, *others: Any) -> Outcome:
        seen.append(pictures)
        return Outcome({})

    monkeypatch.setattr("components.probes.finetune.finetune", look)
    finetune.judge(params, given)
    assert {len(seen[0].train), len(seen[0].labels)} == {TRAIN - 1}
    assert seen[0].train.shape[1:] == (1, 12, 12)
    assert seen[0].test.shape == (IMAGES - TRAIN - 1, 1, 8, 8)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
def test_undisturbed_images_are_told_as_the_logistic_probe_tells_their_embeddings(
    precision: torch.dtype, params: Evaluate, make_inputs: MakeInputs
) -> None:
    given = make_inputs(list_labels(), precision=precision)
    outcomes, expected = robustness.judge(params, given), logistic.judge(params, given)
    assert set(outcomes) == {"byol", "random"}
    for encoder, outcome in outcomes.items():
        np.testing.assert_array_equal(outcome.predicted, expected[encoder].predicted)
        np.testing.assert_array_equal(outcome.ids, expected[encoder].ids)
        assert outcome.metrics["accuracy"] == expected[encoder].metrics["accuracy"]
        assert outcome.scores["accuracy_noise_0.3"].mean() < outcome.scores["accuracy"].mean()


def test_robustness_judges_in_the_precision_of_the_embeddings(
    params: Evaluate, make_inputs: MakeInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Undisturbed images have the logits of the stored features, from which those of the other precision are far."""
    given, judged = make_inputs(list_labels(), precision=torch.bfloat16), []
    monkeypatch.setattr(robustness, "measure_robustness", lambda network, *_: judged.append(network) or Outcome({}))
    robustness.judge(params, given)
    images = torch.from_numpy(decode_images(given.store, SPLITS))
    for network, encoder in zip(judged, ("byol", "random"), strict=True):
        stored = network.classifier(torch.from_numpy(given.table(encoder).features))  # (N, K)
        right, wrong = (
            each.compute_logits(images[:, :0], images.float() / 255)
            for each in (network, replace(network, precision=torch.float32))
        )
        assert (right - stored).abs().max() < 1e-6 < (wrong - stored).abs().max()


def test_a_sample_of_the_test_images_is_judged_each_as_among_all(params: Evaluate, given: Given) -> None:
    few = params.model_copy(update={"robustness": params.robustness.model_copy(update={"images": 10})})
    whole, sample = (robustness.judge(chosen, given)["byol"] for chosen in (params, few))
    places = [whole.ids.tolist().index(name) for name in sample.ids]
    assert len(set(places)) == 10
    assert places != list(range(10))
    for name in ("accuracy", "accuracy_fgsm_4", "accuracy_jpeg_40"):
        np.testing.assert_array_equal(sample.scores[name], whole.scores[name][places])


def test_health_is_of_the_same_sample_for_every_encoder_and_needs_no_label(
    params: Evaluate, given: Given, make_inputs: MakeInputs
) -> None:
    for inputs in (given, make_inputs([None] * IMAGES)):
        outcomes = health.judge(params, inputs)
        assert [outcomes[name].metrics["images"] for name in ("byol", "random", "pixels")] == [50, 50, 50]
        assert [outcomes[name].metrics["dimensions"] for name in ("byol", "random", "pixels")] == [16, 16, 64]
        assert [("alignment" in outcomes[name].metrics) for name in ("byol", "random", "pixels")] == [True, True, False]
        assert outcomes["byol"].metrics["alignment"] == pytest.approx(0, abs=1e-9), "its views are the image itself"
        assert len(outcomes["pixels"].curves["spectrum"].x) == 64


def test_alignment_is_that_of_the_views_the_encoder_was_trained_on(params: Evaluate, make_inputs: MakeInputs) -> None:
    views = PRETRAIN.views.model_dump() | {"second": {"rotate": 90.0}}
    given = make_inputs([None] * IMAGES, WholePretrain.model_validate(PRETRAIN.model_dump() | {"views": views}))
    outcomes = [health.judge(params, given) for _ in range(2)]
    assert outcomes[0]["byol"].metrics["alignment"] > 0.001  # type: ignore[operator]
    assert outcomes[0]["byol"].metrics == outcomes[1]["byol"].metrics


@pytest.mark.parametrize("probe", [health, robustness, knn])
def test_what_the_training_began_with_is_judged_by_its_own_weights(
    probe: Any, params: Evaluate, begun: Given, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without it nobody sees what the training added; with another's weights everybody sees something false."""
    networks = begun.networks
    assert list(networks) == ["byol", "start", "random"]
    first = {next(network.parameters()).sum().item() for network in networks.values()}
    assert len(first) == 3
    outcomes = probe.judge(params, begun)
    assert outcomes.keys() == {*networks, "pixels"} - ({"pixels"} if probe is robustness else set())
    assert "missing" not in capsys.readouterr().out


def test_a_start_without_embeddings_is_missed_only_where_there_is_a_start(
    given: Given, begun: Given, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for inputs in (given, begun):
        shutil.copytree(inputs.embeddings_folder, tmp_path, dirs_exist_ok=True)
        (tmp_path / "start.parquet").unlink(missing_ok=True)
        assert replace(inputs, embeddings_folder=tmp_path).encoders == ["byol", "pixels", "random"]
        assert ("start.parquet: missing, so it is not judged" in capsys.readouterr().out) == (inputs is begun)


@pytest.mark.parametrize("probe", [finetune, robustness])
@pytest.mark.parametrize(
    ("labels", "reason"), [(None, "needs labelled images"), (1, "two classes or more among the train images")]
)
def test_without_classes_there_is_nothing_to_measure(
    probe: Any, labels: int | None, reason: str, params: Evaluate, make_inputs: MakeInputs
) -> None:
    with pytest.raises(NothingToMeasureError, match=reason):
        probe.judge(params, make_inputs([labels] * IMAGES))


def test_embeddings_of_other_images_are_refused(params: Evaluate, given: Given, tmp_path: Path) -> None:
    fill_store(tmp_path / "store", [np.zeros((8, 8))] * 3)
    for probe in (finetune, robustness, health):
        with pytest.raises(InputError, match="not of the images in"):
            probe.judge(params, replace(given, store_folder=tmp_path / "store"))


def test_an_encoder_that_does_not_say_how_it_was_trained_is_named(params: Evaluate, make_inputs: MakeInputs) -> None:
    with pytest.raises(InputError, match=r"config\.json: provenance\.params\.views: .*section pretrain"):
        finetune.judge(params, make_inputs([n % 3 for n in range(IMAGES)], None))


@pytest.mark.parametrize("probe", [finetune, robustness, health])
def test_a_probe_reads_its_own_parameters_and_the_shared_ones_alone(probe: Any, params: Evaluate, given: Given) -> None:
    """DVC reruns a probe when these change; if it read another section, its numbers could become stale unnoticed."""
    others = [name for name in Evaluate.model_fields if name not in ("shared", probe.__name__.rpartition(".")[2])]
    assert probe.judge(params.model_copy(update=dict.fromkeys(others)), given)["byol"].metrics


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize(
    "probe",
    [finetune, health, knn, linear, logistic, retrieval, robustness, verification],
    ids=lambda probe: probe.__name__,
)
def test_a_probe_measures_on_a_gpu_what_it_measures_on_a_cpu(probe: Any, params: Evaluate, given: Given) -> None:
    """A GPU draws other random numbers, so that what is trained or attacked may differ in some of the 44 images."""
    pairs = params.verification.model_copy(update={"folds": 2})
    here, there = (
        probe.judge(params.model_copy(update={"verification": pairs}), replace(given, device=device))
        for device in (given.device, torch.device("cuda"))
    )
    for encoder, outcome in here.items():
        for name, expected in outcome.metrics.items():
            found = there[encoder].metrics[name]
            if isinstance(expected, Estimate):
                assert isinstance(found, Estimate)
                assert found.value == pytest.approx(expected.value, abs=0.2), name
            elif probe is health and name != "alignment":
                assert found == pytest.approx(expected, rel=1e-6), name
