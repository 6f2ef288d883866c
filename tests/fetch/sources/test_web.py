"""Web servers: what they are told of credentials, and what of their answers is taken."""

import asyncio
from base64 import b64encode
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fsspec import config

from components.fetch.sources import web
from components.fetch.sources.listing import ListedFile
from components.fetch.sources.places import Places
from components.stage.errors import InputError, RunError
from tests.fetch.servers import Quiet, serve

CONTENT = bytes(range(250)) * 10


class Guarded(Quiet):
    """Sends the content to who has the credentials, and leads to another server where `leads_to` names one."""

    wanted: dict[str, str]
    leads_to: str
    got: list[dict[str, str]]

    def do_HEAD(self) -> None:  # noqa: N802 -- the server calls it so
        """Answer as for the content."""
        self.do_GET()

    def do_GET(self) -> None:  # noqa: N802
        """Send the content, lead on or refuse."""
        query = dict(part.split("=") for part in self.path.partition("?")[2].split("&") if part)
        told = {name.lower(): value for name, value in self.headers.items()} | query
        self.got.append(told)
        if not self.wanted.items() <= told.items():
            self.reply_whole(401, b"", WWW_Authenticate="Basic")
        elif self.leads_to:
            self.reply_whole(302, b"", Location=f"{self.leads_to}/there")
        else:
            self.reply_whole(200, CONTENT, ETag='"1"')


@pytest.fixture(autouse=True)
def no_netrc(online: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))


def bring(places: Places, url: str) -> bytes:
    return places.bring_file(places.list_file(url)).read_bytes()


def test_a_password_in_netrc_is_used(places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ada password S3CR\n")
    basic = f"Basic {b64encode(b'ada:S3CR').decode()}"
    with serve(Guarded, wanted={"authorization": basic}, leads_to="", got=[]) as url:
        with pytest.raises(InputError, match="401"):
            bring(places, f"{url}/a")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        assert bring(places, f"{url}/a") == CONTENT


def test_a_netrc_that_cannot_be_understood_is_named_and_not_repeated(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ada\npassword my S3CR\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    web._check_netrc.cache_clear()
    with (
        serve(Guarded, wanted={"authorization": "Basic"}, leads_to="", got=[]) as url,
        pytest.raises(InputError, match=r"401, .*; give a name and password in ~/\.netrc") as caught,
    ):
        bring(places, f"{url}/a")
    printed = capfd.readouterr()
    assert printed.out == f"warning: {tmp_path}/netrc: cannot be understood near line 3, so nothing of it is used\n"
    assert "S3CR" not in printed.out + printed.err + str(caught.value)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"headers": {"Authorization": "Bearer S3CR"}}, {"authorization": "Bearer S3CR"}),
        ({"headers": {"PRIVATE-TOKEN": "S3CR"}}, {"private-token": "S3CR"}),
        ({"params": {"sig": "S3CR"}}, {"sig": "S3CR"}),
    ],
)
def test_a_token_in_fsspecs_files_is_used_and_no_other_host_gets_it(
    options: Any, wanted: dict[str, str], places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a file in ~/.config/fsspec or FSSPEC_HTTP in the environment gives it."""
    monkeypatch.setitem(config.conf, "http", options)
    other: list[dict[str, str]] = []
    with serve(Guarded, wanted=wanted, leads_to="", got=[]) as url:
        assert bring(places, f"{url}/a") == CONTENT
    with (
        serve(Guarded, wanted={}, leads_to="", got=other) as there,
        serve(Guarded, wanted=wanted, leads_to=there, got=[]) as url,
    ):
        assert bring(places, f"{url}/a") == CONTENT
    assert other
    assert "S3CR" not in str(other)
    assert all(told["accept-encoding"] == "identity" for told in other)


class Shifted(Quiet):
    """Sends a part of the right length from the wrong place, or the content of a new version."""

    answer: str

    def do_GET(self) -> None:  # noqa: N802
        """Answer wrongly."""
        tag = '"2"' if self.answer == "changed" else '"1"'
        if self.answer == "endless":
            self.reply(200, CONTENT * 1000, ETag=tag)
            self.close_connection = True
            return
        first, last = (int(number) for number in self.headers["Range"].removeprefix("bytes=").split("-"))
        told = (
            f"bytes {first + 5}-{last + 5}/{len(CONTENT)}" if self.answer == "shifted" else f"bytes {first}-{last}/2500"
        )
        self.reply_whole(206, CONTENT[first : last + 1], ETag=tag, Content_Range=told)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("shifted", r"tried 5 times: the server sent bytes from 5 on, and was asked for those from 0 on"),
        ("changed", "changed since the source was listed"),
        ("endless", "tried 5 times: more came instead of 2,500 bytes"),
    ],
)
def test_what_was_not_asked_for_is_not_taken(answer: str, said: str, places: Places, tmp_path: Path) -> None:
    """A part from another place, or of another version, would make a file that never was."""
    with serve(Shifted, answer=answer) as url, pytest.raises((RunError, InputError), match=said):
        places.bring_file(ListedFile("a", f"{url}/a", len(CONTENT), "1"))
    assert not any(path.stat().st_size for path in (tmp_path / "scratch").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("host", "told"),
    [("bücher.de", True), ("xn--bcher-kva.de", True), ("buecher.de", False)],
)
def test_a_host_of_other_letters_gets_its_headers(host: str, told: bool) -> None:
    headers = SimpleNamespace(gone=[], popall=lambda name, _: headers.gone.append(name))
    request = SimpleNamespace(
        url=SimpleNamespace(authority="bücher.de", raw_authority="xn--bcher-kva.de"), headers=headers
    )

    async def send(_: Any) -> None: ...

    async def ask() -> None:
        await web._make_guard(host, frozenset({"PRIVATE-TOKEN"}))(request, send)

    asyncio.run(ask())
    assert (not headers.gone) == told
