"""`python -m components.stage` checks params.yaml and does nothing else.

With `--json` it prints what it read, for programs that must not import this one.
"""

import argparse

from components.stage.command import PARAMS_FILE, one_line_errors, read_params


def check() -> None:
    """Check params.yaml, and print it as JSON where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m components.stage", description=f"Check {PARAMS_FILE}.")
    parser.add_argument("--json", action="store_true", help="print every section as it was read")
    as_json = parser.parse_args().json
    with one_line_errors("params"):
        params = read_params(PARAMS_FILE)
    if as_json:
        print(params.model_dump_json())


if __name__ == "__main__":
    check()
