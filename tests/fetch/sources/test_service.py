"""Services that fail: what may pass is tried again, and what a user must correct is told at once, in one line."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from components.fetch.sources import service
from components.fetch.sources.listing import ListedFile
from components.fetch.sources.places import Places
from components.stage.errors import InputError, RunError
from tests.fetch.conftest import Bucket
from tests.fetch.servers import Quiet, Site, serve


def test_a_server_that_fails_now_and_then_is_asked_again(web: Site, places: Places) -> None:
    web.files = {"a": b"a"}
    web.failing = 4
    listed = places.list_file(f"{web.url}/a")
    web.failing = 4
    assert places.bring_file(listed).read_bytes() == b"a"


def test_a_server_that_is_overloaded_for_good_is_told_from_a_file_that_is_missing(web: Site, places: Places) -> None:
    web.files = {"a": b"a"}
    listed = places.list_file(f"{web.url}/a")
    web.statuses["a"] = 503
    for attempt in (lambda: places.list_file(f"{web.url}/a"), lambda: list(places.bring_files([listed]))):
        with pytest.raises(RunError, match=rf"^{web.url}/a: tried 5 times: 503, "):
            attempt()


def test_a_server_that_is_down_is_told_from_a_file_that_is_missing(nobody: str, places: Places) -> None:
    file = ListedFile("a.png", f"{nobody}/a.png", 1, "1")
    for attempt in (
        lambda: places.list_file(f"{nobody}/a.png"),
        lambda: places.list_folder(nobody),
        lambda: list(places.bring_files([file])),
    ):
        with pytest.raises(RunError, match=rf"^{nobody}.*: tried 5 times: Cannot connect to host 127\.0\.0\.1"):
            attempt()


@pytest.mark.parametrize("status", [401, 403])
def test_who_may_not_read_a_file_is_told_so_at_once(status: int, web: Site, places: Places) -> None:
    web.files, web.statuses = {"a": b"a"}, {"a": status}
    with pytest.raises(InputError, match=rf"^params\.yaml: data\.sources: {web.url}/a: {status}, ") as error:
        places.list_file(f"{web.url}/a")
    assert "\n" not in str(error.value)
    assert len(web.requests) <= 2


class Leading(Quiet):
    """Leads to a signed URL, which answers in one way for some times and then well."""

    statuses: list[int]
    answer: dict[str, str]

    def do_GET(self) -> None:  # noqa: N802 -- the server calls it so
        """Lead on, or answer."""
        if "Signature" not in self.path:
            self.reply_whole(302, b"", Location="/b?X-Amz-Credential=S3CR&X-Amz-Signature=S3CR")
        elif self.statuses:
            self.reply_whole(self.statuses.pop(0), b"", **self.answer)
        else:
            self.reply_whole(200, b"content", ETag='"1"')

    do_HEAD = do_GET  # noqa: N815


@pytest.mark.usefixtures("online")
def test_a_signed_url_that_a_server_leads_to_is_tried_again_and_never_shown(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its query speaks of credentials, which is no reason to give up."""
    with serve(Leading, statuses=[503, 503], answer={}) as url:
        assert places.list_file(f"{url}/a").size == 7
        printed = capsys.readouterr().out
        assert printed.count(f"fetch: {url}/a: 503, message='Service Unavailable'; asked again in ") == 1, (
            "HEAD and GET failed"
        )
        assert "S3CR" not in printed
    for status, error in ((403, InputError), (500, RunError)):
        with serve(Leading, statuses=[status] * 20, answer={}) as url, pytest.raises(error) as caught:
            places.list_file(f"{url}/a")
        assert "S3CR" not in str(caught.value)


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize(("told", "pause"), [("3", 3), ("100000", 60), ("-1", 0), ("soon", 0), ("in 2 minutes", 60)])
def test_a_server_that_asks_for_a_pause_gets_it(
    told: str, pause: int, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(service.time, "sleep", pauses.append)
    if told == "in 2 minutes":
        told = format_datetime(datetime.now(UTC) + timedelta(minutes=2), usegmt=True)
    with serve(Leading, statuses=[429, 429], answer={"Retry_After": told}) as url:
        places.list_file(f"{url}/a")
    assert pauses[0] == pause


@pytest.mark.usefixtures("online")
def test_a_server_that_leads_in_a_circle_is_one_line_at_once(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    class Circle(Quiet):
        def do_GET(self) -> None:  # noqa: N802
            self.reply_whole(302, b"", Location="/a?token=S3CR")

        do_HEAD = do_GET  # noqa: N815

    with serve(Circle) as url, pytest.raises(InputError) as caught:
        places.list_file(f"{url}/a")
    assert str(caught.value) == (
        f"params.yaml: data.sources: {url}/a: the server redirects without end, as where a login is asked for"
    )
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("foo://images", "foo://images: Protocol not known: foo"),
        ("http://[bad/images", "http://[bad/images: "),
        ("https://host/a\0b", r"https://host/a\x00b: holds the character"),
        ("https://host/" + "a" * 10_000, "https://host/aaa"),
        ("https://user:S3CR@host/a", "https://***@host/a: holds a password or token"),
    ],
)
def test_a_url_that_nobody_understands_is_one_line(url: str, message: str, places: Places) -> None:
    for list_url in (places.list_folder, places.list_file):
        with pytest.raises(InputError) as error:
            list_url(url)
        assert str(error.value).startswith(f"params.yaml: data.sources: {message}")
        assert "\n" not in str(error.value)


def read_refusal(list_url: Any, url: str) -> str:
    with pytest.raises(InputError) as error:
        list_url(url)
    line = str(error.value)
    assert "\n" not in line
    return line


def test_a_bucket_that_does_not_exist_is_one_line(bucket: Bucket, places: Places) -> None:
    missing = "s3://no-such-bucket/images"
    line = f"params.yaml: data.sources: {missing}: no such folder, or nothing in it"
    assert read_refusal(places.list_folder, missing) == line
    assert read_refusal(places.list_file, f"{missing}/a.zip").endswith(
        "no-such-bucket/images/a.zip: not there; name a file"
    )
    assert read_refusal(places.list_folder, "s3://No_Such!Bucket/x").startswith(
        "params.yaml: data.sources: s3://No_Such!Bucket"
    )
    assert read_refusal(places.list_folder, "s3://").startswith("params.yaml: data.sources: s3://: ")


@pytest.mark.usefixtures("s3")
def test_who_has_no_credentials_is_told_so_and_how_to_do_without(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    for list_url in (places.list_folder, places.list_file):
        line = read_refusal(list_url, "s3://images/cats")
        assert line.startswith("params.yaml: data.sources: s3://images/cats: Unable to locate credentials; a public ")
        assert """FSSPEC_S3='{"anon": true}'""" in line


def test_a_public_bucket_is_read_as_that_advice_says(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key="a.png", Body=b"a", ACL="public-read")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("FSSPEC_S3", '{"anon": true}')
    read = f"print([file.path for file in list_folder('{bucket.url}', set())])"
    command = f"from components.fetch.sources.remote import list_folder; {read}"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "['a.png']\n"


@pytest.mark.usefixtures("s3")
def test_a_bucket_whose_server_is_down_is_told_from_an_empty_one(
    nobody: str, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    from s3fs import S3FileSystem

    monkeypatch.setenv("AWS_ENDPOINT_URL", nobody)
    monkeypatch.setattr(S3FileSystem, "retries", 1)  # its own, which take seconds
    for list_url in (places.list_folder, places.list_file):
        with pytest.raises(RunError, match="s3://images/cats: tried 5 times: Could not connect to the endpoint URL"):
            list_url("s3://images/cats")
