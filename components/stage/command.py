"""Makes a stage's command line from the signature of its `run`, and reads and checks params.yaml as a whole.

`python -m components.<stage>` checks every section before it does anything, so that a slip in the last stage's section
is found before the first stage has trained for a day. The types of the sections are found in the rooms' params.py.
"""

import argparse
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, TextIO, cast

from pydantic import ValidationError, create_model

from components.stage.disk import describe_fault
from components.stage.errors import InputError, RunError
from components.stage.output import print_patiently
from components.stage.process import end_with_dvc
from components.stage.rooms import find_in_rooms
from components.stage.secrets import mask
from components.stage.shown import LONGEST_LINE, InertStream, escape, shorten, show, show_name
from components.stage.types import Params
from components.stage.yaml_file import read_yaml

USER_ERROR, OTHER_ERROR = 2, 1
INTERRUPTED = 130  # 128 + SIGINT, as in shells
PARAMS_FILE = Path("params.yaml")  # the path where DVC looks for it
MOST_MISTAKES = 20  # that are named


def read_params(path: Path) -> Any:
    """Read every section of the file as its typed object. Raises InputError with one line per mistake."""
    return check_params(read_yaml(path), path)


def check_params(raw: Any, path: Path) -> Any:
    """Turn the file's content into typed objects. Raises InputError with one line per mistake."""
    sections = [section for of_room in find_in_rooms("SECTIONS").values() for section in of_room.items()]
    fields: dict[str, Any] = {name: (section, ...) for name, section in sections}
    assert len(fields) == len(sections), "two rooms define the same section of params.yaml"
    whole = create_model("ParamsFile", __base__=Params, **fields)
    try:
        return whole.model_validate(raw)
    except ValidationError as error:
        raise InputError("\n".join(_format_errors(path, raw, error))) from None


def _format_errors(path: Path, raw: Any, error: ValidationError) -> list[str]:
    """Return one line per mistake; a mistake that other views inherit is reported for the first view only."""
    lines: dict[tuple[object, ...], str] = {}
    slips = error.errors(include_url=False)
    # A list is "too short" because of a mistake inside it.
    within = {slip["loc"][:length] for slip in slips for length in range(len(slip["loc"]))}
    for slip in slips:
        if slip["loc"] in within:
            continue
        key, message = _describe_slip(slip, raw)
        origin = tuple("first" if part in ("second", "target") else part for part in key)
        lines.setdefault((origin, message), f"{path}: {_spell_key(raw, key)}: {message}")
    more = len(lines) - MOST_MISTAKES
    return [*list(lines.values())[:MOST_MISTAKES], *([f"{path}: {more:,} more mistakes"] if more > 0 else [])]


def _describe_slip(slip: Any, raw: Any) -> tuple[tuple[int | str, ...], str]:
    """Return the key that is wrong, and what is wrong with it."""
    key, message, context = slip["loc"], slip["msg"].removeprefix("Value error, "), slip.get("ctx", {})
    if slip["type"] == "unknown_key":
        key = (*key, context["key"])
    elif slip["type"] == "missing" and isinstance(key[-1], int):
        key, message = key[:-1], f"{key[-1] + 1} or more entries, not {show(slip['input'])}"
    elif slip["type"] == "missing":
        message = "missing"
    elif slip["type"] == "union_tag_invalid":
        key = (*key, context["discriminator"].strip("'"))
        message = f"one of {context['expected_tags']}, not {show(context['tag'])}"
    elif slip["type"] == "union_tag_not_found":
        key, message = (*key, context["discriminator"].strip("'")), "missing"
    elif slip["type"] != "value_error":
        message += f", not {show(slip['input'])}"
    return key, message


def _spell_key(raw: Any, key: tuple[int | str, ...]) -> str:
    """Spell a key as the file does, without the names of alternatives that pydantic puts in between."""
    parts, place = [], raw
    for number, part in enumerate(key):
        inside = part in place if isinstance(place, dict) else isinstance(place, list) and part in range(len(place))
        if inside or number == len(key) - 1:
            parts.append(show_name(part))
            place = place[part] if inside else None
    return ".".join(parts) or "the file"


def main(run: Callable[..., None]) -> None:
    """Run a stage from the command line: `run(params: Section, *, flag: Path)` gives `--flag`, its docstring the help.

    The type of `params` selects the stage's own section of params.yaml; a further section is selected by its name.
    """
    signature = inspect.signature(run, eval_str=True)
    parameters = list(signature.parameters.values())
    sections = [parameter for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    flags = [parameter for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    module = run.__globals__["__spec__"].name.removesuffix(".__main__")  # the argument of `python -m`
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=inspect.getdoc(run))
    for flag in flags:
        kind = flag.annotation
        parser.add_argument(f"--{flag.name.replace('_', '-')}", type=kind, required=True, metavar=kind.__name__.upper())
    parser.add_argument("--params", type=Path, default=PARAMS_FILE, metavar="PATH", help=f"default: {PARAMS_FILE}")
    arguments = vars(parser.parse_args())
    stage = module.rpartition(".")[2]
    end_with_dvc(stage)
    with exit_on_error(stage):
        params = read_params(arguments.pop("params"))
        run(*[_find_section(params, section) for section in sections], **arguments)


def _find_section(params: Any, parameter: inspect.Parameter) -> Any:
    """Find the section for a parameter of `run`: that called `params` by its type, any other by its name."""
    if parameter.name != "params":
        return getattr(params, parameter.name)
    return next(section for _, section in params if isinstance(section, parameter.annotation))


@contextmanager
def exit_on_error(stage: str) -> Iterator[None]:
    """End with an expected failure's message on stderr and its exit status; a programming error shows its trace.

    What a file system does, such as a full disk wherever it is met, is no programming error. What a terminal must not
    have or its encoding lacks, as in the name of a class, is printed as an escape. Passwords and tokens, as a server's
    answer or the text of a broken params.yaml may hold them, are hidden.
    """
    print_patiently()
    try:
        with redirect_stdout(cast(TextIO, sys.stdout and InertStream(sys.stdout))):  # None where it was closed (`>&-`)
            yield
    except InputError as error:
        _print_error(str(error))
        sys.exit(USER_ERROR)
    except RunError as error:
        _print_error(f"{stage}: {error}")
        sys.exit(OTHER_ERROR)
    except Exception as error:
        if fault := describe_fault(error):
            _print_error(f"{stage}: {fault}")
        else:
            print(escape(mask(traceback.format_exc()), "\n\t"), end="", file=sys.stderr)
        sys.exit(OTHER_ERROR)
    except KeyboardInterrupt:
        print(f"{stage}: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _print_error(message: str) -> None:
    """Print the lines of a message so that nothing in them harms a terminal, and no secret is among them."""
    for line in mask(message).split("\n"):
        print(escape(shorten(line, LONGEST_LINE)), file=sys.stderr)
