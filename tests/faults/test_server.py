"""Foreign pages and callers without the password at a Prefect server of ours, and kills of a command that starts one.

The server is started as `--serve` starts it. Whatever route is asked for, it answers 401 or 403 and nothing happens.
"""

import json
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from playwright.sync_api import sync_playwright
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.sync.client import connect

from pipelines.flows import environment, password, server
from tests.faults.conftest import Campaign
from tests.pipelines import tiny
from tests.pipelines.conftest import Server
from tests.report.page.test_browser import CHROMIUM, FLAGS

STAGES = """
stages:
  one:
    cmd: echo 1 > one
    outs: [one]
    meta: {retries: 0, minutes: 1, tags: []}
"""
FOREIGN = {
    "host": {"host": "evil.example"},
    "rebound": {"host": "evil.example:{port}", "origin": "http://evil.example:{port}"},
    "near": {"host": "127.0.0.1.evil.example:{port}"},
    "user": {"host": "127.0.0.1@evil.example"},
    "everywhere": {"host": "0.0.0.0:{port}"},
    "no host": {"host": ""},
    "origin": {"origin": "https://evil.example"},
    "null": {"origin": "null"},
    "another port": {"origin": "http://127.0.0.1:1"},
    "another name": {"origin": "http://localhost:{port}"},
    "file": {"origin": "file://"},
    "image": {"sec-fetch-site": "cross-site", "sec-fetch-dest": "image"},
    "frame": {"sec-fetch-site": "same-site", "sec-fetch-dest": "iframe"},
}
WRONG = ["", "Basic", "Basic !", "Basic YWRtaW46YWRtaW4=", "Basic YWRtaW46", "Bearer x", "Basic w6k="]
ONCE = {"connection": "close"}  # a connection that is kept may end just when it is used again
SOCKETS = ["events/in", "events/out", "logs/out", "task_runs/subscriptions/scheduled"]
PAGE = """<!doctype html><iframe name=sink></iframe><script>
const there = "http://127.0.0.1:PORT", told = {};
async function attack() {
    for (const [name, options] of Object.entries({
        read: {}, plain: {mode: "no-cors"}, post: {method: "POST", body: "{}"},
        simple: {method: "POST", mode: "no-cors", body: '{"name": "evil-simple", "value": 1}'},
        json: {method: "POST", headers: {"content-type": "application/json"}, body: '{"name": "evil", "value": 1}'}}))
        told[name] = await fetch(there + "/api/variables/", options).then((answer) => answer.type, () => "refused");
    const form = document.createElement("form");
    Object.assign(form, {method: "POST", action: there + "/api/variables/", target: "sink", enctype: "text/plain"});
    const input = {name: '{"name": "evil-form", "value": "', value: '"}'};
    form.append(Object.assign(document.createElement("input"), input));
    document.body.append(form);
    form.submit();
    told.socket = await new Promise((done) => {
        const socket = new WebSocket(there.replace("http", "ws") + "/api/events/in", ["prefect"]);
        socket.onopen = () => done("open");
        socket.onerror = () => done("refused");
    });
    told.image = await new Promise((done) => {
        const image = new Image();
        image.onload = () => done("loaded"), image.onerror = () => done("refused");
        image.src = there + "/ico/favicon-32x32.png";
    });
    return told;
}
</script>"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that the project has started, and the file with its password."""
    root = tmp_path_factory.mktemp("own")
    secret = password.make_password()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(root / "home"))
        patch.setenv("PREFECT_UI_STATIC_DIRECTORY", str(root / "page"))
        patch.setenv(environment.AUTH, secret)
        patch.delenv(environment.URL, raising=False)
        patch.setenv("PYTHONPATH", str(Path(server.__file__).parents[2]))
        started = server.Server(root, ["0"], "")
        started.wait_for_port(print)
    try:
        started.wait(print)
        yield Server(started.url, password.write_password(secret, root / "home" / "password"))
    finally:
        started.end()


def read_routes(own: Server) -> list[tuple[str, str]]:
    """Read every method and path that the API has, with something in place of their parameters."""
    described = httpx.get(f"{own.url}/openapi.json", auth=own.read_auth(), timeout=60).json()["paths"]
    plain = {path: re.sub("[{}]", "", path) for path in described}
    return [(method.upper(), plain[path]) for path in sorted(described) for method in described[path]]


def fill_port(own: Server, headers: dict[str, str]) -> dict[str, str]:
    """Fill in the port of the server."""
    return {name: value.replace("{port}", str(httpx.URL(own.url).port)) for name, value in headers.items()}


def count_variables(own: Server) -> int:
    """Count what a foreign page may have left: anything written stands for everything."""
    found: int = own.ask("variables/count")
    return found


def test_foreign_requests(own: Server, campaign: Campaign) -> None:
    routes = read_routes(own)
    assert len(routes) > 100
    tries = [(route, name) for route in routes for name in FOREIGN]
    draws = random.Random(campaign.seed)
    with httpx.Client(auth=own.read_auth(), timeout=60, headers=ONCE) as client:
        for (method, path), name in draws.sample(tries, campaign.choose(60, len(tries))):
            with campaign.trial(f"{method} {path} {name}"):
                headers = fill_port(own, FOREIGN[name])
                assert client.request(method, f"{own.url}{path}", headers=headers, json={}).status_code == 403
        with campaign.trial("the user's own"):
            for headers in ({}, {"host": "localhost:9000", "origin": "http://localhost:9000"}, {"host": "[::1]:1"}):
                assert client.get(f"{own.url}/version", headers=headers).status_code == 200


def test_requests_without_the_password(own: Server, campaign: Campaign) -> None:
    tries = [(route, wrong) for route in read_routes(own) for wrong in WRONG]
    draws = random.Random(campaign.seed)
    with httpx.Client(timeout=60, headers=ONCE) as client:
        for (method, path), wrong in draws.sample(tries, campaign.choose(40, len(tries))):
            if path in ("/health", "/ready"):
                continue
            with campaign.trial(f"{method} {path} {wrong}"):
                headers = {"authorization": wrong.encode("latin-1")} if wrong else {}
                answer = client.request(method, f"{own.url}{path}", headers=headers, json={})
                # 500: letters that are not ASCII, which Prefect fails to compare
                assert answer.status_code in (401, 500), answer.text
    assert count_variables(own) == 0


def test_foreign_sockets(own: Server, campaign: Campaign) -> None:
    tries = [(path, name) for path in SOCKETS for name in FOREIGN if name not in ("no host", "user")]
    draws = random.Random(campaign.seed)
    _, secret = own.read_auth() or ("", "")
    for path, name in draws.sample(tries, campaign.choose(8, len(tries))):
        with campaign.trial(f"{path} {name}"):
            headers = fill_port(own, FOREIGN[name])
            with pytest.raises(InvalidHandshake), dial(own, path, headers):
                pass
    for path in SOCKETS:
        for token in (None, "wrong", secret):  # without the user's name it is not the password
            with campaign.trial(f"{path} {token}"), dial(own, path, {}) as socket_:
                socket_.send(json.dumps({"type": "auth", "token": token}))
                with pytest.raises(WebSocketException):
                    socket_.recv(5)


def dial(own: Server, path: str, headers: dict[str, str]) -> Any:
    """Open a websocket with these headers."""
    url = httpx.URL(own.url)
    address = f"ws://{headers.get('host', f'127.0.0.1:{url.port}')}/api/{path}"
    line = socket.create_connection(("127.0.0.1", url.port or 0))
    others = {name: value for name, value in headers.items() if name != "host"}
    return connect(address, sock=line, subprotocols=["prefect"], additional_headers=others, proxy=None)  # type: ignore[list-item]


@pytest.fixture
def elsewhere(own: Server, tmp_path: Path) -> Iterator[str]:
    """A page of somebody else's, at another port of this machine."""
    (tmp_path / "index.html").write_text(PAGE.replace("PORT", str(httpx.URL(own.url).port)))
    serving = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://localhost:{serving.server_port}/"
    serving.shutdown()
    serving.server_close()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH (Debian: apt-get install chromium)")
def test_a_foreign_page_in_a_browser_gets_nowhere_and_the_password_opens_ours(
    own: Server, elsewhere: str, campaign: Campaign
) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        with campaign.trial("a foreign page"):
            page.goto(elsewhere)
            told = page.evaluate("attack()")
            assert told.pop("plain") == told.pop("simple") == "opaque"  # was sent; what came of it is counted below
            assert set(told.values()) == {"refused"}, told
            page.frame(name="sink").wait_for_url("**/api/variables/")
            assert "refused: Origin is another page" in page.frame(name="sink").content()
        assert count_variables(own) == 0
        with campaign.trial("our page"):
            page.goto(own.url.removesuffix("/api"))
            page.locator("input[type=password]").fill(own.password.read_text().strip() if own.password else "")
            page.keyboard.press("Enter")
            page.locator("input[type=password]").wait_for(state="detached")
            assert page.evaluate("fetch('/api/version').then((answer) => answer.status)") == 401
        browser.close()


def test_sigkill_of_a_training_leaves_no_server(tmp_path: Path, campaign: Campaign) -> None:
    project = tiny.make_project(tmp_path, STAGES)
    draws = random.Random(campaign.seed)
    numbers = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
    for trial in range(campaign.choose(1, 9)):
        shutil.rmtree(project.root / ".dvc" / "tmp", ignore_errors=True)
        seconds, number = draws.uniform(1, 16 if campaign.whole else 4), numbers[trial % 3]
        with campaign.trial(f"{number.name} after {seconds:.1f} s"):
            command = subprocess.Popen(
                [sys.executable, "-m", "pipelines.train"],
                cwd=project.root,
                env=tiny.build_environment(PREFECT_HOME=str(tmp_path / "home" / ".prefect"), PREFECT_API_URL=""),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            _, alive = psutil.wait_procs([psutil.Process(command.pid)], timeout=seconds)
            below = tiny.list_descendants(command) if alive else []
            command.send_signal(number)
            assert tiny.list_survivors(below, 12) == []
            _, said = command.communicate(timeout=10)
            if number == signal.SIGINT and alive and command.returncode:
                assert "Traceback" not in said, said
                assert command.returncode in (130, -signal.SIGINT)
