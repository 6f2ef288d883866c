"""Tests the command: what it needs is asked for in one line, and it ends with every answer given."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from components.stage.errors import InputError, RunError
from serving.__main__ import TOKEN, change, find_token, listen
from serving.guard import Guard
from serving.places import find_places
from serving.registered import Registered
from serving.served import Loader
from tests.serving.conftest import PNG, Bench, run_service

LONG = "a-token-of-24-characters"


def test_a_port_in_use_is_named_in_one_line() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"^127\.0\.0\.1, port {port}: address already in use; --port[^\n]*$"):
            listen("127.0.0.1", port)


def test_a_flag_that_is_out_of_range_is_named_in_one_line(bench: Bench) -> None:
    settings = bench.set_params()
    assert change(settings, {"port": 0}).port == 0
    with pytest.raises(InputError, match=r"^--port: Input should be less than 65536$"):
        change(settings, {"port": 99_999})


def test_answers_do_not_wait_for_the_clients_acknowledgement() -> None:
    """Without TCP_NODELAY, which asyncio sets only where it knows the protocol, each answer takes 40 ms more."""
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_a_missing_encoder_is_one_line_with_the_command_that_makes_it(tmp_path: Path, bench: Bench) -> None:
    (tmp_path / "dvc.yaml").write_text((bench.root / "dvc.yaml").read_text())
    service = bench.make_service(bare=True)
    with pytest.raises(InputError, match=r"^[^\n]*no encoder here[^\n]*`dvc repro pretrain` makes it$"):
        Loader(service.params, service.metrics, bench.threads).load(find_places(tmp_path), "")


def test_other_machines_are_only_answered_with_a_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    assert find_token(None, "127.0.0.1") == (None, False)
    token, made = find_token(None, "0.0.0.0")
    assert made
    assert token
    assert len(token) >= 24
    (tmp_path / "token").write_text(f"{LONG}\n")
    assert find_token(tmp_path / "token", "0.0.0.0") == (LONG, False)
    monkeypatch.setenv(TOKEN, LONG)
    assert find_token(None, "127.0.0.1") == (LONG, False)


@pytest.mark.parametrize("token", ["", "short", "with a space in it, long", "tökén-of-24-characters--"])
def test_a_token_that_is_none_is_refused_and_not_repeated(token: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(token)
    with pytest.raises(InputError, match="16 characters or more") as error:
        find_token(tmp_path / "token", "0.0.0.0")
    assert not token or token not in str(error.value)


@pytest.mark.parametrize("asked", [{"stage": "--upload-pack=x"}, {"stage": ""}, {"version": "a b"}])
def test_no_stage_and_no_version_is_taken_for_an_option(asked: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a name such as prod or"):
        Registered(tmp_path, "encoder", **{"stage": None, "version": None, **asked})


def test_a_service_that_ends_does_not_wait_for_a_version_that_is_being_brought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it would go on for as long as a remote is slow, up to an hour."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    source = Registered(tmp_path, "encoder", stage="prod", version=None)
    with ThreadPoolExecutor(1) as threads:
        bringing = threads.submit(source.bring)
        while source.running is None:
            time.sleep(0.01)
        source.close()
        with pytest.raises(RunError):
            bringing.result(10)


def test_the_page_gets_a_cookie_for_the_token_of_its_address(bench: Bench) -> None:
    with run_service(bench.make_service(bare=True), Guard(frozenset(), LONG)) as client:
        assert client.get("/health").status_code == 401
        assert client.get("/health").headers["www-authenticate"] == "Bearer"
        assert client.get("/health", headers={"Authorization": f"Bearer {LONG}"}).status_code == 200
        answer = client.get("/", params={"token": LONG})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert "httponly" in answer.headers["set-cookie"].lower()
        assert LONG not in answer.headers["set-cookie"]
        assert client.get("/health").status_code == 200, "the client keeps the cookie"


def test_a_request_that_is_being_answered_is_answered_when_the_service_ends(bench: Bench) -> None:
    service, answers = bench.make_service(bare=True), list[int]()
    network, begun = service.served.batcher.network, threading.Event()

    def slow(squares: object) -> object:
        begun.set()
        threading.Event().wait(0.5)
        return network(squares)  # type: ignore[arg-type]

    service.served.batcher.network = slow  # type: ignore[assignment]
    with run_service(service, Guard(frozenset(), None)) as client:

        def ask() -> None:
            kind = {"Content-Type": "image/png"}
            with httpx.Client(trust_env=False) as other:
                answers.append(other.post(f"{client.base_url}/embed", content=PNG, headers=kind).status_code)

        asking = threading.Thread(target=ask)
        asking.start()
        assert begun.wait(20)
    asking.join(20)  # the service has ended before
    assert answers == [200]
    with pytest.raises(OSError), socket.create_connection((client.base_url.host, client.base_url.port or 0), 1):  # noqa: PT011
        pass


def test_the_log_has_no_secret(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    with run_service(bench.make_service(bare=True), Guard(frozenset(), LONG)) as client:
        client.get("/", params={"token": LONG})
        client.get("/health", headers={"Authorization": f"Bearer {LONG}", "X-Line": "a"})
        client.get("/images/a%0a{}%1b[31m")
    said = capfd.readouterr().err
    assert LONG not in said
    assert all(line.startswith("{") for line in said.splitlines() if line)
    assert "\x1b" not in said
