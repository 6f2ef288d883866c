"""`python -m presets cifar10`: put a preset's values into params.yaml, as an ordinary change that Git and DVC show.

Without a name it lists the presets. `--from metrics/data.json` then fits the values to the images that fetch found.
`git checkout params.yaml` undoes the change.
"""

import argparse
import itertools
from pathlib import Path

from components.stage.command import PARAMS_FILE, check_params, exit_on_error
from presets.apply import FOLDER, apply_presets, guesses_statistics, list_presets, make_yaml, to_plain
from presets.fit import fit_to_images, read_found

GUESSED = (
    "mean and std are those of other images; after `dvc repro fetch`, "
    "`python -m presets {names} --from metrics/data.json` takes those of yours"
)


def summarise(name: str) -> str:
    """Return the first sentence of the comment that opens a preset's file."""
    lines = itertools.takewhile(lambda line: line.startswith("#"), (FOLDER / f"{name}.yaml").read_text().splitlines())
    return " ".join(line.removeprefix("# ") for line in lines).split(". ")[0].removesuffix(".")


def apply(params: Path, names: list[str], found: Path | None) -> None:
    """Change params.yaml, and say what was done. Raises InputError, and the file stays as it is, if that is wrong."""
    whole, said = apply_presets(params, names), ""
    if found:
        said = fit_to_images(whole, read_found(found), found)
        check_params(to_plain(whole), params)
    elif guesses_statistics(names):
        said = f"{params}: pretrain.images: {GUESSED.format(names=' '.join(names))}"
    new_file = params.with_name(f"{params.name}.new")
    make_yaml().dump(whole, new_file)
    new_file.replace(params)
    done = f"with {', '.join(names)}" if names else "fitted"
    print(f"{params}: now {done}; `git diff` shows what changed")
    if said:
        print(said)


def main() -> None:
    """List the presets, or apply the named ones in turn; where one does not fit, params.yaml stays as it is."""
    parser = argparse.ArgumentParser(prog="python -m presets", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="applied in this order; none lists them")
    parser.add_argument(
        "--from", type=Path, dest="found", metavar="PATH", help="metrics/data.json: fits the values to its images"
    )
    parser.add_argument("--params", type=Path, default=PARAMS_FILE, metavar="PATH", help=f"default: {PARAMS_FILE}")
    arguments = parser.parse_intermixed_args()
    if not arguments.names and not arguments.found:
        for name in list_presets():
            print(f"{name:18}{summarise(name)}")
        return
    with exit_on_error("presets"):
        apply(arguments.params, arguments.names, arguments.found)


if __name__ == "__main__":
    main()
