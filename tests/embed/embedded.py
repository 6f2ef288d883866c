"""Makes a small store of several shards and row groups and an encoder, and runs the stage embed on them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.embed import __main__ as embed
from components.embed.params import Embed
from components.encoder.saved import save_encoder
from components.features.embeddings import Embeddings, read_embeddings
from components.stage import command as stage
from components.store import store as stores
from components.store.store import SPLITS, TEST, TRAIN, UNLABELLED
from tests.conftest import ROOT
from tests.encoder.made import make_encoder
from tests.small import fill_store

COUNT = 50
NAMES = ("byol", "pixels", "random")
SETTINGS = {"device": "cpu", "precision": "float32", "batch_size": 8, "workers": 2, "pixels_side": 4}


def make_embed_settings(**changes: Any) -> Embed:
    section: Embed = stage.read_params(ROOT / "params.yaml").embed
    return section.model_copy(update=SETTINGS | changes)


def make_inputs(folder: Path) -> Path:
    """Make the folders `store` and `encoder` in the folder."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (9 + n % 3, 8, 3)) for n in range(COUNT)]
    about = [((0, TRAIN), (1, TEST), (None, UNLABELLED), (2, TRAIN))[n % 4] for n in range(COUNT)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores, "GROUP_ROWS", 7)
        patch.setattr(stores, "SHARD_BYTES", 4000)
        labels, splits = [label for label, _ in about], [split for _, split in about]
        store = fill_store(folder / "store", images, labels=labels, splits=splits)
    assert len(store.shards) > 2
    assert len(store.find_groups(SPLITS)) == 8
    save_encoder(folder / "encoder", *make_encoder(channels=3, side=8))
    return folder


def run_embed(
    folder: Path, to: Path, names: tuple[str, ...] = NAMES, *, encoder: str = "encoder", **changes: Any
) -> dict[str, Embeddings]:
    embed.run(make_embed_settings(**changes), store=folder / "store", encoder=folder / encoder, embeddings=to)
    assert sorted(path.name for path in to.iterdir()) == [f"{name}.parquet" for name in sorted(names)]
    return {name: read_embeddings(to / f"{name}.parquet") for name in names}


def read_contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
