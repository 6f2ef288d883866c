"""Rehearses several nights: promoted when better, waiting, rejected when poisoned, rolled back, fetched by others.

`python -m benchmarks.rehearsal` works in a copy of the project with a bare Git remote and a DVC remote beside it. It
runs the commands that a user types, and the real stages. The images are the embedded digits as files outside the copy.
Code and parameters stay the same through all nights; only the images change.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.digit_files import DigitFiles
from benchmarks.projects import change_params, commit_all, copy_tree, run_line
from benchmarks.records import write_record

FIRST, MORE, FEW = (
    250,
    1200,
    12,
)  # images of the first night, new ones of the third, and new ones of the night that waits
NOTHING_SECONDS = 15.0  # a night without news may take this long
OUTCOMES = ("promoted", "rejected", "nothing new", "waiting")
PARAMS: dict[str, Any] = {
    "pretrain": {"epochs": 30, "watch": {"knn_queries": 0}},
    "evaluate": {"probes": ["logistic"], "shared": {"draws": 10}, "logistic": {"c_count": 12}},
    "retrain": {"new_images": 100, "drift_below": 0.001},
}


def main() -> None:
    """Rehearse and write the record; exit with status 1 where anything is not as expected."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rehearsal", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seed", type=int, default=0, help="decides the images' order and the shuffled labels")
    seed = parser.parse_args().seed
    with tempfile.TemporaryDirectory() as folder:
        rehearsal = Rehearsal(Path(folder), seed)
        rehearsal.play()
    settings = {"seed": seed, "images": {"first": FIRST, "more": MORE, "few": FEW}, "params": PARAMS}
    results = {
        "as_it_must_be": not rehearsal.wrong,
        "wrong": rehearsal.wrong,
        "seconds": sum(scene["seconds"] for scene in rehearsal.scenes),
        "scenes": rehearsal.scenes,
    }
    write_record("rehearsal", {"settings": settings, **results}, "torch", "dvc", "gto", "scikit-learn", "numpy")
    sys.exit(bool(rehearsal.wrong))


class Rehearsal:
    """A copy of the project with its remotes, the scenes that were played in it, and what went wrong."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.scenes: list[dict[str, Any]] = []
        self.wrong: list[str] = []
        self.images = DigitFiles(folder / "images", seed)
        self.mine, self.other = folder / "mine", folder / "other"
        copy_tree(self.mine)
        source = {"kind": "folder", "name": "photos", "url": str(self.images.folder), "layout": "classes"}
        change_params(self.mine / "params.yaml", {"data": {"sources": [source]}, **PARAMS})
        commit_all(self.mine, "The project")
        run_line(self.mine, f"dvc remote add --quiet --default store {folder}/store")
        commit_all(self.mine, "Where data go")
        run_line(folder, "git init --quiet --bare --initial-branch main origin.git")
        run_line(self.mine, f"git remote add origin {folder}/origin.git && git push --quiet origin main")
        run_line(folder, "git clone --quiet origin.git other")

    def play(self) -> None:
        """Play all scenes in order."""
        self.images.hold(FIRST)
        self.play_night("first", "promoted", "v0.1.0")
        self.play_night("no new image", "nothing new", "v0.1.0", within=NOTHING_SECONDS)
        self.images.hold(FIRST + MORE)
        self.play_night("new images", "promoted", "v0.2.0")
        self.images.hold(FIRST + MORE + FEW)
        self.play_night("a few more", "waiting", "v0.2.0")
        self.images.shuffle(FIRST, FIRST + MORE)
        self.play_night("labels shuffled", "rejected", "v0.2.0", because="data.max_relabelled_fraction")
        self.images.blank(FIRST, FIRST + MORE)
        self.play_night("images blanked", "rejected", "v0.2.0", because="data.max_repeated_fraction")
        self.get_champion("got by another clone", "v0.2.0")
        self.play_scene(
            "roll-back", "python -m pipelines.registry rollback && git push --quiet origin --tags", "v0.1.0"
        )
        self.images.hold(FIRST + MORE)
        self.play_night("after the roll-back", "nothing new", "v0.1.0")
        self.get_champion("got after the roll-back", "v0.1.0")

    def play_night(
        self, name: str, outcome: str, champion: str, *, because: str = "", within: float | None = None
    ) -> None:
        """Retrain once. `because` is a rule that must be among the broken ones; `within` limits the seconds."""
        before = self.list_branches()
        scene = self.play_scene(name, "python -m pipelines.retrain", champion)
        lines = scene.pop("output").splitlines()
        scene["outcome"] = next((line for line in reversed(lines) if line in OUTCOMES), None)
        if new := sorted(self.list_branches() - before):
            record = json.loads(run_line(self.mine, f"git show {new[0]}:metrics/decision.json").output)
            scene["reasons"] = record["reasons"]
            scene["gain"] = record["numbers"].get("gain")
            scene["drift"] = record["numbers"].get("drift")
        else:
            scene["reasons"] = [line for line in lines if line.startswith((f"{outcome}:", "a retraining begins"))]
        self.expect(name, scene["outcome"] == outcome, f"{outcome}, not {scene['outcome']}")
        broken = [reason["rule"] for reason in scene["reasons"] if new and not reason["passed"]]
        self.expect(name, not because or because in broken, f"rejected by {because}, not by {broken}")
        self.expect(name, within is None or scene["seconds"] <= within, f"within {within} s")

    def play_scene(self, name: str, line: str, champion: str) -> dict[str, Any]:
        """Run a command and expect this champion to be in production after it."""
        result = run_line(self.mine, line, status=None)
        self.expect(name, result.status == 0, f"exit status 0, not {result.status}: {result.output[-2000:]}")
        table = run_line(self.mine, "python -m pipelines.registry", status=None).output.splitlines()
        holder = next((row.split()[0] for row in table if " prod " in row), None)
        self.expect(name, holder == champion, f"{champion} in production, not {holder}")
        load = os.getloadavg()[
            0
        ]  # mean number of processes that wanted a core in the last minute: how busy the machine was
        scene = {"scene": name, "command": line, "seconds": result.seconds, "load": load, "prod": holder}
        scene["output"] = result.output
        self.scenes.append(scene)
        print(f"{name}: {result.seconds:.0f} s, {holder} is in production", flush=True)
        return scene

    def get_champion(self, name: str, champion: str) -> None:
        """Get the encoder in production in another clone, and expect the bytes that the training wrote."""
        line = f"git pull --quiet --tags && dvc artifacts get . encoder --stage prod --force --out {champion}"
        result = run_line(self.other, line)
        lock = YAML(typ="safe").load(run_line(self.mine, f"git show encoder@{champion}:dvc.lock").output)
        outs = {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}
        hashes = {Path(path).name: md5 for path, md5 in outs.items() if Path(path).parent == Path("models/encoder")}
        cache = self.mine / ".dvc/cache/files/md5"
        trained = {file: (cache / md5[:2] / md5[2:]).read_bytes() for file, md5 in hashes.items()}
        got = {path.name: path.read_bytes() for path in (self.other / champion).iterdir()}
        self.expect(name, "encoder.safetensors" in got and got == trained, f"the {len(trained)} files of {champion}")
        self.scenes.append({"scene": name, "command": line, "seconds": result.seconds, "same_bits": got == trained})

    def list_branches(self) -> set[str]:
        """Return the branches of the retrainings that were judged."""
        return set(
            run_line(self.mine, "git for-each-ref --format='%(refname:short)' refs/heads/retrain").output.split()
        )

    def expect(self, name: str, holds: bool, what: str) -> None:
        """Note a failure where a condition does not hold."""
        if not holds:
            self.wrong.append(f"{name}: must be {what}")
            print(self.wrong[-1], flush=True)


if __name__ == "__main__":
    main()
