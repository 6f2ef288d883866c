"""`python -m pipelines.registry`: the versions of the encoder, which one is in production, and how to go back.

Exit status: 0 done, 2 there is no such version, 1 anything else.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from pipelines import entrance, signals
from pipelines.errors import USER_ERROR, StageError
from pipelines.registry import bring, mending, presence, prune, start, versions, worktree
from pipelines.registry.git import git_succeeds, run_git
from pipelines.registry.versions import Version
from pipelines.shown import show
from pipelines.train import graph, settings, wholeness
from pipelines.train.ending import EXPECTED, report_error, say
from pipelines.train.summary import build_narrow_table


def show_versions(root: Path, promote: Mapping[str, Any]) -> None:
    """Print a table with one row per version."""
    known = versions.list_versions(root, promote["artifact"])
    table = build_narrow_table(
        "version", "commit", "registered", "holds", f"{promote['probe']} {promote['metric']}", gap=2
    )
    for version in known:
        value = versions.read_score(root, version.commit, promote)
        cells = (
            version.name,
            version.commit[:7],
            version.date,
            ", ".join(version.stages),
            "-" if value is None else f"{value:.4f}",
        )
        table.add_row(*cells)
    Console(highlight=False).print(table if known else f"{promote['artifact']}: no version is registered")


def main() -> int:
    """List, promote, roll back, register, bring or prune, as the command says, and return the exit status."""
    entrance.prepare_process()
    parser = argparse.ArgumentParser(prog="python -m pipelines.registry", description="Versions of the encoder.")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("show", help="every version, who holds a stage, and the decisive metric (the default)")
    commands.add_parser("promote", help="put a version into production by hand").add_argument("version")
    commands.add_parser("rollback", help="put back the version before the present one")
    commands.add_parser("register", help="make a commit a version").add_argument("revision", nargs="?", default="HEAD")
    brings = commands.add_parser("start", help="bring a version's encoder to where a training begins with it")
    brings.add_argument("version", nargs="?", help="by default the one in production")
    add_bring(commands)
    add_prune(commands)
    arguments = parser.parse_args()
    with signals.heed_signals():
        try:
            run_command(arguments)
        except EXPECTED as error:
            return report_error(error)
    return 0


def run_command(arguments: argparse.Namespace) -> None:
    """Do what the command says. Raises StageError, BusyError or GraphError."""
    root = entrance.find_root()
    sections = settings.read_settings(root)
    promote = sections["promote"]
    if arguments.command == "register":
        register_by_hand(root, promote, arguments.revision)
    elif arguments.command == "prune":
        prune_by_hand(root, sections, arguments)
    elif arguments.command == "start":
        bring_by_hand(root, promote, arguments.version)
    elif arguments.command == "bring":
        bring_files(root, promote, arguments)
    elif arguments.command in ("promote", "rollback"):
        promote_by_hand(root, promote, arguments.version if arguments.command == "promote" else None)
    else:
        show_versions(root, promote)


def register_by_hand(root: Path, promote: Mapping[str, Any], revision: str) -> None:
    """Make a commit a version. Raises StageError."""
    named = ("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    if not revision or "\0" in revision or not git_succeeds(root, *named):
        raise StageError(f"{show(revision) or 'an empty name'}: no such revision", USER_ERROR)
    commit = run_git(root, *named)
    check_artifact(root, promote["artifact"], commit)
    message = versions.format_message(root, commit, promote)
    version = versions.register(root, promote["artifact"], commit, message)
    print(f"registered {promote['artifact']}@{version}: {message}")


def check_artifact(root: Path, artifact: str, commit: str) -> None:
    """Check that what the cache has of an artifact, and of the others in its commit, is whole; the remote may have the
    rest. Raises DamageError, and StageError if dvc.yaml has no such artifact."""
    versions.find_artifact_path(root, artifact)
    paths = versions.read_artifact_paths(root).values()
    mending.require_objects(root, wholeness.select(graph.list_outputs(root, commit), paths))


def add_prune(commands: Any) -> None:
    """Add the command that removes old data."""
    parser = commands.add_parser("prune", help="show which data of old retrainings may go; with --yes, remove them")
    parser.add_argument("--keep", type=int, metavar="N", help="versions that stay; by default retrain.keep")
    parser.add_argument("--projects", nargs="*", type=Path, metavar="PATH", help="other checkouts on the same cache")
    parser.add_argument("--yes", action="store_true", help="remove them")


def prune_by_hand(root: Path, sections: Mapping[str, Any], arguments: argparse.Namespace) -> None:
    """Show what may go, and remove it if told so. Raises StageError, BusyError or GraphError."""
    count = sections["retrain"]["keep"] if arguments.keep is None else arguments.keep
    if count is None or count < 1:
        raise StageError("--keep: how many versions stay, 1 or more, or `retrain.keep` in params.yaml", USER_ERROR)
    prune.check_shared_cache(root, arguments.projects)
    with worktree.lock_retraining(root):
        prune.prune(root, sections["promote"], count, arguments.projects or (), say, removes=arguments.yes)
    if not arguments.yes:
        print("nothing is removed yet: repeat it with --yes")


def promote_by_hand(root: Path, promote: Mapping[str, Any], name: str | None) -> None:
    """Promote the named version, or without a name the one before the present one. Raises StageError."""
    artifact, stage = promote["artifact"], promote["stage"]
    wanted = find_version(root, artifact, name) if name is not None else versions.find_previous(root, promote)
    check_artifact(root, artifact, wanted.commit)
    presence.check_presence(root, wanted, promote, say)
    how = "promoted by hand" if name is not None else "rolled back"
    message = versions.format_message(root, wanted.commit, promote)
    versions.assign(root, artifact, stage, wanted.name, f"{how}; {message}")
    print(f"{artifact}@{wanted.name} is {stage} now; publish it by `git push origin --tags`")


def bring_by_hand(root: Path, promote: Mapping[str, Any], name: str | None) -> None:
    """Bring the named version, or without a name the one in production, to where a training begins with it."""
    artifact, stage = promote["artifact"], promote["stage"]
    wanted = find_holder(root, promote, stage, "start") if name is None else find_version(root, artifact, name)
    folder = start.bring(root, root, wanted, promote).relative_to(root)
    print(f"{folder}: the encoder of {artifact}@{wanted.name}, which `kind: champion` begins with")


def add_bring(commands: Any) -> None:
    """Add the command that brings a version's files into a folder of its own."""
    parser = commands.add_parser("bring", help="bring a version's files into a new folder, as to serve them")
    parser.add_argument("folder", type=Path)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--stage", metavar="STAGE", help="the version that holds it, such as prod")
    which.add_argument("--version", metavar="VERSION")
    parser.add_argument("--paths", nargs="+", required=True, metavar="NAME", help="of `vars: path:` in dvc.yaml")


def bring_files(root: Path, promote: Mapping[str, Any], arguments: argparse.Namespace) -> None:
    """Bring the files of the named version, or of the one that holds the named stage. Raises StageError."""
    artifact, stage, name = promote["artifact"], arguments.stage, arguments.version
    wanted = find_version(root, artifact, name) if name is not None else find_holder(root, promote, stage, "--version")
    bring.bring(root, wanted, arguments.paths, root / arguments.folder)
    print(f"{arguments.folder}: {artifact}@{wanted.name}")


def find_holder(root: Path, promote: Mapping[str, Any], stage: str, option: str) -> Version:
    """Return the version that holds a stage; `option` names a version instead. Raises StageError if none does."""
    wanted = versions.find_champion(root, {**promote, "stage": stage})
    if wanted is None:
        way = f"`python -m pipelines.retrain` makes the first, or name a version after `{option}`"
        line = f"{show(stage)}: no version of {promote['artifact']} is {show(stage)} yet; {way}"
        raise StageError(line, USER_ERROR)
    return wanted


def find_version(root: Path, artifact: str, name: str) -> Version:
    """Return the version of this name. Raises StageError if there is none."""
    by_name = {version.name: version for version in versions.list_versions(root, artifact)}
    if name not in by_name:
        raise StageError(
            f"{show(name) or 'an empty name'}: no version of {artifact}; there are {', '.join(by_name) or 'none'}",
            USER_ERROR,
        )
    return by_name[name]


if __name__ == "__main__":
    sys.exit(main())
