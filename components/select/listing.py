"""Writes the list of chosen images, and their pictures in a folder beside it, so that both can be carried elsewhere.

The list has the columns rank, id, path, score, label and split. Its path is relative to its folder, its label is empty
and waits for a person, and its split is train: chosen images are no fair sample, so none of them may become a test
image. The stage fetch reads such a list as a source of kind `manifest`.
"""

import csv
import hashlib
import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from components.stage.disk import name_faults, write_beside
from components.stage.errors import InputError
from components.stage.shown import show
from components.store.store import SPLITS, TRAIN, Store

ABOUT = "about.txt"  # among the pictures; DVC warns of an empty folder
COLUMNS = ("rank", "id", "path", "score", "label", "split")
SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")


def check_untouched(path: Path) -> None:
    """Check that nobody has written in a list, such as labels, which a new list would overwrite. Raises InputError."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        touched = header != list(COLUMNS) or any(row[-2:] != ["", TRAIN] for row in rows)
    except FileNotFoundError:
        return
    except (UnicodeError, ValueError, csv.Error):  # as spreadsheets save it
        touched = True
    if touched:
        raise InputError(
            f"{path}: somebody has written in it, and a new list would overwrite that; copy the folder {path.parent} "
            f"to where data.sources reads it, then delete {path.name}"
        )


def write_listing(
    folder: Path, strategy: str, ids: pa.ChunkedArray, scores: list[float], store: Store, about: str
) -> None:
    """Write the list STRATEGY.csv and the folder STRATEGY with the pictures; those of an earlier run are replaced.

    `about` says what was chosen, and stands among the pictures. Raises InputError if an image is not in the store, and
    DiskError.
    """
    names = write_pictures(folder / strategy, ids, store, about)
    with write_beside(folder / f"{strategy}.csv") as new, new.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        rows = zip(ids.to_pylist(), names, scores, strict=True)
        for rank, (name, picture, score) in enumerate(rows, start=1):
            writer.writerow((rank, name, f"{strategy}/{picture}", f"{score:.6g}", "", TRAIN))


def write_pictures(folder: Path, ids: pa.ChunkedArray, store: Store, about: str) -> list[str]:
    """Write the images as the store holds them, and return their names in the order of the ids.

    A name begins with the rank, and has a part of the id's hash, so that an older list names no wrong picture.
    """
    rows = pc.index_in(ids, value_set=store.read_columns(["id"])["id"])
    if rows.null_count:
        missing = ids.filter(pc.is_null(rows))[0].as_py()
        raise InputError(
            f"{store.folder}: no image {show(missing)}, which is embedded; `dvc repro embed` embeds what is there"
        )
    names = [name_picture(rank, name) for rank, name in enumerate(ids.to_pylist(), start=1)]
    new = folder.with_name(f"{folder.name}.new")
    with name_faults(folder):
        shutil.rmtree(new, ignore_errors=True)  # of a run that was killed
        new.mkdir(parents=True)
        for place, encoded in store.read_images(rows.to_numpy(), SPLITS):
            (new / names[place]).write_bytes(encoded)
        (new / ABOUT).write_text(f"{about}\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        new.replace(folder)
    return names


def name_picture(rank: int, name: str) -> str:
    """Name the picture of an image by its rank, its id and the suffix of that: `00001-3f2c91ab.png`."""
    suffix = Path(name).suffix.lower()
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{rank:05}-{digest}{suffix if SUFFIX.fullmatch(suffix) else ''}"
