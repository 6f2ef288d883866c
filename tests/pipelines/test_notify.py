"""Tests who is told the outcome of a run, with a real webhook on this machine."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipelines import notify
from pipelines.errors import CANCELLED, BusyError, EndedError, GraphError, StageError
from pipelines.notify import Event
from tests.conftest import Project, set_params

EVERYTHING = ["failed", "crashed", "cancelled", "promoted", "rejected"]


class Webhook(ThreadingHTTPServer):
    """Answers with the statuses that it is told to, then with 200, and keeps what it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.got: list[Any] = []
        self.statuses: list[int] = []
        self.url = f"http://127.0.0.1:{self.server_port}/secret"


class Answer(BaseHTTPRequestHandler):
    """Answers one message."""

    server: Webhook

    def do_POST(self) -> None:
        """Keep the message and answer with the next status."""
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Print nothing on the terminal."""


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def root(tmp_path: Path, webhook: Webhook) -> Path:
    """A folder whose params.yaml reports every event to a file and to the webhook."""
    write_settings(tmp_path, events=EVERYTHING, file="scratch/told.jsonl", webhook=webhook.url)
    return tmp_path


def write_settings(folder: Path, **settings: Any) -> None:
    """Write a params.yaml with this `notify:` section."""
    YAML().dump({"notify": settings}, folder / "params.yaml")


def read_told(root: Path) -> list[Any]:
    """Read the messages in the file."""
    path = root / "scratch" / "told.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def tell(root: Path, event: Event) -> list[str]:
    """Report an event and return the lines of the log."""
    said: list[str] = []
    notify.tell(root, event, said.append)
    return said


def test_the_file_and_the_webhook_get_the_same_message(root: Path, webhook: Webhook) -> None:
    details = {"version": "v0.2.0", "reasons": ["ok: the gain is +0.05"]}
    assert tell(root, Event("promoted", "retrain", "v0.2.0", details)) == []
    assert webhook.got == read_told(root)
    message = webhook.got[0]
    assert message["text"] == f"{root.name}: retrain promoted: v0.2.0"
    assert (message["event"], message["version"], message["reasons"]) == ("promoted", "v0.2.0", details["reasons"])


def test_only_what_is_asked_for_is_told(root: Path, webhook: Webhook) -> None:
    write_settings(root, events=["failed"], file=None, webhook=webhook.url)
    for kind in EVERYTHING:
        tell(root, Event(kind, "retrain", "it"))
    assert [message["event"] for message in webhook.got] == ["failed"]
    assert read_told(root) == []


def test_an_address_can_stand_in_the_environment(root: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    write_settings(root, events=EVERYTHING, file=None, webhook="$WHERE_TO")
    assert tell(root, Event("failed", "train", "it")) == []
    assert webhook.got == []
    monkeypatch.setenv("WHERE_TO", webhook.url)
    tell(root, Event("failed", "train", "it"))
    assert len(webhook.got) == 1


BOMB = "a0: &a0 {k: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 9))


@pytest.mark.parametrize("damage", [BOMB, "a: " + "[" * 100_000, "a: *nowhere\n", "\tb: 1\n", "\x00"])
def test_what_else_is_wrong_in_params_yaml_is_told_all_the_same(root: Path, webhook: Webhook, damage: str) -> None:
    """It is what the run has failed of."""
    with (root / "params.yaml").open("a") as file:
        file.write(damage)
    assert tell(root, Event("failed", "train", "it")) == []
    assert len(webhook.got) == 1


def test_of_one_flow_run_one_message(root: Path, webhook: Webhook) -> None:
    for run in ("a", "a", "b"):
        tell(root, Event("cancelled", "retrain", "it", run=run))
    assert [message["run"] for message in webhook.got] == ["a", "b"]


def test_of_old_flow_runs_no_mark_stays(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "MARKS", 6)
    for run in (*range(20), 19):
        tell(root, Event("failed", "retrain", "it", run=str(run)))
    assert [message["run"] for message in read_told(root)] == [str(run) for run in range(20)]
    assert {path.name for path in (root / notify.TOLD).iterdir()} >= {"19-1", "18-1"}
    assert len(list((root / notify.TOLD).iterdir())) <= 8


def test_a_webhook_that_stumbles_is_tried_again(root: Path, webhook: Webhook) -> None:
    webhook.statuses = [503]
    assert tell(root, Event("failed", "train", "it")) == []
    assert len(webhook.got) == 2


@pytest.mark.parametrize("statuses", [[404], [503, 503]])
def test_a_webhook_that_refuses_costs_a_line_without_its_address(
    root: Path, webhook: Webhook, statuses: list[int]
) -> None:
    webhook.statuses = list(statuses)
    said = tell(root, Event("failed", "train", "it"))
    assert said == [f"nobody could be told that train failed: the webhook answered {statuses[-1]}"]
    assert len(webhook.got) == len(statuses)
    assert len(read_told(root)) == 1, "the file is told all the same"


def test_a_file_that_cannot_be_written_keeps_nothing_from_the_webhook(root: Path, webhook: Webhook) -> None:
    write_settings(root, events=EVERYTHING, file="params.yaml/told.jsonl", webhook=webhook.url)
    assert tell(root, Event("failed", "train", "it"))[0].startswith("nobody could be told that train failed: ")
    assert len(webhook.got) == 1


def test_a_run_that_is_begun_again_is_told_again(root: Path, webhook: Webhook) -> None:
    tell(root, Event("failed", "retrain", "it", run="a"))
    tell(root, Event("promoted", "retrain", "it", run="a", attempt=2))
    assert [message["event"] for message in webhook.got] == ["failed", "promoted"]


def test_a_webhook_that_is_not_there_costs_a_line_without_its_address(root: Path, webhook: Webhook) -> None:
    write_settings(root, events=EVERYTHING, file="scratch/told.jsonl", webhook="http://127.0.0.1:9/secret")
    said = tell(root, Event("failed", "train", "it"))
    assert said[0].startswith("nobody could be told that train failed: the webhook cannot be reached")
    assert "secret" not in said[0]


@pytest.mark.parametrize("address", ["http://[secret", "secret", "http://127.0.0.1:secret/", "ftp://secret"])
def test_a_webhook_that_is_no_address_costs_a_line_without_it(root: Path, address: str) -> None:
    write_settings(root, events=EVERYTHING, file=None, webhook=address)
    [line] = tell(root, Event("failed", "train", "it"))
    assert line.startswith("nobody could be told that train failed: the webhook")
    assert "secret" not in line


def test_no_message_holds_a_secret(root: Path, webhook: Webhook) -> None:
    """Whatever a stage, Git or DVC has printed of a URL."""
    url = "https://user:S3CR@host/a?token=S3CR"
    tell(root, Event("rejected", "retrain", f"cannot read {url}", {"reasons": [f"NO: {url}"], "version": None}))
    for error in (StageError(f"git: {url}", 1, [url]), GraphError(url), ValueError(url)):
        with pytest.raises(type(error)), notify.tell_failures(root, "train", print):
            raise error
    assert len(webhook.got) == 4
    assert "S3CR" not in (root / "scratch/told.jsonl").read_text() + json.dumps(webhook.got)
    assert webhook.got[0]["reasons"] == ["NO: https://***@host/a?token=***"]


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (
            StageError("fetch: failed", 2, ["data.url: no such folder"]),
            "failed",
            "data.url: no such folder; fetch: failed",
        ),
        (StageError("pretrain: cancelled", CANCELLED), "cancelled", "pretrain: cancelled"),
        (GraphError("no such stage"), "failed", "no such stage"),
        (EndedError(), "cancelled", "ended by a signal"),
        (KeyboardInterrupt(), "cancelled", "ended by a signal"),
        (SystemExit(143), "cancelled", "ended by a signal"),
        (ZeroDivisionError("division by zero"), "crashed", "division by zero"),
    ],
)
def test_however_a_run_ends_it_is_told(root: Path, error: BaseException, kind: str, text: str) -> None:
    with pytest.raises(type(error)), notify.tell_failures(root, "retrain", print):
        raise error
    assert [(message["event"], message["text"]) for message in read_told(root)] == [
        (kind, f"{root.name}: retrain {kind}: {text}")
    ]


def test_a_retraining_that_never_began_is_no_news(root: Path) -> None:
    with pytest.raises(BusyError), notify.tell_failures(root, "retrain", print):
        raise BusyError("another is at work")
    assert read_told(root) == []


def test_broken_settings_cost_a_line(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("notify: [")
    assert tell(tmp_path, Event("failed", "train", "it"))[0].startswith("nobody could be told that train failed: ")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("notify.events", ["won"], "notify.events.0"),
        ("notify.webhook", "hooks.example.org", "notify.webhook"),
        ("notify.webhook", "$", "notify.webhook"),
        ("notify.webhook", "https://hooks.slack.com/services/T0/B0/abc", "and write $NOTIFY_WEBHOOK"),
        ("notify.webhook", ["https://host/secret"], "notify.webhook: https://... or "),
    ],
)
def test_wrong_settings_are_refused_before_any_work(
    untouched: Project, tmp_path: Path, key: str, value: Any, said: str
) -> None:
    project = untouched.copy(tmp_path)
    (tmp_path / "home").mkdir()
    set_params(project.root / "params.yaml", {key: value})
    printed = project.run("python", "-m", "components.stage", status=2)
    assert said in printed
    assert "abc" not in printed
    assert "secret" not in printed.replace("a secret", "")
