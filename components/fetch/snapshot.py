"""A snapshot: what the sources held when that was accepted, pinned in params.yaml by a digest over every file.

`python -m components.fetch.snapshot` compares the sources with the pin, and `--accept` writes the pin anew: an ordinary
change of params.yaml, which Git and DVC show. Which files are new, gone or changed is told from the record that is kept
of every snapshot in the scratch folder; where that is missing, in a fresh clone, their number and size still tell.
"""

import argparse
import hashlib
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from components.fetch.params import Snapshot
from components.fetch.sources.open import Opened, open_sources
from components.fetch.sources.places import Places
from components.stage.command import PARAMS_FILE, one_line_errors, read_params
from components.stage.errors import InputError

COMMAND = "python -m components.fetch.snapshot --accept"
File = tuple[str, int, str]  # SOURCE/path, size, version


@dataclass(frozen=True)
class Held:
    """What the sources hold now."""

    files: list[File]

    @cached_property
    def snapshot(self) -> Snapshot:
        """To pin it by; the order of the files makes no difference."""
        digest = hashlib.sha256()
        for path, size, version in sorted(self.files):
            digest.update(f"{path}\0{size}\0{version}\n".encode())
        return Snapshot(files=len(self.files), bytes=sum(size for _, size, _ in self.files), digest=digest.hexdigest())


def hold(sources: Iterable[Opened]) -> Held:
    """Of sources that have been listed."""
    return Held([(f"{s.source.name}/{file.path}", file.size, file.version) for s in sources for file in s.listed])


def check(pinned: Snapshot | None, held: Held, scratch: Path) -> None:
    """Raises InputError where the sources hold something else than what is pinned."""
    now = held.snapshot
    if pinned is not None and pinned != now:
        raise InputError(f"params.yaml: data.snapshot: {difference(pinned, held, scratch)}; accept it by `{COMMAND}`")
    write_record(held, scratch)
    if pinned is None and held.files:
        print(f"snapshot: {now.files:,} files, {now.bytes:,} bytes, not pinned; pin them by `{COMMAND}`", flush=True)


def difference(pinned: Snapshot, held: Held, scratch: Path) -> str:
    """How many files are new, gone and changed since, and the first of them."""
    record = record_path(pinned.digest, scratch)
    now = held.snapshot
    if not record.is_file():
        return (
            f"the sources have changed: {pinned.files:,} files of {pinned.bytes:,} bytes were accepted, "
            f"there are {now.files:,} of {now.bytes:,} (which ones, {scratch}/snapshots of another clone may know)"
        )
    before = {path: (size, version) for path, size, version in read_record(record)}
    after = {path: (size, version) for path, size, version in held.files}
    new, gone = sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys())
    changed = sorted(path for path in before.keys() & after.keys() if before[path] != after[path])
    if not new + gone + changed:
        return "its files or bytes are not those of its digest"  # written by hand
    first = (new + gone + changed)[0]
    return f"the sources have changed: {len(new):,} files new, {len(gone):,} gone, {len(changed):,} changed, as {first}"


def record_path(digest: str, scratch: Path) -> Path:
    """Where the files of a snapshot are recorded."""
    return scratch / "snapshots" / f"{digest}.parquet"


def write_record(held: Held, scratch: Path) -> None:
    """Kept until somebody empties the scratch folder."""
    path = record_path(held.snapshot.digest, scratch)
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ("path", "size", "version")
    columns = zip(*held.files, strict=True) if held.files else ([], [], [])
    new = path.with_suffix(".new")
    pq.write_table(pa.table(dict(zip(names, map(list, columns), strict=True))), new)
    new.replace(path)


def read_record(path: Path) -> list[File]:
    """What `write_record` wrote."""
    table = pq.read_table(path)
    return list(zip(*(table[name].to_pylist() for name in ("path", "size", "version")), strict=True))


def accept(params: Path, snapshot: Snapshot) -> None:
    """Write the pin into params.yaml and leave every other byte there as it is."""
    file = params.resolve()  # where it is a link, that stays one
    old, yaml = file.read_bytes().decode(), YAML(typ="safe")
    wanted = yaml.load(old)
    wanted["data"]["snapshot"] = pin = snapshot.model_dump()
    try:
        text = pinned(old, snapshot)
        right = yaml.load(text) == wanted
    except (YAMLError, StopIteration):
        right = False
    if not right:
        raise InputError(f"{params}: data.snapshot: the file is written in an unusual way; put in by hand: {pin}")
    new = file.with_suffix(".new")
    new.write_bytes(text.encode())
    shutil.copymode(file, new)
    new.replace(file)


def pinned(text: str, snapshot: Snapshot) -> str:
    """The text of params.yaml with this pin: in place of the values of an older one, or of nothing."""
    data, _ = _entry(YAML().compose(text), "data")
    value, key = _entry(data, "snapshot")
    values = {name: str(value) for name, value in snapshot.model_dump().items()}
    if isinstance(value.value, list):  # a mapping
        places = [(_entry(value, name)[0], new) for name, new in values.items()]
        for old, new in sorted(places, key=lambda place: place[0].start_mark.index, reverse=True):
            text = text[: old.start_mark.index] + new + text[old.end_mark.index :]
        return text
    begin, end = value.start_mark.index, value.end_mark.index
    if begin == end:  # nothing is written there; then comments stand before the mark
        begin = end = text.index(":", key.end_mark.index) + 1
    if data.flow_style:
        return f"{text[:begin].rstrip()} {{{', '.join(f'{name}: {values[name]}' for name in values)}}}{text[end:]}"
    comment = re.compile(r"[^\r\n]*").match(text, end)[0]  # type: ignore[index]
    before = text[:begin] + comment if comment.strip() else text[:begin].rstrip()
    line = ("\r\n" if "\r\n" in text else "\n") + " " * 2 * key.start_mark.column
    return before + "".join(f"{line}{name}: {values[name]}" for name in values) + text[end + len(comment) :]


def _entry(mapping: Any, name: str) -> tuple[Any, Any]:
    """The nodes of the value and of the key."""
    return next((value, key) for key, value in mapping.value if key.value == name)


def scratch_folder(graph: Path) -> Path:
    """The one that dvc.yaml names."""
    try:
        return Path(YAML(typ="safe").load(graph)["vars"][0]["path"]["scratch"])
    except OSError as error:
        raise InputError(f"{graph}: cannot be read: {error.strerror}") from None
    except (YAMLError, LookupError, TypeError):
        raise InputError(f"{graph}: names no scratch folder: path.scratch among its vars") from None


def main() -> None:
    """Compare, and accept where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m components.fetch.snapshot", description=__doc__)
    parser.add_argument("--accept", action="store_true", help="pin what the sources hold now")
    parser.add_argument("--params", type=Path, default=PARAMS_FILE, metavar="PATH", help=f"default: {PARAMS_FILE}")
    parser.add_argument("--graph", type=Path, default=Path("dvc.yaml"), metavar="PATH", help="names the scratch folder")
    asked = parser.parse_args()
    with one_line_errors("snapshot"):
        params = read_params(asked.params).data
        scratch = scratch_folder(asked.graph)
        held = hold(open_sources(params, Places(scratch, params.limits.max_bytes)))
        if not asked.accept:
            check(params.snapshot, held, scratch)
            print(
                "snapshot: nothing has changed since it was accepted" if params.snapshot else "snapshot: none is pinned"
            )
            return
        said = difference(params.snapshot, held, scratch) if params.snapshot not in (None, held.snapshot) else ""
        write_record(held, scratch)
        accept(asked.params, held.snapshot)
        print(f"snapshot: {held.snapshot.files:,} files accepted, now in {asked.params}{'; ' + said if said else ''}")


if __name__ == "__main__":
    main()
