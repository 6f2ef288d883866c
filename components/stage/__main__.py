"""Checks params.yaml, and nothing else: `python -m components.stage`.

With `--json` it prints the parameters, for programs that must not import this package.
"""

import argparse

from components.stage.command import PARAMS_FILE, exit_on_error, read_params


def check_file() -> None:
    """Check params.yaml and, with `--json`, print it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m components.stage", description=f"Check {PARAMS_FILE}.")
    parser.add_argument("--json", action="store_true", help="print every section as it was read")
    as_json = parser.parse_args().json
    with exit_on_error("params"):
        params = read_params(PARAMS_FILE)
    if as_json:
        print(params.model_dump_json())


if __name__ == "__main__":
    check_file()
