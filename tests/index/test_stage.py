"""The stage index: what it writes can be opened and searched, and damage of any kind ends with one line."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from components.features.cosine import normalise_rows
from components.index import approximate
from components.index.exact import search_exactly
from components.index.params import IndexSettings
from components.index.search import open_index
from components.stage.errors import InputError, RunError
from tests.conftest import ROOT
from tests.index.made import CLASSES, WEIGHTS, make_features, make_index, make_settings, run_stage, write_inputs


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return make_features(900)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, features: np.ndarray) -> Path:
    """A folder with an exact index, `index`, and an approximate one, `lists`."""
    folder = write_inputs(tmp_path_factory.mktemp("written"), features)
    assert run_stage(folder, exact_up_to=0)["byol"]["approximate"] == 1
    (folder / "index").rename(folder / "lists")
    assert run_stage(folder) == {"byol": {"images": 900, "approximate": 0, "recall_at_10": 1.0}}
    return folder


def test_an_index_knows_its_images_and_finds_them(written: Path, features: np.ndarray) -> None:
    index = open_index(written / "index")
    assert index.ids.tolist() == [f"{n}" for n in range(900)]
    assert index.labels[:4].tolist() == [0, 1, -1, 0]
    assert index.splits[:3].tolist() == ["train", "test", "unlabelled"]
    assert index.classes == tuple(CLASSES)
    assert (index.about.encoder, index.about.weights) == ("byol", WEIGHTS)
    rows, cosines = index.search(7 * features[:5], 3)  # of any length
    assert rows[:, 0].tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(cosines[:, 0], 1, atol=1e-6)
    assert rows.tolist() == search_exactly(normalise_rows(features), normalise_rows(features[:5]), 3)[0].tolist()


def test_an_approximate_index_finds_most_and_its_cosines_are_exact(written: Path, features: np.ndarray) -> None:
    index, exact = open_index(written / "lists"), open_index(written / "index")
    asked = make_features(40, seed=0) + np.float32(0.01)
    (rows, cosines), (right, _) = index.search(asked, 10), exact.search(asked, 10)
    assert np.mean([len(set(a) & set(b)) for a, b in zip(rows, right, strict=True)]) > 9
    reference = np.einsum("qkd,qd->qk", index.vectors[rows], normalise_rows(asked))
    np.testing.assert_allclose(cosines, reference, atol=1e-6)
    assert (np.diff(cosines, axis=1) <= 0).all()


def test_more_neighbours_than_the_lists_hold_are_found_all_the_same(written: Path, features: np.ndarray) -> None:
    rows, _ = open_index(written / "lists").search(features[:2], 899)
    assert rows.shape == (2, 899)
    assert len(set(rows[0].tolist())) == 899
    assert rows.tolist() == open_index(written / "index").search(features[:2], 899)[0].tolist()


def test_the_recall_is_that_of_the_lists_looked_through(tmp_path: Path, features: np.ndarray) -> None:
    """Images that are spread evenly lie beyond the one list that is looked through."""
    even = np.random.default_rng(0).normal(size=(600, 16)).astype(np.float32)
    write_inputs(tmp_path, even)
    few = run_stage(tmp_path, exact_up_to=599, probes=1)["byol"]["recall_at_10"]
    all_lists = run_stage(tmp_path, exact_up_to=599, probes=8)["byol"]["recall_at_10"]
    assert few < 0.8 < all_lists == 1.0


def test_the_same_embeddings_give_the_same_bytes(written: Path, tmp_path: Path, features: np.ndarray) -> None:
    folder = write_inputs(tmp_path, features)
    for name, limit in (("index", 10**6), ("lists", 0)):
        run_stage(folder, exact_up_to=limit)
        for path in sorted((written / name).iterdir()):
            assert (folder / "index" / path.name).read_bytes() == path.read_bytes(), path


def test_an_index_that_became_exact_has_no_lists_left(tmp_path: Path, features: np.ndarray) -> None:
    write_inputs(tmp_path, features[:60])
    run_stage(tmp_path, exact_up_to=0)
    assert (tmp_path / "index/lists.faiss").exists()
    run_stage(tmp_path)
    assert sorted(path.name for path in (tmp_path / "index").iterdir()) == ["images.parquet", "vectors.npy"]


def test_many_threads_at_once_get_the_answers_of_one(written: Path, features: np.ndarray) -> None:
    for name in ("index", "lists"):
        index = open_index(written / name, threads=2)
        alone = [index.search(features[n : n + 3], 5)[0].tolist() for n in range(60)]
        with ThreadPoolExecutor(8) as pool:
            answers = pool.map(index.search, [features[n : n + 3] for n in range(60)], [5] * 60)
            together = [rows.tolist() for rows, _ in answers]
        assert together == alone


@pytest.mark.parametrize("name", ["index", "lists"])
def test_any_flipped_bit_and_any_cut_is_noticed(written: Path, tmp_path: Path, name: str) -> None:
    """faiss would follow a wrong number out of its memory, and the server would end."""
    draws = np.random.default_rng(0)
    folder = Path(shutil.copytree(written / name, tmp_path / "copy"))
    whole = open_index(folder).search(make_features(3), 5)[0].tolist()
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        for trial in range(12):
            damaged = bytearray(content)
            if trial < 8:
                damaged[draws.integers(len(content))] ^= 1 << int(draws.integers(8))
            else:
                del damaged[int(draws.integers(len(content))) :]
            path.write_bytes(damaged)
            said = ""
            try:
                assert open_index(folder).search(make_features(3), 5)[0].tolist() == whole
            except InputError as error:
                said = str(error)
            assert said or path.name == "images.parquet", "Parquet has bytes that mean nothing"
            assert not said or (str(path) in said and "\n" not in said and "`dvc repro index` writes it" in said)
        path.write_bytes(content)


@pytest.mark.parametrize("gone", ["images.parquet", "vectors.npy", "lists.faiss"])
def test_a_half_written_index_says_what_is_missing(written: Path, tmp_path: Path, gone: str) -> None:
    folder = Path(shutil.copytree(written / "lists", tmp_path / "copy"))
    (folder / gone).unlink()
    with pytest.raises(InputError, match=f"{gone}.*`dvc repro index` writes it"):
        open_index(folder)


def test_files_of_two_indexes_and_foreign_files_are_refused(written: Path, tmp_path: Path) -> None:
    run_stage(write_inputs(tmp_path, make_features(900, seed=5)))
    shutil.copy(written / "index/vectors.npy", tmp_path / "index/vectors.npy")
    with pytest.raises(InputError, match=r"vectors.npy: damaged: its SHA-256"):
        open_index(tmp_path / "index")
    shutil.copy(written / "embeddings/byol.parquet", tmp_path / "index/images.parquet")
    with pytest.raises(InputError, match=r"images.parquet: "):
        open_index(tmp_path / "index")
    with pytest.raises(InputError, match="nowhere: no index here"):
        open_index(tmp_path / "nowhere")


@pytest.mark.parametrize("limit", [0, 10**6])
@pytest.mark.parametrize("value", [0.0, 2.5], ids=["zeros", "equal"])
def test_a_collapsed_encoder_has_an_index(tmp_path: Path, limit: int, value: float) -> None:
    index = make_index(tmp_path, np.full((120, 6), value, np.float32), exact_up_to=limit)
    rows, cosines = index.search(np.ones((1, 6), np.float32), 4)
    assert rows.tolist() == [[0, 1, 2, 3]]
    np.testing.assert_allclose(cosines, float(value > 0), atol=1e-6)
    assert np.isfinite(index.places).all()
    assert np.isfinite(index.place(rows, cosines)).all()


@pytest.mark.parametrize("limit", [0, 10**6])
@pytest.mark.parametrize("count", [1, 2, 11])
def test_a_handful_of_images_has_an_index(tmp_path: Path, limit: int, count: int) -> None:
    index = make_index(tmp_path, make_features(count), exact_up_to=limit)
    rows, cosines = index.search(make_features(1), 50)
    assert sorted(rows[0].tolist()) == list(range(count))
    assert index.places.shape == (count, 2)
    assert index.place(rows, cosines).shape == (1, 2)


def test_features_that_are_not_finite_are_told_and_no_index_is_left(tmp_path: Path) -> None:
    features = make_features(30)
    features[[3, 7], 0] = [np.nan, np.inf]
    write_inputs(tmp_path, features)
    with pytest.raises(RunError, match="2 of 30 rows are not finite; did the training diverge"):
        run_stage(tmp_path)
    with pytest.raises(InputError, match="no index here"):
        open_index(tmp_path / "index")


def test_features_too_large_or_too_small_for_float32_squared_are_searched(tmp_path: Path) -> None:
    features = make_features(30)
    index = make_index(tmp_path, features * (np.float32(10) ** np.linspace(-8, 30, 30).astype("f4"))[:, None])
    assert index.search(features, 1)[0].ravel().tolist() == list(range(30))


def test_wrong_inputs_end_with_one_line(written: Path, tmp_path: Path) -> None:
    index = open_index(written / "index")
    for vectors, k, said in (
        (np.ones((1, 3)), 2, r"vectors: \(Q, 16\)"),
        (np.ones(16), 2, "not an array"),
        (np.full((1, 16), np.nan), 2, "not finite"),
        (np.ones((1, 16)), 0, "k: 1 or more, not 0"),
    ):
        with pytest.raises(InputError, match=said):
            index.search(vectors, k)
    with pytest.raises(InputError, match=r"start.parquet: missing; `dvc repro embed` writes it"):
        run_stage(written, features="start")
    folder = write_inputs(tmp_path, make_features(6))
    shutil.copy(written / "embeddings/byol.parquet", folder / "embeddings/byol.parquet")
    with pytest.raises(InputError, match="not of the images in"):
        run_stage(folder)


def test_settings_that_make_no_sense_are_refused() -> None:
    section = make_settings().model_dump()
    for change, said in (
        ({"probes": 9}, r"probes \(9\) is above lists \(8\)"),
        ({"encoders": ["vit"]}, "one of byol, start, pixels, random, not 'vit'"),
        ({"encoders": ["byol", "pixels"]}, "at most 1 item"),
    ):
        with pytest.raises(ValueError, match=said):
            IndexSettings.model_validate(section | change)


def test_one_thread_or_two_build_the_same_lists(features: np.ndarray) -> None:
    settings = {"lists": 8, "sample": 900, "seed": 0, "advance": lambda count: None}
    first, second = (approximate.build_lists(normalise_rows(features), **settings).tobytes() for _ in range(2))
    assert first == second


def test_an_exact_index_loads_neither_faiss_nor_torch_nor_scikit_learn(written: Path) -> None:
    """Each takes a second or more, and a server would wait for them."""
    code = f"""
import sys
from pathlib import Path
from components.index.search import open_index
index = open_index(Path({str(written / "index")!r}))
index.search(index.vectors[:1], 3)
print([name for name in ("faiss", "torch", "sklearn") if name in sys.modules])"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
