"""Each kind of feed delivers what the network is to see."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from components.learning.objective import ViewSet
from components.learning.replicas import Replica
from components.pretrain.feeds.choose import choose_feed, open_feed
from components.pretrain.params import Pretrain
from components.store.store import TEST, TRAIN, UNLABELLED, Store
from tests.small import encode_bands, fill_store, make_grays, make_settings

SPLITS = (TRAIN, UNLABELLED)
PHOTO = {"images__side": 12, "images__read_side": 16, "images__mean": (0.5,) * 3, "images__std": (0.25,) * 3}
ALBUMENTATIONS = {"feed__kind": "streaming", "feed__executor": "albumentations"}
RANDOM = {"views__first__flip": 0.5, "views__first__crop_area": (0.2, 0.8), "views__first__noise": 0.1}
RANDOM |= {"views__second": {"rotate": 20.0, "jitter": 0.8, "contrast": 0.4, "solarise": 0.5}}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of 24 images to train on, every third without a label, and between them 8 of the test split."""
    splits = [TRAIN, TEST, TRAIN, UNLABELLED] * 8
    labels = [None if split == UNLABELLED else 0 for split in splits]
    return fill_store(tmp_path_factory.mktemp("store"), make_grays(32), labels=labels, splits=splits)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of 12 colour images of 20 x 30 pixels."""
    rng = np.random.default_rng(0)
    return fill_store(tmp_path_factory.mktemp("photos"), [rng.integers(0, 256, (20, 30, 3)) for _ in range(12)])


def collect_views(store: Store, params: Pretrain, step: int = 0) -> list[ViewSet]:
    """Collect the views of every batch from this step to the end of its epoch."""
    assert params.feed.kind != "auto"
    feed = open_feed(params.feed.kind, store, SPLITS, params, torch.device("cpu"), Replica(0, 1))
    return [
        feed.maker.make(batch, feed.maker.draw(number)) for number, batch in enumerate(feed.batches(step), start=step)
    ]


def collect_pairs(store: Store, params: Pretrain, step: int = 0) -> list[tuple[Tensor, ...]]:
    """Collect the online network's views alone."""
    return [views.online for views in collect_views(store, params, step)]


@pytest.mark.parametrize(
    ("kind", "executor"), [("resident", "batched"), ("streaming", "batched"), ("streaming", "albumentations")]
)
def test_both_views_are_of_the_images_to_train_on_shifted_and_scaled(kind: str, executor: str, store: Store) -> None:
    """A feed that showed the test split, or pixels in another range, would make every later number wrong."""
    params = make_settings(feed__kind=kind, feed__executor=executor, feed__workers=0, batch_size=8)
    shown = []
    for first, second in collect_pairs(store, params):
        assert first.shape == second.shape == (8, 1, 8, 8)
        assert first.dtype == torch.float32
        torch.testing.assert_close(first, second)
        shown += (first[:, 0, 3, 4] * 0.25 + 0.5).mul(255).round().int().tolist()
    assert sorted(shown) == [number for number in range(32) if number % 4 != 1]


FEEDS = [
    pytest.param({"feed__kind": "resident"}, id="resident"),
    pytest.param({"feed__kind": "streaming", "feed__workers": 0}, id="streaming"),
    pytest.param({"feed__kind": "streaming", "feed__workers": 2}, id="streaming, workers"),
    pytest.param(ALBUMENTATIONS | {"feed__workers": 0}, id="albumentations"),
    pytest.param(ALBUMENTATIONS | {"feed__workers": 2}, id="albumentations, workers"),
]


@pytest.mark.parametrize("changes", FEEDS)
def test_images_of_any_size_become_views_of_the_side_that_the_network_sees(
    changes: dict[str, object], photos: Store
) -> None:
    """Images are stored at 20 x 30, read at 16 x 16 and seen at 12 x 12, in 0..1 before they are normalised."""
    (first, second), *_ = collect_pairs(photos, make_settings(**PHOTO, **RANDOM, **changes, batch_size=4))
    for view in (first, second):
        assert view.shape == (4, 3, 12, 12)
        assert -2 <= float(view.min()) < float(view.max()) <= 2
        assert float(view.std()) > 0.1
    assert not torch.equal(first, second)


@pytest.mark.parametrize("changes", FEEDS)
def test_a_step_has_the_same_views_wherever_the_run_began(changes: dict[str, object], photos: Store) -> None:
    """Twelve images in batches of 3 make four steps per epoch."""
    params = make_settings(**PHOTO, **RANDOM, **changes, batch_size=3)
    whole = [*collect_pairs(photos, params), *collect_pairs(photos, params, 4)]
    assert not torch.equal(whole[0][0], whole[4][0])
    for step in (1, 2, 7):
        for resumed, expected in zip(collect_pairs(photos, params, step), whole[step : step // 4 * 4 + 4], strict=True):
            assert torch.equal(resumed[0], expected[0])
            assert torch.equal(resumed[1], expected[1])


@pytest.mark.parametrize("changes", FEEDS)
def test_every_view_of_every_image_at_every_step_is_drawn_on_its_own(
    changes: dict[str, object], tmp_path: Path
) -> None:
    """Four equal images in two batches give eight noisy views, of which no two are equal."""
    store = fill_store(tmp_path, [np.full((8, 8), 128)] * 4)
    params = make_settings(**changes, views__first__noise=0.1, batch_size=2)
    views = torch.cat([torch.cat(pair) for pair in collect_pairs(store, params)])
    assert len(views) == 8
    assert len(views.unique(dim=0)) == 8


@pytest.mark.parametrize("changes", FEEDS)
def test_the_seed_decides_the_views(changes: dict[str, object], photos: Store) -> None:
    first, reseeded = (
        collect_pairs(photos, make_settings(**PHOTO, **RANDOM, **changes, batch_size=12, seed=seed)) for seed in (1, 2)
    )
    assert not torch.equal(first[0][0], reseeded[0][0])


@pytest.mark.parametrize("changes", FEEDS)
def test_each_network_gets_as_many_views_as_params_say_and_its_own(changes: dict[str, object], tmp_path: Path) -> None:
    """Gray 64 stays so in `first`, is inverted in `second`, by turns, and is noisy in both of the target's views."""
    store = fill_store(tmp_path, [np.full((8, 8), 64)] * 4)
    kinds = {"views__online": 3, "views__second": {"solarise": 1.0, "solarise_threshold": 0.1}}
    kinds |= {"views__target": {"count": 2, "noise": 0.1}}
    (views,) = collect_views(store, make_settings(**changes, **kinds, batch_size=4))
    grays = [(view * 0.25 + 0.5).mul(255).round().unique().tolist() for view in views.online]
    assert grays == [[64], [191], [64]]
    assert [view.shape for view in views.target] == [(4, 1, 8, 8)] * 2
    assert all(len(view.unique()) > 20 for view in views.target)
    assert not torch.equal(*views.target)


@pytest.mark.parametrize("kind", ["resident", "streaming"])
def test_no_bit_of_many_deep_channels_is_lost(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neighbouring values of 12 bits stay apart, as they would not in 8; the stream goes through shared memory."""
    images = [np.full((8, 8, 6), number, np.uint16) for number in range(100, 108)]
    store = fill_store(tmp_path, images, encode=encode_bands)
    numbers = {"images__mean": (0.0,) * 6, "images__std": (1.0,) * 6, "images__range": (0, 4095)}
    params = make_settings(batch_size=4, feed__kind=kind, feed__workers=2 * (kind == "streaming"), **numbers)
    assert choose_feed(8, params, torch.device("cpu"), Replica(0, 1), before=None) == kind
    assert "8 images, 6.14kB decoded" in capsys.readouterr().out, "two bytes for each of 8 x 8 x 6 values"
    seen = torch.cat([views.online[0] for views in collect_views(store, params)])  # (8, 6, 8, 8)
    assert seen.shape == (8, 6, 8, 8)
    assert (seen[:, 0, 0, 0] * 4095).round().sort().values.tolist() == list(range(100, 108))
    assert torch.equal(seen, seen[:, :1, :1, :1].expand_as(seen))
