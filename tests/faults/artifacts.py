"""Makes one folder with a tiny artifact of every kind, damages them, and runs the stages that read them."""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file, save_file

from components.drift import __main__ as drift
from components.drift.params import Drift
from components.embed import __main__ as embed
from components.encoder.saved import CONFIG, WEIGHTS, save_encoder
from components.evaluate import __main__ as evaluate
from components.report import __main__ as report
from components.stage.command import read_params
from components.store import store as stores
from tests.conftest import ROOT, SHRUNKEN, set_params
from tests.embed.embedded import make_embed_settings
from tests.encoder.made import make_encoder
from tests.report.page import pages
from tests.report.unasked import leave_out
from tests.small import fill_store

IMAGES, CLASSES = 24, 2
Damage = Callable[[random.Random, Path], None]


@dataclass(frozen=True)
class Project:
    """A folder of artifacts, and the parameters of the stages."""

    root: Path
    params: Any

    def run(self, stage: str, out: Path) -> None:
        """Run a stage that reads this folder's artifacts and writes to `out`."""
        at = {name: self.root / name for name in ("store", "encoder", "embeddings", "metrics", "predictions", "plots")}
        out.mkdir(parents=True, exist_ok=True)
        match stage:
            case "embed":
                embed.run(make_embed_settings(), store=at["store"], encoder=at["encoder"], embeddings=out)
            case "evaluate":
                inputs = {name: at[name] for name in ("store", "encoder", "embeddings")}
                outputs = {"metrics": out / "knn.json", "predictions": out / "knn.parquet", "plots": out / "plots"}
                evaluate.run(self.params.evaluate, probe="knn", **inputs, **outputs)
            case "drift":
                inputs = {
                    "encoder": at["encoder"],
                    "reference": at["embeddings"] / "byol.parquet",
                    "store": at["store"],
                }
                drift.run(
                    Drift(images=8, permutations=99, seed=0), make_embed_settings(), **inputs, metrics=out / "d.json"
                )
            case "report":
                chosen = self.params.evaluate.model_copy(update={"probes": ("knn",)})
                none, folders = leave_out(self.params, self.root)
                to = {"report": out / "index.html", "card": out / "README.md"}
                report.run(self.params.report, chosen, *none, **at, **to, **folders)


def make_project(root: Path) -> Project:
    """Run the stages whose outputs are read by others, on noise."""
    (root / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    set_params(root / "params.yaml", SHRUNKEN | {"report.map_images": 4, "report.queries": 2})
    project = Project(root, read_params(root / "params.yaml"))
    rng = np.random.default_rng(0)
    fill_shards(root / "store", list(rng.integers(0, 256, (IMAGES, 8, 8))))
    save_encoder(root / "encoder", *make_encoder())
    project.run("embed", root / "embeddings")
    for name in ("metrics", "predictions"):
        (root / name).mkdir()
    project.run("evaluate", root / "out")
    (root / "out" / "knn.json").rename(root / "metrics" / "knn.json")
    (root / "out" / "knn.parquet").rename(root / "predictions" / "knn.parquet")
    (root / "plots").mkdir()
    (root / "out" / "plots").rename(root / "plots" / "knn")
    (root / "metrics" / "data.json").write_text(json.dumps(pages.CLEAN | {"test": IMAGES // 2}))
    (root / "metrics" / "pretrain.json").write_text(json.dumps(pages.PRETRAIN))
    (root / "plots" / "pretrain").mkdir()
    (root / "plots" / "pretrain" / "curve.csv").write_text(pages.CURVE)
    (root / "plots" / "pretrain" / "views.png").write_bytes(pages.encode_png(np.zeros((8, 8, 3))))
    return project


def fill_shards(folder: Path, images: list[np.ndarray]) -> None:
    """Write a store of three shards with several row groups each."""
    before = stores.GROUP_ROWS, stores.SHARD_BYTES
    stores.GROUP_ROWS, stores.SHARD_BYTES = 4, 1000
    try:
        labels, splits = [n % CLASSES for n in range(IMAGES)], ["train", "train", "test", "test"] * (IMAGES // 4)
        assert len(fill_store(folder, images, labels=labels, splits=splits, names=["ant", "bee"]).shards) > 2
    finally:
        stores.GROUP_ROWS, stores.SHARD_BYTES = before


def flip(random: random.Random, path: Path) -> None:
    """Flip a bit, or a few bytes."""
    content = bytearray(path.read_bytes())
    for _ in range(random.choice([1, 1, 1, 5])):
        tail = len(content) > 2000 and random.random() < 0.5  # where Parquet has its footer
        content[
            random.randrange(len(content) - 1000 * tail, len(content)) if tail else random.randrange(len(content))
        ] ^= 1 << random.randrange(8)
    path.write_bytes(content)


def cut(random: random.Random, path: Path) -> None:
    """Cut the file off, or add to it."""
    content = path.read_bytes()
    path.write_bytes(content[: random.randrange(len(content))] if random.random() < 0.8 else content + content[:50])


def empty(random: random.Random, path: Path) -> None:
    """Empty the file, or fill it with zeros."""
    path.write_bytes(random.choice([b"", bytes(path.stat().st_size), random.randbytes(200)]))


def delete(_: random.Random, path: Path) -> None:
    """Delete the file."""
    path.unlink()


def make_folder(_: random.Random, path: Path) -> None:
    """Put a folder in the place of the file."""
    path.unlink()
    path.mkdir()


def swap(random: random.Random, path: Path) -> None:
    """Put another artifact in the place of the file."""
    root = next(parent for parent in path.parents if (parent / "store").is_dir())
    others = [other for other in list_files(root) if other != path and other.read_bytes() != path.read_bytes()]
    shutil.copyfile(random.choice(others), path)


ANY: list[Damage] = [flip, flip, flip, cut, empty, delete, make_folder, swap]


def damage_table(random: random.Random, path: Path) -> None:
    """Write the table anew, without checksums, with other columns, types or values."""
    table = pq.read_table(path)
    name = random.choice(table.column_names)
    place, column = table.column_names.index(name), table[name]
    half = pa.array([row % 2 == 0 for row in range(len(table))])
    kinds: list[Callable[[], pa.Table]] = [
        lambda: table.drop_columns([name]),
        lambda: table.rename_columns([f"{each}!" if each == name else each for each in table.column_names]),
        lambda: table.set_column(place, name, pa.nulls(len(table), column.type)),
        lambda: table.set_column(place, name, pa.nulls(len(table), pa.int8())),
        lambda: table.set_column(place, name, pa.array([1.5] * len(table))),
        lambda: table.set_column(place, name, pa.array([["x"]] * len(table))),
        lambda: table.set_column(place, name, pc.if_else(half, column, pa.scalar(None, column.type))),
        lambda: table.replace_schema_metadata(None),
        lambda: table.replace_schema_metadata({"huggingface": "{}", "precision": "float64"}),
        lambda: pa.concat_tables([table, table]),
        lambda: table.slice(0, 0),
    ]
    if "label" in table.column_names and "embedding" in table.column_names:
        width = table.schema.field("embedding").type.list_size
        nan = pa.FixedSizeListArray.from_arrays(pa.array([float("nan")] * width * len(table), pa.float32()), width)
        kinds += [lambda: table.set_column(3, "embedding", nan), lambda: table.slice(1)]
    if "label" in table.column_names:
        wrong = random.choice([-5, 2, 10**12])
        kinds.append(
            lambda: table.set_column(
                table.column_names.index("label"), "label", pa.array([wrong] * len(table), pa.int64())
            )
        )
    if "image" in table.column_names:
        broken = pa.array([{"bytes": random.randbytes(50), "path": "x"}] * len(table), table.schema.field("image").type)
        kinds.append(lambda: table.set_column(1, "image", broken))
    pq.write_table(random.choice(kinds)(), path)


ODD = [None, True, "", "x" * 5000, -1, 0, 1, 10**6, 10**12, 2**63, 10**400, 1e300, 1e-300, float("nan"), float("inf")]
ODD += [[], {}, [1], [[]], [10**9], [-1], [None], {"a": 1}, "tiny_resnet", "resnet50", "article", "\x1b[2J", "\ud800"]


def damage_json(random: random.Random, path: Path) -> None:
    """Put an odd value in the place of another, lose a key, add one, or nest without end."""
    if random.random() < 0.05:
        path.write_text(random.choice(["[" * 100_000, '{"a":' * 100_000, "null", "[]", "1e999", '"x"', "{}"]))
        return
    content = json.loads(path.read_text())
    places = list(list_places(content))
    holder, key = random.choice(places)
    match random.randrange(4):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder["unknown"] = random.choice(ODD)
        case _:
            holder[key] = random.choice(ODD)
    path.write_text(json.dumps(content))


def list_places(content: Any) -> Iterator[tuple[Any, Any]]:
    """List every place of a value in JSON: what holds it, and its key."""
    keys = list(content) if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    for key in keys:
        yield content, key
        yield from list_places(content[key])


def damage_csv(random: random.Random, path: Path) -> None:
    """Put an odd cell in the place of another, or lose a row's end or the header."""
    lines = path.read_text().splitlines()
    row = random.randrange(len(lines))
    cells = lines[row].split(",")
    cells[random.randrange(len(cells))] = random.choice(["x", "nan", "inf", "", '"', "1,2", "\0", "1e400", "é", "\n"])
    lines[row] = random.choice([",".join(cells), ",".join(cells[:-1]), ""])
    path.write_text("\n".join(lines[random.randrange(2) :]) + "\n")


def damage_weights(random: random.Random, path: Path) -> None:
    """Write the weights anew with other tensors, with or without their hash in config.json."""
    weights = load_file(path)
    name = random.choice(sorted(weights))
    tensor = weights.pop(name)
    changes: list[Callable[[], Any]] = [
        lambda: None,
        lambda: weights.update({name: tensor.double() if tensor.is_floating_point() else tensor.float()}),
        lambda: weights.update({name: torch.cat([tensor.reshape(-1)] * 2)}),
        lambda: weights.update({name: tensor, "more": tensor.clone()}),
        lambda: weights.update({name: torch.full_like(tensor.float(), float("nan")).to(tensor.dtype)}),
        lambda: weights.update({name: torch.full(tensor.shape, float(random.choice(["nan", "inf", "-inf"])))}),
        lambda: weights.update({name: tensor.half() if tensor.is_floating_point() else tensor.int()}),
    ]
    random.choice(changes)()
    save_file(weights, path)
    if random.random() < 0.3:
        path.write_bytes(random.choice([2**60, 2**64 - 1, 2**40, 0]).to_bytes(8, "little") + path.read_bytes()[8:])
    if random.random() < 0.7:
        config = json.loads((path.parent / CONFIG).read_text())
        (path.parent / CONFIG).write_text(json.dumps({key: value for key, value in config.items() if key != "weights"}))


KINDS: dict[str, tuple[str, list[str], list[Damage]]] = {  # what is damaged, the stages that read it, and how
    "store": ("store/*.parquet", ["embed", "embed", "embed", "report", "drift"], [*ANY, damage_table, damage_table]),
    "embeddings": (
        "embeddings/*.parquet",
        ["evaluate", "evaluate", "report", "drift"],
        [*ANY, damage_table, damage_table],
    ),
    "predictions": ("predictions/*.parquet", ["report"], [*ANY, damage_table, damage_table]),
    "metrics": ("metrics/*.json", ["report"], [*ANY, *[damage_json] * 8]),
    "curves": ("plots/*/*.csv", ["report"], [*ANY, *[damage_csv] * 4]),
    "picture": ("plots/pretrain/views.png", ["report"], ANY),
    "config": (f"encoder/{CONFIG}", ["embed", "report", "drift"], [*ANY, *[damage_json] * 8]),
    "weights": (f"encoder/{WEIGHTS}", ["embed", "drift"], [*ANY, damage_weights, damage_weights, damage_weights]),
}


def list_files(root: Path) -> list[Path]:
    """List all artifacts."""
    return [path for pattern, _, _ in KINDS.values() for path in sorted(root.glob(pattern)) if path.is_file()]
