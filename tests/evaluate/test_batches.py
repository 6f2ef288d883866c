"""Batches use every image as often, in an order that only the seed decides, and come to the device many at a time."""

from typing import Any

import pytest
import torch

from components.evaluate import batches
from components.evaluate.batches import draw_batches

CPU = torch.device("cpu")


def draw(images: int, size: int, total: int, seed: int = 0) -> list[list[int]]:
    orders = torch.Generator().manual_seed(seed)
    return [rows.tolist() for rows in draw_batches(images, size, total, orders, CPU)]


@pytest.mark.parametrize("together", [1, 25, 2**20])
def test_batches_go_through_one_order_after_the_other(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten images give three batches of three; the tenth of an order is left out."""
    monkeypatch.setattr(batches, "ROWS", together)
    generator = torch.Generator().manual_seed(0)
    orders = [torch.randperm(10, generator=generator).tolist() for _ in range(3)]
    expected = [order[first : first + 3] for order in orders for first in (0, 3, 6)]
    assert draw(10, 3, 7) == expected[:7]


def test_the_seed_decides() -> None:
    assert draw(50, 8, 20) == draw(50, 8, 20)
    assert draw(50, 8, 20) != draw(50, 8, 20, seed=1)
    assert draw(50, 8, 0) == []


def test_a_batch_of_all_images_has_each_once() -> None:
    assert [sorted(rows) for rows in draw(7, 7, 3)] == [list(range(7))] * 3


def test_few_images_mean_no_transfer_per_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU each would wait for the host. The device `meta` stands in for one."""
    transfers, move = [], torch.Tensor.to
    monkeypatch.setattr(torch.Tensor, "to", lambda rows, *to: transfers.append(to) or move(rows, *to))
    device: Any = torch.device("meta")
    drawn = list(draw_batches(10, 10, 300, torch.Generator(), device))
    assert len(drawn) == 300
    assert all(rows.device == device and rows.shape == (10,) for rows in drawn)
    assert len(transfers) == 1
