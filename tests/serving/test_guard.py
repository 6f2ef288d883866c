"""Tests who may ask: no other site by way of a browser, and with a token only who has it."""

import time

import pytest

from serving.guard import Guard, is_local
from serving.refusal import Refusal

OPEN = Guard(frozenset({"localhost", "images.example"}), None)
TOKEN = "a-token-of-24-characters"
LOCKED = Guard(frozenset({"localhost"}), TOKEN)
HERE = {"host": "localhost:8000"}


def find_status(guard: Guard, headers: dict[str, str], method: str = "POST", query: str = "") -> int:
    try:
        guard.check(headers, method, query)
    except Refusal as refusal:
        return refusal.status
    return 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("192.168.1.7", 200),  # an address is no name that was made to point here
        ("IMAGES.example", 200),
        ("images.example.", 200),
        ("evil.example:8000", 403),
        ("localhost.evil.example", 403),
        ("localhost:8000@evil.example", 400),
        ("localhost, evil.example", 400),
        ("", 400),
    ],
)
def test_only_hosts_of_this_service_are_answered(host: str, status: int) -> None:
    """Or a page whose name was made to point to 127.0.0.1 could read every answer (DNS rebinding)."""
    assert find_status(OPEN, {"host": host}) == status


def test_a_request_without_host_is_refused() -> None:
    assert find_status(OPEN, {}) == 400


@pytest.mark.parametrize(
    ("headers", "method", "status"),
    [
        ({"origin": "http://localhost:8000", "sec-fetch-site": "same-origin"}, "POST", 200),
        ({"origin": "https://localhost:8000"}, "POST", 200),  # behind a proxy that speaks TLS
        ({"origin": "http://localhost:9000"}, "POST", 403),
        ({"origin": "https://evil.example"}, "POST", 403),
        ({"origin": "null"}, "POST", 403),
        ({"origin": "http://[bad"}, "POST", 403),
        ({"origin": "http://localhost:8000@evil.example"}, "POST", 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}, "GET", 403),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}, "GET", 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, "GET", 200),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, "POST", 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}, "GET", 403),
        ({"sec-fetch-site": "none"}, "GET", 200),  # typed into the address bar
    ],
)
def test_a_page_elsewhere_cannot_drive_it(headers: dict[str, str], method: str, status: int) -> None:
    assert find_status(OPEN, HERE | headers, method) == status


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({"authorization": f"Bearer {TOKEN}"}, "", 200),
        ({"authorization": f"bearer  {TOKEN}"}, "", 200),
        ({}, f"token={TOKEN}", 200),
        ({"cookie": f"a=b; serving={LOCKED.make_cookie()}"}, "", 200),
        ({}, "", 401),
        ({"authorization": "Bearer "}, "", 401),
        ({"authorization": f"Bearer {TOKEN}x"}, "", 401),
        ({"authorization": f"Basic {TOKEN}"}, "", 401),
        ({"authorization": "Bearer tökén"}, "", 401),
        ({"cookie": f"serving={TOKEN}"}, "", 401),
        ({"cookie": "serving="}, "token=", 401),
        ({"cookie": "\0;;;="}, "token=%ff", 401),
        ({}, "token=1" + "&a=1" * 200, 401),
    ],
)
def test_with_a_token_only_who_has_it_is_answered(headers: dict[str, str], query: str, status: int) -> None:
    assert find_status(LOCKED, HERE | headers, query=query) == status


def test_what_only_this_machine_reaches_is_told_from_what_others_reach() -> None:
    assert all(is_local(host) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost"))
    assert not any(is_local(host) for host in ("0.0.0.0", "::", "192.168.1.7", "example.org"))


@pytest.mark.parametrize("guard", [OPEN, LOCKED])
def test_a_query_of_very_many_fields_asks_with_no_token(guard: Guard) -> None:
    """Python's parser raises for it."""
    assert not guard.is_asked_by("token=1" + "&a=1" * 200)


def test_a_hostile_cookie_takes_no_time() -> None:
    """Python's parser takes two seconds for these 32,000 characters (CVE-2024-7592), before the token is checked."""
    began = time.perf_counter()
    assert find_status(LOCKED, HERE | {"cookie": 'serving="' + "\\" * 32_000 + '"'}) == 401
    assert time.perf_counter() - began < 0.2
