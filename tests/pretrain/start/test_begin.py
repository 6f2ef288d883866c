"""What params.yaml names as a start is found where DVC sees it, checked, and told to whoever trains."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from components.encoder.saved import WEIGHTS, save_encoder
from components.learning.replicas import ALONE, Replica
from components.pretrain.loop import build_objective
from components.pretrain.params import OBJECTIVES, Pretrain
from components.pretrain.start import begin
from components.pretrain.start.begin import compare_pixels, compare_statistics, read_start
from components.stage.errors import InputError
from tests.encoder.made import make_encoder
from tests.encoder.test_from_own import Write, write  # noqa: F401  (a fixture)
from tests.pretrain.start.files import draw_weights, save_zip
from tests.small import make_settings

TINY = {"name": "tiny_resnet", "widths": (8, 16), "blocks": 1}


def begin_with(start: dict[str, Any], **changes: Any) -> Pretrain:
    return make_settings(start=start, encoder=TINY, **changes)


def begin_with_file(path: Path, **changes: Any) -> Pretrain:
    return begin_with({"kind": "file", "path": str(path)}, **changes)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    (tmp_path / "starts").mkdir()
    save_zip(tmp_path / "starts" / "weights.pt", draw_weights())
    return tmp_path / "starts" / "weights.pt"


def test_a_file_is_named_with_its_hash(weights: Path) -> None:
    start = read_start(begin_with_file(weights), weights.parent, ALONE)
    assert start is not None
    assert (start.begun.kind, start.begun.origin) == ("file", str(weights))
    assert start.list_lines()[0] == f"begins with {weights}, sha256 {start.begun.sha256[:12]}"
    assert start.list_lines()[1] == "start: taken: 0.weight, 1.*: 4 tensors, 3.*: 10 tensors, 4.*: 15 tensors"


def test_no_start_reads_nothing(tmp_path: Path) -> None:
    assert read_start(begin_with({"kind": "none"}), tmp_path / "missing", ALONE) is None


def test_a_file_that_dvc_does_not_watch_is_refused_with_the_way(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another file in its place would else leave the encoder as it is, or not, without a word."""
    outside = Path(shutil.copy(weights, tmp_path / "weights.pt"))
    with pytest.raises(
        InputError, match=r"lies outside of .*: copy it there and name it .*/starts/weights\.pt, so that"
    ):
        read_start(begin_with_file(outside), weights.parent, ALONE)
    (weights.parent / "linked").symlink_to(tmp_path)
    with pytest.raises(InputError, match="lies outside of"):
        read_start(begin_with_file(weights.parent / "linked" / "weights.pt"), weights.parent, ALONE)
    monkeypatch.chdir(tmp_path)  # where no dvc.yaml is
    assert read_start(begin_with_file(outside), weights.parent, ALONE) is not None


@pytest.fixture
def champion(tmp_path: Path) -> Path:
    folder = tmp_path / "starts" / "champion"
    save_encoder(folder, *make_encoder())
    (folder / "version").write_text("encoder@v0.3.0\n")
    return folder


def begin_with_champion() -> Pretrain:
    return make_settings(start={"kind": "champion"}, encoder={"name": "tiny_resnet", "widths": (4, 8), "blocks": 1})


def test_the_champion_is_named_by_its_version(champion: Path) -> None:
    start = read_start(begin_with_champion(), champion.parent, ALONE)
    assert start is not None
    assert start.begun.origin == "encoder@v0.3.0"
    assert torch.equal(start.weights["0.weight"], make_encoder()[0].state_dict()["0.weight"])
    assert "the start was trained with [0.400] and [0.250]" in start.advice[0], "of the champion's own config.json"


@pytest.mark.parametrize("name", ["version", "config.json", WEIGHTS])
def test_a_champion_that_is_missing_is_one_line_with_the_command(name: str, champion: Path) -> None:
    (champion / name).unlink()
    with pytest.raises(InputError, match=r"no champion here|no such file"):
        read_start(begin_with_champion(), champion.parent, ALONE)


def test_a_champion_that_is_damaged_is_one_line(champion: Path) -> None:
    content = bytearray((champion / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (champion / WEIGHTS).write_bytes(content)
    with pytest.raises(InputError, match="damaged: its SHA-256 does not begin with"):
        read_start(begin_with_champion(), champion.parent, ALONE)
    (champion / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"not a champion's files: encoder: Field required; .*registry start"):
        read_start(begin_with_champion(), champion.parent, ALONE)


def test_a_file_that_changes_while_it_is_read_is_refused(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its hash would be that of other weights."""
    monkeypatch.setattr(begin, "hash_file", lambda path: path.write_bytes(b"other") and "0" * 64)
    with pytest.raises(InputError, match="was changed while it was read"):
        read_start(begin_with_file(weights), weights.parent, ALONE)


def test_processes_that_find_other_files_do_not_begin(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(begin.replicas, "broadcast_value", lambda value: value and "0" * 64)
    with pytest.raises(InputError, match="not what the first process has there"):
        read_start(begin_with_file(weights), weights.parent, Replica(1, 2))


def test_numbers_as_the_weights_know_them_need_no_word() -> None:
    imagenet = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    images = make_settings(images__mean=imagenet[0], images__std=imagenet[1]).images
    assert compare_statistics(images, *imagenet) == []
    assert (
        "pretrain.images.mean, std: the start was trained with [0.500"
        in compare_statistics(images, (0.5,) * 3, (0.5,) * 3)[0]
    )
    gray = make_settings(images__mean=(0.45,), images__std=(0.226,)).images
    assert compare_statistics(gray, *imagenet) == []


def test_a_network_of_the_users_own_is_built_as_it_is(write: Write, tmp_path: Path) -> None:  # noqa: F811
    """It may compute numbers while it is built, which a network without memory for its weights does not have."""
    build = "import torch\nfrom torch import nn\ndef build(*, channels, side, width):\n    "
    encoder = write(build + "return nn.Sequential(nn.Flatten(), nn.Linear(64, int(torch.tensor(width) * 2)))")
    save_zip(tmp_path / "weights.pt", {"1.weight": torch.ones(8, 64), "1.bias": torch.zeros(8)})
    start = {"kind": "file", "path": str(tmp_path / "weights.pt")}
    begun = read_start(make_settings(start=start, encoder=encoder.model_dump()), tmp_path, ALONE)
    assert begun is not None
    assert torch.equal(begun.weights["1.weight"], torch.ones(8, 64))


def test_a_champion_of_another_range_or_order_of_colours_is_told(champion: Path) -> None:
    """Its mean and deviation may be the same numbers, and its first layer would still see images nearly black."""
    of_twelve_bits = make_encoder(channels=3, range=(0, 4095))[1].images
    of_sixteen_bits = make_encoder(channels=3, range=(0, 65535), colours=(2, 1, 0))[1].images
    assert compare_pixels(of_twelve_bits, of_twelve_bits) == []
    (line,) = compare_pixels(of_sixteen_bits, of_twelve_bits)
    assert "pretrain.images.range, colours: the start was trained with range [0, 4095] and colours [0, 1, 2];" in line
    save_encoder(champion, *make_encoder(range=(0, 4095)))
    start = read_start(begin_with_champion(), champion.parent, ALONE)
    assert start is not None
    assert "the start was trained with range [0, 4095]" in start.advice[0]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_start_is_in_the_encoder_and_whatever_is_copied_from_it(objective: str) -> None:
    """The other networks are drawn as they are without it, so that only the start makes the difference."""
    params, start = begin_with({"kind": "none"}, objective=objective), draw_weights()
    without, begun = build_objective(params), build_objective(params, start)
    weights = begun.encoder.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in start.items())
    for (name, ours), drawn in zip(begun.state_dict().items(), without.state_dict().values(), strict=True):
        equal = [short for short, tensor in start.items() if name.endswith(f".{short}") and torch.equal(ours, tensor)]
        assert equal or torch.equal(ours, drawn), name
    if objective == "byol":
        copied = begun.networks["target"][0].state_dict()  # type: ignore[index]
        assert all(torch.equal(copied[name], tensor) for name, tensor in start.items())
