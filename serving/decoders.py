"""Keeps some processes that decode images, and gives each image to one that is free.

A process that crashes, or takes longer than an image may take, is ended and another one takes its place: only the image
that did it is refused. C channels, S pixels per side.
"""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from typing import Any

import numpy as np

from components.flows.serving import Serving
from components.stage.errors import RunError
from serving.decoding import HEAD, Job
from serving.metrics import Metrics
from serving.refusal import Refusal

START_SECONDS = 60.0  # a process imports its libraries in about one
ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Decoders:
    """Decodes images in processes of its own."""

    def __init__(self, params: Serving, metrics: Metrics) -> None:
        self.params, self.metrics = params, metrics
        self.free: asyncio.Queue[Process | None] = asyncio.Queue()  # None: one that has yet to be started
        self.all: set[Process] = set()

    async def start(self) -> None:
        """Start all processes. Raises RunError if they cannot be started."""
        for process in await asyncio.gather(*(self._start_one() for _ in range(self.params.decoders))):
            self.free.put_nowait(process)

    async def _start_one(self) -> Process:
        limit = str(self.params.limits.max_pixels)
        command = (sys.executable, "-m", "serving.decoding", limit)
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=os.environ | ALONE, start_new_session=True
        )
        self.all.add(process)
        try:
            async with asyncio.timeout(START_SECONDS):
                await read_answer(process)
        except (asyncio.IncompleteReadError, TimeoutError):
            self._end(process)
            raise RunError("the processes that decode images cannot be started") from None
        return process

    def _end(self, process: Process) -> None:
        self.all.discard(process)
        with suppress(ProcessLookupError):
            process.kill()

    async def stop(self) -> None:
        """End all processes."""
        ending = list(self.all)
        for process in ending:
            self._end(process)
        await asyncio.gather(*(process.wait() for process in ending))

    async def make_square(self, encoded: bytes, job: Job) -> np.ndarray:
        """Decode the square that the encoder sees: (C, S, S). Raises Refusal."""
        said, content = await self._run(encoded, job)
        return np.frombuffer(content, said["dtype"]).reshape(said["shape"])

    async def make_thumbnail(self, encoded: bytes, job: Job) -> bytes:
        """Draw a thumbnail: a PNG. Raises Refusal."""
        return (await self._run(encoded, job))[1]

    async def _run(self, encoded: bytes, job: Job) -> tuple[Any, bytes]:
        process = await self.free.get()
        done = False
        try:
            process = process or await self._start_one()
            async with asyncio.timeout(self.params.limits.decode_seconds):
                said, content = await ask(process, job.model_dump_json().encode(), encoded)
            done = True
        except TimeoutError:
            raise Refusal(413, f"the image takes more than {self.params.limits.decode_seconds:g} s to decode") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Refusal(415, "the image is broken: its decoder crashed") from None
        finally:
            if not done and process:
                self.metrics.decoders_ended.inc()
                self._end(process)
            self.free.put_nowait(process if done else None)
        if "status" in said:
            raise Refusal(said["status"], said["detail"])
        return said, content


async def ask(process: Process, text: bytes, encoded: bytes) -> tuple[Any, bytes]:
    """Send a job to a process and read its answer."""
    assert process.stdin
    process.stdin.write(HEAD.pack(len(text), len(encoded)) + text)
    process.stdin.write(encoded)
    answer = asyncio.create_task(read_answer(process))
    await process.stdin.drain()
    return await answer


async def read_answer(process: Process) -> tuple[Any, bytes]:
    """Read a process's answer: what it says, and the content."""
    assert process.stdout
    text, content = HEAD.unpack(await process.stdout.readexactly(HEAD.size))
    return json.loads(await process.stdout.readexactly(text)), await process.stdout.readexactly(content)
