"""Sharing by a DVC remote, as a user does it: push, clone, pull; a folder and an S3 server on this machine."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.conftest import Project

CACHED = ["data", "models/encoder", "embeddings", "plots", "reports"]
UP_TO_DATE = "Data and pipelines are up to date."


@dataclass(frozen=True)
class Remote:
    """A place where data is shared, and the options that each clone sets for itself, outside Git."""

    address: str
    private: dict[str, str]

    def add(self, project: Project) -> None:
        """Make it the remote of a project, and commit that."""
        project.run("dvc", "remote", "add", "--default", "storage", self.address)
        self.unlock(project)
        project.commit("remote")

    def unlock(self, project: Project) -> None:
        """Set the private options in the file that Git ignores."""
        for option, value in self.private.items():
            project.run("dvc", "remote", "modify", "--local", "storage", option, value)


@dataclass(frozen=True)
class Shared:
    """A project that was pushed to a remote."""

    first: Project
    remote: Remote

    def clone(self) -> Project:
        """A clone by somebody else, with a home of their own; no data yet."""
        folder = self.first.root.parent / "second"
        (folder / "home").mkdir(parents=True)
        self.first.run("git", "clone", "--quiet", ".", str(folder / "project"))
        clone = Project(folder / "project")
        self.remote.unlock(clone)
        assert contents(clone) == {}
        return clone


def contents(project: Project) -> dict[str, bytes]:
    """Read every file that DVC caches, by its path."""
    files = [path for name in CACHED for path in (project.root / name).rglob("*") if path.is_file()]
    return {str(path.relative_to(project.root)): path.read_bytes() for path in files}


def stages(begin: str, output: str) -> list[str]:
    """The stages that are named in the lines of `dvc repro` that begin so."""
    return sorted(re.findall(rf"^{begin} '(.+?)':?$", output, re.MULTILINE))


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    """An empty bucket; what is set for AWS on this machine plays no part, nor does a proxy."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint, name, secret = f"http://{host}:{port}", "somebody", uuid4().hex
    client = boto3.client(
        "s3", "us-east-1", endpoint_url=endpoint, aws_access_key_id=name, aws_secret_access_key=secret
    )
    bucket = f"images-{uuid4().hex}"  # of its own, since all servers of a process share their buckets
    client.create_bucket(Bucket=bucket)
    address = f"s3://{bucket}/byol"
    private = {"url": address, "endpointurl": endpoint, "access_key_id": name, "secret_access_key": secret}
    yield Remote(address, private)
    server.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Remote:
    """A folder beside the project, such as a mounted disk; DVC makes it."""
    return Remote(str(tmp_path / "nas"), {})


@pytest.fixture
def shared(project: Project, request: pytest.FixtureRequest) -> Shared:
    """The project after `dvc remote add` and `dvc push`."""
    remote: Remote = request.getfixturevalue(request.param)
    remote.add(project)
    assert re.search(r"^\d+ files pushed$", project.run("dvc", "push"), re.MULTILINE)
    return Shared(project, remote)


@pytest.mark.parametrize("shared", ["s3"], indirect=True)
def test_a_pull_gives_a_second_clone_the_same_images_and_encoder_bit_for_bit(shared: Shared) -> None:
    second = shared.clone()
    second.run("dvc", "pull")
    assert contents(second) == contents(shared.first)
    assert {"data/store/part-00000.parquet", "models/encoder/encoder.safetensors"} <= contents(second).keys()
    assert UP_TO_DATE in second.run("dvc", "status")
    assert second.run("git", "status", "--porcelain") == ""


@pytest.mark.parametrize("shared", ["folder"], indirect=True)
def test_a_second_clone_computes_nothing(shared: Shared) -> None:
    second = shared.clone()
    output = second.run("dvc", "repro", "--pull")
    assert stages("Running stage", output) == []
    assert len(stages("Pulling data for stage:", output)) == len(second.run("dvc", "stage", "list").splitlines())
    assert UP_TO_DATE in output
    assert contents(second) == contents(shared.first)
    assert second.run("git", "status", "--porcelain") == ""


def test_private_keys_stay_out_of_git(project: Project, s3: Remote) -> None:
    s3.add(project)
    secret = s3.private["secret_access_key"]
    assert secret in (project.root / ".dvc/config.local").read_text()
    assert s3.address in project.run("git", "show", "HEAD:.dvc/config")
    project.run("git", "grep", "--quiet", secret, "HEAD", status=1)


def test_private_keys_do_not_hide_the_numbers_of_commits_before_the_remote(project: Project, s3: Remote) -> None:
    s3.add(project)
    shown = json.loads(project.run("dvc", "metrics", "diff", "--all", "--json", "HEAD~1"))
    accuracy = shown["metrics/knn.json"]["byol.accuracy"]
    assert accuracy["old"] == accuracy["new"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"url": "s3://no-such-bucket/byol"}, "The specified bucket does not exist"),
        ({"endpointurl": "http://127.0.0.1:9"}, "Could not connect to the endpoint URL"),
    ],
    ids=["no bucket", "no server"],
)
def test_a_push_that_arrives_nowhere_fails_and_loses_nothing(
    project: Project, s3: Remote, wrong: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # not five, with pauses
    before = contents(project)
    Remote(s3.address, s3.private | wrong).add(project)
    assert message in project.run("dvc", "push", status=255)
    assert contents(project) == before
    assert UP_TO_DATE in project.run("dvc", "status")


@pytest.mark.parametrize("shared", ["folder"], indirect=True)
def test_a_pull_from_a_disk_that_is_not_mounted_fails_and_loses_nothing(shared: Shared) -> None:
    second = shared.clone()
    second.run("dvc", "pull", "pretrain")
    before = contents(second)
    Path(shared.remote.address).rename(second.root.parent / "elsewhere")
    assert "failed to pull data from the cloud" in second.run("dvc", "pull", status=1)
    assert contents(second) == before
