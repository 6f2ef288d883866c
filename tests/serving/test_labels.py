"""Labels over HTTP: what was acknowledged is on the disk, and what was refused changed nothing."""

import errno
import os
from pathlib import Path

import httpx
import pytest

from components.fetch import given
from components.fetch.given import GivenLabels


def give(client: httpx.Client, name: str, **body: str) -> httpx.Response:
    return client.put(f"/labels/{name}", json={"label": "owl", "who": "Ada"} | body)


def test_an_acknowledged_label_is_on_the_disk_and_its_image_comes_no_more(client: httpx.Client, labelled: Path) -> None:
    before = client.get("/labels/next", params={"count": 3}).json()
    assert [image["id"] for image in before["images"]] == ["0", "2", "4"], "those without a label"
    assert (before["given"], before["classes"]) == (0, ["cat", "dog", "owl"])
    answer = give(client, "2", label=" eagle ")
    assert (answer.status_code, answer.json()) == (200, {"id": "2", "label": "eagle", "given": 1})
    (row,) = GivenLabels(labelled / "labels").read().values()
    assert (row.id, row.label, row.who) == ("2", "eagle", "Ada")
    after = client.get("/labels/next", params={"count": 3}).json()
    assert after["recent"] == [{"id": "2", "label": "eagle"}], "who comes back can still take it back"
    assert [image["id"] for image in after["images"]] == ["0", "4", "6"]
    assert after["classes"] == ["cat", "dog", "owl", "eagle"], "a new class stands last, so that none changes its key"
    taken = client.delete("/labels/2", params={"who": "Ben"})
    assert taken.json() == {"id": "2", "label": None, "given": 0}
    assert client.get("/labels/next", params={"count": 3}).json()["images"] == before["images"]


def test_what_is_no_label_is_refused_in_one_line_and_nothing_is_written(client: httpx.Client, labelled: Path) -> None:
    file = labelled / "labels" / "given.csv"
    before = file.read_bytes() if file.exists() else b""
    assert give(client, "none").json() == {"detail": "no image of this id"}
    for body in ({"label": " "}, {"label": "a\nb"}, {"who": ""}, {"label": "x" * 201}):
        answer = give(client, "2", **body)
        assert (answer.status_code, "\n" in answer.json()["detail"]) == (422, False), body
    for content in (b"", b"{", b"[]", b'{"label": 3, "who": "Ada"}', b'{"label": "\\ud800", "who": "Ada"}'):
        assert client.put("/labels/2", content=content).status_code == 422, content
    assert client.get("/labels/next", params={"count": 1001}).status_code == 422
    assert (file.read_bytes() if file.exists() else b"") == before


def test_a_disk_that_is_full_acknowledges_nothing_and_says_so(
    client: httpx.Client, labelled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(given, "append_or_undo", fail)
    answer = give(client, "2")
    assert (answer.status_code, "this one is not given" in answer.json()["detail"]) == (503, True)
    assert not GivenLabels(labelled / "labels").read()


def test_a_file_that_somebody_broke_is_named_with_its_line(client: httpx.Client, labelled: Path) -> None:
    file = labelled / "labels" / "given.csv"
    give(client, "4")
    whole = file.read_bytes()
    file.write_bytes(b"what,is,this\n1,2,3\n")
    answer = client.get("/labels/next")
    assert (answer.status_code, "given.csv" in answer.json()["detail"]) == (503, True)
    file.write_bytes(whole)
    assert client.get("/labels/next").json()["given"] == 1
    client.delete("/labels/4")
