"""A checkpoint that is damaged in any way is set aside with one line, and the run goes on from the one before, or anew.

Whatever is loaded is, bit for bit, what was saved: the last state, the one before it, or nothing.
"""

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from components.pretrain import checkpoint as checkpoints
from components.pretrain.checkpoint import BEFORE, FILE, Checkpoint
from tests.conftest import ROOT
from tests.faults.conftest import Campaign

Damage = Callable[[random.Random, Path], None]


def make_state(step: int) -> dict[str, Any]:
    """Make a state like that of a training, of some tensors and numbers."""
    generator = torch.Generator().manual_seed(step)
    weights = {f"layer{n}.weight": torch.randn(40, 40, generator=generator) for n in range(3)}
    slots = {n: {"momentum": torch.randn(40, 40, generator=generator)} for n in range(3)}
    state = {"objective": weights, "optimiser": {"state": slots}, "losses": torch.zeros(5, 2), "step": step}
    return {"state": state, "feed": "resident", "observer": {"rows": [{"epoch": 1, "loss": 0.5}] * step}}


def spell(content: dict[str, Any] | None) -> bytes:
    return (
        b""
        if content is None
        else repr([content, *(t.numpy().tobytes() for t in checkpoints.list_tensors(content))]).encode()
    )


def flip(draws: random.Random, path: Path) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(draws.choice([1, 1, 1, 8])):
        content[draws.randrange(len(content))] ^= 1 << draws.randrange(8)
    path.write_bytes(content)


def cut(draws: random.Random, path: Path) -> None:
    path.write_bytes(path.read_bytes()[: draws.randrange(path.stat().st_size)])


def add(draws: random.Random, path: Path) -> None:
    path.write_bytes(path.read_bytes() + draws.randbytes(draws.choice([1, 32, 1000])))


def fill(draws: random.Random, path: Path) -> None:
    path.write_bytes(draws.choice([b"", bytes(path.stat().st_size), draws.randbytes(5000)]))


def delete(_: random.Random, path: Path) -> None:
    path.unlink()


def make_folder(draws: random.Random, path: Path) -> None:
    path.unlink()
    path.mkdir()
    if draws.random() < 0.5:
        (path / "a file").write_text("x")


def take_from_another_run(_: random.Random, path: Path) -> None:
    other = Checkpoint(path.parents[1] / "elsewhere", "another run")
    other.save(make_state(9))
    shutil.copyfile(other.folder / FILE, path)


def lose_the_checksum(_: random.Random, path: Path) -> None:
    torch.save(make_state(9), path)


def break_numbers(draws: random.Random, path: Path) -> None:
    """Save a state of which a number is not finite, as a run that diverged would."""
    state = make_state(9)
    state["state"]["objective"]["layer1.weight"][3, draws.randrange(40)] = draws.choice([float("nan"), float("inf")])
    broken = Checkpoint(path.parents[1] / "elsewhere", path.parent.name)
    broken.save(state)
    shutil.copyfile(broken.folder / FILE, path)


DAMAGES: list[Damage] = [
    flip,
    flip,
    flip,
    cut,
    add,
    fill,
    delete,
    make_folder,
    take_from_another_run,
    lose_the_checksum,
]
DAMAGES += [break_numbers]


def test_damaged_checkpoints(campaign: Campaign, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draws = random.Random(campaign.seed)
    for number in range(campaign.choose(15, 400)):
        checkpoint = Checkpoint(tmp_path / str(number), "run")
        saved = [make_state(step) for step in (1, 2, 3)]
        for state in saved:
            checkpoint.save(state)
        chosen = draws.choice([[FILE], [FILE], [BEFORE], [FILE, BEFORE]])
        damages = {name: draws.choice(DAMAGES) for name in chosen}
        for name, damage in damages.items():
            damage(draws, checkpoint.folder / name)
        (checkpoint.folder / f"{FILE}.new").write_bytes(draws.randbytes(100))  # as a kill leaves it
        capsys.readouterr()
        with campaign.trial(f"{', '.join(f'{name}: {damage.__name__}' for name, damage in damages.items())} #{number}"):
            expected = saved[2] if FILE not in chosen else saved[1] if BEFORE not in chosen else None
            loaded = checkpoint.load()
            lines = capsys.readouterr().out.splitlines()
            assert spell(loaded) == spell(expected)
            looked_at = [
                damages[name] for name in (FILE, BEFORE) if name in damages and (name == FILE or FILE in chosen)
            ]
            assert len(lines) == sum(damage is not delete for damage in looked_at)
            assert all("cannot be read, so the run" in line and len(line) < 900 for line in lines)
            assert len(list((tmp_path / str(number)).glob("*.damaged"))) == min(len(lines), 1), "bounded in number"
            checkpoint.save(make_state(4))
            assert spell(checkpoint.load()) == spell(make_state(4))
        shutil.rmtree(tmp_path / str(number))


SAVER = """
import sys
import time
from pathlib import Path
from components.pretrain.checkpoint import Checkpoint
from tests.faults.test_checkpoints import make_state
checkpoint = Checkpoint(Path(sys.argv[1]), "run")
for step in range(1, 100_000):
    checkpoint.save(make_state(step))
    print(step, flush=True)
"""


def test_kills_while_saving(campaign: Campaign, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After a kill at any moment there is what was saved last, whole, or what was about to be."""
    draws = random.Random(campaign.seed)
    for number in range(campaign.choose(10, 100)):
        checkpoint, step = Checkpoint(tmp_path / f"interrupted {number}", "run"), draws.randrange(1, 4)
        for before in range(1, step + 1):
            checkpoint.save(make_state(before))
        with pytest.MonkeyPatch.context() as patch, campaign.trial(f"interrupted after {step} saves #{number}"):
            interrupt(patch, draws)
            with pytest.raises(KeyboardInterrupt):
                checkpoint.save(make_state(step + 1))
            patch.undo()
            assert spell(checkpoint.load()) == spell(make_state(step))
    for number in range(campaign.choose(0, 20)):
        steps = kill(tmp_path / f"killed {number}", draws)
        with campaign.trial(f"killed after {steps} saves #{number}"):
            loaded = Checkpoint(tmp_path / f"killed {number}", "run").load()
            assert spell(loaded) in [spell(make_state(steps)), spell(make_state(steps + 1))]
    assert capsys.readouterr().out == ""


def interrupt(patch: pytest.MonkeyPatch, draws: random.Random) -> None:
    """End a save before one of its steps."""
    holder, name = draws.choice([(torch, "save"), (checkpoints.os, "fsync"), (Path, "replace"), (Path, "replace")])
    step, calls, real = draws.randrange(1, 3) if name == "replace" else 1, iter(range(1, 9)), getattr(holder, name)

    def end(*arguments: Any) -> Any:
        if next(calls) == step:
            raise KeyboardInterrupt
        return real(*arguments)

    patch.setattr(holder, name, end)


def kill(folder: Path, draws: random.Random) -> int:
    """Kill a process that saves one state after the other, and return how many it has saved for sure."""
    command = [sys.executable, "-c", SAVER, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        steps = [int(process.stdout.readline()) for _ in range(draws.randrange(1, 6))]
        time.sleep(draws.random() * 0.03)
        process.kill()
        return [*steps, *map(int, process.stdout.read().split())][-1]
