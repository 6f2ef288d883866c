"""Reads a YAML file that a person wrote, within bounds of size, depth and repetition, as plain Python values.

A few lines of YAML can stand for billions of values (aliases of aliases, merged keys), for a value that holds itself,
or for brackets so deep that the parser, which is written in C, overflows its stack. The events of the parser come one
by one, so they are counted before any value is built. https://yaml.org/spec/1.2.2/#3222-anchors-and-aliases
"""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent
from ruamel.yaml.nodes import ScalarNode

from components.stage.errors import InputError
from components.stage.shown import show_name

MOST_BYTES = 1_000_000
MOST_VALUES = 20_000  # with those that aliases repeat; the shipped file has 400
DEEPEST = 50  # brackets within brackets


class _Lenient(SafeConstructor):
    """Leaves a scalar that YAML cannot turn into its type as text, so that the check of types names its key.

    Examples are a number of 5,000 digits, which Python refuses to read, and the 13th month of a year.
    """

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except YAMLError:
            raise
        except Exception:  # of any type
            if not isinstance(node, ScalarNode):
                raise
            self.recursive_objects.pop(node, None)
            return node.value


def read_yaml(path: Path) -> Any:
    """Read the file's content. Raises InputError with one line that says where it is wrong."""
    yaml = YAML(typ="safe")
    yaml.Constructor = _Lenient
    text = read_yaml_text(path)
    try:
        return yaml.load(text)
    except YAMLError as error:
        raise InputError(f"{path}: not YAML: {describe(error)}") from None
    except TypeError as error:  # the parser's own, for keys that are lists of mappings
        raise InputError(f"{path}: not YAML: {show_name(error)}; keys are words") from None


def read_yaml_text(path: Path) -> str:
    """Read the file's text, which is YAML within the bounds. Raises InputError."""
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: cannot be read: not a file")
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if len(raw) > MOST_BYTES:
        raise InputError(f"{path}: has more than {MOST_BYTES:,} bytes; it should have some thousand")
    try:
        text = raw.decode("utf-8-sig")
        _check_bounds(text, path)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError(f"{path}: line {line}: not text in UTF-8; save it as UTF-8") from None
    except YAMLError as error:
        raise InputError(f"{path}: not YAML: {describe(error)}") from None
    return text


def _check_bounds(text: str, path: Path) -> None:
    """Count the values that the text stands for. Raises InputError where they are too many or too deep."""
    values = 0
    sizes: dict[str, int] = {}  # of the values that have an anchor
    begun: list[tuple[str | None, int]] = []  # anchor of each open collection, and how many values there were before it
    for event in YAML(typ="safe").parse(text):
        where = f"{path}: line {event.start_mark.line + 1}"
        if isinstance(event, CollectionEndEvent):
            anchor, before = begun.pop()
            if anchor:
                sizes[anchor] = values - before
        elif isinstance(event, AliasEvent):
            if any(anchor == event.anchor for anchor, _ in begun):
                raise InputError(f"{where}: '*{show_name(event.anchor)}' stands inside itself; write out what is meant")
            values += sizes.get(event.anchor, 1)
        elif isinstance(event, NodeEvent):
            if isinstance(event, CollectionStartEvent):
                begun.append((event.anchor, values))
            elif event.anchor:
                sizes[event.anchor] = 1
            values += 1
        if len(begun) > DEEPEST:
            raise InputError(f"{where}: more than {DEEPEST} lists or mappings inside each other; the file needs five")
        if values > MOST_VALUES:
            raise InputError(f"{where}: more than {MOST_VALUES:,} values, repeated ones included; the file has 400")


def describe(error: YAMLError) -> str:
    """Return what is wrong with the YAML, and in which line, in one line."""
    if isinstance(error, MarkedYAMLError) and error.problem:
        mark = error.problem_mark or error.context_mark
        problem = show_name(error.problem.partition(" with value ")[0])  # of a key that stands twice; it may be secret
        return f"line {mark.line + 1}: {problem}" if mark else problem
    return show_name(" ".join(str(error).split()))
