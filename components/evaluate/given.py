"""Gives a probe embeddings, images and networks, each read only when the probe asks for it.

M train images, N test images, n some of the images, B a batch, C channels, S pixels per side, D features.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from components.encoder.saved import CONFIG
from components.evaluate.outcome import NothingToMeasureError
from components.features.embeddings import ABOUT, Embeddings, read_about, read_embeddings
from components.features.encoders import ORDER, OURS, START, UNTRAINED, order_encoders
from components.features.judging.labelled import LabelledFeatures
from components.features.load import LoadedEncoder, build_untrained_encoder, load_encoder, load_start, read_config
from components.learning.device import place_network
from components.learning.params import Views
from components.stage.errors import InputError
from components.store.squares import read_squares
from components.store.store import SPLITS, TEST, TRAIN, Store


@dataclass(frozen=True)
class Given:
    """Reads the outputs of earlier stages for a probe, and names the device to compute on."""

    store_folder: Path
    encoder_folder: Path
    embeddings_folder: Path
    device: torch.device

    @cached_property
    def encoders(self) -> list[str]:
        """The names of the encoders that have embeddings. Raises InputError if the trained encoder has none."""
        if not (self.embeddings_folder / f"{OURS}.parquet").is_file():
            raise InputError(f"{self.embeddings_folder}: no {OURS}.parquet; `dvc repro embed` writes it")
        names = sorted(file.stem for file in self.embeddings_folder.glob("*.parquet"))
        found = list(order_encoders(dict.fromkeys(names)))
        for name in (name for name in ORDER if name not in found and (name != START or self.has_start)):
            print(f"{self.embeddings_folder / name}.parquet: missing, so it is not judged; `dvc repro embed` writes it")
        return found

    @property
    def has_start(self) -> bool:
        """Whether the training began with weights that were not drawn at random."""
        return (self.encoder_folder / CONFIG).is_file() and read_config(self.encoder_folder).start is not None

    def table(self, encoder: str) -> Embeddings:
        """Read one encoder's embeddings; they are not cached, since all together may not fit in memory.

        Raises InputError if they are not of the same images as the trained encoder's.
        """
        path = self.embeddings_folder / f"{encoder}.parquet"
        table = read_embeddings(path)
        about = pa.table([table.ids, table.splits, table.labels], names=ABOUT)
        if encoder != OURS and not about.equals(self.judged):
            raise InputError(f"{path}: not of the images in {OURS}.parquet; `dvc repro embed` writes both")
        return table

    @cached_property
    def judged(self) -> pa.Table:
        """The id, split and label (-1: none) of every image by which the encoders are judged."""
        table, _ = read_about(self.embeddings_folder / f"{OURS}.parquet")
        return table.set_column(ABOUT.index("label"), "label", table["label"].fill_null(-1))

    @cached_property
    def store(self) -> Store:
        """The store of the images."""
        return Store(self.store_folder)

    def name_class(self, label: int) -> str:
        """Return the name of the class that has this number. Raises InputError if there is none."""
        if not 0 <= label < len(self.store.class_names):
            raise InputError(f"{self.embeddings_folder}: label {label} is of no class in {self.store_folder}")
        return self.store.class_names[label]

    @cached_property
    def encoder(self) -> LoadedEncoder:
        """The trained encoder, on the CPU."""
        return load_encoder(self.encoder_folder)

    @cached_property
    def networks(self) -> dict[str, nn.Module]:
        """The trained network, what its training began with (unless that was drawn at random) and the untrained one, in
        eval mode, on the device: (B, C, S, S), normalised -> (B, D)."""
        start = load_start(self.encoder_folder, self.encoder.config)
        networks = {OURS: self.encoder.network} | ({START: start} if start else {})
        networks |= {UNTRAINED: build_untrained_encoder(self.encoder.config)}
        return {name: place_network(network, self.device, torch.float32) for name, network in networks.items()}

    @cached_property
    def views(self) -> Views:
        """The views that the encoder was trained on. Raises InputError if its config does not say."""
        params = self.encoder.config.provenance.get("params")
        try:
            return Views.model_validate(params.get("views") if isinstance(params, Mapping) else None)
        except ValidationError as error:
            key = ".".join(str(part) for part in ("provenance", "params", "views", *error.errors()[0]["loc"]))
            raise InputError(
                f"{self.encoder_folder / CONFIG}: {key}: {error.errors()[0]['msg']}; it should hold the section "
                "pretrain that made the encoder, as `dvc repro pretrain` writes it"
            ) from None

    def read_images(self, table: Embeddings, rows: np.ndarray, side: int) -> Tensor:
        """Read images of the store, scaled to cover a square and cropped to it: (n, C, side, side) pixels.

        Raises InputError if the embeddings are of other images.
        """
        if not np.array_equal(self.store.read_columns(["id"])["id"].to_numpy().astype(str), table.ids):
            raise InputError(f"{self.embeddings_folder}: not of the images in {self.store_folder}; `dvc repro embed`")
        shape = self.encoder.config.images
        squares = read_squares(self.store, SPLITS, rows, side=side, channels=shape.channels, deep=shape.deep)
        return torch.from_numpy(squares)


def select_labelled(table: Embeddings) -> LabelledFeatures:
    """Select the labelled train and test images. Raises NothingToMeasureError if they give no two classes to learn."""
    (train, labels), (test, truth) = table.train, table.test
    if not len(labels) and not len(truth):
        raise NothingToMeasureError("needs labelled images, and there are none")
    for split, count in ((TRAIN, len(labels)), (TEST, len(truth))):
        if not count:
            raise NothingToMeasureError(f"needs labelled images to train and to test on, and {split} has none")
    if len(np.unique(labels)) < 2:
        raise NothingToMeasureError("needs two classes or more among the train images, and there is one")
    return LabelledFeatures(train, labels, test, truth, table.ids[find_labelled_rows(table, TEST)])


def find_labelled_rows(table: Embeddings, split: str) -> np.ndarray:
    """Return the row numbers of the labelled images of a split: (n,)."""
    return np.flatnonzero((table.splits == split) & (table.labels >= 0))
