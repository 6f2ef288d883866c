"""Finds the pin that a branch has and params.yaml lacks: a retraining commits its pin to a branch of its own."""

import subprocess
from pathlib import Path

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from components.fetch.params import Snapshot

BRANCHES = 20  # at most, the newest first


def describe_pin_elsewhere(params: Path) -> str:
    """Describe in half a sentence which branch pins a snapshot; empty if none does, or if there is no Git."""
    listing = ("for-each-ref", "--sort=-committerdate", f"--count={BRANCHES}", "--format=%(refname:short)")
    for branch in _ask_git(params.parent, *listing, "refs/heads", "refs/remotes").splitlines():
        if pin := _read_pin(_ask_git(params.parent, "show", f"{branch}:./{params.name}")):
            name = f"the branch {branch} pins {pin.files:,} files (digest {pin.digest[:8]})"
            return f"; {name}: `git merge {branch}` brings that here"
    return ""


def _read_pin(text: str) -> Snapshot | None:
    """Return the pin in the text of a params.yaml; None if there is none."""
    try:
        return Snapshot.model_validate(YAML(typ="safe").load(text)["data"]["snapshot"])
    except (YAMLError, ValidationError, LookupError, TypeError):
        return None


def _ask_git(folder: Path, *arguments: str) -> str:
    """Run Git in a folder; return its answer, or an empty text if it fails or is not installed."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, encoding="utf-8", errors="replace", check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout if done.returncode == 0 else ""
