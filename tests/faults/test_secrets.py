"""A password or token, wherever somebody puts one: it appears nowhere but where the user wrote it.

Secrets are planted in URLs of all kinds and in the environment; then stages and flows run and fail, and all that they
have written and printed is searched: the project with .dvc, the scratch folder, Prefect's home with its database, the
messages, and both streams.
"""

import json
import random
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from ruamel.yaml import YAML

from components.fetch import __main__ as fetch
from components.fetch.sources import service
from components.stage import secrets as of_stages
from components.stage.command import check_params, read_params
from components.stage.errors import InputError, RunError
from pipelines import notify
from pipelines import secrets as of_flows
from pipelines.errors import GraphError, StageError
from tests.conftest import ROOT, Project, set_params
from tests.faults.conftest import Campaign
from tests.fetch.servers import Quiet, serve

SECRET = "Zq7sEcReT" + "0123456789zQ"  # in two parts, since the copies of this file are searched, too
FORMS = (
    "https://user:{}@host/a.zip",
    "https://{}@host/a.zip",
    "https://user:p@{}@host/a.zip",
    "HTTPS://user:{}@host:8080/a.zip",
    "http://user:1234{}@host/a",
    "sftp://user:{}@host/a",
    "ftp://user:{}@host/a",
    "s3://KEY:{}@bucket/a",
    "zip://a.png::https://user:{}@host/a.zip",
    "simplecache::https://host/a.zip?token={}",
    "https://host/a.zip?X-Amz-Credential=a&X-Amz-Signature={}&X-Amz-Date=1",
    "https://host/a.zip?x-amz-security-token={}",
    "https://host/a.zip?X%2DGoog%2DSignature={}",
    "https://host/a.zip?sv=2024&se=2026&sig={}",
    "https://host/a.zip?Policy=a&Signature={}&Key-Pair-Id=b",
    "https://host/a.zip?access_token={}",
    "https://host/a.zip?a=1;api_key={}",
    "https://host/a.zip?subscription-key={}",
    "https://host/a.zip?private_token={}",
    "https://host/a.zip?password={}%26{}",
    "https://host/a.zip?code={}",
    "https://host/a.zip#access_token={}",
    "https://host/login?next=https%3A%2F%2Fuser%3A{}%40host%2Fa",
    "https://host/login?next=https%3A%2F%2Fhost%2Fa%3Ftoken%3D{}",
)
HOOKS = (
    "https://hooks.slack.com/services/T0/B0/{}",
    "https://discord.com/api/webhooks/1234/{}",
    "https://team.webhook.office.com/webhookb2/{}",
    "https://api.telegram.org/bot12:{}/sendMessage",
    "https://chat.example.org/hooks/{}",
    "https://user:{}@chat.example.org/new",
    "xoxb-{}",
)
AROUND = (
    "{}",
    "cannot open {}: 403",
    "ERROR: failed to pull - '{}' does not exist",
    '{{"url": "{}", "other": 1}}',
    "fatal: unable to access '{}/': The requested URL returned error: 403",
    '<a href="{}">there</a>',
    "Max retries exceeded with url: {} (Caused by X)",
    "[{}, {}]",
)
SOURCES: tuple[dict[str, Any], ...] = (
    {"kind": "folder", "name": "a", "layout": "flat"},
    {"kind": "manifest", "name": "a"},
    {"kind": "archive", "name": "a", "sha256": "0" * 64, "layout": "flat"},
    {"kind": "parquet", "name": "a", "image": "image", "label": None},
)


def test_params_that_hold_a_secret(campaign: Campaign) -> None:
    draw = random.Random(campaign.seed)
    shipped = YAML(typ="safe").load(ROOT / "params.yaml")
    cases = [("data.sources.0.url", form, source) for form in FORMS for source in SOURCES]
    cases += [("data.sources.0.root", form, {"kind": "mnist", "download": True}) for form in FORMS]
    cases += [("notify.webhook", form, None) for form in HOOKS]
    for key, form, source in draw.sample(cases, campaign.choose(25, len(cases))):
        url = form.format(SECRET, SECRET)
        with campaign.trial(f"{key}: {form}"):
            whole = json.loads(json.dumps(shipped))
            if source is None:
                whole["notify"]["webhook"] = url
            else:
                whole["data"]["sources"] = [source | {key.rpartition(".")[2]: url}]
            with pytest.raises(InputError) as caught:
                check_params(whole, Path("params.yaml"))
            [line] = str(caught.value).splitlines()
            assert line.startswith(f"params.yaml: {key}: ")
            assert SECRET not in line
            assert "environment" in line, "the way to give credentials is missing"


def test_texts_that_hold_a_secret(campaign: Campaign) -> None:
    draw = random.Random(campaign.seed)
    for _ in range(campaign.choose(100, 3000)):
        form, text = draw.choice([*FORMS, *HOOKS[:-1]]), draw.choice(AROUND)
        signs = "" if "%3A" in form else "/+=@&:"  # of a URL inside a URL these are written in another way
        rest = [SECRET, *(quote(sign, safe="") for sign in signs)]
        secret = "".join(draw.choices(rest, k=draw.randrange(1, 4)))
        url = form.format(f"{SECRET}{secret}", SECRET)
        with campaign.trial(text.format(url, url)):
            for mask in (of_stages.mask, of_flows.mask):
                hidden = mask(text.format(url, url))
                assert SECRET not in hidden
                assert mask(hidden) == hidden
                assert hidden.count("***") >= text.count("{}")


class Leading(Quiet):
    """Leads every request to a signed URL, which then answers in one way; of a POST it keeps the message."""

    answer: int
    told: list[bytes]

    def do_HEAD(self) -> None:  # noqa: N802 -- the server calls it so
        """Answer as for the file."""
        self.do_GET()

    def do_GET(self) -> None:  # noqa: N802
        """Lead on, or answer at last."""
        if SECRET not in self.path:
            there = f"/signed{self.path}?X-Amz-Credential=x&X-Amz-Signature={SECRET}"
            self.reply_whole(302, b"", Location=f"http://user:{SECRET}@{self.headers['Host']}{there}")
        else:
            self.reply_whole(self.answer, b"<!doctype html>" if self.answer == 200 else b"", ETag='"1"')

    def do_POST(self) -> None:  # noqa: N802
        """Keep the message."""
        self.told.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.reply_whole(500, b"")


def search(*folders: Path, but: tuple[str, ...] = ()) -> list[str]:
    """Return the files that hold the secret, plainly or as basic authentication has it, but those that may."""
    needles = [SECRET.encode(), b64encode(f"user:{SECRET}".encode())[:-4]]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    named = [str(path) for path in files if SECRET in str(path)]
    return named + [
        str(path)
        for path in files
        if not str(path).endswith(but) and any(needle in path.read_bytes() for needle in needles)
    ]


def test_stages_that_are_led_to_a_signed_url(
    campaign: Campaign, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PAUSE", 0)
    monkeypatch.setenv("NO_PROXY", "*")
    shipped = read_params(ROOT / "params.yaml").data
    answers = (200, 400, 401, 403, 404, 429, 500, 503)
    draw = random.Random(campaign.seed)
    cases = [(answer, source) for answer in answers for source in SOURCES]
    for number, (answer, source) in enumerate(draw.sample(cases, campaign.choose(6, len(cases)))):
        folder = tmp_path / str(number)
        with campaign.trial(f"{source['kind']}, {answer}"), serve(Leading, answer=answer, told=[]) as url:
            name = {"manifest": "a.csv", "archive": "a.zip", "parquet": "a.parquet", "folder": "a/"}[source["kind"]]
            whole = shipped.model_dump() | {"sources": [source | {"url": f"{url}/{name}"}]}
            params = type(shipped).model_validate(whole)
            outputs = {key: folder / key for key in ("labels", "store", "metrics", "findings", "scratch")}
            with pytest.raises((InputError, RunError)) as caught:
                fetch.run(params, **outputs)
            printed = capfd.readouterr()
            assert SECRET not in str(caught.value) + printed.out + printed.err
            assert not search(folder)


def test_messages_about_failures(campaign: Campaign, tmp_path: Path) -> None:
    draw = random.Random(campaign.seed)
    told: list[bytes] = []
    with serve(Leading, answer=200, told=told) as url:
        for number in range(campaign.choose(5, 200)):
            text = draw.choice(AROUND).format(*[draw.choice(FORMS).format(SECRET, SECRET)] * 2)
            root, said = tmp_path / str(number), list[str]()
            root.mkdir()
            webhook = draw.choice(
                [f"{url}/{SECRET}", f"http://127.0.0.1:9/{SECRET}", f"ftp:{SECRET}", f"http://[{SECRET}"]
            )
            section = {"events": ["failed", "crashed"], "file": "told.jsonl", "webhook": "$HOOK"}
            YAML().dump({"notify": section}, root / "params.yaml")
            error: Exception = draw.choice([StageError(text, 1, [text]), GraphError(text), ValueError(text)])
            with campaign.trial(f"{type(error).__name__}: {text}; {webhook}"), pytest.MonkeyPatch.context() as patched:
                patched.setenv("HOOK", webhook)
                patched.setattr(notify, "SECONDS", 1.0)
                with pytest.raises(type(error)), notify.tell_failures(root, "train", said.append):
                    raise error
                assert SECRET not in "\n".join(said)
                assert not search(root)
                assert (root / "told.jsonl").read_text().count("***") >= 1
        assert not any(SECRET.encode() in message for message in told)


@pytest.mark.slow
def test_commands_with_secrets_in_every_place(
    campaign: Campaign, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs the commands as a user does, with a server of Prefect's too; `make test` tries the cheapest of them."""
    project: Project = request.getfixturevalue("untouched").copy(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".netrc").write_text(f"machine 127.0.0.1 login user password {SECRET}\n")
    (home / ".netrc").chmod(0o600)
    environment = {
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": SECRET,
        "FSSPEC_S3": json.dumps({"key": "a", "secret": SECRET}),
        "FSSPEC_HTTP_PARAMS": json.dumps({"token": SECRET}),
        "NO_PROXY": "*",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    python, leaks = "python", (".netrc", ".git/config", "config.local")
    old = f"https://user:{SECRET}@host/a.zip"
    with serve(Leading, answer=403, told=[]) as url:
        monkeypatch.setenv("NOTIFY_WEBHOOK", f"{url}/hooks/{SECRET}")
        archive = {"kind": "archive", "name": "a", "url": f"{url}/a.zip", "sha256": "0" * 64, "layout": "flat"}
        in_params = [archive | {"url": f"https://user:{SECRET}@{url[7:]}/a.zip"}]
        commands: list[tuple[str, list[Any], tuple[str, ...], tuple[int, ...]]] = [
            ("led to one, snapshot", [archive], (python, "-m", "components.fetch.snapshot", "--accept"), (2,)),
            ("a secret in params.yaml, dvc", in_params, ("dvc", "repro", "fetch"), (255,)),
            ("a secret in params.yaml", in_params, (python, "-m", "pipelines.train", "--no-server"), (2,)),
            ("led to one", [archive], (python, "-m", "pipelines.train", "--no-server"), (2,)),
            ("a secret in params.yaml, Prefect", in_params, (python, "-m", "pipelines.train"), (2,)),
            ("led to one, Prefect", [archive], (python, "-m", "pipelines.train"), (2,)),
            ("an old secret, compare", [archive], (python, "-m", "pipelines.compare", "HEAD"), (0,)),
            ("a secret in Git's remote, retrain", [archive], (python, "-m", "pipelines.retrain"), (1, 2)),
        ]
        project.run("git", "remote", "add", "origin", f"http://user:{SECRET}@{url[7:]}/x.git")
        set_params(project.root / "params.yaml", {"data.sources": [archive | {"url": old}]})
        project.commit("a secret, as somebody once committed it")
        for what, sources, command, statuses in commands[: campaign.choose(1, len(commands))]:
            set_params(project.root / "params.yaml", {"data.sources": sources})
            if "retrain" in what:
                project.commit("without it")
            with campaign.trial(what):
                printed, status = run(project, *command)
                assert status in statuses, printed
                assert SECRET not in printed, printed
                assert "Traceback" not in printed, printed
                may = (*leaks, "/params.yaml") if sources is in_params else leaks
                assert not search(project.root, home, but=may)
                if what == "led to one, Prefect":  # the others end before there is a server
                    assert list(home.rglob("prefect.db")), "Prefect's database was not searched"


def run(project: Project, *command: str) -> tuple[str, int]:
    """Run a command of the project; return what it printed, and its exit status."""
    done = subprocess.run(
        command, cwd=project.root, env=project.environment, capture_output=True, text=True, timeout=300, check=False
    )
    return done.stdout + done.stderr, done.returncode
