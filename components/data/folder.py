"""A folder of image files, here or in a bucket."""

from collections.abc import Iterator

from components.data.candidate import Candidate
from components.data.layout import place
from components.data.listing import Listed
from components.data.places import Places
from components.params.data import Folder


def list_files(params: Folder, places: Places) -> list[Listed]:
    """Every file below it."""
    return places.list_folder(params.url)


def read(params: Folder, listed: list[Listed], places: Places) -> Iterator[Candidate]:
    """Every file, in the order of the paths."""
    for file, content in places.bring_images(listed):
        label, split, fault = place(file.path, params.layout)
        if isinstance(content, str):
            yield Candidate(params.name, file.path, b"", label, split, content)
        else:
            yield Candidate(params.name, file.path, content, label, split, fault, file.sha256)
