"""Tests what a client gets, over a real connection: the answers, and what is answered where a stage has not run."""

import asyncio
from io import BytesIO

import httpx
import numpy as np
import pytest
from PIL import Image

from components.features.load import load_encoder
from components.store.decode import decode_square
from serving.guard import Guard
from serving.service import Service
from tests.serving.conftest import COUNT, PNG, Bench, Post, draw, run_service
from tests.small import encode_png


def test_an_image_is_embedded_as_the_public_loader_embeds_it(post: Post, bench: Bench) -> None:
    answer = post(PNG)
    wanted = load_encoder(bench.places.encoder).embed(Image.open(BytesIO(PNG)))[0]
    np.testing.assert_allclose(answer.json()["embedding"], wanted, rtol=1e-4, atol=1e-5)
    assert answer.json()["version"] == "v1"


def test_an_image_of_the_store_finds_itself_first_and_asked_by_id_only_others(client: httpx.Client, post: Post) -> None:
    found = post(PNG, "/search?k=3").json()
    assert [len(found["place"]), len(found["neighbours"])] == [2, 3]
    assert found["neighbours"][0]["id"] == "3"
    assert found["neighbours"][0]["similarity"] == pytest.approx(1, abs=1e-5)
    assert found["neighbours"][0].keys() == {"id", "split", "label", "similarity", "place"}
    others = client.get("/search", params={"id": "3", "k": 2}).json()["neighbours"]
    assert [entry["id"] for entry in others] == [entry["id"] for entry in found["neighbours"][1:]]


def test_a_class_comes_with_the_nearest_labelled_images(client: httpx.Client, post: Post) -> None:
    for answer in (post(PNG, "/classify"), client.get("/classify", params={"id": "3"})):
        said = answer.json()
        assert [entry["name"] for entry in said["classes"]] == ["owl", "dog", "cat"]
        assert said["classes"][0]["probability"] == pytest.approx(0.7)
        assert said["nearest"]
        assert all(entry["label"] for entry in said["nearest"])
    assert "3" not in [entry["id"] for entry in said["nearest"]], "it speaks not for itself"


def test_the_map_and_a_thumbnail_show_images_of_the_store(client: httpx.Client) -> None:
    points = client.get("/map").json()["points"]
    assert len(points) == COUNT
    shown = client.get("/images/3", params={"side": 16})
    assert shown.headers["content-type"] == "image/png"
    pixels = np.asarray(Image.open(BytesIO(shown.content)).convert("L"))
    np.testing.assert_array_equal(pixels, np.kron(draw(3), np.ones((2, 2))))


def test_thumbnails_are_kept_within_bounds(
    client: httpx.Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or whoever asks for all of them in every size fills the memory."""
    monkeypatch.setattr("serving.service.KEPT_BYTES", 3000)
    for side in range(8, 40):
        for name in ("1", "2", "1"):
            assert client.get(f"/images/{name}", params={"side": side}).status_code == 200
    assert service.thumbnails
    assert service.thumbnail_bytes == sum(map(len, service.thumbnails.values())) <= 3000


def test_what_is_served_and_done_can_be_read(client: httpx.Client) -> None:
    assert client.get("/health").json() == {"status": "ok", "version": "v1", "classifier": True, "index": True}
    version = client.get("/version").json()
    assert (version["images"], version["features"], len(version["weights"])) == (COUNT, 8, 64)
    metrics = client.get("/metrics").text
    assert 'serving_requests_total{method="GET",route="/health",status="200"}' in metrics
    assert "process_resident_memory_bytes" in metrics


def test_without_classifier_and_index_the_rest_works(bench: Bench) -> None:
    with run_service(bench.make_service(bare=True), Guard(frozenset(), None)) as client:
        image = {"content": PNG, "headers": {"Content-Type": "image/png"}}
        assert client.post("/embed", **image).status_code == 200
        for route in ("/search", "/classify"):
            answer = client.post(route, **image)
            assert answer.status_code == 503
            assert "stage" in answer.json()["detail"] or "dvc repro" in answer.json()["detail"]


def test_every_answer_keeps_a_browser_from_anything_elsewhere(client: httpx.Client, post: Post) -> None:
    for answer in (
        client.get("/health"),
        client.get("/nothing"),
        post(b"none"),
        client.get("/", headers={"Host": "a"}),
    ):
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers
    assert client.get("/docs").status_code == 404, "FastAPI's own page loads scripts from elsewhere"


def test_requests_at_the_same_time_go_through_the_encoder_together(bench: Bench) -> None:
    service = bench.make_service(bare=True)
    batcher, sizes = service.served.batcher, list[int]()
    network = batcher.network

    def slow(squares: np.ndarray) -> np.ndarray:
        sizes.append(len(squares))
        return network(squares)

    batcher.network = slow
    squares = [decode_square(encode_png(draw(n)), side=8, channels=1, deep=False) for n in range(6)]

    async def ask() -> list[np.ndarray]:
        return await asyncio.gather(*(batcher.embed(square) for square in squares))

    answers = asyncio.run(ask())
    assert sizes == [6]
    for square, answer in zip(squares, answers, strict=True):
        np.testing.assert_allclose(answer, network(np.stack([square]))[0], rtol=1e-4, atol=1e-5)


def test_a_network_that_fails_fails_its_requests_alone(client: httpx.Client, service: Service, post: Post) -> None:
    batcher = service.served.batcher
    network = batcher.network

    def fail(squares: np.ndarray) -> np.ndarray:
        raise RuntimeError("out of memory")

    batcher.network = fail
    try:
        answer = post(PNG)
        assert answer.status_code == 500
        assert "memory" not in answer.text, "what went wrong inside stands in the log alone"
    finally:
        batcher.network = network
    assert post(PNG).status_code == 200
