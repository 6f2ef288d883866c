"""The part of a slot that runs the stages one by one as processes of their own: does each still work on this device?

The store holds images of CIFAR-10, the network is narrow and the runs are short. Nothing here tells a speed.
"""

import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.projects import change_params
from benchmarks.slot.given import Slot
from benchmarks.slot.process import ROOT, ProcessFailedError, kill_family, run_module, start_module
from benchmarks.slot.record import Numbers, PartRecord
from presets.apply import apply_presets, make_yaml

LIMIT = 120.0  # seconds of a stage
IMAGES, TEST_SHARE = 2000, 5
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=1", "-m")
PROBES = ("knn", "retrieval", "linear", "logistic", "health", "verification", "robustness", "finetune")
SMALL: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 32,
    "encoder": {"name": "tiny_resnet", "widths": [8, 16], "blocks": 1},
    "head": {"hidden": 32, "out": 16},
    "watch": {"every_epochs": 1, "sample": 64, "knn_queries": 16, "knn_k": 20, "collapse": 0.0, "loggers": []},
}
LARS = {
    "name": "lars",
    "learning_rate": 0.2,
    "weight_decay": 1e-6,
    "momentum": 0.9,
    "trust_coefficient": 0.001,
    "trust_clip": False,
    "warmup_epochs": 1,
    "decay": {"name": "cosine"},
}
CHANGES: dict[str, dict[str, Any]] = {
    "pretrain, resident": {"feed": {"kind": "resident"}},
    "pretrain, streaming": {"feed": {"kind": "streaming"}},
    "pretrain, albumentations": {"feed": {"kind": "streaming", "executor": "albumentations"}},
    "pretrain, article": {"objective": "article"},
    "pretrain, LARS": {"optimiser": LARS},
    "pretrain, a batch in parts": {"accumulate": 2},
    "pretrain, deterministic": {"deterministic": True},
    "pretrain, a transformer of timm": {
        "encoder": {
            "name": "timm",
            "model": "vit_tiny_patch16_224",
            "arguments": {"patch_size": 8, "depth": 2},
            "frozen_patch_embedding": True,
        },
    },
}
CARE = {"layer_decay": 0.75, "frozen_layers": 1, "norms": "frozen", "anchor": 0.01, "head_epochs": 1}
QUICK: dict[str, Any] = {
    "finetune": {"epochs": 1, "min_steps": 10, "fractions": [0.1], "learning_rates": [0.01]},
    "robustness": {"images": 100, "pgd_steps": 2},
    "linear": {"epochs": 2},
    "shared": {"draws": 10},
}


def run_stages(slot: Slot, record: PartRecord) -> None:
    """Write a store; run pretrain in each manner, then embed, then evaluate with each probe."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written = record.measure("store", lambda: write_images(slot, folder / "store"), limit=60)
        if "images" not in written:
            return
        for what in ["pretrain, resident"] if slot.tiny else CHANGES:
            record.measure(what, lambda what=what: pretrain(folder, CHANGES[what]), limit=LIMIT)  # type: ignore[misc]
        if not slot.tiny:
            record.measure("pretrain, from an encoder, with care", lambda: go_on(folder), limit=LIMIT)
            record.measure("pretrain, torchrun", lambda: pretrain(folder, {}, TORCHRUN), limit=LIMIT)
            record.measure("pretrain, killed and begun again", lambda: kill_and_resume(folder), limit=2 * LIMIT)
        record.measure("embed", lambda: run_stage(folder, "embed", "store", "encoder", "embeddings"), limit=LIMIT)
        for probe in () if slot.tiny else PROBES:
            record.measure(f"evaluate, {probe}", lambda probe=probe: evaluate(folder, probe), limit=LIMIT)  # type: ignore[misc]


def write_images(slot: Slot, folder: Path) -> Numbers:
    """Write train and test images of CIFAR-10 to a store, and the parameters beside it."""
    from components.fetch.checks.inspect import encode_png
    from components.store.store import TEST, TRAIN, Row, write_store

    def make_rows() -> Iterator[Row]:
        for number, (image, label) in enumerate(zip(*slot.trained, strict=True)):
            if number < IMAGES:
                split = TEST if number % TEST_SHARE == 0 else TRAIN
                yield Row(
                    f"{number:05}", encode_png(image.permute(1, 2, 0).numpy()), f"{number:05}.png", int(label), split
                )

    write_store(folder, make_rows(), [str(number) for number in range(10)])
    return {"images": min(IMAGES, len(slot.trained[0]))}


def pretrain(folder: Path, changes: dict[str, Any], launcher: tuple[str, ...] = ("-m",)) -> Numbers:
    """Run the stage pretrain with these changes of its parameters, from a clean start."""
    write_params(folder, changes)
    return run_stage(folder, "pretrain", *PRETRAIN_FILES, launcher=launcher)


PRETRAIN_FILES = ("store", "starts", "encoder", "metrics", "curve", "views", "scratch", "live")


def evaluate(folder: Path, probe: str) -> Numbers:
    """Run the stage evaluate with one probe."""
    flags = ("store", "encoder", "embeddings", "metrics", "predictions", "plots")
    return run_stage(folder, "evaluate", *flags, more=["--probe", probe])


def go_on(folder: Path) -> Numbers:
    """Begin with the encoder of a run of the same network, and hold it back in every manner there is."""
    pretrain(folder, {})
    start = folder / "starts" / "encoder.safetensors"
    start.parent.mkdir()
    shutil.copy(folder / "encoder" / start.name, start)
    return pretrain(folder, {"start": {"kind": "file", "path": str(start)}, "continuing": CARE})


def kill_and_resume(folder: Path) -> Numbers:
    """Kill the stage once it has saved a checkpoint, begin it again, and check that it goes on from there."""
    write_params(folder, {"checkpoint_seconds": 0.0, "epochs": 6})
    shutil.rmtree(folder / "scratch", ignore_errors=True)
    process = start_module("components.pretrain", *name_files(folder, *PRETRAIN_FILES))
    try:
        while not list((folder / "scratch").glob("*/state.pt")) and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    finally:
        kill_family(process)
        process.communicate()
    began = time.monotonic()
    output = run_module("components.pretrain", *name_files(folder, *PRETRAIN_FILES))
    if "going on after step" not in output:
        raise ProcessFailedError("the second run did not go on from the checkpoint of the first")
    return {"seconds": time.monotonic() - began}


def run_stage(
    folder: Path, stage: str, *flags: str, more: list[str] | None = None, launcher: tuple[str, ...] = ("-m",)
) -> Numbers:
    """Run a stage with its files in the folder, and return its seconds."""
    began = time.monotonic()
    run_module(f"components.{stage}", *name_files(folder, *flags), *(more or []), launcher=launcher)
    return {"seconds": time.monotonic() - began}


def name_files(folder: Path, *flags: str) -> list[str]:
    """Return the arguments that name each flag's file in the folder."""
    return [part for flag in (*flags, "params") for part in (f"--{flag}", str(folder / FILES.get(flag, flag)))]


FILES = {"params": "params.yaml", "metrics": "metrics.json", "curve": "curve.csv", "views": "views.png"}


def write_params(folder: Path, changes: dict[str, Any]) -> None:
    """Write params.yaml for the preset of CIFAR-10, made small, with further changes of `pretrain`."""
    path = folder / "params.yaml"
    make_yaml().dump(apply_presets(ROOT / "params.yaml", ["cifar10"]), path)
    change_params(path, {"pretrain": SMALL, "evaluate": QUICK})
    change_params(path, {"pretrain": changes})
