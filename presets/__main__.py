"""`python -m presets cifar10`: put a preset's values into params.yaml, as an ordinary change that Git and DVC show.

Without a name it lists the presets. Undone by `git checkout params.yaml`.
"""

import argparse
import itertools
from pathlib import Path

from components.stage.command import PARAMS_FILE, one_line_errors
from presets.apply import FOLDER, names, style, with_presets


def summary(name: str) -> str:
    """The first sentence of the comment that a preset opens with."""
    lines = itertools.takewhile(lambda line: line.startswith("#"), (FOLDER / f"{name}.yaml").read_text().splitlines())
    return " ".join(line.removeprefix("# ") for line in lines).split(". ")[0].removesuffix(".")


def main() -> None:
    """List the presets, or apply those named, one after the other; where one does not fit, params.yaml stays."""
    parser = argparse.ArgumentParser(prog="python -m presets", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="applied in this order; none lists them")
    parser.add_argument("--params", type=Path, default=PARAMS_FILE, metavar="PATH", help=f"default: {PARAMS_FILE}")
    arguments = parser.parse_args()
    if not arguments.names:
        for name in names():
            print(f"{name:18}{summary(name)}")
        return
    with one_line_errors("presets"):
        whole = with_presets(arguments.params, arguments.names)
    beside = arguments.params.with_name(f"{arguments.params.name}.new")
    style().dump(whole, beside)
    beside.replace(arguments.params)
    print(f"{arguments.params}: now with {', '.join(arguments.names)}; `git diff` shows what changed")


if __name__ == "__main__":
    main()
