"""Which data and which packages an encoder was made from can be checked by hand."""

import subprocess
from pathlib import Path

import pytest

from components.pretrain.provenance import hash_lock, hash_shards


def test_the_hash_of_the_images_is_what_sha256sum_says(tmp_path: Path) -> None:
    shards = [tmp_path / name for name in ("part-00000.parquet", "part-00001.parquet")]
    for number, shard in enumerate(shards):
        shard.write_bytes(bytes([number]) * 1000)
    command = "sha256sum *.parquet | sha256sum"
    output = subprocess.run(command, shell=True, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert hash_shards(shards) == output.split()[0]


def test_the_lock_is_that_of_the_folder_where_the_stage_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert hash_lock() is None
    (tmp_path / "requirements.lock").write_bytes(b"")
    assert hash_lock() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # of nothing
