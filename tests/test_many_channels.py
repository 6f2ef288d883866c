"""Thirteen channels of 12 bits in 16, from the files to the report: nothing is cut on the way, and nothing is black.

The class of the made-up satellite images lies in one infrared channel (benchmarks/satellite.py measures what that is
worth); here they are so few that only the way is tried.
"""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.satellite import CHANNELS, COLOURS, INFRARED, WHITE, check_store, draw_scenes, make_params, write_files
from components.embed import __main__ as embed
from components.evaluate import __main__ as evaluate
from components.features.embeddings import read_embeddings
from components.features.load import load_encoder
from components.fetch import __main__ as fetch
from components.pretrain import __main__ as pretrain
from components.report import __main__ as report
from components.stage.command import read_params
from components.store.decode import decode_square
from components.store.store import SPLITS, Store
from presets.apply import make_yaml, merge
from tests.conftest import ROOT
from tests.report.unasked import leave_out

SMALL: dict[str, Any] = {
    "data": {"workers": 1},
    "pretrain": {
        "batch_size": 16,
        "encoder": {"widths": [4, 8]},
        "head": {"hidden": 8, "out": 4},
        "watch": {"knn_queries": 0, "loggers": [], "collapse": 0.0},
        "feed": {"workers": 0},
    },
    "evaluate": {"probes": ["logistic"], "shared": {"draws": 10}, "logistic": {"c_count": 3}},
}
SATURATION = 30  # of 255, by which the channels of a coloured picture differ


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that the stages make of 32 scenes."""
    root = tmp_path_factory.mktemp("satellite")
    scenes, classes = draw_scenes(32, seed=0)
    written = write_files(root / "scenes", scenes, classes)
    whole = make_yaml().load(ROOT / "params.yaml")
    for changes in (make_params(root / "scenes", scenes, 1, COLOURS), SMALL):
        merge(whole, changes)
    make_yaml().dump(whole, root / "params.yaml")
    params = read_params(root / "params.yaml")
    store, encoder, embeddings = root / "store", root / "encoder", root / "embeddings"
    metrics, plots = root / "metrics", root / "plots"
    kept = {"scratch": root / "scratch"}
    paths = {"labels": root / "labels", "findings": root / "findings"}
    fetch.run(params.data, store=store, metrics=metrics / "data.json", **paths, **kept)
    check_store(Store(store), written)
    files = {"metrics": metrics / "pretrain.json", "curve": plots / "pretrain/curve.csv", "live": root / "live"}
    files |= {"views": plots / "pretrain/views.png"}
    pretrain.run(params.pretrain, store=store, starts=root / "starts", encoder=encoder, **files, **kept)
    embed.run(params.embed, store=store, encoder=encoder, embeddings=embeddings)
    folders = {"store": store, "encoder": encoder, "embeddings": embeddings}
    outputs = {"predictions": root / "predictions/logistic.parquet", "plots": plots / "logistic"}
    evaluate.run(params.evaluate, probe="logistic", metrics=metrics / "logistic.json", **folders, **outputs)
    none, others = leave_out(params, root)
    report.run(
        params.report,
        params.evaluate,
        *none,
        metrics=metrics,
        predictions=root / "predictions",
        plots=plots,
        report=root / "index.html",
        card=encoder / "README.md",
        **folders,
        **others,
    )
    return root


def read_shown(page: str) -> list[np.ndarray]:
    """Read the pictures of a page: (H, W, 3) each."""
    found = re.findall(r"data:image/(?:png|webp);base64,([A-Za-z0-9+/=]+)", page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB")) for content in found]


def test_every_picture_of_the_report_is_coloured_and_none_is_black(made: Path) -> None:
    shown = read_shown((made / "index.html").read_text())
    assert len(shown) > 32, "the map, the neighbours and the views"
    assert min(picture.mean() for picture in shown) > 50
    assert min((picture.max(axis=2) - picture.min(axis=2)).mean() for picture in shown) > 1


def test_the_embeddings_are_those_of_the_arrays_in_the_files(made: Path) -> None:
    """What stage embed made of the store, `load_encoder` makes of the values themselves."""
    loaded, store = load_encoder(made / "encoder"), Store(made / "store")
    squares = dict(store.read_images(np.arange(6), SPLITS))
    arrays = [
        decode_square(squares[place], side=loaded.config.images.side, channels=CHANNELS, deep=True).transpose(1, 2, 0)
        for place in range(6)
    ]
    assert {array.dtype for array in arrays} == {np.dtype(np.uint16)}
    features = read_embeddings(made / "embeddings" / "byol.parquet").features[:6]
    np.testing.assert_allclose(loaded.embed(np.stack(arrays)), features, atol=1e-4)
    changed = np.stack(arrays)
    changed[..., INFRARED] += 1  # of 4095: less than the upper 8 of 16 bits could tell
    assert not np.array_equal(loaded.embed(changed), loaded.embed(np.stack(arrays)))


def test_what_is_written_says_what_the_input_is(made: Path) -> None:
    config = json.loads((made / "encoder" / "config.json").read_text())
    assert (config["images"]["range"], config["images"]["colours"]) == ([0, WHITE], list(COLOURS))
    card = (made / "encoder" / "README.md").read_text()
    assert (
        "images of 13 channels (counted from 0, red, green and blue are 3, 2 and 1) with values from 0 to 4095 and"
        in card
    )
