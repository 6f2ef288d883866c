"""A file of weights that a stranger made is read without running it, or refused in a line, in little memory."""

import argparse
import random
import resource
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from components.pretrain.start import file
from components.pretrain.start.file import read_file
from components.pretrain.start.fit import fit
from components.stage.errors import InputError
from tests.pretrain.start.files import FORMATS, HOSTILE, build_tiny, draw_weights, save_zip, write_header


@pytest.mark.parametrize("kind", FORMATS)
def test_every_way_in_which_weights_are_saved_is_read(kind: str, tmp_path: Path) -> None:
    """Whatever the file is called."""
    weights = draw_weights()
    FORMATS[kind](tmp_path / "weights.bin", weights)
    found = read_file(tmp_path / "weights.bin")
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in weights.items())


def test_a_whole_checkpoint_with_settings_is_read(tmp_path: Path) -> None:
    """As the recipes of DINO, MAE and timm save it."""
    content = {
        "epoch": 3,
        "args": argparse.Namespace(lr=0.1),
        "model": {"a": torch.ones(2)},
        "optimizer": {"state": {}},
    }
    save_zip(tmp_path / "checkpoint.pth", content | {"losses": [torch.ones(1)]})
    assert list(read_file(tmp_path / "checkpoint.pth")) == ["model.a"]


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_no_training_should_believe_is_one_line(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, said = HOSTILE[kind]
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "weights")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=said) as error:
        read_file(tmp_path / "weights")
    assert str(error.value).startswith(f"{tmp_path / 'weights'}: ")
    assert "\n" not in str(error.value)
    assert not Path("ran").exists(), "code in the file was run"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000, "kB"


def test_a_long_program_of_tiny_pickles_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "MOST_READS", 1000)
    (tmp_path / "weights").write_bytes(b"\x80\x02" + b"}" * 10_000)
    with pytest.raises(InputError, match="far more than a network"):
        read_file(tmp_path / "weights")


@pytest.mark.parametrize("kind", ["zip", "safetensors"])
def test_a_list_of_contents_that_is_too_long_is_not_read(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million tensors take minutes and gigabytes to list."""
    FORMATS[kind](tmp_path / "weights", draw_weights())
    monkeypatch.setattr(file, "MOST_HEADER", 100)
    with pytest.raises(InputError, match=r"too long|should have"):
        read_file(tmp_path / "weights")


def test_the_header_may_not_reach_beyond_the_file(tmp_path: Path) -> None:
    write_header(tmp_path / "weights", 60, b"{" + bytes(40))
    with pytest.raises(InputError, match="its header should have 60 bytes, of 49 that there are"):
        read_file(tmp_path / "weights")


@given(st.sampled_from(sorted(FORMATS)), st.integers(0, 10**9))
def test_whatever_befalls_a_file_it_is_taken_or_refused_in_a_line(kind: str, seed: int) -> None:
    """Bits flipped, parts cut out, doubled or moved: never a trace, and never a number that is not finite."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights"
        FORMATS[kind](path, draw_weights())
        content = bytearray(path.read_bytes())
        for _ in range(chance.randrange(1, 4)):
            where, length = chance.randrange(len(content)), chance.randrange(1, 200)
            part = content[where : where + length]
            instead = [b"", part * 2, bytes(255 - byte for byte in part), part[::-1]]
            content[where : where + length] = chance.choice(instead)
        path.write_bytes(content)
        try:
            weights, _ = fit(build_tiny(), read_file(path), channels=1, source="weights")
        except InputError as error:
            said = str(error)
        else:
            said = ""
            assert all(bool(tensor.isfinite().all()) for tensor in weights.values())
    assert "\n" not in said
