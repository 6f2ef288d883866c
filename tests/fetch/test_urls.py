"""Texts that no path or URL can be, found before anything is asked of a server."""

import pytest

from components.fetch.urls import find_fault


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("images\0", r"holds the character '\x00'"),
        ("https://host/a\0.zip", r"holds the character '\x00'"),
        ("https://host/a\n", r"holds the character '\n'"),
        ("https://host/\ud800", r"holds the character '\ud800'"),
        ("https://host/\u2028", r"holds the character '\u2028'"),
        ("https://host/" + "a" * 10_000, "10,013 characters"),
        ("a" * 10_000, "10,000 characters"),
        ("https://host:99999/a", "its port is not a number"),
        ("https://host:0/a", "its port is not a number"),
        ("sftp://host:abc/a", "its port is not a number"),
        ("zip://a::https://host:abc/a.zip", "its port is not a number"),
        ("https:///a", "names no host"),
        ("https://", "names no host"),
        ("https://exa mple.org/a", "the host 'exa mple.org' is not a name"),
        ("https://" + "a" * 64 + ".org/", "the host 'aaaa"),
        ("https://a..org/", "the host 'a..org' is not a name"),
        ("https://[bad/a", "not a URL: "),
        (" https://host/a", "begins or ends with a blank"),
        ("https://user:S3CR@host/a", "holds a password or token"),
        ("s3://bucket/a?X-Amz-Signature=S3CR", "holds a password or token"),
    ],
)
def test_what_is_no_path_and_no_url(url: str, fault: str) -> None:
    found = find_fault(url)
    assert found is not None
    assert found.startswith(fault)
    assert "S3CR" not in found
    assert len(found) < 250


@pytest.mark.parametrize(
    "url",
    [
        "images",
        "../my images/2026",
        "C:\\images",
        "/mnt/nas/a?token=b",
        "s3://bucket/my images/",
        "gs://bucket",
        "https://host/my images/",
        "https://münchen.example.org/bilder/",
        "https://[::1]:8080/a/",
        "https://host.:443/a?version=2",
        "sftp://user@host:22/a",
        "github://team:repository@main/images",
        "zip://a::https://host/a.zip",
        "file:///home/a%20b",
    ],
)
def test_what_may_be_one(url: str) -> None:
    assert find_fault(url) is None
