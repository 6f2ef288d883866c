"""`python -m presets cifar10`: put a preset's values into params.yaml, as an ordinary change that Git and DVC show.

Without a name it lists the presets. `git checkout params.yaml` undoes the change.
"""

import argparse
import itertools
from pathlib import Path

from components.stage.command import PARAMS_FILE, exit_on_error
from presets.apply import FOLDER, apply_presets, list_presets, make_yaml


def summarise(name: str) -> str:
    """Return the first sentence of the comment that opens a preset's file."""
    lines = itertools.takewhile(lambda line: line.startswith("#"), (FOLDER / f"{name}.yaml").read_text().splitlines())
    return " ".join(line.removeprefix("# ") for line in lines).split(". ")[0].removesuffix(".")


def main() -> None:
    """List the presets, or apply the named ones in turn; where one does not fit, params.yaml stays as it is."""
    parser = argparse.ArgumentParser(prog="python -m presets", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="applied in this order; none lists them")
    parser.add_argument("--params", type=Path, default=PARAMS_FILE, metavar="PATH", help=f"default: {PARAMS_FILE}")
    arguments = parser.parse_args()
    if not arguments.names:
        for name in list_presets():
            print(f"{name:18}{summarise(name)}")
        return
    with exit_on_error("presets"):
        whole = apply_presets(arguments.params, arguments.names)
    new_file = arguments.params.with_name(f"{arguments.params.name}.new")
    make_yaml().dump(whole, new_file)
    new_file.replace(arguments.params)
    print(f"{arguments.params}: now with {', '.join(arguments.names)}; `git diff` shows what changed")


if __name__ == "__main__":
    main()
