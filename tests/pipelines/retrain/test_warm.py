"""What a night writes over the parameters of the training that begins with the champion."""

from pathlib import Path

import pytest

from pipelines.retrain import rewrite, warm
from tests.pipelines.retrain import nights


@pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's own
def test_without_a_champion_yet_a_night_takes_no_care_of_one(tmp_path: Path) -> None:
    """The training refuses care for the weights of a start that it has not, so the first night would never begin."""
    root = nights.make_project(tmp_path).root
    care = "{kind: champion}\n  continuing: {layer_decay: 0.75, norms: frozen, anchor: 0.0, head_epochs: 2}"
    text = (root / "params.yaml").read_text().replace("start: {kind: none}", f"start: {care}")
    (root / "params.yaml").write_text(text.replace("start: scratch", "start: champion"))
    own = rewrite.read(root)["learn"]
    record = warm.begin(root, root, None, print)
    assert rewrite.read(root)["learn"] == own | {
        "start": {"kind": "none"},
        "continuing": {"layer_decay": 1.0, "norms": "batch", "anchor": 0.0, "head_epochs": 0},
    }
    assert record["own"] == {
        "learn.start": {"kind": "champion"},
        "learn.continuing.layer_decay": 0.75,
        "learn.continuing.norms": "frozen",
        "learn.continuing.head_epochs": 2,
    }, "what the next night puts back"
