"""A project so small that a night takes seconds: three simple stages, images that are lines of text, two remotes.

A photo says what it shows and how it is labelled. The encoder is one number, the share of all things that it knows:
more photos make it better, wrong labels worse, and fewer than 80 epochs, with those of the encoder that it began with,
less good; it is right about a photo if the photo's hash lies below that number.
Stages, snapshot and settings have the command lines and the files of the real ones.
"""

import shutil
from pathlib import Path

from dvc.repo import Repo

from tests.conftest import ROOT, Project

GRAPH = """
vars:
  - path: {scratch: scratch, labels: labels, store: store, start: models/start}
artifacts:
  encoder: {path: models/encoder, type: model}
stages:
  collect:
    cmd: python work.py collect
    deps: [work.py, labels]
    params: [data]
    outs: [store]
    metrics: [metrics/data.json: {cache: false}]
    meta: {retries: 0, minutes: 1, tags: []}
  learn:
    cmd: python work.py learn
    deps: [work.py, store, models/start]
    params: [learn]
    outs: [models/encoder/encoder.safetensors, models/encoder/config.json]
    metrics: [metrics/learn.json: {cache: false}]
    meta: {retries: 0, minutes: 1, tags: []}
  vote:
    cmd: python work.py vote
    deps: [work.py, store, models/encoder/encoder.safetensors]
    params: [vote]
    outs: [predictions/vote.parquet]
    metrics: [metrics/vote.json: {cache: false}]
    meta: {retries: 0, minutes: 1, tags: []}
"""
PARAMS = """
data:
  folder: photos
  snapshot:
learn:  # the user's own words
  rate: 1
  start: {kind: none}
  network: small
  epochs: 80  # and why so many
vote: {k: 1}
flow: {at_once: 2, retry_seconds: 0}
notify: {events: [failed, crashed, cancelled, promoted, rejected], file: scratch/told.jsonl, webhook: $NOTIFY_WEBHOOK}
retrain: {start: scratch, warm: {epochs: 16, rate: null}, new_images: 1, drift_below: null, keep: null}
promote:
  artifact: encoder
  stage: prod
  probe: vote
  metric: accuracy
  champion_within: 0.01
  start_within: 0.01
  minimal_gain: 0.01
  minimal_gain_low: 0.0
  floor: 0.5
  health: {min_rank_me: 2.0, min_z_std: 0.01}
  data: {max_rejected_fraction: 0.05, max_repeated_fraction: 0.2, max_relabelled_fraction: 0.05}
  drift: {hold_below: 0.001}
"""
WORK = """
import hashlib, json, sys, time
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq
from ruamel.yaml import YAML
params = YAML(typ="safe").load(Path("params.yaml"))
def write(path, content):
    path = Path(path); path.parent.mkdir(parents=True, exist_ok=True); path.write_text(json.dumps(content))
NAMES = ["cat", "dog", "mouse"]
IMAGES = {"huggingface": json.dumps({"info": {"features": {"label": {"names": NAMES}}}})}
def store():
    rows = pq.read_table("store/0.parquet").to_pylist()
    shows = lambda row: row["image"]["bytes"].decode().split()[0]
    return [{"id": row["id"], "shows": shows(row), "label": NAMES[row["label"]]} for row in rows]
def collect():
    files = sorted(Path(params["data"]["folder"]).glob("*.txt"))
    rows = [dict(zip(("id", "shows", "label"), [file.stem, *file.read_text().split()])) for file in files]
    given = dict(line.split(",")[:2] for line in Path("labels/given.csv").read_text().splitlines())
    rows = [row | {"label": given.get(row["id"], row["label"])} for row in rows]
    if not rows:
        print("params.yaml: data.folder: no photo there", file=sys.stderr); sys.exit(2)
    blank = sum(row["shows"] == "nothing" for row in rows)
    image = lambda row: {"bytes": f"{row['shows']} {row['id']}".encode()}
    stored = [
        {"id": row["id"], "image": image(row), "label": NAMES.index(row["label"]), "split": "test"} for row in rows
    ]
    Path("store").mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(stored).replace_schema_metadata(IMAGES), "store/0.parquet")
    write("metrics/data.json", {"images": len(rows), "rejected": 0, "repeated": max(0, blank - 1)})
def learn():
    rows, checkpoint = store(), Path("scratch/checkpoint")
    if checkpoint.exists():
        print("learn: going on after step 1")
    while Path("scratch/slow").exists():
        checkpoint.touch()
        Path("scratch/started").touch()
        time.sleep(0.1)
    settings, begun, origin = params["learn"], 0, None
    if settings["start"]["kind"] == "champion":
        champion = Path("models/start/champion")
        if not champion.exists():
            print(f"{champion}: no champion here", file=sys.stderr); sys.exit(2)
        config, origin = json.loads((champion / "config.json").read_text()), (champion / "version").read_text().strip()
        if config["network"] != settings["network"]:
            print(f"{champion}/encoder.safetensors: no weights of a {settings['network']} network", file=sys.stderr)
            sys.exit(2)
        begun = config["epochs"]
    right, epochs = sum(row["shows"] == row["label"] for row in rows), begun + settings["epochs"]
    Path("models/encoder").mkdir(parents=True, exist_ok=True)
    skill = right / (right + 50) * right / len(rows) * min(1, epochs / 80)
    Path("models/encoder/encoder.safetensors").write_text(str(skill))
    write("models/encoder/config.json", {"network": settings["network"], "epochs": epochs, "origin": origin})
    write("metrics/learn.json", {"rank_me": 8.0, "z_std": 0.1})
def vote():
    skill, rows = float(Path("models/encoder/encoder.safetensors").read_text()), store()
    for row in rows:
        knows = int(hashlib.sha256(row["id"].encode()).hexdigest()[:8], 16) / 2**32 < skill
        row |= {"encoder": "byol", "actual": row.pop("label"), "predicted": row["shows"] if knows else "?"}
        row["accuracy"] = float(row["predicted"] == row["actual"])
    Path("predictions").mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), "predictions/vote.parquet")
    write("metrics/vote.json", {"byol": {"accuracy": sum(row["accuracy"] for row in rows) / len(rows)}})
globals()[sys.argv[1]]()
"""
SETTINGS = """
import json
from pathlib import Path
from ruamel.yaml import YAML
params = YAML(typ="safe").load(Path("params.yaml"))
params["learn"]["epochs"] = float(params["learn"]["epochs"])  # as the real ones' types may do
print(json.dumps(params))
"""
SNAPSHOT = """
import hashlib
from pathlib import Path
from ruamel.yaml import YAML
yaml = YAML()
params = yaml.load(Path("params.yaml"))
digest = hashlib.sha256()
for file in sorted(Path(params["data"]["folder"]).glob("*.txt")):
    digest.update(f"{file.name} {file.read_text()}".encode())
params["data"]["snapshot"] = {"digest": digest.hexdigest()}
yaml.dump(params, Path("params.yaml"))
"""
IGNORED = "/photos/\n/scratch\n/store\n/models/encoder\n/predictions\n/home\n"


def take_photos(folder: Path, numbers: range, *, wrong: int = 0, blank: bool = False) -> None:
    """Write photos by number, some of them labelled wrongly, or all of them black."""
    folder.mkdir(exist_ok=True)
    for number in numbers:
        shows = "nothing" if blank else "cat" if number % 2 else "dog"
        label = "mouse" if number - numbers.start < wrong else "cat" if number % 2 else "dog"
        (folder / f"{number:04}.txt").write_text(f"{shows} {label}")


def give_label(root: Path, photo: str, label: str) -> None:
    """Give a photo a label by hand, which nobody commits."""
    with (root / "labels/given.csv").open("a") as file:
        file.write(f"{photo},{label},Ann,2026-05-31T14:05:00Z\n")


def make_project(folder: Path) -> Project:
    """Make a clone with a Git remote and a DVC remote beside it, 100 photos, and nothing run."""
    project = Project(folder / "project")
    (folder / "home").mkdir(parents=True)
    root = project.root
    for room in ("components/stage", "components/fetch", "models/start", "labels"):
        (root / room).mkdir(parents=True)
    files = {"dvc.yaml": GRAPH, "params.yaml": PARAMS, "work.py": WORK, ".gitignore": IGNORED}
    files["labels/given.csv"] = "id,label,who,when\n"
    files["models/start/.gitignore"] = "*\n!.gitignore\n"
    files |= dict.fromkeys(
        ("components/__init__.py", "components/stage/__init__.py", "components/fetch/__init__.py"), ""
    )
    files |= {"components/stage/__main__.py": SETTINGS, "components/fetch/snapshot.py": SNAPSHOT}
    for name, text in files.items():
        (root / name).write_text(text)
    shutil.copy(ROOT / ".dvcignore", root / ".dvcignore")
    take_photos(root / "photos", range(100))
    project.run("git", "init", "--quiet", "--initial-branch", "main")
    project.run("git", "config", "user.name", "Ada")
    project.run("git", "config", "user.email", "ada@example.org")
    with Repo.init(str(root)) as repo, repo.config.edit() as config:
        config["core"] = {"analytics": False, "remote": "store", "autostage": True}
        config["remote"] = {"store": {"url": str(folder / "store")}}
    project.commit("empty project")
    project.run("git", "init", "--quiet", "--bare", "--initial-branch", "main", str(folder / "origin.git"))
    project.run("git", "remote", "add", "origin", str(folder / "origin.git"))
    project.run("git", "push", "--quiet", "origin", "main")
    return project
