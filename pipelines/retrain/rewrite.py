"""Sets values in params.yaml and leaves every other byte as it is: comments, order and style are the user's own."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import CollectionNode, Node

from pipelines.disk import name_file
from pipelines.errors import USER_ERROR, StageError

PARAMS = Path("params.yaml")


def read(folder: Path) -> dict[str, Any]:
    """Read params.yaml of a checkout."""
    content: dict[str, Any] = YAML(typ="safe").load(folder / PARAMS)
    return content


def get(params: Mapping[str, Any], key: str) -> Any:
    """Return the value that a key names by its path with dots; None if there is none."""
    value: Any = params
    for name in key.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def set_values(folder: Path, by_key: Mapping[str, Any]) -> None:
    """Set values in params.yaml of a checkout, each named by its path with dots. Raises StageError if it cannot."""
    text = (folder / PARAMS).read_bytes().decode()
    wanted = read(folder)
    try:
        for key, value in by_key.items():
            wanted = _change(wanted, key.split("."), value)
            text = _replace(text, key.split("."), value)
        is_right = YAML(typ="safe").load(text) == wanted
    except (YAMLError, LookupError, StopIteration, AttributeError, TypeError):
        is_right = False
    if not is_right:
        way = "a retraining writes them, so each must stand there as `key: value`, without anchors and aliases"
        raise StageError(f"{PARAMS}: {', '.join(by_key)}: written in an unusual way; {way}", USER_ERROR)
    with name_file(folder / PARAMS):
        (folder / PARAMS).write_bytes(text.encode())


def _change(params: Mapping[str, Any], names: list[str], value: Any) -> dict[str, Any]:
    """Return parameters with another value of a key; what shares values with it by an alias keeps its own."""
    name, *inner = names
    return {**params, name: _change(params[name], inner, value) if inner else value}


def _replace(text: str, names: list[str], value: Any) -> str:
    """Return the text with another value of a key. Raises StopIteration or TypeError where there is none."""
    node = YAML().compose(text)
    for name in names:
        key, node = next((key, node) for key, node in node.value if key.value == name)
    colon = text.index(":", key.end_mark.index) + 1
    between = text[colon : node.start_mark.index].rstrip()  # a comment before a mapping in lines of its own
    return f"{text[:colon]} {_write(value)}{between}{text[_find_end(node) :]}"


def _find_end(node: Node) -> int:
    """Return where a value ends, without the comments after it."""
    while isinstance(node, CollectionNode) and node.value and not node.flow_style:
        node = node.value[-1][1] if isinstance(node.value[-1], tuple) else node.value[-1]
    end: int = node.end_mark.index
    return end


def _write(value: Any) -> str:
    """Write a value in one line of YAML."""
    yaml: Any = YAML(typ="safe", pure=True)
    written = io.StringIO()
    yaml.default_flow_style, yaml.width = True, 10**6
    yaml.sort_base_mapping_type_on_output = False
    yaml.dump(value, written)
    return written.getvalue().removesuffix("...\n").strip()
