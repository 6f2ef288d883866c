"""Sends the images of requests that come at the same time through the encoder together.

Nothing waits for others: what comes while the network is at work forms the next batch. The network runs in a thread of
its own, so that the service goes on answering. B images, C channels, S pixels per side, D features.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np

from serving.metrics import Metrics

Network = Callable[[np.ndarray], np.ndarray]  # (B, C, S, S) pixels -> (B, D) float32


class Batcher:
    """Embeds single images, in batches where they come at the same time."""

    def __init__(self, network: Network, threads: Executor, most: int, metrics: Metrics) -> None:
        self.network, self.threads, self.most, self.metrics = network, threads, most, metrics
        self.waiting: list[tuple[np.ndarray, asyncio.Future[np.ndarray]]] = []
        self.runs: asyncio.Task[None] | None = None

    async def embed(self, square: np.ndarray) -> np.ndarray:
        """Embed an image: (C, S, S) pixels -> (D,) float32."""
        future: asyncio.Future[np.ndarray] = asyncio.get_running_loop().create_future()
        self.waiting.append((square, future))
        if self.runs is None:
            self.runs = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        while self.waiting:
            batch, self.waiting = self.waiting[: self.most], self.waiting[self.most :]
            self.metrics.batches.observe(len(batch))
            try:
                squares = np.stack([square for square, _ in batch])  # (B, C, S, S)
                features = await asyncio.get_running_loop().run_in_executor(self.threads, self.network, squares)
            except Exception as error:  # is raised in each of the requests
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), row in zip(batch, features, strict=True):
                if not future.done():  # its client may be gone
                    future.set_result(row)
        self.runs = None
