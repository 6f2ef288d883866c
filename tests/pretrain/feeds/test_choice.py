"""The choice of a run's feed: by memory, the same in all processes and all through the run."""

import pytest
import torch

from components.learning.replicas import Replica
from components.pretrain.feeds import choose as feeds
from components.pretrain.feeds.choose import Kind, choose_feed, count_images, open_feed
from components.pretrain.feeds.resident import ResidentFeed
from components.pretrain.feeds.streaming import StreamingFeed
from components.pretrain.params import Pretrain
from components.stage.errors import InputError
from components.store.store import TEST, TRAIN, UNLABELLED, Store
from tests.small import fill_store, make_grays, make_settings

SPLITS = (TRAIN, UNLABELLED)
CPU, ALONE = torch.device("cpu"), Replica(0, 1)
DECODED = 24 * 8 * 8  # bytes of the images to train on


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of 24 images to train on, and between them 8 of the test split."""
    splits = [TRAIN, TEST, TRAIN, UNLABELLED] * 8
    return fill_store(tmp_path_factory.mktemp("store"), make_grays(32), splits=splits)


def choose_kind(
    store: Store, params: Pretrain, replica: Replica = ALONE, device: torch.device = CPU, before: Kind | None = None
) -> Kind:
    return choose_feed(count_images(store, SPLITS, params), params, device, replica, before=before)


@pytest.mark.parametrize(
    ("kind", "executor", "free", "expected"),
    [
        ("auto", "batched", 4 * DECODED, "resident"),
        ("auto", "batched", 4 * DECODED - 4, "streaming"),
        ("auto", "albumentations", 10**9, "streaming"),
        ("resident", "batched", 0, "resident"),
        ("streaming", "batched", 10**9, "streaming"),
    ],
)
def test_images_stay_in_memory_where_they_fit_the_stated_share_of_it(
    kind: str,
    executor: str,
    free: int,
    expected: Kind,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The share is a quarter; Albumentations makes its views in workers. One line says which feed it is, and why."""
    monkeypatch.setattr(feeds, "measure_free_memory", lambda device: free)
    params = make_settings(feed__kind=kind, feed__executor=executor, feed__resident_share=0.25, batch_size=8)
    assert choose_kind(store, params) == expected
    output = capsys.readouterr().out
    assert output.startswith(f"feed: {expected} (24 images, 1.54kB decoded, {feeds.format_bytes(free)} free on cpu; ")
    reason = ", and pretrain.feed.executor: albumentations makes views in a stream's workers"
    assert output.endswith(f"pretrain.feed.kind: {kind}{reason if executor == 'albumentations' else ''})\n")
    assert output.count("\n") == 1


@pytest.mark.parametrize("before", ["resident", "streaming"])
@pytest.mark.parametrize("free", [0, 10**9])
def test_a_run_that_goes_on_keeps_its_feed_whatever_memory_is_free_now(
    before: Kind, free: int, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The two kinds show different images at the same step."""
    monkeypatch.setattr(feeds, "measure_free_memory", lambda device: free)
    assert choose_kind(store, make_settings(feed__kind="auto", batch_size=8), before=before) == before
    assert capsys.readouterr().out.endswith("; pretrain.feed.kind: auto, as when the run began)\n")


@pytest.mark.parametrize("answer", ["resident", "streaming"])
def test_every_process_does_as_the_first_one_says(answer: Kind, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that measured less memory than the others would train on other images, in epochs of another length."""
    told: list[Kind] = []
    monkeypatch.setattr(feeds, "measure_free_memory", lambda device: 10**9)
    monkeypatch.setattr(feeds.replicas, "broadcast_value", lambda value: told.append(value) or answer)
    assert choose_kind(store, make_settings(feed__kind="auto", batch_size=8), Replica(1, 2)) == answer
    assert told == ["resident"]


@pytest.mark.parametrize(
    ("device", "here", "expected"), [("cpu", 3, "streaming"), ("cpu", 1, "resident"), ("cuda", 3, "resident")]
)
def test_processes_that_share_a_memory_have_to_fit_into_it_together(
    device: str,
    here: int,
    expected: Kind,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Three processes share a machine, or each has its own; there is room for two copies. Each has a GPU to itself."""
    monkeypatch.setattr(feeds, "measure_free_memory", lambda device: 4 * DECODED)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", f"{here}")
    params = make_settings(feed__kind="auto", feed__resident_share=0.5, batch_size=9)
    assert choose_kind(store, params, Replica(0, 3), torch.device(device)) == expected
    assert ("1.54kB decoded in each of 3 processes, " in capsys.readouterr().out) == (expected == "streaming")


def test_only_the_process_that_writes_says_it(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    choose_kind(store, make_settings(batch_size=8), Replica(1, 2))
    assert capsys.readouterr().out == ""


def test_free_memory_is_that_of_the_machine() -> None:
    assert 2**20 < feeds.measure_free_memory(CPU) < 2**50


def test_a_batch_larger_than_the_images_is_one_line(store: Store) -> None:
    with pytest.raises(InputError, match=r"^params\.yaml: pretrain\.batch_size: 25 is more than the 24 images[^\n]*$"):
        count_images(store, SPLITS, make_settings(batch_size=25))


@pytest.mark.parametrize(("kind", "expected"), [("resident", ResidentFeed), ("streaming", StreamingFeed)])
def test_what_is_opened_is_what_was_chosen(kind: Kind, expected: type, store: Store) -> None:
    """The memory that is free by then does not matter."""
    assert type(open_feed(kind, store, SPLITS, make_settings(feed__kind="auto", batch_size=8), CPU, ALONE)) is expected
