"""What hides passwords and tokens in texts, in the stages and in the flows."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from components.stage import command
from components.stage import secrets as of_stages
from components.stage.errors import InputError, RunError
from pipelines import secrets as of_flows

HIDDEN = {
    "https://user:S3CR@host/a": "https://***@host/a",
    "https://S3CR@host/a": "https://***@host/a",
    "git+https://S3CR@host/a": "git+https://***@host/a",
    "https://u:p@S3CR@host/a": "https://***@host/a",
    "https://u:p/S3CR@host/a": "https://***@host/a",
    "zip://a::https://u:S3CR@host/a.zip": "zip://a::https://***@host/a.zip",
    "sftp://u:S3CR@host:22/a": "sftp://***@host:22/a",
    "https://h/a?x=1&X-Amz-Signature=S3CR&y=2#z": "https://h/a?x=1&X-Amz-Signature=***&y=2#z",
    "https://h/a?x=1&amp;token=S3CR": "https://h/a?x=1&amp;token=***",
    "https://h/a?x=1;token=S3CR": "https://h/a?x=1;token=***",
    r"https://h/a?x=1\u0026token=S3CR": r"https://h/a?x=1\u0026token=***",
    "https://h/a?X%2DAmz%2DSignature=S3CR": "https://h/a?X%2DAmz%2DSignature=***",
    "https://h/a?sv=1&sig=S3CR%26S3CR%3D": "https://h/a?sv=1&sig=***",
    "https://h/?next=https%3A%2F%2Fu%3AS3CR%40h%2Fa": "https://h/?next=https%3A%2F%2F***%40h%2Fa",
    "https://h/?next=h%3Fa%3D1%26token%3DS3CR%26b": "https://h/?next=h%3Fa%3D1%26token%3D***%26b",
    "https://hooks.slack.com/services/T/B/S3CR": "https://hooks.slack.com/***",
    "https://chat.example.org/hooks/S3CRS3CRS3CRS3CRS3CR": "https://chat.example.org/hooks/***",
    "'Authorization': 'Bearer S3CR'": "'Authorization': 'Bearer ***'",
    '{"url": "https://h/?api_key=S3CR", "a": 1}': '{"url": "https://h/?api_key=***", "a": 1}',
    "ftp://u:S3CR@h and s3://K:S3CR@b": "ftp://***@h and s3://***@b",
}
LEFT = [
    "ssh://git@host/r.git",
    "git@github.com:team/repository.git",
    "sftp://user@host:22/a",
    "github://team:repository@main/a",
    "abfs://container@account.dfs.core.windows.net/a",
    "https://host:8080/@user/a",
    "http://[::1]:8080/a@b",
    "s3://bucket/a:b/c@d.jpg",
    "https://h/a?author=x&page=2&version=3",
    "https://h/photos/hooks/IMG_20240101_120000_HDR.jpg",
    "Cannot connect to host 127.0.0.1:99 ssl:default [Connection refused]",
    "token: 3 of 5; key=value",
    "epoch 3/80: loss 0.3",
]


@pytest.mark.parametrize("mask", [of_stages.mask, of_flows.mask], ids=["stages", "flows"])
def test_a_secret_is_hidden_and_all_else_is_left(mask: Callable[[str], str]) -> None:
    assert {text: mask(text) for text in HIDDEN} == HIDDEN
    assert [mask(text) for text in LEFT] == LEFT


def test_stages_and_flows_hide_the_same() -> None:
    files = [Path(str(module.__file__)).read_text().partition("\nimport re\n")[2] for module in (of_stages, of_flows)]
    assert files[0]
    assert files[0] == files[1], "a place of a secret was added to one of the two files only"


@pytest.mark.parametrize(
    "part", ["a", "://u:", "?token", "%3A%2F%2F", "/hooks/", "http://a", "?a=1&", "authorization:"]
)
def test_no_line_takes_long(part: str) -> None:
    began = time.process_time()
    of_stages.mask(part * (30_000 // len(part)))
    assert time.process_time() - began < 2


@pytest.mark.parametrize("error", [InputError, RunError, ValueError])
def test_no_end_of_a_stage_prints_a_secret(error: type[Exception], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, command.exit_on_error("fetch"):
        raise error("https://user:S3CR@host/a?token=S3CR")
    printed = capsys.readouterr().err
    assert ended.value.code == (2 if error is InputError else 1)
    assert "https://***@host/a?token=***" in printed
    assert ("Traceback" in printed) == (error is ValueError), "a programming error shows where it is"
    if error is not ValueError:  # whose trace holds the line above
        assert "S3CR" not in printed
