"""What people said is never lost: not by a kill, by another process, by a full disk or by a spreadsheet."""

import errno
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from components.fetch import given, given_disk
from components.fetch.given import GivenLabels
from components.fetch.given_rows import HEADER
from components.stage.disk import DiskError
from components.stage.errors import InputError

FORKS = multiprocessing.get_context("fork")
ANN = "a/1.png,cat,Ann,2026-05-31T14:05:00.000Z\n"


def read(folder: Path) -> dict[str, str]:
    """Read all labels as another process would."""
    return {name: row.label for name, row in GivenLabels(folder).read().items()}


def write(folder: Path, text: str | bytes) -> Path:
    """Write the file by hand."""
    folder.mkdir(exist_ok=True)
    file = folder / "given.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_the_last_word_on_an_image_holds_and_can_be_taken_back(tmp_path: Path) -> None:
    labels = GivenLabels(tmp_path / "labels")
    assert labels.read() == {}
    labels.give("a/1.png", "cat", "Ann")
    labels.give("a/2.png", "a, \"b\" or 'c'", "Bo; Ann")
    labels.give("a/1.png", " do\u0308g ", "Bo")
    assert read(tmp_path / "labels") == {"a/1.png": "d\u00f6g", "a/2.png": "a, \"b\" or 'c'"}
    assert labels.undo("a/1.png", "Ann")
    assert not labels.undo("a/1.png")
    assert not labels.undo("a/3.png")
    assert read(tmp_path / "labels") == {"a/2.png": "a, \"b\" or 'c'"}
    row = labels.give("a/1.png", "cat", "Ann")
    assert GivenLabels(tmp_path / "labels").read()["a/1.png"] == row
    assert len(labels.file.read_text().splitlines()) == 6, "the file tells who said what and when"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (("", "cat", "Ann"), "id: empty; it must be the id of an image"),
        (("a/1.png", "  ", "Ann"), "label: empty; it must be the name of a class"),
        (("a/1.png", "cat\ndog", "Ann"), "label: 'cat\\ndog'; it must be one line of text"),
        (("a/1.png", "cat", "A\0nn"), "who: 'A\\x00nn'; it must be one line of text"),
        (("a/\udcff.png", "cat", "Ann"), "id: 'a/\\udcff.png'; it must be one line of text"),
        (("a/1.png", "x" * 5000, "Ann"), "label: "),
    ],
)
def test_what_no_row_can_hold_is_refused_and_changes_nothing(
    tmp_path: Path, values: tuple[str, str, str], said: str
) -> None:
    file = write(tmp_path, f"{HEADER}\n{ANN}")
    with pytest.raises(InputError) as caught:
        GivenLabels(tmp_path).give(*values)
    assert str(caught.value).startswith(said)
    assert file.read_text() == f"{HEADER}\n{ANN}"


def give_many(folder: Path, first: int, acknowledged: int) -> None:
    """Give labels until killed, and acknowledge each by a line."""
    labels = GivenLabels(folder)
    for number in range(first, first + 10_000):
        labels.give(f"a/{number}.png", f"class {number % 10}", "Ann, Bo")
        os.write(acknowledged, f"{number}\n".encode())


def test_killed_processes_lose_no_label_and_leave_no_half_row(tmp_path: Path) -> None:
    """Two processes at a time give labels and are killed with SIGKILL, five times over."""
    acknowledged = set[int]()
    for round_ in range(5):
        reader, writer = os.pipe()
        started = [
            FORKS.Process(target=give_many, args=(tmp_path, 10_000 * (2 * round_ + number), writer))
            for number in range(2)
        ]
        for process in started:
            process.start()
        os.close(writer)
        time.sleep(0.15)
        for process in started:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        with open(reader) as lines:  # noqa: PTH123 (a descriptor)
            acknowledged |= set(map(int, lines))
        assert acknowledged
        assert {int(name[2:-4]) for name in read(tmp_path)} >= acknowledged
    GivenLabels(tmp_path).give("a/last.png", "cat", "")
    lines = (tmp_path / "given.csv").read_text().splitlines()
    assert {line.count(",") for line in lines[1:-1]} == {4}, "the name has a comma"
    assert len(acknowledged) <= len(lines) - 2 <= len(acknowledged) + 10, "at most one each was not acknowledged"


def test_threads_share_an_object(tmp_path: Path) -> None:
    labels = GivenLabels(tmp_path)
    threads = [
        threading.Thread(target=lambda first=first: [labels.give(f"{first}/{n}", "cat", "") for n in range(10)])
        for first in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(labels.read()) == len(read(tmp_path)) == 40


def test_a_row_cut_off_at_any_byte_is_left_out_and_replaced(tmp_path: Path) -> None:
    """A kill or a power cut may leave any beginning of a row: half a name must not become another label."""
    rows = f'{HEADER}\n{ANN}b/2.png,"cat, 12",Bö,2026-05-31T14:05:01.250Z'.encode()
    first = len(f"{HEADER}\n{ANN}")
    for end in [*range(first, len(rows)), len(rows)]:
        file = write(tmp_path, rows[:end])
        known = {"a/1.png": "cat"} | ({"b/2.png": "cat, 12"} if end == len(rows) else {})
        assert read(tmp_path) == known, rows[:end]
        labels = GivenLabels(tmp_path)
        labels.read()
        assert len(labels.describe_cut()) == (first < end < len(rows))
        labels.give("c/3.png", "dog", "")
        assert read(tmp_path) == known | {"c/3.png": "dog"}
        assert file.read_bytes().startswith(f"{HEADER}\n{ANN}".encode())
    write(tmp_path, rows[:first] + bytes(40))  # as some file systems leave it
    assert read(tmp_path) == {"a/1.png": "cat"}


def test_a_label_is_on_the_disk_before_it_is_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synchronised: list[tuple[str, bytes]] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synchronised.append((path.name, path.read_bytes() if path.is_file() else b""))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    labels = GivenLabels(tmp_path / "labels")
    labels.give("a/1.png", "cat", "Ann")
    assert [name for name, _ in synchronised] == [tmp_path.name, "given.csv.new", "labels", "given.csv"]
    assert synchronised[-1][1] == labels.file.read_bytes()
    labels.undo("a/1.png")
    assert synchronised[-1] == ("given.csv", labels.file.read_bytes())


@pytest.mark.parametrize("fails", ["write", "fsync"])
def test_a_full_disk_gives_nothing_and_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    labels = GivenLabels(tmp_path)
    labels.give("a/1.png", "cat", "Ann")
    before, calls = labels.file.read_bytes(), 0
    write_some = os.write

    def fail(descriptor: int, data: bytes = b"") -> int:
        nonlocal calls
        calls += 1
        if data and calls == 1:
            return write_some(descriptor, data[:7])
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(given_disk.os, fails, fail)
        with pytest.raises(DiskError, match=r"given.csv: cannot be written.*this one is not given"):
            labels.give("a/1.png", "dog", "Ann")
    assert labels.file.read_bytes() == before
    labels.give("a/2.png", "dog", "Ann")
    assert read(tmp_path) == {"a/1.png": "cat", "a/2.png": "dog"}


@pytest.mark.parametrize(
    "written",
    [
        '\ufeffid;label;who;when\r\na/1.png;cat;Ann;2026-05-31T14:05:00Z\r\n;;;\r\nb/2.png;"x;y";;\r\n',
        'sep=;\r\nID;Label\r\na/1.png;cat\r\n"b/2.png";x;y\r\n'.replace("x;y", '"x;y"'),
        "id\tlabel\twho\twhen\na/1.png\tcat\tAnn\t2026-05-31 14:05\nb/2.png\tx;y\t\t",
        " Label , ID \n cat , a/1.png \nx;y,b/2.png,,\n",
        f"{HEADER}\na/1.png,dog,,\na/1.png,cat,,\n{HEADER}\nb/2.png,x;y,,\nb/2.png,x;y,,\nc/3.png,,,\n",
        f"{HEADER}\nb/2.png,x;y\na/1.png,cat,Bo,2026-05-31T16:05:00+02:00\na/1.png,dog,Bo,2026-05-31T14:04:59Z\n",
        'id,label,who,when,remark\na/1.png,cat,,,"1\n2"\nb/2.png,x;y,,,\n',
    ],
    ids=["semicolons", "sep=", "tabs", "other order", "rows twice", "sorted", "remarks"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_spreadsheets_file_is_understood_and_goes_on(tmp_path: Path, written: str, encoding: str) -> None:
    file = write(tmp_path, written.encode(encoding))
    assert read(tmp_path) == {"a/1.png": "cat", "b/2.png": "x;y"}
    labels = GivenLabels(tmp_path)
    labels.give("d/4.png", "owl", "Bo")
    labels.give("a/1.png", "dog", "Bo")
    assert read(tmp_path) == {"a/1.png": "dog", "b/2.png": "x;y", "d/4.png": "owl"}
    text = file.read_text(encoding="utf-8")
    assert text.startswith(HEADER)
    assert text.count("a/1.png") == written.count("a/1.png") + 1, "no row is lost"
    assert ("remark" in text, '"1\n2"' in text) == ("remark" in written,) * 2


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("path,label\na,b\n", "line 1: no column 'id'; the first line must be id,label,who,when, not path, label"),
        ("a/1.png,cat\n", "line 1: no column 'id'; the first line must be id,label,who,when, not a/1.png, cat"),
        ("id,label,id\n", "line 1: two columns 'id'; the first line must be id,label,who,when"),
        (
            f"{HEADER}\n{ANN}b/2.png,cat, dog,Ann,2026-05-31\n",
            "line 3: 5 fields where the first line has 4; a field that has a comma must stand in quotation marks",
        ),
        (f"{HEADER}\n\n,cat,Ann,\n", "line 3: the id is empty; it must be the id of an image, such as digits/0001.png"),
        (f"{HEADER}\na/1.png\n", "line 2: 'a/1.png' alone; a row must be id,label,who,when, where an empty label"),
        (f"{HEADER}\na,cat,Ann,31.05.26\n", "line 2: when is '31.05.26'; it must be a time such as 2026-05-31T14:05"),
        (f'{HEADER}\na,"cat"x,,\n', "line 2: not CSV: ',' expected after '\"'; save it as CSV in UTF-8"),
        (b"id,label\na,k\xe4fer\n", "line 2: not text in UTF-8 (invalid continuation byte); save it as CSV in UTF-8"),
        (b"\xff\xfei\x00d", "not text in UTF-16 as its first bytes say"),
    ],
)
def test_what_cannot_be_understood_is_named_with_its_line_and_kept(
    tmp_path: Path, written: str | bytes, said: str
) -> None:
    file = write(tmp_path, written)
    calls: list[Callable[[GivenLabels], object]] = [GivenLabels.read, lambda labels: labels.give("a", "b", "c")]
    for call in calls:
        with pytest.raises(InputError) as caught:
            call(GivenLabels(tmp_path))
        assert str(caught.value).startswith(f"{file}: {said}")
    assert file.read_bytes() == (written if isinstance(written, bytes) else written.encode())


def test_of_many_labels_only_the_new_ones_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 100,000 labels, each further one would take as long as all of them; so also where another process gives."""
    sizes: list[int] = []
    parse = given.read_portion
    monkeypatch.setattr(given, "read_portion", lambda data, *rest: (sizes.append(len(data)), parse(data, *rest))[1])
    write(tmp_path, f"{HEADER}\n" + "".join(f"a/{n}.png,cat,Ann,2026-05-31T14:05:00Z\n" for n in range(2000)))
    labels, others = GivenLabels(tmp_path), GivenLabels(tmp_path)
    for number in range(3):
        labels.give(f"b/{number}.png", "dog", "")
        others.give(f"c/{number}.png", "dog", "")
    assert len(labels.read()) == 2006
    assert sorted(sizes)[-3] < 200, "but for the first reading of each"


def test_a_clock_that_goes_back_takes_no_label_back(tmp_path: Path) -> None:
    write(tmp_path, f"{HEADER}\na/1.png,cat,Ann,2999-05-31T14:05:00.123Z\n")
    labels = GivenLabels(tmp_path)
    labels.give("a/1.png", "dog", "Ann")
    assert read(tmp_path) == {"a/1.png": "dog"}
    labels.undo("a/1.png")
    assert read(tmp_path) == {}
