"""Tests that whatever is sent is refused with 4xx and one line, and that the service goes on after it."""

import random
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack

import httpx
import pytest

from benchmarks.hostile_sent import send
from benchmarks.hostile_uploads import KINDS, Upload, come_slowly, compress_much, hide_bomb, send_much
from serving.guard import Guard
from serving.service import Service
from tests.serving.conftest import PNG, Bench, Post, run_service

Make = Callable[[random.Random], Upload]
SLOW_HEAD = b"POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 9000\r\n\r\n"
QUICK = [make for make, _ in KINDS if make not in (come_slowly, compress_much, hide_bomb, send_much)]


@pytest.mark.parametrize("make", QUICK, ids=lambda make: make.__name__)
def test_what_is_hostile_is_refused_in_one_line(make: Make, client: httpx.Client, post: Post) -> None:
    chance = random.Random(5)
    for _ in range(4):
        upload = make(chance)
        answer = send(client, upload)
        assert answer.refuses, (upload.kind, upload.path, upload.raw, answer)
    assert post(PNG).status_code == 200


@pytest.mark.parametrize("seed", [0, 1])
def test_a_slow_client_is_told_so_and_let_go(seed: int, client: httpx.Client) -> None:
    slow = {come_slowly(random.Random(number)).kind: number for number in range(9)}
    upload = come_slowly(random.Random(sorted(slow.values())[seed]))
    answer = send(client, upload)
    assert answer.status == 408
    assert answer.refuses


def test_a_body_that_is_too_large_is_told_so_with_its_length_or_without(client: httpx.Client) -> None:
    for body in (bytes(3_000_000), lambda: (bytes(100_000) for _ in range(30))):
        answer = send(client, Upload("huge", body=body))
        assert (answer.status, answer.line) == (413, "the body has more than 100,000 bytes")


def test_a_decoder_that_crashes_or_hangs_takes_only_its_own_image_with_it(
    client: httpx.Client, service: Service, post: Post
) -> None:
    for process in list(service.decoders.all):
        process.kill()
    assert post(PNG).status_code in (200, 415), "what it was decoding is lost"
    assert post(PNG).status_code == 200, "another process has taken its place"
    decoders, params = service.decoders, service.decoders.params
    hurried = params.limits.model_copy(update={"decode_seconds": 1e-6})
    decoders.params = params.model_copy(update={"limits": hurried})
    try:
        assert post(PNG).status_code == 413
    finally:
        decoders.params = params
    assert post(PNG).status_code == 200


def test_more_requests_than_allowed_at_once_are_sent_away(client: httpx.Client, service: Service, post: Post) -> None:
    address = (str(client.base_url.host), client.base_url.port or 0)
    with ExitStack() as stack:
        for _ in range(service.params.limits.requests):
            stack.enter_context(socket.create_connection(address)).sendall(SLOW_HEAD)
        while service.metrics.registry.get_sample_value("serving_requests_at_once") != service.params.limits.requests:
            time.sleep(0.01)
        answer = post(PNG)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"
    while post(PNG).status_code == 429:  # until those before are gone
        time.sleep(0.05)
    assert post(PNG).status_code == 200


def test_more_connections_than_allowed_are_told_so(bench: Bench) -> None:
    with (
        run_service(bench.make_service(bare=True, connections=2), Guard(frozenset(), None)) as client,
        ExitStack() as stack,
    ):
        address = (client.base_url.host, client.base_url.port or 0)
        first, second, third = (stack.enter_context(socket.create_connection(address)) for _ in range(3))
        third.settimeout(10)
        assert third.recv(1000).startswith(b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n")
        first.close()
        second.close()
        time.sleep(0.1)
        assert client.get("/health").status_code == 200


def test_who_is_refused_takes_nobodys_place(bench: Bench) -> None:
    """Or strangers without the token, who send slowly, would keep out everybody who has it."""
    token = "a-token-of-24-characters"
    with (
        run_service(bench.make_service(bare=True, requests=1), Guard(frozenset({"localhost"}), token)) as client,
        ExitStack() as stack,
    ):
        address = (client.base_url.host, client.base_url.port or 0)
        for _ in range(3):
            stack.enter_context(socket.create_connection(address)).sendall(SLOW_HEAD)
        time.sleep(0.1)
        assert client.get("/health", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_a_body_that_never_ends_is_let_go_after_its_answer(client: httpx.Client) -> None:
    """Or a byte now and then would hold a connection for ever."""
    address = (str(client.base_url.host), client.base_url.port or 0)
    with socket.create_connection(address) as slow:
        slow.sendall(SLOW_HEAD)
        slow.settimeout(10)
        assert slow.recv(1000).startswith(b"HTTP/1.1 408 ")
        for _ in range(50):
            time.sleep(0.1)
            try:
                slow.sendall(b"x")
            except ConnectionError:
                return
    pytest.fail("the connection is still there after 5 s")
