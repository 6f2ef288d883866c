"""Finds what the rooms of components/ define in their params.py, so that no list of rooms has to be kept.

`SECTIONS` maps the sections of params.yaml to their types, `CHECKS` to functions that look deeper; `OBJECTIVE` is the
type that an objective adds to `pretrain`. Rooms are imported by name at run time, so that a change in one makes only
those stages stale that depend on it.
"""

import importlib
from pathlib import Path
from typing import Any

import components

ROOMS = Path(components.__path__[0])


def find_in_rooms(name: str) -> dict[str, Any]:
    """Return what each room's params.py defines as `name`, by room, in alphabetical order."""
    rooms = sorted(path.parent.name for path in ROOMS.glob("*/params.py"))
    modules = {room: importlib.import_module(f"components.{room}.params") for room in rooms}
    return {room: getattr(module, name) for room, module in modules.items() if hasattr(module, name)}
