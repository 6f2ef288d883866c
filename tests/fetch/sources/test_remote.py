"""Downloads: whatever a server does, the whole file is brought, and none is downloaded twice without need."""

import threading
from pathlib import Path
from typing import Any

import pytest

from components.fetch.sources import remote, service
from components.fetch.sources.listing import ListedFile
from components.fetch.sources.places import Places
from components.stage.errors import InputError, RunError
from tests.fetch.servers import Site

LARGE = bytes(range(256)) * 14  # 3,584 bytes, four pieces


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PIECE", 1000)


def list_all(places: Places, site: Site) -> list[ListedFile]:
    return places.list_files([(path, f"{site.url}/{path}") for path in site.files])


def bring_contents(places: Places, listed: list[ListedFile]) -> list[bytes | str]:
    """Return the contents, or why there are none."""
    return [place if isinstance(place, str) else place.read_bytes() for _, place in places.bring_files(listed)]


def test_files_come_in_order_and_only_once(web: Site, places: Places, tmp_path: Path) -> None:
    web.files = {f"{number}.png": b"%d" % number for number in range(100)} | {"empty": b"", "large": LARGE}
    listed = list_all(places, web)
    assert [file.path for file in listed] == list(web.files)
    assert [file.size for file in listed] == [len(content) for content in web.files.values()]
    assert bring_contents(places, listed) == list(web.files.values())
    assert not list(tmp_path.rglob("*.part"))
    web.requests.clear()
    assert bring_contents(places, list_all(places, web)) == list(web.files.values())
    assert web.list_downloads() == [], "the second run downloads again"


def test_a_file_that_is_asked_for_twice_at_a_time_comes_whole_and_once(web: Site, places: Places) -> None:
    web.files = {"a": LARGE}
    assert bring_contents(places, list_all(places, web) * 30) == [LARGE] * 30
    assert web.served["a"] == len(LARGE)


def test_room_is_asked_for_what_is_yet_to_come(web: Site, places: Places) -> None:
    web.files = {"a": LARGE, "b": b"small"}
    listed = list_all(places, web)
    assert places.measure_downloads(listed) == len(LARGE) + 5
    part = remote.locate_part(remote.locate_download(listed[0], places.scratch / "downloads"))
    part.parent.mkdir(parents=True)
    part.write_bytes(LARGE[:1000])
    assert places.measure_downloads(listed) == len(LARGE) + 5 - 1000
    bring_contents(places, listed)
    assert places.measure_downloads(listed) == 0


@pytest.mark.parametrize("header", ["ETag", "Last-Modified"])
def test_a_file_that_changed_is_downloaded_anew_and_no_other(header: str, web: Site, places: Places) -> None:
    web.files = {"a": b"old", "b": b"same"}
    if header == "Last-Modified":
        web.modified = dict.fromkeys("ab", "Thu, 01 Jan 2026 00:00:00 GMT")
    before = list_all(places, web)
    bring_contents(places, before)
    web.files["a"], web.modified["a"] = b"new", "Fri, 02 Jan 2026 00:00:00 GMT"
    if header == "ETag":
        web.modified.clear()
    web.requests.clear()
    after = list_all(places, web)
    assert [old.version == new.version for old, new in zip(before, after, strict=True)] == [False, True]
    assert bring_contents(places, after) == [b"new", b"same"]
    assert web.list_downloads() == ["a"]


def test_a_connection_that_breaks_costs_one_piece(web: Site, places: Places) -> None:
    web.files = {"a": LARGE}
    web.cuts = [False, True, False, True]
    assert bring_contents(places, list_all(places, web)) == [LARGE]
    assert web.served["a"] == len(LARGE) + 500 + 500


def test_a_run_that_was_cut_off_goes_on_where_it_was(
    web: Site, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.files = {"a": LARGE}
    listed = list_all(places, web)
    web.cuts = [False, False, True]
    with monkeypatch.context() as patched:
        patched.setattr(service, "TRIES", 1)
        with pytest.raises(RunError, match="tried 1 times"):
            bring_contents(places, listed)
    web.served.clear()
    assert bring_contents(places, listed) == [LARGE]
    assert web.served["a"] == len(LARGE) - 2000


@pytest.mark.parametrize("begun", [False, True])
def test_a_server_that_knows_no_ranges_sends_all_at_once(
    begun: bool, web: Site, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.files = {"a": LARGE}
    listed = list_all(places, web)
    if begun:
        web.cuts = [False, False, True]
        with monkeypatch.context() as patched:
            patched.setattr(service, "TRIES", 1)
            with pytest.raises(RunError):
                bring_contents(places, listed)
    web.ranges, web.cuts = False, [True]
    web.served.clear()
    assert bring_contents(places, listed) == [LARGE]
    assert web.served["a"] == len(LARGE) * 3 // 2


def test_a_server_that_tells_no_length_is_read_to_the_end(web: Site, places: Places, tmp_path: Path) -> None:
    web.files, web.lengths, web.ranges = {"a": LARGE}, False, False
    listed = list_all(places, web)
    assert bring_contents(places, listed) == [LARGE]
    for brought in (tmp_path / "scratch/downloads").rglob("*/*"):
        brought.replace(brought.with_suffix(".part"))  # as if the first run had been killed
    assert bring_contents(places, listed) == [LARGE]


def test_a_server_that_packs_what_it_sends_sends_the_file_itself(web: Site, places: Places) -> None:
    web.files, web.packing = {"list.csv": b"path\n" * 1000}, True
    assert bring_contents(places, list_all(places, web)) == list(web.files.values())


def test_a_server_that_refuses_to_be_asked_first_is_read(web: Site, places: Places) -> None:
    web.files, web.heads = {"a": LARGE}, False
    assert bring_contents(places, list_all(places, web)) == [LARGE]


def test_a_file_that_is_missing_is_told_and_the_others_come(web: Site, places: Places) -> None:
    web.files = {"a": b"a", "b": b"b", "c": b"c"}
    web.statuses["b"] = 404
    listed = list_all(places, web)
    web.statuses["a"] = 404
    assert bring_contents(places, listed) == ["gone since the source was listed", "not there", b"c"]
    assert [path for _, path in web.requests].count("b") <= 2, "what is missing is not asked for again and again"


def test_a_large_file_that_changes_meanwhile_is_no_mixture(web: Site, places: Places, tmp_path: Path) -> None:
    web.files = {"a": LARGE}
    listed = list_all(places, web)
    web.files = {"a": LARGE[::-1]}
    assert bring_contents(places, listed) == ["changed since the source was listed"]
    assert not [path for path in (tmp_path / "scratch/downloads").rglob("*") if path.is_file()]
    assert bring_contents(places, list_all(places, web)) == [LARGE[::-1]]


def test_who_gives_up_does_not_wait_for_the_rest_of_a_large_file(web: Site, places: Places, tmp_path: Path) -> None:
    """What has been downloaded by then is kept for the next run."""
    web.files = {"a": b"x", "b": LARGE * 50}
    brought = places.bring_files(list_all(places, web))
    next(brought)
    brought.close()  # type: ignore[attr-defined]
    assert len(web.list_downloads()) < 100, "179 pieces are the whole file"
    assert bring_contents(places, list_all(places, web)) == [b"x", LARGE * 50]


def test_a_server_that_tells_no_version_is_asked_anew(web: Site, places: Places) -> None:
    """Otherwise the first content that it ever sent would stay, as long as the sizes agree."""
    for content in (b"old1", b"new1"):
        web.files = {"a": content}
        assert bring_contents(places, [ListedFile("a", f"{web.url}/a", 4, "")]) == [content]


def test_files_of_this_machine_stay_where_they_are(places: Places, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    assert [place for _, place in places.bring_files(places.list_files([("a", str(tmp_path / "a"))]))] == [
        tmp_path / "a"
    ]


def list_download_threads() -> list[Any]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]


@pytest.mark.parametrize("how", ["close", "fail"])
def test_who_stops_early_leaves_no_download_behind(how: str, web: Site, places: Places) -> None:
    web.files = {f"{number:03}": b"x" for number in range(400)}
    listed = list_all(places, web)
    web.requests.clear()
    before = list_download_threads()  # threads of other tests
    brought = places.bring_files(listed)
    next(brought)
    if how == "close":
        brought.close()  # type: ignore[attr-defined]
    else:
        web.statuses = dict.fromkeys(web.files, 403)
        with pytest.raises(InputError):
            list(brought)
    assert set(list_download_threads()) <= set(before)
    assert len(web.list_downloads()) < 200, "files are asked for long before they are needed"
