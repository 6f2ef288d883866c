"""The stage embed embeds every image once, in the store's order, whatever the batches, threads and processes."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from components.features import embeddings as files
from components.features.load import build_untrained_encoder, load_encoder
from components.stage.errors import InputError
from components.store.decode import decode_square
from tests.embed.embedded import COUNT, NAMES, make_inputs, read_contents, run_embed
from tests.encoder.made import make_encoder, save_begun


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_inputs(tmp_path_factory.mktemp("embed"))


def read_whole_store(folder: Path) -> tuple[pa.Table, torch.Tensor]:
    """Read the store's rows and images at once, without the code of the stage."""
    rows = pa.concat_tables(pq.read_table(shard) for shard in sorted((folder / "store").iterdir()))
    encoded = [image["bytes"] for image in rows["image"].to_pylist()]
    return rows, torch.from_numpy(np.stack([decode_square(image, side=8, channels=3, deep=False) for image in encoded]))


def test_every_image_stands_in_the_stores_order_with_its_own_features(folder: Path, tmp_path: Path) -> None:
    written, (rows, images) = run_embed(folder, tmp_path / "e"), read_whole_store(folder)
    loaded = load_encoder(folder / "encoder")
    shape = loaded.config.images
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (shape.mean, shape.std))
    with torch.no_grad():
        scaled = (images / 255 - mean) / std
        expected = {
            "byol": loaded.network(scaled),
            "random": build_untrained_encoder(loaded.config)(scaled),
            "pixels": (images / 255).reshape(COUNT, 3, 4, 2, 4, 2).mean((3, 5)).flatten(1),
        }
    for name, table in written.items():
        assert table.ids.tolist() == rows["id"].to_pylist() == [str(n) for n in range(COUNT)]
        assert table.splits.tolist() == rows["split"].to_pylist()
        assert table.labels.tolist() == rows["label"].fill_null(-1).to_pylist()
        np.testing.assert_allclose(table.features, expected[name].numpy(), atol=1e-5)


def test_what_the_training_began_with_is_embedded_where_it_was_trained_before(folder: Path, tmp_path: Path) -> None:
    """What the training added is measured against it; a file that an encoder without a start finds is of another."""
    start = save_begun(folder / "begun", *make_encoder(channels=3, side=8))
    written = run_embed(folder, tmp_path / "e", (*NAMES, "start"), encoder="begun")
    pixels = read_whole_store(folder)[1] / 255
    shape = load_encoder(folder / "begun").config.images
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (shape.mean, shape.std))
    with torch.no_grad():
        np.testing.assert_allclose(written["start"].features, start((pixels - mean) / std).numpy(), atol=1e-5)
    again = run_embed(folder, tmp_path / "e")
    for name in NAMES:
        np.testing.assert_array_equal(again[name].features, written[name].features)


def test_the_loader_gives_what_the_stage_wrote(folder: Path, tmp_path: Path) -> None:
    """A user who embeds a query with the loader compares it with what the stage wrote."""
    written = run_embed(folder, tmp_path / "e")["byol"].features
    images = read_whole_store(folder)[1].permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(load_encoder(folder / "encoder").embed(images), written, atol=1e-6)


@pytest.mark.parametrize("changes", [{"batch_size": 64}, {"batch_size": 1}, {"workers": 1}], ids=str)
def test_portions_and_threads_change_nothing(changes: dict[str, int], folder: Path, tmp_path: Path) -> None:
    first, second = run_embed(folder, tmp_path / "a"), run_embed(folder, tmp_path / "b", **changes)
    for name in NAMES:
        assert second[name].ids.tolist() == first[name].ids.tolist()
        np.testing.assert_allclose(second[name].features, first[name].features, atol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_files_say_how_precise_their_features_are(precision: str, folder: Path, tmp_path: Path) -> None:
    """Robustness runs the networks in the same precision, which `auto` leaves to the device."""
    written = run_embed(folder, tmp_path / "e", precision=precision)
    for name in ("byol", "random"):
        assert written[name].precision == getattr(torch, precision)
    assert written["pixels"].precision == torch.float32
    assert pq.read_schema(tmp_path / "e" / "byol.parquet").metadata == {b"precision": precision.encode()}


def test_a_file_that_does_not_say_it_is_refused(folder: Path, tmp_path: Path) -> None:
    run_embed(folder, tmp_path / "e")
    silent = pq.read_table(tmp_path / "e" / "byol.parquet").replace_schema_metadata(None)
    pq.write_table(silent, tmp_path / "silent.parquet")
    with pytest.raises(InputError, match=r"silent\.parquet: no precision .*`dvc repro embed` writes it"):
        files.read_embeddings(tmp_path / "silent.parquet")


def test_the_same_input_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        run_embed(folder, tmp_path / name)
    assert read_contents(tmp_path / "a") == read_contents(tmp_path / "b")


def test_row_groups_do_not_grow_with_the_batches(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "GROUP_ROWS", 20)
    for batch_size in (3, 64):
        run_embed(folder, tmp_path / str(batch_size), batch_size=batch_size)
        parts = pq.ParquetFile(tmp_path / str(batch_size) / "byol.parquet").metadata
        assert [parts.row_group(n).num_rows for n in range(parts.num_row_groups)] == [20, 20, 10]


def test_a_file_of_many_row_groups_has_the_same_bytes_in_whatever_portions_it_came(tmp_path: Path) -> None:
    """Portions differ with the batches, and with the processes whose parts are joined."""
    count = 2 * files.GROUP_ROWS + 100
    features = np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32)
    rows = pa.table({"id": [f"{n}" for n in range(count)], "split": ["train"] * count, "label": [0] * count})
    written = []
    for portion in (7, 1000, files.GROUP_ROWS, count):
        (tmp_path / f"{portion}").mkdir()
        path = tmp_path / f"{portion}" / "byol.parquet"
        with files.EmbeddingsWriter(path, torch.float32) as writer:
            for first in range(0, count, portion):
                writer.add_rows(rows.slice(first, portion), features[first : first + portion])
        written.append(path.read_bytes())
    assert all(content == written[0] for content in written)
    np.testing.assert_array_equal(files.read_embeddings(path).features, features)
