"""Checks, before a version is put into production, that its data can still be had: prune.py removes old ones."""

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipelines.errors import USER_ERROR, Say, StageError
from pipelines.registry import objects, versions
from pipelines.registry.git import read_committed
from pipelines.registry.versions import Version
from pipelines.train import graph


def check_presence(root: Path, version: Version, promote: Mapping[str, Any], say: Say) -> None:
    """Check that the cache or the default remote has the files of a version, and of the other artifacts in its commit,
    such as what classifies by it. Raises StageError if neither has."""
    versions.find_artifact_path(root, promote["artifact"])
    paths, stages = versions.read_artifact_paths(root).values(), list_stages(root, version.commit)
    hashes = [text for path in paths for text in list_hashes(root, version.commit, path, stages)]
    with graph.open_repo(root) as repo:
        cache, remote = repo.cache.local, repo.config["core"].get("remote")
        missing = {oid for oid in objects.list_mentioned(hashes, cache) if not objects.locate(oid, cache).is_file()}
        if not missing:
            return
        try:
            elsewhere = repo.cloud.get_remote_odb() if remote else None
            missing_there = [oid for oid in missing if elsewhere is None or not elsewhere.exists(oid)]
        except Exception as error:  # whatever the remote's own library raises
            say(f"{version.name}: not in DVC's cache here; {remote} cannot be asked: {' '.join(str(error).split())}")
            return
    if missing_there:
        raise StageError(describe_gone(version, remote), USER_ERROR)
    say(f"{version.name}: its data were pruned here; {remote} has them: `dvc fetch --all-tags` brings them")


def describe_gone(version: Version, remote: str | None) -> str:
    """Describe in a line that a version's data are neither in the cache nor at the remote, and what to do."""
    again = f"`git worktree add ../again {version.commit[:7]}` and `dvc repro` there make them again"
    where = f"neither DVC's cache nor {remote} has" if remote else "DVC's cache no longer has"
    return f"{version.name}: its data were pruned, {where} them; {again}"


def list_stages(root: Path, commit: str) -> set[str]:
    """List the stages that a commit has: its dvc.lock also names those that were switched off before it."""
    with graph.open_repo(root) as repo, graph.switch(repo, commit):
        return {str(getattr(stage, "name", "")) for stage in repo.index.stages}


def list_hashes(root: Path, commit: str, artifact: Path, stages: Container[str] | None = None) -> list[str]:
    """List what dvc.lock of a commit says of the files of an artifact, made by these stages or by any, as texts that
    name objects."""
    lock = YAML(typ="safe").load(read_committed(root, commit, Path("dvc.lock")) or "stages: {}")
    made = [entry for name, entry in lock["stages"].items() if stages is None or name in stages]
    outs = (out for entry in made for out in entry.get("outs", []))
    return [f"md5: {out.get('md5')}" for out in outs if artifact in (Path(out["path"]), *Path(out["path"]).parents)]
