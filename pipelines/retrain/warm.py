"""Lets a night's training begin with the champion, with parameters of its own: `retrain.start` and `retrain.warm`.

Before the graph runs, the values are written over those of the section that trains, in the worktree's params.yaml: the
night's commit holds what it was trained with, as it holds its snapshot. Its metrics/decision.json holds what stood
there before. A later night may begin at this commit, or at one of the user's that has merged it; it first puts back
what stood there, so that what a night wrote is never taken for the user's change, and what the user changed is never
lost.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipelines.errors import USER_ERROR, Say, StageError
from pipelines.registry import records, start, worktree
from pipelines.registry.versions import Version
from pipelines.retrain import rewrite
from pipelines.train import graph

CHAMPION, NONE = {"kind": "champion"}, {"kind": "none"}  # values of the key `start` of the section that trains
# Care for the weights of a start, `continuing` of that section, is refused where there is none.
NO_CARE = {"layer_decay": 1.0, "frozen_layers": 0, "norms": "batch", "anchor": 0.0, "head_epochs": 0}


def restore_own(folder: Path) -> None:
    """Put back what a night wrote over in params.yaml of a checkout, as far as nobody has changed it since."""
    begun = records.read_decision(folder, "HEAD").get("start") or {}
    params = rewrite.read(folder)
    written = begun.get("written", {})
    if own := {key: begun["own"][key] for key, value in written.items() if rewrite.get(params, key) == value}:
        rewrite.set_values(folder, own)


def begin(root: Path, folder: Path, champion: Version | None, say: Say) -> dict[str, Any]:
    """Write into the worktree, which has the user's own parameters, what its training begins with; return the record.

    Raises StageError or DamageError.
    """
    params = rewrite.read(folder)  # as they are written: a type makes 8.0 of 8, and DVC's hash would tell them apart
    place = worktree.read_named_path(folder, "start")
    section = next((stage.name for stage in graph.read_stages(folder) if place in stage.inputs), "")
    if not section and params["retrain"]["start"] == "champion":
        raise StageError(f"params.yaml: retrain.start: champion: no stage of dvc.yaml reads {place}", USER_ERROR)
    written = dict(_list_values(params, champion, section, say))
    own = {key: rewrite.get(params, key) for key in written}
    record: dict[str, Any] = {"commit": None, "own": own, "written": written}
    if written:
        rewrite.set_values(folder, written)
    if champion is not None and rewrite.get(rewrite.read(folder), f"{section}.start") == CHAMPION:
        start.bring(root, folder, champion, params["promote"])
        record["commit"] = champion.commit
        values = ", ".join(f"{key} {value}" for key, value in written.items() if value != CHAMPION)
        say(f"the training begins with {champion.name}{f', with {values}' if values else ''}")
    else:
        # No training reads it, but the hash of the folder would differ from that in the user's checkout.
        worktree.link_files(root / place / start.FOLDER, folder / place / start.FOLDER)
    return record


def explain_refusal(folder: Path, text: str) -> str:
    """Return the end of a line in which a stage refuses the champion that it was to begin with."""
    place = (worktree.read_named_path(folder, "start") / start.FOLDER).as_posix()
    return "; with `retrain.start: scratch` a training needs no champion" if place in text else ""


def _list_values(
    params: Mapping[str, Any], champion: Version | None, section: str, say: Say
) -> Iterator[tuple[str, Any]]:
    """List what is written over the section that trains, by keys with dots."""
    if params["retrain"]["start"] != "champion":
        return
    if champion is None:
        say("there is no champion to begin with yet: this night is as with `retrain.start: scratch`")
        if rewrite.get(params, f"{section}.start") == CHAMPION:
            yield f"{section}.start", NONE
            for key, nothing in _flatten(NO_CARE, f"{section}.continuing"):
                if rewrite.get(params, key) not in (None, nothing):
                    yield key, nothing
        return
    yield f"{section}.start", CHAMPION
    yield from _flatten(params["retrain"]["warm"], section)


def _flatten(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """List the values in mappings of mappings by keys with dots; what is empty stays as it is."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}.{name}")
        elif value is not None:
            yield f"{prefix}.{name}", value
