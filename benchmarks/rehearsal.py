"""Do nights go as they must: promoted when better, waiting, rejected when poisoned, rolled back, and got by others?

`python -m benchmarks.rehearsal` works in a copy of the project with a bare Git remote and a DVC remote beside it, by
the commands that a user types and by the real stages. The images are the embedded digits as files outside the copy.
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
from benchmarks.projects import change, commit, copy_tree, typed
from benchmarks.records import write_record

FIRST, MORE, FEW = 250, 1200, 12  # images of the first night, of the third, and of the one that waits
NOTHING_SECONDS = 15.0  # that a night without news may take
OUTCOMES = ("promoted", "rejected", "nothing new", "waiting")
PARAMS: dict[str, Any] = {
    "pretrain": {"epochs": 30, "watch": {"knn_queries": 0}},
    "evaluate": {"probes": ["logistic"], "shared": {"draws": 10}, "logistic": {"c_count": 12}},
    "retrain": {"new_images": 100, "drift_below": 0.001},
}


def main() -> None:
    """Rehearse and write the record; exit status 1 where anything is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rehearsal", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seed", type=int, default=0, help="of the images' order and of the shuffled labels")
    seed = parser.parse_args().seed
    with tempfile.TemporaryDirectory() as folder:
        rehearsal = Rehearsal(Path(folder), seed)
        rehearsal.play()
    settings = {"seed": seed, "images": {"first": FIRST, "more": MORE, "few": FEW}, "params": PARAMS}
    found = {
        "as_it_must_be": not rehearsal.wrong,
        "wrong": rehearsal.wrong,
        "seconds": sum(one["seconds"] for one in rehearsal.scenes),
        "scenes": rehearsal.scenes,
    }
    write_record("rehearsal", {"settings": settings, **found}, "torch", "dvc", "gto", "scikit-learn", "numpy")
    sys.exit(bool(rehearsal.wrong))


class Rehearsal:
    """What is played, and what came of it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.scenes: list[dict[str, Any]] = []
        self.wrong: list[str] = []
        self.images = DigitFiles(folder / "images", seed)
        self.mine, self.other = folder / "mine", folder / "other"
        copy_tree(self.mine)
        source = {"kind": "folder", "name": "photos", "url": str(self.images.folder), "layout": "classes"}
        change(self.mine / "params.yaml", {"data": {"sources": [source]}, **PARAMS})
        commit(self.mine, "The project")
        typed(self.mine, f"dvc remote add --quiet --default store {folder}/store")
        commit(self.mine, "Where data go")
        typed(folder, "git init --quiet --bare --initial-branch main origin.git")
        typed(self.mine, f"git remote add origin {folder}/origin.git && git push --quiet origin main")
        typed(folder, "git clone --quiet origin.git other")

    def play(self) -> None:
        """All of it, in order."""
        self.images.hold(FIRST)
        self.night("first", "promoted", "v0.1.0")
        self.night("no new image", "nothing new", "v0.1.0", within=NOTHING_SECONDS)
        self.images.hold(FIRST + MORE)
        self.night("new images", "promoted", "v0.2.0")
        self.images.hold(FIRST + MORE + FEW)
        self.night("a few more", "waiting", "v0.2.0")
        self.images.shuffle(FIRST, FIRST + MORE)
        self.night("labels shuffled", "rejected", "v0.2.0", because="data.max_relabelled_fraction")
        self.images.blank(FIRST, FIRST + MORE)
        self.night("images blanked", "rejected", "v0.2.0", because="data.max_repeated_fraction")
        self.get("got by another clone", "v0.2.0")
        self.scene("roll-back", "python -m pipelines.registry rollback && git push --quiet origin --tags", "v0.1.0")
        self.images.hold(FIRST + MORE)
        self.night("after the roll-back", "nothing new", "v0.1.0")
        self.get("got after the roll-back", "v0.1.0")

    def night(self, name: str, outcome: str, champion: str, *, because: str = "", within: float | None = None) -> None:
        """One retraining; with the rule that must be among those that it broke, and the seconds that it may take."""
        before = self.branches()
        scene = self.scene(name, "python -m pipelines.retrain", champion)
        lines = scene.pop("said").splitlines()
        scene["outcome"] = next((line for line in reversed(lines) if line in OUTCOMES), None)
        if new := sorted(self.branches() - before):
            record = json.loads(typed(self.mine, f"git show {new[0]}:metrics/decision.json").said)
            scene["reasons"] = record["reasons"]
            scene["gain"] = record["numbers"].get("gain")
            scene["drift"] = record["numbers"].get("drift")
        else:
            scene["reasons"] = [line for line in lines if line.startswith((f"{outcome}:", "a retraining begins"))]
        self.expect(name, scene["outcome"] == outcome, f"{outcome}, not {scene['outcome']}")
        broken = [one["rule"] for one in scene["reasons"] if new and not one["passed"]]
        self.expect(name, not because or because in broken, f"rejected by {because}, not by {broken}")
        self.expect(name, within is None or scene["seconds"] <= within, f"within {within} s")

    def scene(self, name: str, line: str, champion: str) -> dict[str, Any]:
        """A command, and who has to be in production after it."""
        done = typed(self.mine, line, status=None)
        self.expect(name, done.status == 0, f"exit status 0, not {done.status}: {done.said[-2000:]}")
        table = typed(self.mine, "python -m pipelines.registry", status=None).said.splitlines()
        holder = next((row.split()[0] for row in table if " prod " in row), None)
        self.expect(name, holder == champion, f"{champion} in production, not {holder}")
        load = os.getloadavg()[0]  # a minute's mean of processes that want a core: whose else the machine was
        scene = {"scene": name, "command": line, "seconds": done.seconds, "load": load, "prod": holder}
        scene["said"] = done.said
        self.scenes.append(scene)
        print(f"{name}: {done.seconds:.0f} s, {holder} is in production", flush=True)
        return scene

    def get(self, name: str, champion: str) -> None:
        """Another clone gets what is in production, from the remotes; its bytes are those that the training wrote."""
        line = f"git pull --quiet --tags && dvc artifacts get . encoder --stage prod --force --out {champion}"
        done = typed(self.other, line)
        lock = YAML(typ="safe").load(typed(self.mine, f"git show encoder@{champion}:dvc.lock").said)
        outs = {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}
        hashes = {Path(path).name: md5 for path, md5 in outs.items() if Path(path).parent == Path("models/encoder")}
        cache = self.mine / ".dvc/cache/files/md5"
        trained = {file: (cache / md5[:2] / md5[2:]).read_bytes() for file, md5 in hashes.items()}
        got = {path.name: path.read_bytes() for path in (self.other / champion).iterdir()}
        self.expect(name, "encoder.safetensors" in got and got == trained, f"the {len(trained)} files of {champion}")
        self.scenes.append({"scene": name, "command": line, "seconds": done.seconds, "same_bits": got == trained})

    def branches(self) -> set[str]:
        """Of retrainings that were judged."""
        return set(typed(self.mine, "git for-each-ref --format='%(refname:short)' refs/heads/retrain").said.split())

    def expect(self, name: str, holds: bool, what: str) -> None:
        """Note what is not as it must be."""
        if not holds:
            self.wrong.append(f"{name}: must be {what}")
            print(self.wrong[-1], flush=True)


if __name__ == "__main__":
    main()
