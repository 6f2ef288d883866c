"""What the rooms of components/ offer by name in their params.py, so that no list of them has to be kept.

`SECTIONS` maps the sections of params.yaml to their types, `OBJECTIVE` is what an objective adds to `pretrain`. Nothing
is imported here by its own name: a change in one room makes only those stages stale that stand on it.
"""

import importlib
from pathlib import Path
from typing import Any

import components

ROOMS = Path(components.__path__[0])


def find_in_rooms(name: str) -> dict[str, Any]:
    """Return what each room's params.py calls `name`, by the room, in alphabetical order."""
    rooms = sorted(path.parent.name for path in ROOMS.glob("*/params.py"))
    modules = {room: importlib.import_module(f"components.{room}.params") for room in rooms}
    return {room: getattr(module, name) for room, module in modules.items() if hasattr(module, name)}
