"""Read a folder of image files, on this machine or in a bucket."""

from collections.abc import Iterator

from components.fetch.params import Folder
from components.fetch.sources.candidate import Candidate
from components.fetch.sources.layout import SPLIT_NAMES, parse_path
from components.fetch.sources.listing import ListedFile
from components.fetch.sources.places import Places
from components.fetch.sources.suspect import check_layout
from components.stage.errors import InputError


def list_files(params: Folder, places: Places) -> list[ListedFile]:
    """List every file below the folder. Raises InputError if folders that should be classes are splits."""
    listed = places.list_folder(params.url)
    tops = {file.path.split("/")[0] for file in listed if "/" in file.path}
    if params.layout == "classes" and tops and {top.lower() for top in tops} <= SPLIT_NAMES.keys():
        names = ", ".join(sorted(tops))
        raise InputError(
            f"params.yaml: data.sources: {params.name}: layout: its classes are called {names}; say splits"
        )
    check_layout([file.path for file in listed], params)
    return listed


def read_candidates(params: Folder, listed: list[ListedFile], places: Places) -> Iterator[Candidate]:
    """Yield a candidate per file, in the order of the paths."""
    for file, content in places.bring_images(listed):
        label, split, fault = parse_path(file.path, params.layout)
        if isinstance(content, str):
            yield Candidate(params.name, file.path, b"", label, split, content)
        else:
            yield Candidate(params.name, file.path, content, label, split, fault, file.sha256)
