"""A preset laid over params.yaml.

Mappings are merged key by key, and everything else is replaced. A mapping that is told by its `name` (an encoder, an
optimiser) has other keys under another name, so there it is replaced whole. `views.second` states only differences from
the first view, so it is replaced whole as well. `also` in a preset lists others that come first.
"""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from components.stage.command import check_params
from components.stage.errors import InputError

FOLDER = Path(__file__).parent
WHOLE = ("second",)


def names() -> list[str]:
    """Every preset, as it is called: cifar10, views/cifar ..."""
    return sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.yaml"))


def with_presets(path: Path, presets: list[str]) -> Any:
    """What params.yaml says with these presets over it, comments and order kept. Raises InputError."""
    try:
        whole = style().load(path)
    except (OSError, YAMLError) as error:
        raise InputError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
    for preset in map(read, presets):
        merge(whole if isinstance(whole, dict) else {}, preset)
    check_params(plain(whole), path)
    return whole


def read(name: str) -> Any:
    """A preset over those that it names in `also`. Raises InputError where there is none of that name."""
    if name not in names():
        raise InputError(f"presets: there is no '{name}'; there are {', '.join(names())}")
    preset = style().load(FOLDER / f"{name}.yaml")
    before = preset.pop("also", [])
    if not before:
        return preset
    first = read(before[0])
    for other in before[1:]:
        merge(first, read(other))
    merge(first, preset)
    return first


def merge(under: Any, over: Any) -> None:
    """Put the values of one mapping into another."""
    for key, value in over.items():
        old = under.get(key)
        same = (
            isinstance(value, dict) and isinstance(old, dict) and old.get("name") == value.get("name", old.get("name"))
        )
        if same and key not in WHOLE:
            merge(old, value)
        else:
            under[key] = value


def plain(value: Any) -> Any:
    """Without what ruamel.yaml remembers of comments and spelling."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def style() -> YAML:
    """Reads and writes params.yaml as it is laid out."""
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 120
    return yaml
