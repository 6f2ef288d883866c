"""`python -m pipelines.registry`: the versions of the encoder, which one is in production, and how to go back.

Exit status: 0 done, 2 there is no such version, 1 anything else.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from pipelines.errors import USER_ERROR, GraphError, StageError
from pipelines.registry import versions
from pipelines.registry.worktree import git, holds
from pipelines.train import settings
from pipelines.train.summary import narrow


def show(root: Path, promote: Mapping[str, Any]) -> None:
    """A row a version."""
    found = versions.registered(root, promote["artifact"])
    table = narrow("version", "commit", "registered", "holds", f"{promote['probe']} {promote['metric']}", gap=2)
    for one in found:
        value = versions.score(root, one.commit, promote)
        cells = (one.name, one.commit[:7], one.date, ", ".join(one.stages), "-" if value is None else f"{value:.4f}")
        table.add_row(*cells)
    Console(highlight=False).print(table if found else f"{promote['artifact']}: no version is registered")


def main() -> int:
    """Do what is asked; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.registry", description="Versions of the encoder.")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("show", help="every version, who holds a stage, and the decisive metric (the default)")
    commands.add_parser("promote", help="put a version into production by hand").add_argument("version")
    commands.add_parser("rollback", help="put back the version before the present one")
    commands.add_parser("register", help="make a commit a version").add_argument("revision", nargs="?", default="HEAD")
    asked = parser.parse_args()
    root = Path.cwd()
    try:
        promote = settings.read(root)["promote"]
        if asked.command == "register":
            if not holds(root, "rev-parse", "--verify", f"{asked.revision}^{{commit}}"):
                raise StageError(f"{asked.revision}: no such revision", USER_ERROR)
            commit = git(root, "rev-parse", f"{asked.revision}^{{commit}}")
            said = versions.message(root, commit, promote)
            version = versions.register(root, promote["artifact"], commit, said)
            print(f"registered {promote['artifact']}@{version}: {said}")
        elif asked.command in ("promote", "rollback"):
            by_hand(root, promote, asked.version if asked.command == "promote" else None)
        else:
            show(root, promote)
    except StageError as error:
        print(error, file=sys.stderr)
        return error.status
    except GraphError as error:
        print(f"dvc.yaml: {error}", file=sys.stderr)
        return USER_ERROR
    return 0


def by_hand(root: Path, promote: Mapping[str, Any], name: str | None) -> None:
    """Promote a version, or without a name go back one. Raises StageError."""
    artifact, stage = promote["artifact"], promote["stage"]
    known = {one.name: one for one in versions.registered(root, artifact)}
    wanted = name or versions.before_present(root, promote).name
    if wanted not in known:
        raise StageError(f"{wanted}: no version of {artifact}; there are {', '.join(known) or 'none'}", USER_ERROR)
    how = "promoted by hand" if name else "rolled back"
    versions.assign(root, artifact, stage, wanted, f"{how}; {versions.message(root, known[wanted].commit, promote)}")
    print(f"{artifact}@{wanted} is {stage} now; publish it by `git push origin --tags`")


if __name__ == "__main__":
    sys.exit(main())
