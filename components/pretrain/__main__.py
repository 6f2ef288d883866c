"""The stage pretrain: data/store -> models/encoder, trained with the objective that params.yaml names.

It reads no test image. It reads labels of the train split for the online kNN alone, which shows how the run goes.
"""

import components.stage.openmp  # noqa: F401  (before torch)

import csv
import json
from pathlib import Path
from typing import Any

import torch

from components.encoder.build import build_encoder, count_features
from components.encoder.saved import ONNX, Config, save_encoder
from components.learning import replicas
from components.learning.device import choose_device, choose_precision, prepare_device
from components.learning.engine import Way, start_engine
from components.learning.replicas import Replica
from components.pretrain import loop
from components.pretrain.checkpoint import Checkpoint, fingerprint, list_tensors
from components.pretrain.feeds.choose import choose_feed, count_images, open_feed
from components.pretrain.network import check_network
from components.pretrain.observer import Observer, Row
from components.pretrain.onnx import export_onnx
from components.pretrain.params import Pretrain, dump_used
from components.pretrain.preview import draw_preview
from components.pretrain.provenance import hash_lock, hash_shards
from components.pretrain.sample import draw_sample
from components.pretrain.start.begin import Beginning, read_start
from components.pretrain.suits import warn_of_colourless, warn_of_unsuitable
from components.pretrain.way import choose_way, prepare_libraries
from components.stage.command import main
from components.stage.disk import check_file, check_folder, check_room, say_kept, write_beside
from components.stage.errors import InputError
from components.stage.files import write_json
from components.store.store import TRAIN, UNLABELLED, Store

SPLITS = (TRAIN, UNLABELLED)
CHECKPOINTS = 3  # files that are there at once, at most: the last two and a new one


def run(
    params: Pretrain,
    *,
    store: Path,
    starts: Path,
    encoder: Path,
    metrics: Path,
    curve: Path,
    views: Path,
    scratch: Path,
    live: Path,
) -> None:
    """Train the encoder; write it, its curves, a picture of the views, and its metrics.

    `starts` is the folder of weights to begin with (--start would be an option of torchrun).

    A run that was interrupted goes on from its checkpoint in the scratch folder.
    """
    check_network(params)
    for folder in (encoder, scratch):
        check_folder(folder)
    for file in (metrics, curve, views):
        check_file(file)
    device = choose_device(params.device, "pretrain.device")
    kept = prepare_libraries(params, device, scratch / "compiler")
    prepare_device(device, params.threads, deterministic=params.deterministic)
    loop.check_learning(params)
    replica = replicas.join_processes(params.batch_size, device, params.accumulate)
    beginning = read_start(params, starts, replica)
    opened = Store(store)
    images = count_images(opened, SPLITS, params)
    if replica.writes:
        lines = warn_of_unsuitable(params.images, opened, SPLITS) + warn_of_colourless(params.views, params.images)
        for line in [*lines, *(beginning.list_lines() if beginning else [])]:
            print(f"pretrain: {line}", flush=True)
    way = choose_way(params, device, replica, steps=params.epochs * (images // params.batch_size))
    if way.compiled and replica.writes:
        print(f"pretrain: compiling may take a minute or two; what is compiled is kept in {kept}", flush=True)
    checkpoint = Checkpoint(scratch, identify_run(params, opened, device, replica, way, beginning))
    remembered = claim_and_load(checkpoint, replica)
    kind = choose_feed(images, params, device, replica, before=remembered["feed"] if remembered else None)
    feed = open_feed(kind, opened, SPLITS, params, device, replica)
    weights = beginning.weights if beginning else None
    state = loop.build_state(params, device, replica, steps_per_epoch=feed.steps_per_epoch, start=weights)
    if remembered:
        loop.restore(state, remembered["state"])
    engine = start_engine(state.objective.networks, params, device, replica, way)
    if not replica.writes:
        loop.train(state, engine, feed, params, on_step=lambda _: None, on_epoch=lambda *_: None)
        replicas.leave_processes()
        return
    check_disk(state, checkpoint.folder, encoder, started=beginning is not None)
    sample = draw_sample(opened, SPLITS, params)
    draw_preview(sample.images, params, views)
    observer = Observer(
        params,
        state,
        engine,
        checkpoint,
        sample,
        live,
        processes=replica.world,
        feed=kind,
        begun=beginning is not None,
        remembered=remembered,
    )
    loop.train(state, engine, feed, params, on_step=observer.on_step, on_epoch=observer.on_epoch)
    replicas.leave_processes()
    observer.close()
    with say_kept(f"the trained state is kept in {checkpoint.folder}, so that another run only writes the outputs"):
        write_encoder(encoder, state, params, beginning, images, opened.shards)
        write_curve(curve, observer.rows)
        write_json(metrics, {"images": images, "epochs": params.epochs, **observer.summarise(state)})
    checkpoint.remove()


def check_disk(state: loop.State, kept: Path, encoder: Path, *, started: bool) -> None:
    """Check that there is room for checkpoints, each written beside the last two, for weights and ONNX, and for the
    weights of a start if the training has `started` with any."""
    weights = sum(tensor.nbytes for tensor in state.objective.encoder.state_dict().values())
    there = sum(path.stat().st_size for path in kept.glob("*.pt"))
    missing = max(0, CHECKPOINTS * sum(tensor.nbytes for tensor in list_tensors(loop.remember(state))) - there)
    check_room({kept: missing, encoder: (3 if started else 2) * weights}, "checkpoints and the encoder")


def identify_run(
    params: Pretrain,
    store: Store,
    device: torch.device,
    replica: Replica,
    way: Way,
    beginning: Beginning | None = None,
) -> str:
    """Return the fingerprint of all that the run's result depends on, with what `auto` chooses on this machine."""
    loop.load_objective(params.objective)  # before the fingerprint, which covers the code that is imported
    facts = (
        device.type,
        replica.world,
        choose_precision(params.precision, device),
        way,
        beginning and beginning.begun.sha256,
    )
    return replicas.broadcast_value(
        fingerprint(json.dumps(dump_used(params)), store.shards, *facts) if replica.writes else ""
    )


def claim_and_load(checkpoint: Checkpoint, replica: Replica) -> dict[str, Any] | None:
    """Load the run's checkpoint, if any, once no other process trains this run: only then is its memory free.

    Raises InputError if the processes find different checkpoints.
    """
    if replica.writes:
        checkpoint.claim()
        remembered = checkpoint.load()  # which sets a damaged file aside before the others look
    replicas.wait_for_processes()
    if not replica.writes:
        remembered = checkpoint.load()
    step = remembered["state"]["step"] if remembered else 0
    if replicas.broadcast_value(step) != step:
        raise InputError(
            f"{checkpoint.folder}: not what the first process has there: the machines must share the folder"
        )
    return remembered


def write_encoder(
    folder: Path, state: loop.State, params: Pretrain, beginning: Beginning | None, images: int, shards: list[Path]
) -> None:
    """Write weights, config and ONNX without a date or a path, so that the same run writes the same bytes."""
    shape = {"channels": params.images.channels, "side": params.images.side}
    network = build_encoder(params.encoder, **shape)  # without the changes for several processes or for a device
    network.load_state_dict(state.objective.encoder.state_dict())
    config = Config(
        encoder=params.encoder,
        images=params.images,
        features=count_features(network, **shape),
        seed=params.seed,
        start=beginning.begun if beginning else None,
        provenance={
            "method": state.objective.method,
            "images": images,
            "data": hash_shards(shards),
            "start": beginning.begun.sha256 if beginning else None,
            "lock": hash_lock(),
            "torch": str(torch.__version__),
            "params": dump_used(params),
        },
    )
    first = loop.build_first_encoder(params, beginning.weights).state_dict() if beginning else None
    save_encoder(folder, network, config, first)
    export_onnx(network, folder / ONNX, params.images)


def write_curve(path: Path, rows: list[Row]) -> None:
    """Write one row per epoch, for `dvc plots` and the report; an epoch without readings leaves their columns empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with write_beside(path) as new, new.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(run)
