"""What a probe may ask for, read when it does: embeddings, images, the networks.

N images, D features.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from components.data.embeddings import Embeddings, read_embeddings
from components.data.encoders import OURS
from components.data.store import Store
from components.model.files import LoadedEncoder, load_encoder
from components.params.base import InputError


@dataclass(frozen=True)
class Given:
    """The outputs of earlier stages, and where to compute."""

    store_folder: Path
    encoder_folder: Path
    embeddings_folder: Path
    device: torch.device

    @cached_property
    def encoders(self) -> list[str]:
        """Whose embeddings there are. Raises InputError where the encoder's own are missing."""
        if not (self.embeddings_folder / f"{OURS}.parquet").is_file():
            raise InputError(f"{self.embeddings_folder}: no {OURS}.parquet; `dvc repro embed` writes it")
        return sorted(file.stem for file in self.embeddings_folder.glob("*.parquet"))

    def table(self, encoder: str) -> Embeddings:
        """One encoder's embeddings, read anew: together they may not fit the memory."""
        return read_embeddings(self.embeddings_folder / f"{encoder}.parquet")

    @cached_property
    def store(self) -> Store:
        """The images."""
        return Store(self.store_folder)

    @cached_property
    def encoder(self) -> LoadedEncoder:
        """The trained network, on the CPU."""
        return load_encoder(self.encoder_folder)
