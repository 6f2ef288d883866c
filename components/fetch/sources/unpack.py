"""Unpack the published archives of a data set where the user put them, without a network, verified by their MD5.

torchvision's readers know the names and checksums of their archives and where they unpack them, but tell these only to
the functions by which they download: so for a moment those look on this machine instead.
https://docs.pytorch.org/vision/stable/datasets.html
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from components.stage.disk import name_faults

DOWNLOADERS = ("download_url", "download_and_extract_archive")  # which readers import from torchvision.datasets.utils

WHOLE = "the archive is whole"


@contextmanager
def unpack_published(reader: Any, *folders: Path) -> Iterator[None]:
    """Make a reader's `download=True` take its archives from its own place or these folders, and never go online.

    Then it raises FileNotFoundError for an archive that is not there, and ValueError for one of another MD5.
    """
    module = sys.modules[reader.__module__]
    replaced = {name: getattr(module, name) for name in DOWNLOADERS if hasattr(module, name)}

    def take(url: str, root: str | Path, filename: str | None = None, md5: str | None = None) -> None:
        into = Path(root).expanduser()
        found = _find_verified(filename or url.rpartition("/")[2], md5, into, folders)
        if found.parent != into:
            with name_faults(into / found.name, WHOLE):
                into.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, into)

    def take_and_unpack(
        url: str, download_root: str | Path, filename: str | None = None, md5: str | None = None
    ) -> None:
        into = Path(download_root).expanduser()
        unpack(_find_verified(filename or url.rpartition("/")[2], md5, into, folders), into)

    for name, function in zip(DOWNLOADERS, (take, take_and_unpack), strict=True):
        if name in replaced:
            setattr(module, name, function)
    try:
        yield
    finally:
        for name, function in replaced.items():
            setattr(module, name, function)


@contextmanager
def remove_empty(*folders: Path) -> Iterator[None]:
    """Remove folders afterwards that are new and hold no file: readers make folders before they find nothing."""
    new = [folder for folder in folders if not folder.exists()]
    try:
        yield
    finally:
        for folder in new:
            if folder.is_dir() and not any(path.is_file() for path in folder.rglob("*")):
                shutil.rmtree(folder)


def unpack(archive: Path, into: Path) -> None:
    """Unpack an archive; its files come into place when all of it is unpacked, so that no half is left behind."""
    from torchvision.datasets.utils import extract_archive

    print(f"fetch: unpacking {archive}", flush=True)
    with name_faults(into, WHOLE):
        into.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=into, prefix=".unpacking-") as folder:
            extract_archive(str(archive), folder)
            for entry in Path(folder).iterdir():
                _place(entry, into / entry.name)


def _place(entry: Path, target: Path) -> None:
    """Move a file or folder to where it is wanted; a folder that is there already keeps its other files."""
    if target.is_dir():
        for part in entry.iterdir():
            _place(part, target / part.name)
    else:
        entry.replace(target)


def _find_verified(name: str, md5: str | None, own: Path, folders: tuple[Path, ...]) -> Path:
    """Return the archive of this name. Raises FileNotFoundError or ValueError."""
    from torchvision.datasets.utils import check_integrity

    found = [path for folder in (own, *folders) if (path := folder / name).is_file()]
    if not found:
        raise FileNotFoundError(f"{name} is not in '{own}'")
    verified = next((path for path in found if check_integrity(path, md5)), None)
    if verified is None:
        raise ValueError(f"{found[0]} is not the published file, by its MD5; download it anew")
    return verified
