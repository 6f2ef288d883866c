"""A run of the stage embed: shared by processes, interrupted, on much data or none."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from components.embed import __main__ as embed
from components.encoder.saved import save_encoder
from components.features import embeddings as files
from components.stage.errors import InputError
from components.store.decode import decode_square
from components.store.store import UNLABELLED, Row, write_store
from tests.conftest import ROOT, set_params
from tests.embed.embedded import SETTINGS, make_embed_settings, make_inputs, read_contents, run_embed
from tests.encoder.made import make_encoder
from tests.small import encode_png


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_inputs(tmp_path_factory.mktemp("embed"))


def test_two_processes_write_the_files_of_one_and_leave_no_others(folder: Path, tmp_path: Path) -> None:
    """There is more than one row group, so that joining the parts has to make the row groups anew."""
    params = tmp_path / "params.yaml"
    params.write_bytes((ROOT / "params.yaml").read_bytes())
    set_params(params, {f"embed.{key}": value for key, value in SETTINGS.items()})
    flags = [part for name in ("store", "encoder") for part in (f"--{name}", str(folder / name))]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [
        *torchrun,
        "-m",
        "components.embed",
        *flags,
        "--embeddings",
        str(tmp_path / "two"),
        "--params",
        str(params),
    ]
    output = subprocess.run(command, cwd=ROOT, check=True, timeout=120, capture_output=True, text=True).stdout
    assert "embed, process 1 of 2: 32 of 32 images" in output
    assert "embed: join: 54 of 54 rows" in output
    run_embed(folder, tmp_path / "one")
    assert read_contents(tmp_path / "two") == read_contents(tmp_path / "one")


@pytest.mark.parametrize(("count", "world"), [(50, 1), (50, 2), (50, 3), (5, 4), (8, 2), (9, 2), (1, 3)])
def test_shares_are_whole_batches_and_all_images(count: int, world: int) -> None:
    shares = embed.share_out(count, 8, world)
    assert [image for share in shares for image in share] == list(range(count))
    assert len(shares) == world
    assert shares[0], "the first process, which writes the files, has some"
    assert all(share.start % 8 == 0 for share in shares if share)
    batches = [-(-len(share) // 8) for share in shares]
    assert max(batches) - min(batches) <= 1


def test_a_run_that_fails_leaves_the_old_files_and_no_halves(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_embed(folder, tmp_path / "e")
    before = read_contents(tmp_path / "e")
    for name in ("byol.parquet.new", "random.parquet.part-1"):
        (tmp_path / "e" / name).write_text("of a run that was killed")
    monkeypatch.setattr(files, "GROUP_ROWS", 8)  # some of it is on the disk by then
    real, calls = decode_square, []

    def fail_after_30(encoded: bytes, **shape: int) -> np.ndarray:
        calls.append(1)
        if len(calls) > 30:
            raise OSError("cannot identify image file")
        return real(encoded, **shape)

    with monkeypatch.context() as patch:
        patch.setattr(embed, "decode_square", fail_after_30)
        with pytest.raises(OSError, match="cannot identify"):
            run_embed(folder, tmp_path / "e")
    assert read_contents(tmp_path / "e") == before


def test_memory_does_not_grow_with_the_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first 500 of 3,000 images 31 MB of features are still to come in the pixel baseline alone."""
    monkeypatch.setattr(files, "GROUP_ROWS", 64)
    save_encoder(tmp_path / "encoder", *make_encoder(channels=3, side=32))
    image = encode_png(np.zeros((8, 8, 3)))
    write_store(tmp_path / "store", (Row(f"{n}", image, "", None, UNLABELLED) for n in range(3000)), [])
    meter = MemoryMeter()
    monkeypatch.setattr(embed, "Progress", lambda *_: meter)
    run_embed(tmp_path, tmp_path / "e", pixels_side=32, batch_size=50)
    assert len(meter.held) == 3000 // 50
    assert max(meter.held) - max(meter.held[:10]) < 10e6


class MemoryMeter:
    """Stands in for the progress and measures the memory of the process after each batch."""

    def __init__(self) -> None:
        self.process, self.held = psutil.Process(), []

    def advance(self, units: int) -> None:
        """Measure the memory after a batch."""
        self.held.append(self.process.memory_info().rss)


def test_a_store_without_images_is_named(folder: Path, tmp_path: Path) -> None:
    write_store(tmp_path / "store", [], [])
    with pytest.raises(InputError, match="store: no image; `dvc repro fetch`"):
        embed.run(
            make_embed_settings(), store=tmp_path / "store", encoder=folder / "encoder", embeddings=tmp_path / "e"
        )


def test_a_gpu_that_is_named_cannot_be_everybodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed.dist, "is_torchelastic_launched", lambda: True)
    monkeypatch.setattr(embed.replicas, "end_with_launcher", lambda: None)
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(InputError, match=r"embed\.device: 'cuda:1' is one GPU; say cuda"):
        embed.join_processes(torch.device("cuda:1"))


def test_a_part_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Without this error the file would lack half of the images if the machines do not share the folder."""
    with (
        pytest.raises(InputError, match=r"byol\.parquet\.part-1: not there: .* must share the folder"),
        files.EmbeddingsWriter(tmp_path / "byol.parquet", torch.float32) as writer,
    ):
        embed.join_parts(tmp_path, {"byol": writer}, [range(8), range(8, 16)])
    assert not list(tmp_path.iterdir())
