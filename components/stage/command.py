"""A stage's command line, made from the signature of its `run`, and params.yaml read and checked as a whole.

`python -m components.<stage>` checks every section before it does anything, so that a slip in the last stage's section
is found before the first stage has trained for a day. The sections' types are found by name, in the rooms' params.py.
"""

import argparse
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError, create_model
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from components.stage.errors import InputError, RunError
from components.stage.rooms import find_in_rooms
from components.stage.types import Params

USER_ERROR, OTHER_ERROR = 2, 1
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
PARAMS_FILE = Path("params.yaml")  # where DVC looks for it


def read_params(path: Path) -> Any:
    """Every section of the file as its typed object. Raises InputError with one line a mistake."""
    try:
        raw = YAML(typ="safe").load(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except YAMLError as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    return check_params(raw, path)


def check_params(raw: Any, path: Path) -> Any:
    """What stands in the file as typed objects, or InputError as above."""
    rooms = find_in_rooms("SECTIONS").values()
    fields: dict[str, Any] = {name: (section, ...) for sections in rooms for name, section in sections.items()}
    whole = create_model("ParamsFile", __base__=Params, **fields)
    try:
        return whole.model_validate(raw)
    except ValidationError as error:
        raise InputError("\n".join(_lines(path, raw, error))) from None


def _lines(path: Path, raw: Any, error: ValidationError) -> list[str]:
    """One line a mistake; what the second view takes over from the first is said of the first."""
    said: dict[tuple[object, ...], str] = {}
    slips = error.errors(include_url=False)
    for slip in slips:
        message = slip["msg"].removeprefix("Value error, ")
        key = slip["loc"]
        if any(other["loc"][: len(key)] == key and len(other["loc"]) > len(key) for other in slips):
            continue  # a list is "too short" because of what is wrong inside it
        if slip["type"] == "unknown_key":
            key = (*key, slip["ctx"]["key"])
        elif slip["type"] == "missing":
            message = "missing"
        elif slip["type"] == "union_tag_invalid":
            key = (*key, slip["ctx"]["discriminator"].strip("'"))
            message = f"one of {slip['ctx']['expected_tags']}, not '{slip['ctx']['tag']}'"
        elif slip["type"] == "union_tag_not_found":
            key, message = (*key, slip["ctx"]["discriminator"].strip("'")), "missing"
        elif slip["type"] != "value_error":
            message += f", not {slip['input']!r}"
        origin = tuple("first" if part == "second" else part for part in key)
        said.setdefault((origin, message), f"{path}: {_spell(raw, key)}: {message}")
    return list(said.values())


def _spell(raw: Any, key: tuple[int | str, ...]) -> str:
    """A key as the file has it: without the names of the alternatives that pydantic puts in between."""
    parts, place = [], raw
    for number, part in enumerate(key):
        inside = isinstance(place, list) or (isinstance(place, dict) and part in place)
        if inside or number == len(key) - 1:
            parts.append(str(part))
            place = place[part] if inside else None
    return ".".join(parts) or "the file"


def main(run: Callable[..., None]) -> None:
    """Run a stage from the command line: `run(params: Section, *, flag: Path)` gives `--flag`, its docstring the help.

    `params` is the stage's own section of params.yaml, by its type; a further one is asked for by its name.
    """
    signature = inspect.signature(run, eval_str=True)
    parameters = list(signature.parameters.values())
    sections = [one for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
    flags = [one for one in parameters if one.kind is one.KEYWORD_ONLY]
    module = run.__globals__["__spec__"].name.removesuffix(".__main__")  # as `python -m` was told
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=inspect.getdoc(run))
    for flag in flags:
        kind = flag.annotation
        parser.add_argument(f"--{flag.name.replace('_', '-')}", type=kind, required=True, metavar=kind.__name__.upper())
    parser.add_argument("--params", type=Path, default=PARAMS_FILE, metavar="PATH", help=f"default: {PARAMS_FILE}")
    arguments = vars(parser.parse_args())
    with one_line_errors(module.rpartition(".")[2]):
        everything = read_params(arguments.pop("params"))
        wanted = [_section(everything, section) for section in sections]
        run(*wanted, **arguments)


def _section(everything: Any, wanted: inspect.Parameter) -> Any:
    """Find the section that `run` calls `params` by its type, and any other by its name, as it stands in the file."""
    if wanted.name != "params":
        return getattr(everything, wanted.name)
    return next(section for _, section in everything if isinstance(section, wanted.annotation))


@contextmanager
def one_line_errors(stage: str) -> Iterator[None]:
    """An expected failure becomes its message on stderr and an exit status; a programming error shows its trace."""
    try:
        yield
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(USER_ERROR)
    except RunError as error:
        print(f"{stage}: {error}", file=sys.stderr)
        sys.exit(OTHER_ERROR)
    except KeyboardInterrupt:
        print(f"{stage}: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
