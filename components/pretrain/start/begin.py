"""Reads what `pretrain.start` names, and fits it to the network: the weights that a training begins with.

All processes of a training read the same file. It is read before the first second of work, also where a run goes on
from a checkpoint: the start is part of what the run is, and is written beside the encoder at the end.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError
from torch import Tensor

from components.encoder.build import plan_encoder
from components.encoder.params import Images
from components.encoder.saved import CONFIG, WEIGHTS, Begun, Config
from components.learning import replicas
from components.learning.replicas import Replica
from components.pretrain.params import ChampionStart, FileStart, NoStart, Pretrain, TimmStart, TorchvisionStart
from components.pretrain.provenance import hash_file
from components.pretrain.start.file import Tensors, read_file
from components.pretrain.start.fit import fit
from components.pretrain.start.published import find_timm, find_torchvision
from components.stage.errors import InputError
from components.stage.shown import show_name
from components.stage.types import describe_mistake

CHAMPION, VERSION = "champion", "version"  # the folder of the champion's files, and the file that holds its version
BRING = "`python -m pipelines.registry start` brings the champion's files"
GRAPH = Path("dvc.yaml")
APART = 0.1  # of a deviation: means further apart than this, or deviations by this share, are worth a word


@dataclass(frozen=True)
class Beginning:
    """The weights that a training begins with, where these were not drawn, and what there is to say about them."""

    weights: Mapping[str, Tensor]  # by the network's names; the others are drawn
    begun: Begun
    advice: tuple[str, ...] = ()  # lines for the user of this run

    def list_lines(self) -> list[str]:
        """List what the user is told before the training."""
        notes = [f"start: {note}" for note in self.begun.notes]
        return [f"begins with {show_name(self.begun.origin)}, sha256 {self.begun.sha256[:12]}", *notes, *self.advice]


@dataclass(frozen=True)
class Source:
    """A file of weights, and where it is from."""

    path: Path
    tensors: Tensors
    origin: str
    digest: str = ""  # what the SHA-256 of the file must begin with
    mean: tuple[float, ...] = ()  # of the images that it was trained on; empty if not known
    std: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    images: Images | None = None  # of the training that made it, if that was one of ours


def read_start(params: Pretrain, folder: Path, replica: Replica) -> Beginning | None:
    """Read the start and fit it to the network; None if all weights are drawn. `folder` is what DVC watches.

    Raises InputError, in a line, if it is not there, is damaged, does not fit, or differs from process to process.
    """
    if isinstance(params.start, NoStart):
        return None
    beginning, fault = None, ""
    if replica.writes:  # which downloads before the others look
        try:
            beginning = prepare(params, folder)
        except InputError as error:
            fault = str(error)
    if fault := replicas.broadcast_value(fault):
        raise InputError(fault)
    beginning = beginning or prepare(params, folder)
    if replicas.broadcast_value(beginning.begun.sha256) != beginning.begun.sha256:
        raise InputError(
            f"{beginning.begun.origin}: not what the first process has there: each must have the same file"
        )
    return beginning


def prepare(params: Pretrain, folder: Path) -> Beginning:
    """Read the start and fit it to the network. Raises InputError."""
    source = find_source(params, folder)
    before = source.path.stat()
    network = plan_encoder(params.encoder, channels=params.images.channels, side=params.images.side)
    weights, notes = fit(network, source.tensors, channels=params.images.channels, source=str(source.path))
    sha256, after = hash_file(source.path), source.path.stat()
    if (before.st_ino, before.st_size, before.st_mtime_ns) != (after.st_ino, after.st_size, after.st_mtime_ns):
        raise InputError(f"{source.path}: was changed while it was read; run it again once it is whole")
    if not sha256.startswith(source.digest):
        raise InputError(f"{source.path}: damaged: its SHA-256 does not begin with {source.digest}; get it anew")
    told = (*notes, *source.notes)
    # `weights` becomes that of the file which is written beside the encoder, once there is one.
    begun = Begun(kind=params.start.kind, origin=source.origin, sha256=sha256, notes=told, weights=sha256)
    differences = compare_pixels(params.images, source.images) if source.images else []
    differences += compare_statistics(params.images, source.mean, source.std)
    return Beginning(weights, begun, tuple(differences))


def find_source(params: Pretrain, folder: Path) -> Source:
    """Find the file of weights that params.yaml names. Raises InputError."""
    match params.start:
        case FileStart(path=text):
            path = locate(text, folder)
            return Source(path, read_file(path), text)
        case ChampionStart():
            return find_champion(folder / CHAMPION)
        case TorchvisionStart() as start:
            found, origin = find_torchvision(start), f"torchvision {start.model} {start.weights}"
        case TimmStart() as start:
            found, origin = find_timm(start), f"timm {start.model}"
        case _:
            raise AssertionError(params.start)
    notes = (f"licence of the weights, as their publisher states it: {found.licence}",) if found.licence else ()
    return Source(found.path, found.tensors, origin, found.digest, found.mean, found.std, notes)


def locate(text: str, folder: Path) -> Path:
    """Return the path of a file. Raises InputError where there is DVC and it would not see a change of the file."""
    path = Path(text)
    watched = folder.resolve() in (
        path.parent.resolve(),
        *path.parent.resolve().parents,
    )  # DVC follows no linked folder
    if GRAPH.is_file() and not watched:
        raise InputError(
            f"params.yaml: pretrain.start.path: {show_name(text)} lies outside of {folder}: copy it there and name it "
            f"{folder / path.name}, so that DVC sees when it changes"
        )
    return path


def find_champion(folder: Path) -> Source:
    """Find the champion's weights, as they were brought to this folder. Raises InputError if they are not there."""
    try:
        version = (folder / VERSION).read_text(encoding="utf-8")[:1000].strip()
        config = Config.model_validate_json((folder / CONFIG).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{folder}: no champion here; {BRING}") from None
    except (OSError, ValueError) as error:
        reason = describe_mistake(error) if isinstance(error, ValidationError) else str(error)
        raise InputError(f"{folder}: not a champion's files: {show_name(reason)}; {BRING}") from None
    path, images = folder / WEIGHTS, config.images
    return Source(
        path, read_file(path), version or CHAMPION, config.weights or "", images.mean, images.std, images=images
    )


def compare_pixels(ours: Images, theirs: Images) -> list[str]:
    """Return a line if pixels of the same value would be others to the start, or its channels other colours."""
    same_colours = ours.coloured == theirs.coloured or ours.channels != theirs.channels
    differing = {} if ours.limits == theirs.limits else {"range": list(theirs.limits)}
    differing |= {} if same_colours else {"colours": list(theirs.coloured)}
    if not differing:
        return []
    told = " and ".join(f"{key} {value}" for key, value in differing.items())
    return [
        f"params.yaml: pretrain.images.{', '.join(differing)}: the start was trained with {told}; with others the same "
        "images look different to it"
    ]


def compare_statistics(images: Images, mean: tuple[float, ...], std: tuple[float, ...]) -> list[str]:
    """Return a line if the network would see other numbers than those that the weights were trained with.

    Statistics of other channels are compared by their means.
    """
    if not mean or not std:
        return []
    theirs, ours = (mean, std), (images.mean, images.std)
    (their_mean, their_std), (our_mean, our_std) = [[np.array(numbers) for numbers in pair] for pair in (theirs, ours)]
    if len(their_mean) != len(our_mean):
        their_mean, their_std, our_mean, our_std = (
            numbers.mean(keepdims=True) for numbers in (their_mean, their_std, our_mean, our_std)
        )
    shift, stretch = np.abs(our_mean - their_mean) / their_std, np.abs(our_std / their_std - 1)
    if max(shift.max(), stretch.max()) <= APART:
        return []
    listed = [f"[{', '.join(f'{number:.3f}' for number in numbers)}]" for numbers in theirs]
    return [
        f"params.yaml: pretrain.images.mean, std: the start was trained with {listed[0]} and {listed[1]}; where the "
        "images are alike, the same numbers let it begin with what it knows"
    ]
