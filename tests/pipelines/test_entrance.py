"""What the machine around a command may be: a proxy, another user's folder, no repository, a terminal without UTF-8."""

import importlib
import io
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
import requests

from pipelines import entrance
from pipelines.errors import StageError
from pipelines.train import process
from tests.conftest import ROOT

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Answer(BaseHTTPRequestHandler):
    """Answers every call, and writes down for whom it was meant."""

    asked: list[str]

    def do_GET(self) -> None:
        """Answer."""
        self.asked.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def serve() -> tuple[HTTPServer, str, list[str]]:
    """Serve in a thread; return the server, its address, and the list of what it was asked."""
    handler = type("Handler", (Answer,), {"asked": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}", handler.asked  # type: ignore[attr-defined]


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """The address of a proxy and the list of what it was asked, in an environment that names no proxy."""
    for name in NAMES:
        monkeypatch.setenv(name, "")  # so that the test's own changes are taken back
        monkeypatch.setenv(name.upper(), "")
        monkeypatch.delenv(name)
        monkeypatch.delenv(name.upper())
    server, address, asked = serve()
    yield address, asked
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("no_proxy", [None, "example.net, .corp.example"])
def test_no_call_to_this_machine_goes_through_a_proxy_and_all_others_do(
    proxy: tuple[str, list[str]], variable: str, no_proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, through_proxy = proxy
    monkeypatch.setenv(variable, address)
    if no_proxy:
        monkeypatch.setenv("NO_PROXY", no_proxy)
    server, own, asked = serve()
    assert not httpx.get(f"{own}/before").text
    entrance.prepare_process()
    assert through_proxy == [f"{own}/before"], "what this test is about"
    for host in (own, own.replace("127.0.0.1", "localhost")):
        httpx.get(f"{host}/httpx")
        requests.get(f"{host}/requests", timeout=5)
        urllib.request.urlopen(f"{host}/urllib").close()
    assert len(asked) == 6
    assert len(through_proxy) == 1
    httpx.get("http://images.example.org/1.png")
    assert through_proxy[1:] == ["http://images.example.org/1.png"], "the user's proxy stays in force"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ({}, {}),
        ({"NO_PROXY": "a.example"}, {"NO_PROXY": "a.example"}),
        ({"HTTPS_PROXY": "http://p:1"}, "localhost,127.0.0.1,::1,0.0.0.0"),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "a.example ,127.0.0.1"}, "a.example,127.0.0.1,localhost,::1,0.0.0.0"),
        ({"HTTP_PROXY": "http://p:1", "no_proxy": "b", "NO_PROXY": "a"}, "b,a,localhost,127.0.0.1,::1,0.0.0.0"),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "*"}, "*"),
    ],
)
def test_what_stood_in_no_proxy_stays(
    proxy: object, given: dict[str, str], becomes: str | dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    entrance.spare_local_calls()
    now = {name: value for name, value in os.environ.items() if name.lower() == "no_proxy"}
    assert now == (becomes if isinstance(becomes, dict) else {"NO_PROXY": becomes, "no_proxy": becomes})


@pytest.mark.parametrize("command", ["train", "retrain", "compare", "registry"])
def test_another_users_checkout_is_refused_by_each_command_in_one_line(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))  # whose Git trusts nobody
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setattr(sys, "argv", [command, *(["HEAD"] if command == "compare" else [])])
    assert importlib.import_module(f"pipelines.{command}.__main__").main() == 2
    problem = "belongs to another user, so Git refuses to work there"
    way = f"if you trust it: git config --global --add safe.directory {tmp_path}"
    assert capsys.readouterr().err.splitlines() == [f"{tmp_path}: {problem}; {way}"]


def test_a_folder_without_git_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(StageError, match="not in a Git repository: `git clone` it") as caught:
        entrance.find_root()
    assert caught.value.status == 2
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StageError, match="git: not installed"):
        entrance.find_root()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_utf_8_gets_every_line(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding, write_through=True))
    entrance.prepare_process()
    print("猫: 8 × 8 – 92.2 %")
    assert b"\\u732b: 8 " in written.getvalue()
    assert b" \\u2013 92.2 %" in written.getvalue()


def test_what_a_command_prints_comes_through_the_pipe_whatever_the_terminal_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    lines: list[str] = []
    program = "print('猫 ×'); open('made', 'w').write('猫')"
    assert process.run([sys.executable, "-c", program], cwd=tmp_path, minutes=1, say=lines.append) == 0
    assert lines == ["猫 ×"]
    assert (tmp_path / "made").read_bytes() == "猫".encode()


def test_a_proxy_for_other_protocols_does_not_break_prefects_client(
    proxy: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What many proxies' own instructions say: http_proxy, https_proxy, and all_proxy with SOCKS."""
    program = "from pipelines.flows import named; named.check_proxies('or --no-server'); print('usable')"
    variables = {"http_proxy": proxy[0], "https_proxy": proxy[0], "all_proxy": "socks5://127.0.0.1:1"}

    def ask(**variables: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        return (done.stdout + done.stderr).strip().splitlines()[-1]

    assert ask(**variables) == "usable"
    del variables["https_proxy"]
    assert "all_proxy, http_proxy" in ask(**variables)


def test_the_trace_of_a_programming_error_holds_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("".join(["https://user:", "S3CR", "@host/a"]))
    except ValueError as error:
        entrance.print_trace(type(error), error, error.__traceback__)
    printed = capsys.readouterr().err
    assert printed.startswith("Traceback")
    assert printed.endswith("ValueError: https://***@host/a\n")
