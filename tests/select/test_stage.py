"""The stage select writes a list of images to label, and their pictures, that the stage fetch reads back."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.fetch import __main__ as fetch
from components.select import __main__ as select
from components.stage.command import check_params, read_params
from components.stage.errors import InputError, RunError
from components.store.store import Store
from tests.conftest import ROOT
from tests.fetch.fetched import Fetched, folder_source, inspect_in_this_process, photo, save, section
from tests.select.chosen import make_select_settings
from tests.small import fill_store, write_embeddings

SPLITS = ("train", "test", "unlabelled", "train")
COUNT = 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store of images of which a quarter is for testing, a quarter to train on, and the others have no label."""
    images = [np.full((8, 8), 5 * gray) for gray in range(COUNT)]
    labels = [(0, 1, None, None)[n % 4] for n in range(COUNT)]
    store = fill_store(tmp_path / "store", images, labels=labels, splits=[SPLITS[n % 4] for n in range(COUNT)])
    embed(tmp_path, store, np.random.default_rng(0).normal(size=(COUNT, 6)))
    return tmp_path


def embed(folder: Path, store: Store, features: np.ndarray) -> None:
    if not (folder / "findings").exists():
        write_copies(folder)
    write_embeddings(folder / "embeddings" / "byol.parquet", store.read_columns(["id", "split", "label"]), features)


def write_copies(folder: Path, *pairs: tuple[int, int]) -> None:
    """Write as near copies what the stage fetch would have found."""
    (folder / "findings").mkdir(exist_ok=True)
    listed = "".join(f"{one},train,{other},unlabelled,3\n" for one, other in pairs)
    (folder / "findings/nearly_repeated.csv").write_text(f"id,split,nearly,its_split,bits\n{listed}")


def run(folder: Path, strategy: str = "typiclust", **changes: Any) -> list[dict[str, str]]:
    """Run the stage and return the rows of its list."""
    select.run(
        make_select_settings(**changes),
        strategy=strategy,
        store=folder / "store",
        findings=folder / "findings",
        embeddings=folder / "embeddings",
        labelling=folder / "labelling",
    )
    with (folder / "labelling" / f"{strategy}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_images_without_a_label_are_listed_with_their_pictures_and_no_test_image(folder: Path) -> None:
    rows = run(folder, "kcentre", budget=12)
    assert [row["rank"] for row in rows] == [str(rank) for rank in range(1, 13)]
    assert {int(row["id"]) % 4 for row in rows} == {2, 3}, "of both kinds without a label, and of no other"
    stored = dict(zip(*Store(folder / "store").read_columns(["id", "image"]).to_pydict().values(), strict=True))
    for row in rows:
        assert (folder / "labelling" / row["path"]).read_bytes() == stored[row["id"]]["bytes"]
    assert {(row["label"], row["split"]) for row in rows} == {("", "train")}
    assert [float(row["score"]) for row in rows] == sorted((float(row["score"]) for row in rows), reverse=True)
    fewer = run(folder, "kcentre", budget=3)
    assert {path.name for path in (folder / "labelling/kcentre").iterdir()} == {
        "about.txt",
        *(Path(row["path"]).name for row in fewer),
    }, "pictures of an earlier list are gone"


def test_a_near_copy_by_hash_is_chosen_once_and_not_beside_its_labelled_original(folder: Path) -> None:
    """The encoder need not see that it is one: here it is a stranger by its features."""
    write_copies(folder, (2, 3), (6, 0))  # 0 is labelled, the others are not
    chosen = {int(row["id"]) for row in run(folder, "random", budget=COUNT)}
    assert len(chosen & {2, 3}) == 1
    assert chosen == {n for n in range(COUNT) if n % 4 > 1} - {6} - ({2, 3} - chosen)
    (folder / "findings/nearly_repeated.csv").unlink()
    with pytest.raises(InputError, match=r"nearly_repeated\.csv: cannot be read: .*; `dvc repro fetch`"):
        run(folder, "random")


def test_where_all_images_have_labels_the_list_is_empty_on_purpose(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = fill_store(tmp_path / "store", [np.full((8, 8), 9 * n) for n in range(20)], splits=["train", "test"] * 10)
    embed(tmp_path, store, np.random.default_rng(0).normal(size=(20, 6)))
    assert run(tmp_path, "margin") == []
    assert (tmp_path / "labelling/margin.csv").read_text() == "rank,id,path,score,label,split\n"
    assert "select margin: nothing to choose: all images but those for testing have labels" in capsys.readouterr().out
    assert len(run(tmp_path, pool="train", budget=4)) == 4
    assert "4 of 10 train images, as if none had a label, chosen" in capsys.readouterr().out


def test_labels_that_somebody_wrote_into_the_list_are_never_overwritten(folder: Path) -> None:
    path = folder / "labelling" / "random.csv"
    assert run(folder, "random") == run(folder, "random"), "what nobody touched is written anew"
    for written in (path.read_text().replace(",,train", ",cat,train", 1), path.read_text().replace(",", ";")):
        path.write_text(written)
        with pytest.raises(InputError, match=r"random\.csv: somebody has written in it"):
            run(folder, "random")
        assert path.read_text() == written


def test_a_list_with_labels_filled_in_is_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person labels the copies of images that stay unlabelled in their folder: each counts once, with its label."""
    monkeypatch.setattr(fetch, "inspect_all", inspect_in_this_process)
    for number in range(12):
        save(photo(number), tmp_path / "photos" / f"ä {number}.png")
    photos = folder_source(tmp_path / "photos", "flat")
    fetched = Fetched(tmp_path).run(section([photos]))
    embed(tmp_path, fetched.store, np.random.default_rng(0).normal(size=(12, 6)))
    rows = run(tmp_path, "random", budget=5)
    (tmp_path / "labelling").rename(tmp_path / "given")  # wherever the folder is carried
    path = tmp_path / "given" / "random.csv"
    path.write_text(path.read_text().replace(",,train", ",cat,train"))
    again = fetched.run(section([photos, {"kind": "manifest", "name": "round1", "url": str(path)}]))
    assert len(again.splits) == 12, "none twice"
    assert {name for name, split in again.splits.items() if split == "train"} == {f"round1/{r['path']}" for r in rows}
    embed(tmp_path, again.store, np.random.default_rng(0).normal(size=(12, 6)))
    following = run(tmp_path, "random", budget=12)
    assert len(following) == 7, "the next list has the others"


def test_what_cannot_be_chosen_from_ends_with_a_line(folder: Path) -> None:
    with pytest.raises(InputError, match=r"--strategy: no strategy is called 'entropy'; there are typiclust, kcentre"):
        run(folder, "entropy")
    store = Store(folder / "store")
    fill_store(folder / "store", [np.full((8, 8), n) for n in range(2)])
    with pytest.raises(InputError, match=r"no image '.*', which is embedded; `dvc repro embed`"):
        run(folder, "random")
    embed(folder, store, np.full((2, 6), np.nan))
    with pytest.raises(RunError, match="not finite"):
        run(folder, "random", pool="train")
    assert not (folder / "labelling" / "random.csv").exists()


@pytest.mark.parametrize(
    ("strategies", "line"),
    [
        (["typiclast"], "no strategy is called 'typiclast'; there are typiclust, kcentre, margin, random"),
        (["random", "random"], "strategies: each strategy once"),
    ],
)
def test_a_strategy_that_there_is_not_is_named(strategies: list[str], line: str) -> None:
    whole = read_params(ROOT / "params.yaml").model_dump(mode="json")
    whole["select"]["strategies"] = strategies
    with pytest.raises(InputError) as caught:
        check_params(whole, Path("params.yaml"))
    assert line in str(caught.value)
    whole["select"]["strategies"] = []
    assert check_params(whole, Path("params.yaml")).select.strategies == ()
