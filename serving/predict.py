"""`python -m serving.predict IMAGE...`: the classes of images with their probabilities, by models/classifier.

It runs classifier.onnx by onnxruntime: without torch it has answered before torch is imported (benchmarks/predict.py).
Exit status: 0 all images are answered, 2 some cannot be read (each is named, the others are answered), 1 anything else.
B images, K classes.
"""

import argparse
import csv
import json
import os
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
from pydantic import ValidationError

from components.fetch.params import Limits
from components.stage.command import PARAMS_FILE, USER_ERROR, exit_on_error
from components.stage.errors import InputError
from components.stage.shown import escape, shorten, show_name
from components.stage.yaml_file import read_yaml
from serving.network import Network, open_network
from serving.pixels import list_images, normalise_squares, read_square

BATCH = 64  # images that are held at a time
TOP = 3  # classes of an image in the table, if --top does not say
WIDEST = 40  # characters of a class in the table
PIPELINE = Path("dvc.yaml")


Ranked = list[tuple[str, float]]  # classes with their probabilities, the highest first


class Printer(Protocol):
    """Prints answers as they come."""

    def add(self, image: str, ranked: Ranked) -> None:
        """Print the answer for one more image."""

    def finish(self) -> None:
        """Print what stands behind the last answer."""


def main() -> None:
    """Classify what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m serving.predict", description="Say which class images are of.")
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="image files, and folders of them")
    parser.add_argument("--classifier", type=Path, metavar="FOLDER", help="default: path.classifier of dvc.yaml")
    parser.add_argument("--top", type=int, metavar="N", help=f"classes an image; default: {TOP}, as JSON and CSV all")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="a list of {image, classes: [{name, probability}]}")
    form.add_argument("--csv", action="store_true", help="a row for each image and class")
    asked = parser.parse_args()
    with exit_on_error("predict"):
        if asked.top is not None and asked.top < 1:
            raise InputError(f"--top: {asked.top}; 1 or more")
        network = open_network(asked.classifier or find_folder())
        top = asked.top or (None if asked.json or asked.csv else TOP)
        files = list_images(asked.images)
        unread = predict(files, network, choose_printer(asked, network, files), top)
    sys.exit(USER_ERROR if unread else 0)


def find_folder() -> Path:
    """Find where the stage classifier writes, as dvc.yaml says. Raises InputError if there is none."""
    if not PIPELINE.is_file():
        raise InputError(f"{PIPELINE}: missing here; run this where it is, or name a folder by --classifier")
    whole = read_yaml(PIPELINE)
    try:
        return Path(whole["vars"][0]["path"]["classifier"])
    except (KeyError, IndexError, TypeError):
        raise InputError(f"{PIPELINE}: vars: no path.classifier; name a folder by --classifier") from None


def predict(files: list[Path], network: Network, printer: Printer, top: int | None) -> int:
    """Print an answer for each image, in order, and a line on stderr for each that cannot be read; count the latter."""
    limits, unread = read_limits(), 0

    def read(path: Path) -> np.ndarray | InputError:
        try:
            return read_square(path, network.images, limits)
        except InputError as error:
            return error

    # Pillow warns of faults that it corrects, in the threads, whose filters are the process's.
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(os.cpu_count()) as pool:
        for first in range(0, len(files), BATCH):
            portion = files[first : first + BATCH]
            found = list(zip(portion, pool.map(read, portion), strict=True))
            squares = [(path, square) for path, square in found if isinstance(square, np.ndarray)]
            for _, error in found:
                if isinstance(error, InputError):
                    print(escape(str(error)), file=sys.stderr)
            unread += len(found) - len(squares)
            if squares:
                batch = normalise_squares(np.stack([square for _, square in squares]), network.images)
                for (path, _), row in zip(squares, network.classify(batch), strict=True):
                    printer.add(str(path), rank(row, network.classes, top))
    printer.finish()
    return unread


def rank(row: np.ndarray, classes: tuple[str, ...], top: int | None) -> Ranked:
    """Rank an image's classes by its probabilities (K,), the highest first, and keep the `top`."""
    return [(classes[place], float(row[place])) for place in np.argsort(-row, kind="stable")[:top]]


def read_limits() -> Limits:
    """Read data.limits of params.yaml alone: checking all sections would double the time until an answer."""
    try:
        return Limits.model_validate(read_yaml(PARAMS_FILE)["data"]["limits"])
    except (KeyError, TypeError, ValidationError):
        raise InputError(f"{PARAMS_FILE}: data.limits: wrong; `python -m components.stage` says how") from None


def choose_printer(asked: argparse.Namespace, network: Network, files: list[Path]) -> Printer:
    """Choose the form of the answers."""
    if asked.json:
        return JsonPrinter()
    return CsvPrinter() if asked.csv else TablePrinter(network, files)


class TablePrinter:
    """Prints a line for each image."""

    def __init__(self, network: Network, files: list[Path]) -> None:
        self.width = min(WIDEST, max(len(show_name(name)) for name in network.classes))
        self.left = min(2 * WIDEST, max(len(show_name(file)) for file in files))

    def add(self, image: str, ranked: Ranked) -> None:
        """Print the image and its classes."""
        cells = [f"{shorten(show_name(name), self.width):{self.width}} {100 * share:5.1f} %" for name, share in ranked]
        print(f"{show_name(image):{self.left}}", *cells, sep="  ", flush=True)

    def finish(self) -> None:
        """Print nothing."""


class CsvPrinter:
    """Prints a row for each image and class."""

    def __init__(self) -> None:
        self.writer = csv.writer(sys.stdout, lineterminator="\n")
        self.writer.writerow(["image", "rank", "class", "probability"])

    def add(self, image: str, ranked: Ranked) -> None:
        """Print the image's rows."""
        self.writer.writerows([image, place, name, f"{share:.6g}"] for place, (name, share) in enumerate(ranked, 1))

    def finish(self) -> None:
        """Print nothing."""


class JsonPrinter:
    """Prints a list with an object for each image."""

    def __init__(self) -> None:
        self.before = "["

    def add(self, image: str, ranked: Ranked) -> None:
        """Print the image's object."""
        classes = [{"name": name, "probability": float(f"{share:.6g}")} for name, share in ranked]
        print(self.before, json.dumps({"image": image, "classes": classes}), sep="\n", end="", flush=True)
        self.before = ","

    def finish(self) -> None:
        """Print the list's end."""
        print("[" * (self.before == "["), "]", sep="\n")


if __name__ == "__main__":
    main()
