"""Tells what channels beyond the visible are worth, on made-up satellite images whose label no eye could see.

`python -m benchmarks.satellite` runs the whole graph twice in copies of the project, on the same scenes: on 13 channels
of 12 bits in 16, and on red, green and blue alone. The class is how bright one infrared channel is; the others
show the same land whatever the class. It checks that the store holds the values of the files.

N scenes, C channels, S pixels per side.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from benchmarks.projects import change_params, commit_all, copy_tree, run_line
from benchmarks.records import write_record
from components.store.decode import decode_whole
from components.store.store import SPLITS, Store

CHANNELS, INFRARED, COLOURS = 13, 7, (3, 2, 1)  # red, green and blue, as Sentinel-2 counts its bands from 0
SIDE, WHITE = 24, 4095
CLASSES = {"forest": 0.6, "shrub": 0.45, "soil": 0.3, "water": 0.15}  # mean of the infrared channel


def main() -> None:
    """Measure both runs and write the record."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.satellite", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0, help="of the scenes")
    parser.add_argument("--keep", type=Path, help="an empty folder in which the two projects stay, with their reports")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = arguments.keep or Path(folder)
        scenes = draw_scenes(arguments.images, arguments.seed)
        runs = {
            "13 channels": run_project(root / "all", *scenes, epochs=arguments.epochs, colours=COLOURS),
            "red, green, blue": run_project(
                root / "rgb", scenes[0][..., COLOURS], scenes[1], epochs=arguments.epochs, colours=None
            ),
        }
    settings = {name: getattr(arguments, name) for name in ("images", "epochs", "seed")}
    settings |= {"channels": CHANNELS, "side": SIDE, "classes": len(CLASSES), "infrared": INFRARED}
    for name, run in runs.items():
        print(name, json.dumps(run["logistic"]))
    write_record("satellite", {"settings": settings, "runs": runs}, "torch", "tifffile", "numpy")


def draw_scenes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw scenes (N, S, S, C) uint16 and their classes (N,), as many of each class as possible."""
    rng = np.random.default_rng(seed)
    classes = np.arange(count) % len(CLASSES)
    levels = list(CLASSES.values())
    return np.stack([draw_scene(levels[label], rng) for label in classes]), classes


def draw_scene(level: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a scene (S, S, C) uint16: land in all channels, each brighter or darker, the infrared one by its class."""
    land = draw_land(rng)
    bands = [rng.uniform(0.3, 0.5) + rng.uniform(0.1, 0.25) * land for _ in range(CHANNELS)]
    bands[INFRARED] = level + rng.normal(0, 0.05) + 0.1 * land
    noisy = np.stack(bands, axis=-1) + rng.normal(0, 0.01, (SIDE, SIDE, CHANNELS))
    return (noisy.clip(0, 1) * WHITE).round().astype(np.uint16)


def draw_land(rng: np.random.Generator) -> np.ndarray:
    """Draw hills of random places and widths: (S, S), of mean 0 and deviation 1."""
    y, x = np.mgrid[:SIDE, :SIDE]
    hills = sum(
        rng.normal()
        * np.exp(-((x - rng.uniform(0, SIDE)) ** 2 + (y - rng.uniform(0, SIDE)) ** 2) / rng.uniform(20, 90))
        for _ in range(8)
    )
    return np.asarray((hills - np.mean(hills)) / np.std(hills))


def write_files(folder: Path, scenes: np.ndarray, classes: np.ndarray) -> dict[str, np.ndarray]:
    """Write every scene as a TIFF file in the folder of its class, and return the pixels by the name of their file."""
    names = list(CLASSES)
    written = {}
    for number, (pixels, label) in enumerate(zip(scenes, classes, strict=True)):
        name = f"{names[label]}/{number:04}.tif"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        kind = "rgb" if pixels.shape[2] == 3 else "minisblack"
        tifffile.imwrite(folder / name, pixels, photometric=kind, planarconfig="contig")
        written[name] = pixels
    return written


def run_project(
    root: Path, scenes: np.ndarray, classes: np.ndarray, *, epochs: int, colours: tuple[int, ...] | None
) -> dict[str, Any]:
    """Run the whole graph on scenes, (N, S, S, C) and (N,), in a copy of the project; return what it measured."""
    project = root / "project"
    written = write_files(root / "scenes", scenes, classes)
    copy_tree(project)
    change_params(project / "params.yaml", make_params(root / "scenes", scenes, epochs, colours))
    commit_all(project, "Satellite images")
    seconds = run_line(project, "dvc repro").seconds
    check_store(Store(project / "data" / "store"), written)
    measured = project / "metrics"
    logistic, pretrain = (json.loads((measured / f"{name}.json").read_text()) for name in ("logistic", "pretrain"))
    return {
        "seconds": seconds,
        "values_checked": scenes.size,
        "logistic": {
            encoder: {key: of_encoder[key] for key in ("accuracy", "accuracy_low", "accuracy_high")}
            for encoder, of_encoder in logistic.items()
        },
        "rank_me": pretrain["rank_me"],
    }


def make_params(folder: Path, scenes: np.ndarray, epochs: int, colours: tuple[int, ...] | None) -> dict[str, Any]:
    """Make what is changed in params.yaml."""
    unit = scenes / WHITE
    mean, std = ([round(float(value), 3) for value in of(unit, axis=(0, 1, 2))] for of in (np.mean, np.std))
    first = {"crop_area": [0.5, 1.0], "flip": 0.5, "rotate": 0.0, "scale": 0.0, "shift": 0.0, "shear": 0.0}
    first |= {"jitter": 0.8, "brightness": 0.4, "contrast": 0.4, "saturation": 0.2, "hue": 0.1, "noise": 0.02}
    images = {"side": SIDE, "read_side": SIDE, "range": [0, WHITE], "colours": colours and list(colours)}
    return {
        "data": {"sources": [{"kind": "folder", "name": "scenes", "url": str(folder), "layout": "classes"}]},
        "pretrain": {
            "epochs": epochs,
            "batch_size": 64,
            "images": images | {"mean": mean, "std": std},
            "views": {"first": first},
        },
        "evaluate": {"probes": ["logistic"]},
        "promote": {"floor": 0.25},
    }


def check_store(store: Store, written: dict[str, np.ndarray]) -> None:
    """Check the store: its images have the values of their files. Raises RuntimeError for the first that has not."""
    paths = [image["path"] for image in store.read_columns(["image"])["image"].to_pylist()]
    found = 0
    for place, encoded in store.read_images(np.arange(len(paths)), SPLITS):
        expected = next(pixels for name, pixels in written.items() if paths[place].endswith(name))
        if not np.array_equal(decode_whole(encoded, channels=expected.shape[2], deep=True), expected):
            raise RuntimeError(f"the store: not the values of {paths[place]}")
        found += 1
    if found != len(written):
        raise RuntimeError(f"the store: {found} images of {len(written)}")


if __name__ == "__main__":
    main()
