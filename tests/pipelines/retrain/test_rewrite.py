"""What a night writes into params.yaml is what it means, and what the user wrote beside it stays as it was."""

from pathlib import Path

import pytest

from pipelines.errors import StageError
from pipelines.retrain import rewrite

TEXT = """\
# The user's own
pretrain:                     # how
  epochs: 80   # long enough
  start:  # what it begins with
    kind: file
    path: models/start/mine.pt
  # and then
  optimiser: {name: adamw, learning_rate: 1.0e-3}  # in one line
report: [1, "two"]
"""


def test_values_are_written_and_put_back(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes(TEXT.replace("\n", "\r\n").encode())
    own = {"pretrain.epochs": 80, "pretrain.start": {"kind": "file", "path": "models/start/mine.pt"}}
    before = rewrite.read(tmp_path)
    assert {key: rewrite.get(before, key) for key in own} == own
    values = {"pretrain.epochs": 16, "pretrain.start": {"kind": "champion"}, "pretrain.optimiser.learning_rate": 1e-5}
    rewrite.set_values(tmp_path, values)
    assert (tmp_path / "params.yaml").read_bytes().decode().split("\r\n") == [
        "# The user's own",
        "pretrain:                     # how",
        "  epochs: 16   # long enough",
        "  start: {kind: champion}  # what it begins with",
        "  # and then",
        "  optimiser: {name: adamw, learning_rate: 1e-05}  # in one line",
        'report: [1, "two"]',
        "",
    ]
    rewrite.set_values(tmp_path, own | {"pretrain.optimiser.learning_rate": 0.001})
    assert rewrite.read(tmp_path) == before


@pytest.mark.parametrize(
    "text",
    [
        "shared: &many 80\npretrain: {epochs: *many}\n",
        "shared: &all {epochs: 80}\npretrain: {<<: *all}\n",
        "shared: &all {epochs: 80}\npretrain: *all\n",
        "pretrain: 80\n",
        "pretrain: {seed: 0}\n",
    ],
)
def test_what_cannot_be_written_is_refused_in_a_line_and_nothing_changes(tmp_path: Path, text: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(
        StageError, match=r"^params\.yaml: pretrain\.epochs: written in an unusual way; [^\n]*$"
    ) as caught:
        rewrite.set_values(tmp_path, {"pretrain.epochs": 16})
    assert caught.value.status == 2
    assert (tmp_path / "params.yaml").read_text() == text
