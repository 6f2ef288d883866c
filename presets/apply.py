"""Lays a preset over params.yaml.

Mappings are merged key by key, and everything else is replaced. A mapping that has a `name` (an encoder, an optimiser)
has other keys under another name, so it is replaced whole when the name changes. `views.second` and `views.target`
state only differences from the first view, and each kind of `start` has keys of its own, so they are always replaced
whole. `also` in a preset lists the presets that are applied before it.
"""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from components.stage.command import check_params
from components.stage.errors import InputError
from components.stage.shown import show, show_name
from components.stage.yaml_file import read_yaml, read_yaml_text

FOLDER = Path(__file__).parent
WHOLE = ("second", "target", "start")  # keys whose mappings are never merged


def list_presets() -> list[str]:
    """Return the names of all presets: cifar10, views/cifar and so on."""
    return sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.yaml"))


def apply_presets(path: Path, presets: list[str]) -> Any:
    """Return params.yaml with these presets laid over it; comments and order are kept. Raises InputError."""
    read_yaml(path)  # says what is wrong with the YAML itself
    try:
        whole = make_yaml().load(read_yaml_text(path))
    except Exception as error:  # of any type: it keeps more of the file than that, so that more can be wrong
        raise InputError(f"{path}: cannot be changed by a preset: {show_name(error)}; change it by hand") from None
    for preset in map(read_preset, presets):
        merge(whole if isinstance(whole, dict) else {}, preset)
    check_params(to_plain(whole), path)
    return whole


def read_preset(name: str) -> Any:
    """Return a preset laid over those that its `also` names. Raises InputError where no preset has that name."""
    if name not in list_presets():
        raise InputError(f"presets: there is no {show(name)}; there are {', '.join(list_presets())}")
    preset = make_yaml().load(FOLDER / f"{name}.yaml")
    before = preset.pop("also", [])
    if not before:
        return preset
    merged = read_preset(before[0])
    for name_before in before[1:]:
        merge(merged, read_preset(name_before))
    merge(merged, preset)
    return merged


def guesses_statistics(presets: list[str]) -> bool:
    """Whether these presets set the images' statistics but not the images, so that they cannot know them."""
    read = [read_preset(name) for name in presets]
    images = [preset.get("pretrain", {}).get("images", {}) for preset in read]
    return any("mean" in section for section in images) and not any("data" in preset for preset in read)


def merge(under: Any, over: Any) -> None:
    """Put the values of the mapping `over` into the mapping `under`."""
    for key, value in over.items():
        old = under.get(key)
        same = (
            isinstance(value, dict) and isinstance(old, dict) and old.get("name") == value.get("name", old.get("name"))
        )
        if same and key not in WHOLE:
            merge(old, value)
        else:
            under[key] = value


def to_plain(value: Any) -> Any:
    """Return the value as plain Python objects, without the comments and the spelling that ruamel.yaml remembers."""
    if isinstance(value, dict):
        return {str(key): to_plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [to_plain(inner) for inner in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def make_yaml() -> YAML:
    """Make the YAML reader and writer that keeps the layout of params.yaml."""
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 120
    return yaml
