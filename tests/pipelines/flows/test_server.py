"""Which server of Prefect's is used, and what is said where there can be none; no server is started here."""

import socket
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from pipelines.errors import CANCELLED, EndedError, GraphError, LockedError, StageError
from pipelines.flows import deployment, environment, serve, server
from pipelines.train import __main__ as train
from tests.pipelines import tiny
from tests.pipelines.conftest import find_free_port


@pytest.fixture(autouse=True)
def nothing_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(environment.URL, raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))


def test_a_profile_names_a_server_as_the_environment_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.read_api_url() is None
    profiles = 'active = "work"\n[profiles.home]\n[profiles.work]\nPREFECT_API_URL = "http://a/api"\n'
    (tmp_path / "profiles.toml").write_text(profiles)
    assert environment.read_api_url() == "http://a/api"
    monkeypatch.setenv("PREFECT_PROFILE", "home")
    assert environment.read_api_url() is None
    monkeypatch.setenv(environment.URL, "http://b/api")
    assert environment.read_api_url() == "http://b/api"


def test_a_named_server_that_is_down_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert server.find_server() is None
    monkeypatch.setenv(environment.URL, f"http://127.0.0.1:{find_free_port()}/api")
    with pytest.raises(StageError, match="no server of Prefect's answers at http") as caught:
        server.find_server()
    assert caught.value.status == 1


@pytest.mark.parametrize("by", ["variable", "profile"])
def test_the_training_names_a_server_that_is_down_and_the_way_without_one(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url, home = f"http://127.0.0.1:{find_free_port()}/api", tmp_path / "home"
    home.mkdir()
    origin = f"{environment.URL} in the environment"
    if by == "variable":
        monkeypatch.setenv(environment.URL, url)
    else:
        (home / "profiles.toml").write_text(f'active = "work"\n[profiles.work]\n{environment.URL} = "{url}"\n')
        origin = f"{environment.URL} in the profile work of {home / 'profiles.toml'}"
    monkeypatch.setenv("PREFECT_HOME", str(home))
    project = tiny.make_project(tmp_path / "there", "stages: {}")
    monkeypatch.chdir(project.root)
    monkeypatch.setattr(sys, "argv", ["train"])
    assert train.main() == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{origin}: no server of Prefect's answers at {url}: ")
    assert line.endswith("or run with --no-server")


@pytest.mark.parametrize(
    ("status", "kind", "fault"),
    [
        (503, "text/plain", "503 Service Unavailable"),
        (200, "text/html", "a page for people answers; the address of the API ends in /api"),
        (401, "application/json", None),
        (200, "application/json", None),
    ],
)
def test_what_answers_has_to_be_prefects(
    status: int, kind: str, fault: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = httpx.Response(status, headers={"content-type": kind})
    monkeypatch.setattr(server.httpx, "get", lambda *_, **__: answer)
    assert server._find_fault("http://a/api") == fault


def test_a_port_that_is_taken_or_no_number_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "GONE_SECONDS", 0.1)
    with socket.socket() as listener:
        listener.bind((server.HOST, 0))
        listener.listen()
        monkeypatch.setattr(server, "PORT", str(listener.getsockname()[1]))
        with pytest.raises(StageError, match="is taken") as caught:
            server.wait_for_port()
    assert caught.value.status == 2
    server.wait_for_port()
    monkeypatch.setattr(server, "PORT", "abc")
    with pytest.raises(StageError, match="PREFECT_SERVER_API_PORT: a number, not abc"):
        server.wait_for_port()


def test_the_servers_log_begins_anew_when_it_is_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Talker:
        def run(self, *_: object, say: Callable[[str], None], **__: object) -> None:
            for number in range(1000):
                say(f"{number} %s")

        def end(self) -> None:
            pass

    for name, value in {"Processes": Talker, "wait_for_port": lambda: None, "is_ready": lambda _: True}.items():
        monkeypatch.setattr(server, name, value)
    monkeypatch.setattr(server, "LOG_BYTES", 1000)
    log = tmp_path / server.LOG
    log.parent.mkdir(parents=True)
    with server.run_server(tmp_path):
        pass
    assert {path.name for path in log.parent.iterdir()} == {log.name, f"{log.name}.1"}
    assert log.read_text().endswith("999 %s\n")
    assert all(path.stat().st_size <= 1000 for path in log.parent.iterdir())


def test_a_name_that_prefect_refuses_is_said_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve.settings, "read_settings", lambda root: {})
    with pytest.raises(StageError, match="with & in its name") as caught:
        serve.serve_checkout(tmp_path / "R&D", None, print)
    assert caught.value.status == 2


@pytest.mark.parametrize(
    ("stated", "zone"),
    [
        ("Europe/Zurich", "Europe/Zurich"),
        (":Europe/Zurich", "Europe/Zurich"),
        ("EST5EDT", "EST5EDT"),  # looks like a rule, and is a zone
        ("", "UTC"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", None),
        ("<+03>-3", None),
        ("nonsense", None),
        ("../UTC", None),
        (":/etc/hosts", None),
    ],
)
def test_the_schedule_follows_the_zone_that_tz_names(
    stated: str, zone: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that is taken for UTC would begin the nights at another hour."""
    monkeypatch.setenv("TZ", stated)
    if zone:
        assert deployment.read_time_zone() == zone
        return
    with pytest.raises(StageError, match="names no time zone: set TZ") as caught:
        deployment.read_time_zone()
    assert caught.value.status == 2


def test_a_file_of_zones_is_known_by_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zones = tmp_path / "zoneinfo" / "Europe"
    zones.mkdir(parents=True)
    (zones / "Zurich").touch()
    (tmp_path / "localtime").symlink_to(zones / "Zurich")
    monkeypatch.setenv("TZ", f":{tmp_path / 'localtime'}")
    assert deployment.read_time_zone() == "Europe/Zurich"


@pytest.mark.parametrize("found", [None, LookupError])
def test_a_time_zone_without_a_name_is_said_in_a_line(found: object, monkeypatch: pytest.MonkeyPatch) -> None:
    def look() -> object:
        if found is LookupError:
            raise LookupError
        return found

    monkeypatch.delenv("TZ", raising=False)
    monkeypatch.setattr(deployment.tzlocal, "get_localzone_name", look)
    with pytest.raises(StageError, match="set TZ") as caught:
        deployment.parse_schedule("0 3 * * *")
    assert caught.value.status == 2


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (StageError("fetch: failed", 2), 2, "fetch: failed"),
        (StageError("fetch: failed", 137), 1, "fetch: failed"),
        (StageError("fetch: cancelled", CANCELLED), 130, "cancelled; finished stages are kept"),
        (GraphError("no such stage"), 2, "dvc.yaml: no such stage"),
        (LockedError("locked"), 1, "locked"),
        (EndedError(), 130, "interrupted; finished stages are kept"),
    ],
)
def test_whatever_ends_a_run_is_a_line_and_a_status(
    error: Exception, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.report_error(error) == status
    assert capsys.readouterr().err.startswith(said)
