"""What a user sees of odd sources: left out is no damage, classes are counted once, refusals name the first file."""

import csv
from pathlib import Path
from unicodedata import normalize

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.fetch import __main__ as fetch
from components.fetch import snapshot
from components.fetch.sources.open import open_sources
from components.fetch.sources.places import Places
from components.stage.errors import InputError
from tests.fetch.fetched import Fetched, folder_source, inspect_in_this_process, photo, save, section


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode in this process."""
    monkeypatch.setattr(fetch, "inspect_all", inspect_in_this_process)


def save_classes(folder: Path, *names: str, each: int = 4, first: int = 0) -> None:
    for at, name in enumerate(names):
        for number in range(each):
            save(photo(first + at * each + number), folder / name / f"{number}.png")


def manifest_source(file: Path, name: str) -> dict[str, str]:
    return {"kind": "manifest", "name": name, "url": str(file)}


def test_images_in_hidden_folders_are_no_damage_and_not_pinned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_classes(tmp_path / "in", "cat", "dog")
    params = section([folder_source(tmp_path / "in")])

    def take() -> snapshot.Inventory:
        return snapshot.take_inventory(open_sources(params, Places(tmp_path / "scratch", 10**6)))

    before = take().snapshot
    for name in ("cat/.@__thumb", "dog/@eaDir/0.png", ".ipynb_checkpoints"):
        save_classes(tmp_path / "in", name, first=50)
    (tmp_path / "in/cat/._0.png").write_bytes(b"x")
    assert take().snapshot == before
    fetched = Fetched(tmp_path / "out").run(params.model_copy(update={"snapshot": before}))
    assert (fetched.metrics["images"], fetched.metrics["rejected"], fetched.metrics["left_out"]) == (8, 0, 4)
    assert f"left out on purpose: 4, as {tmp_path}/in/.ipynb_checkpoints" in capsys.readouterr().out


def test_a_folder_of_a_mac_and_a_list_of_linux_have_the_same_classes(tmp_path: Path) -> None:
    save_classes(tmp_path / "mac", normalize("NFD", "Köln"), normalize("NFD", "Zürich"))
    save_classes(tmp_path, "img", first=20)
    (tmp_path / "list.csv").write_text("path,label\n" + "".join(f"img/{number}.png,Köln\n" for number in range(4)))
    sources = [folder_source(tmp_path / "mac"), manifest_source(tmp_path / "list.csv", "list")]
    fetched = Fetched(tmp_path / "out").run(section(sources))
    assert fetched.store.class_names == ["Köln", "Zürich"]


def test_numbers_of_pandas_are_the_same_classes_in_csv_and_in_parquet(tmp_path: Path) -> None:
    save_classes(tmp_path, "img", each=8)
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label"], ["img/0.png", 0.0], ["img/1.png", 1.0], ["img/2.png", ""]])
    table = pa.table({"path": [f"img/{number}.png" for number in (3, 4, 5)], "label": pa.array([0.0, 1.0, None])})
    pq.write_table(table, tmp_path / "b.parquet")
    (tmp_path / "c.csv").write_text("path,label\nimg/6.png,0\nimg/7.png,1\n")
    sources = [manifest_source(tmp_path / name, name[0]) for name in ("a.csv", "b.parquet", "c.csv")]
    fetched = Fetched(tmp_path / "out").run(section(sources))
    assert fetched.store.class_names == ["0", "1"]
    assert fetched.metrics["unlabelled"] == 2


@pytest.mark.parametrize("name", ["None", "nan", "-1", "N/A"])
def test_a_class_whose_name_may_mean_no_label_is_said_aloud(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_classes(tmp_path, "img", each=3)
    (tmp_path / "list.csv").write_text(f"path,label\nimg/0.png,ant\nimg/1.png,{name}\nimg/2.png,{name}\n")
    Fetched(tmp_path / "out").run(section([manifest_source(tmp_path / "list.csv", "list")]))
    line = f"warning: 2 images are of a class called '{name}'; if that means no label, leave it empty"
    assert line in capsys.readouterr().out.splitlines()


def test_a_class_whose_name_is_no_text_is_said_aloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(photo(0), tmp_path / "in/plain\\x/0.png")
    save_classes(tmp_path / "in", b"\xd6\xd0".decode("utf-8", "surrogateescape"), first=10)
    Fetched(tmp_path / "out").run(section([folder_source(tmp_path / "in")]))
    warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning")]
    assert warnings == [r"warning: a class is called '\xd6\xd0', since its name is not in UTF-8; write it in UTF-8"]


def test_a_class_cannot_add_a_line_to_what_is_said_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_classes(tmp_path, "img", each=1)
    (tmp_path / "list.csv").write_text('path,label\nimg/0.png,"a\nwarning: all is lost"\n')
    source = manifest_source(tmp_path / "list.csv", "list")
    Fetched(tmp_path / "out").run(section([source], test_fraction=0.01))
    assert r"only one class, 'a\nwarning: all is lost'; " in capsys.readouterr().out


def test_a_class_that_is_alone_is_said_aloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_classes(tmp_path / "in", "vacation")
    Fetched(tmp_path / "out").run(section([folder_source(tmp_path / "in")]))
    assert "warning: there is only one class, 'vacation'; " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["Cat", "cat", "dog"], "two classes look alike: 'Cat' and 'cat'; if they are one, spell them alike"),
        (["fin", "\ufb01n"], r"two classes look alike: 'fin' and '\ufb01n'; if they are one, spell them alike"),
        (["cat", "cat\u200e", "c  x", "c x"], r"2 classes look like another: 'c  x' and 'c x'; if they are one, spell"),
        (["1", "1.0", "ant"], "two classes look alike: '1' and '1.0'; if they are one, spell them alike"),
        (["1", "10", "1.5", "ant", "aunt"], None),
    ],
)
def test_classes_that_look_alike_are_said_aloud_and_stay_apart(
    names: list[str], line: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, name in enumerate(names):
        save(photo(number), tmp_path / "in" / name / "0.png")
    fetched = Fetched(tmp_path / "out").run(section([folder_source(tmp_path / "in")]))
    warnings = [text for text in capsys.readouterr().out.splitlines() if text.startswith("warning")]
    assert [text.startswith(f"warning: {line}") for text in warnings] == [True] * (line is not None)
    assert set(fetched.classes.values()) == set(names)


def test_room_is_asked_for_what_can_be_stored_and_for_each_image_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = save(photo(0), tmp_path / "img/0.png").stat().st_size
    (tmp_path / "img/raw.cr2").write_bytes(bytes(9999))  # which is never read
    (tmp_path / "img/large.png").write_bytes(bytes(99_999))  # than which none may be larger
    (tmp_path / "list.csv").write_text("path,label\n" + "img/0.png,cat\n" * 9)
    left = save(photo(1), tmp_path / "out/scratch/fetched/part-00000.parquet.new", format="PNG")  # by a killed run
    sources = [folder_source(tmp_path / "img", "flat"), manifest_source(tmp_path / "list.csv", "list")]
    asked: list[dict[Path, int]] = []

    def note(needs: dict[Path, int], _: str) -> None:
        asked.append(needs)
        assert not left.exists()

    monkeypatch.setattr(fetch, "check_room", note)
    limits = {"limits__max_bytes": 20_000, "checks__max_unreadable_fraction": 1.0, "checks__max_leaked_fraction": 1.0}
    Fetched(tmp_path / "out").run(section(sources, **limits))
    assert asked == [{tmp_path / "out/scratch": 2 * size, tmp_path / "out/store": 2 * size}]


def test_sources_in_which_all_is_left_out_say_so(tmp_path: Path) -> None:
    save_classes(tmp_path / "in", ".cache")
    with pytest.raises(InputError) as error:
        Fetched(tmp_path / "out").run(section([folder_source(tmp_path / "in", "flat")]))
    looked = f"nothing in mine ({tmp_path}/in); left out: {tmp_path}/in/.cache"
    assert str(error.value) == f"params.yaml: data.sources: no image in them: {looked}"
