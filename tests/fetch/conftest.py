"""Fixtures of the tests of fetch: a scratch folder, and servers."""

import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from components.fetch.sources import local, service
from components.fetch.sources.listing import ListedFile
from components.fetch.sources.places import Places
from tests.fetch.servers import Pages, Site, serve


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "scratch", 10**6)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


def fill(folder: Path, *names: str | bytes) -> None:
    """Write files into the folder, each of which holds its own name."""
    for name in names:
        path = folder / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"<" + os.fsencode(name) + b">")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The path for an archive, whose name says nothing of its kind."""
    (tmp_path / "in").mkdir()
    return tmp_path / "in/images.archive"


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files of this machine that were read to be hashed."""
    paths: list[str] = []
    hash_file: Callable[[str], Any] = local._hash_file
    monkeypatch.setattr(local, "_hash_file", lambda where: paths.append(where) or hash_file(where))
    return paths


def rewrite(path: Path, content: bytes) -> None:
    """Write the file until its time of change is new, which file systems count in steps of some milliseconds."""
    before = path.stat().st_ctime_ns if path.exists() else None
    while not path.exists() or path.stat().st_ctime_ns == before:
        path.write_bytes(content)


def faults(listed: list[ListedFile]) -> dict[str, str | None]:
    return {file.path: file.fault for file in listed}


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make clients ask servers of this machine without a proxy, and again without a pause."""
    monkeypatch.setattr(service, "PAUSE", 0)
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def web(online: None) -> Iterator[Site]:
    site = Site()
    with serve(Pages, site=site) as site.url:
        yield site


@pytest.fixture
def nobody(online: None) -> str:
    """The URL of a web server that is down."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@dataclass(frozen=True)
class Bucket:
    """A bucket of an S3 server."""

    client: Any
    name: str

    @property
    def url(self) -> str:
        """The URL of the bucket, as params.yaml names it."""
        return f"s3://{self.name}"

    def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def remove(self, key: str) -> None:
        """Delete an object."""
        self.client.delete_object(Bucket=self.name, Key=key)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server: str, online: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A client of an S3 server that the environment names, as a user's does; other settings are not used."""
    import boto3
    from s3fs import S3FileSystem

    settings = {"AWS_ENDPOINT_URL": s3_server, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    settings |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1"}
    settings |= {name: str(tmp_path / "none") for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    S3FileSystem.clear_instance_cache()  # cached instances keep the old environment
    yield boto3.client("s3")
    S3FileSystem.clear_instance_cache()


@pytest.fixture
def bucket(s3: Any) -> Bucket:
    """An empty bucket."""
    name = f"images-{uuid4().hex}"
    s3.create_bucket(Bucket=name)
    return Bucket(s3, name)
