"""Checks params.yaml, and nothing else: `python -m components.stage`.

With `--json` it prints the parameters, for programs that must not import this package.
"""

import argparse
from typing import Any

from components.stage.command import PARAMS_FILE, exit_on_error, read_params
from components.stage.rooms import find_in_rooms


def check_file() -> None:
    """Check params.yaml and, with `--json`, print it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m components.stage", description=f"Check {PARAMS_FILE}.")
    parser.add_argument("--json", action="store_true", help="print every section as it was read")
    as_json = parser.parse_args().json
    with exit_on_error("params"):
        params = read_params(PARAMS_FILE)
        check_further(params)
    if as_json:
        print(params.model_dump_json())


def check_further(params: Any) -> None:
    """Check what the types of sections cannot know, by the rooms' own `CHECKS`; a stage checks it when it starts."""
    for checks in find_in_rooms("CHECKS").values():
        for section, check in checks.items():
            check(getattr(params, section))


if __name__ == "__main__":
    check_file()
