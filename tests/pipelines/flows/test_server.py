"""Which server of Prefect's is used, and what is said where there can be none; no server is started here."""

import inspect
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from pipelines.errors import CANCELLED, EndedError, GraphError, LockedError, StageError
from pipelines.flows import api, deployment, door, environment, named, password, retrain_flow, serve, server
from pipelines.train import __main__ as train
from pipelines.train import ending
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
    assert named.find_server() is None
    monkeypatch.setenv(environment.URL, f"http://127.0.0.1:{find_free_port()}/api")
    with pytest.raises(StageError, match="no server of Prefect's answers at http") as caught:
        named.find_server()
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
    monkeypatch.setattr(named.httpx, "get", lambda *_, **__: answer)
    assert named._find_fault("http://a/api") == fault


def test_a_port_that_is_taken_or_none_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "GONE_SECONDS", 0.1)
    with socket.socket() as listener:
        listener.bind((api.HOST, 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(StageError, match="is taken") as caught:
            server.wait_for_free_port(port)
    assert caught.value.status == 2
    server.wait_for_free_port(port)
    for stated in ("abc", "0", "65536", "-1", "٤٢", "", "4200.0"):
        monkeypatch.setenv("PREFECT_SERVER_API_PORT", stated)
        with pytest.raises(StageError, match=f"PREFECT_SERVER_API_PORT: a number from 1 to 65535, not {stated}$"):
            server.read_port()


def test_the_servers_log_begins_anew_when_it_is_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Talker:
        def run(self, *_: object, say: Callable[[str], None], **__: object) -> None:
            for number in range(1000):
                say(f"{number} %s")

        def end(self) -> None:
            pass

    monkeypatch.setattr(server, "Processes", Talker)
    monkeypatch.setattr(server, "LOG_BYTES", 1000)
    log = tmp_path / server.LOG
    log.parent.mkdir(parents=True)
    server.Server(tmp_path, [], "").end()
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
    assert ending.report_error(error, ending.KEPT) == status
    assert capsys.readouterr().err.startswith(said)


def test_the_password_is_in_a_new_file_that_only_its_user_reads(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "home" / "server-1.password"
    victim.write_text("kept")
    path.parent.mkdir()
    path.symlink_to(victim)
    written = [password.write_password(password.make_password(), path).read_text() for _ in range(2)]
    assert stat.S_IMODE(path.lstat().st_mode) == 0o600
    assert not path.is_symlink()
    assert victim.read_text() == "kept"
    assert written[0] != written[1]


def test_a_password_that_the_user_has_chosen_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "profiles.toml").write_text(f'active = "a"\n[profiles.a]\n{password.CHOSEN} = "admin:mine"\n')
    assert password.choose_password() == "admin:mine"
    monkeypatch.setenv(password.CHOSEN, "admin:größer")
    with pytest.raises(StageError, match=password.CHOSEN):
        password.choose_password()


def test_the_command_that_retrains_now_takes_any_folder_and_does_not_show_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "it's here" / "server-1.password"
    password.write_password("admin:hidden", path)
    monkeypatch.setenv(environment.URL, "http://127.0.0.1:1/api")
    own = deployment.OwnServer(None, path)  # type: ignore[arg-type]
    lines = deployment.list_addresses("it's", own)
    assert "hidden" not in "".join(lines)
    shown = """python -c 'import os, sys; print(os.environ["PREFECT_API_AUTH_STRING"], sys.argv[-1])'"""
    command = lines[-1].removeprefix("to retrain now: ").replace("prefect deployment", shown)
    said = subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout
    assert said == "admin:hidden retrain/it's\n"


def test_the_retraining_has_no_parameters() -> None:
    """A caller who could name the folder would have that folder's code run."""
    assert not inspect.signature(retrain_flow.retrain.fn).parameters
    assert deployment.NO_PARAMETERS["additionalProperties"] is False


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "raise SystemExit('no room')",
            "it has ended: no room; see .dvc/tmp/prefect-server.log, or run with --no-server",
        ),
        ("import time; time.sleep(60)", "it is not ready after"),
    ],
)
def test_a_server_that_does_not_start_is_a_line_with_the_way_without_one(
    code: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "IDLE_SECONDS", 1.5)
    monkeypatch.setattr(server.Server, "make_command", lambda *_: [sys.executable, "-c", code])
    started = server.Server(tmp_path, ["0"], "or run with --no-server")
    try:
        with pytest.raises(StageError, match="Prefect's server does not start") as caught:
            started.wait(print)
    finally:
        started.end()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("or run with --no-server")


@pytest.mark.parametrize(
    ("named_origins", "headers", "passes"),
    [
        ("", {"host": "127.0.0.1:4200"}, True),
        ("", {"host": "localhost:9000", "origin": "http://localhost:9000"}, True),
        ("", {"host": "[::1]:9000", "origin": "http://[::1]:9000"}, True),
        ("", {"host": "localhost:4200", "origin": "http://localhost:3000"}, False),
        ("", {"host": "byol.example.org", "origin": "https://byol.example.org"}, False),
        ("https://byol.example.org", {"host": "byol.example.org", "origin": "https://byol.example.org"}, True),
        ("https://byol.example.org", {"host": "127.0.0.1:4200", "origin": "https://byol.example.org"}, True),
        ("https://byol.example.org", {"host": "byol.example.org", "origin": "https://evil.example"}, False),
        ("", {"host": "127.0.0.1", "sec-fetch-site": "cross-site", "sec-fetch-dest": "document"}, True),
        ("", {"host": "127.0.0.1", "sec-fetch-site": "cross-site", "sec-fetch-dest": "iframe"}, False),
    ],
)
def test_the_door_knows_pages_of_its_own(
    named_origins: str, headers: dict[str, str], passes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(environment.ORIGINS, named_origins)
    guard = door.Door(lambda *_: None, environment.read_origins())  # type: ignore[arg-type, return-value]
    assert (not guard.find_fault([(name.encode(), value.encode()) for name, value in headers.items()])) is passes


@pytest.mark.parametrize("stated", ["*", "byol.example.org", "https://a/b", "https://a b"])
def test_pages_that_are_none_are_refused_in_a_line(stated: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.ORIGINS, stated)
    with pytest.raises(StageError, match=environment.ORIGINS):
        environment.read_origins()
