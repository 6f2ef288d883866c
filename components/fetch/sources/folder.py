"""A folder of image files, here or in a bucket."""

from collections.abc import Iterator

from components.fetch.params import Folder
from components.fetch.sources.candidate import Candidate
from components.fetch.sources.layout import SPLIT_NAMES, place
from components.fetch.sources.listing import Listed
from components.fetch.sources.places import Places
from components.stage.errors import InputError


def list_files(params: Folder, places: Places) -> list[Listed]:
    """Every file below it. Raises InputError where what should be classes are splits."""
    listed = places.list_folder(params.url)
    tops = {file.path.split("/")[0] for file in listed if "/" in file.path}
    if params.layout == "classes" and tops and {top.lower() for top in tops} <= SPLIT_NAMES.keys():
        called = ", ".join(sorted(tops))
        raise InputError(
            f"params.yaml: data.sources: {params.name}: layout: its classes are called {called}; say splits"
        )
    return listed


def read(params: Folder, listed: list[Listed], places: Places) -> Iterator[Candidate]:
    """Every file, in the order of the paths."""
    for file, content in places.bring_images(listed):
        label, split, fault = place(file.path, params.layout)
        if isinstance(content, str):
            yield Candidate(params.name, file.path, b"", label, split, content)
        else:
            yield Candidate(params.name, file.path, content, label, split, fault, file.sha256)
