"""Two processes that train together, compared with a single process that does the work of both."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from components.encoder.build import build_encoder
from components.learning import replicas
from components.learning.engine import start_engine
from components.learning.objective import ViewSet
from components.learning.replicas import Replica
from components.pretrain.loop import start_state
from components.stage.errors import InputError
from tests.encoder.test_from_timm import timm_network
from tests.learning.two_processes import BATCH, BUILDERS, DTYPE, PARTS, STEPS
from tests.pretrain.tiny import CPU, SGD, PretrainWith, build_byol, copy_parameters, draw_pairs


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, torch.Tensor]]:
    """Train in two processes; return what each of them saved."""
    folder = tmp_path_factory.mktemp("ranks")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run([*torchrun, "-m", "tests.learning.two_processes", str(folder)], check=True, timeout=300)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


def pretend_launch(monkeypatch: pytest.MonkeyPatch, world: int, local_rank: int = 0) -> list[str]:
    """Pretend that torchrun started `world` processes; return the list that gets the backends which this one begins."""
    begun: list[str] = []
    monkeypatch.setattr(replicas, "end_with_launcher", lambda: None)
    monkeypatch.setattr(replicas.dist, "is_torchelastic_launched", lambda: True)
    monkeypatch.setattr(replicas.dist, "init_process_group", lambda backend, **_: begun.append(backend))
    monkeypatch.setenv("LOCAL_RANK", str(local_rank))
    monkeypatch.setattr(replicas.dist, "get_rank", lambda: 0)
    monkeypatch.setattr(replicas.dist, "get_world_size", lambda: world)
    return begun


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("name", BUILDERS)
def test_both_processes_end_with_the_same_weights(name: str, parts: int, ranks: list[dict]) -> None:
    first, second = (rank[f"{name} in {parts}"]["objective"] for rank in ranks)
    learned = {name for name in first if "running" not in name and "tracked" not in name}
    assert all(torch.equal(first[name], second[name]) for name in learned)


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("name", BUILDERS)
def test_they_take_the_steps_of_one_process_that_adds_up_all_parts(
    name: str, parts: int, ranks: list[dict], pretrain_with: PretrainWith
) -> None:
    """Batch and rate are the same; each part is normalised by itself, since PyTorch has no shared norms on a CPU."""
    size = BATCH // 2 // parts
    params = pretrain_with(optimiser=SGD, batch_size=BATCH)
    state = start_state(BUILDERS[name]().to(DTYPE), params, steps_per_epoch=STEPS)
    engine = start_engine(state.objective.networks, params, CPU, Replica(0, 1))
    losses = []
    for first, second in draw_pairs(STEPS, batch=BATCH, dtype=DTYPE):
        state.optimiser.zero_grad()
        total = torch.zeros((), dtype=DTYPE)
        for rows in (slice(row, row + size) for row in range(0, BATCH, size)):
            loss = state.objective.loss(ViewSet((first[rows], second[rows])), engine).total * size / BATCH
            loss.backward()
            total += loss.detach()
        state.optimiser.param_groups[0]["lr"] = state.optimiser.param_groups[1]["lr"] = 0.1
        state.optimiser.step()
        state.objective.after_step({"tau": 0.9})
        losses.append(total)
    found = ranks[0][f"{name} in {parts}"]
    torch.testing.assert_close(found["losses"][:, 0], torch.stack(losses).float(), rtol=1e-5, atol=1e-6)
    for key, expected in state.objective.named_parameters():
        torch.testing.assert_close(found["objective"][key], expected.detach(), rtol=1e-9, atol=1e-11)


def test_gradients_are_exchanged_once_a_batch(ranks: list[dict]) -> None:
    """With every part, a batch in 16 parts would go over the wire 16 times."""
    assert [ranks[0][f"byol in {parts}"]["exchanged"] for parts in PARTS] == [
        [True, True] * STEPS,
        [False, False, True, True] * STEPS,
    ]


def test_heads_that_learn_first_do_so_in_both(ranks: list[dict]) -> None:
    """What learns changes in the middle of the run, and with it what the processes have to average."""
    begun, between, after = ranks[0]["heads first"]
    for ours, theirs in zip(ranks[0]["heads first"], ranks[1]["heads first"], strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    encoder = {name for name in begun if name.startswith(("online.encoder.", "target.0."))}
    weights = {name for name in begun if begun[name].ndim > 1}
    assert {name for name in weights if torch.equal(begun[name], between[name])} == encoder & weights
    assert all(torch.equal(begun[name], between[name]) for name in encoder)
    assert not [name for name in weights if torch.equal(between[name], after[name])]


def test_what_the_first_process_says_holds_for_both(ranks: list[dict]) -> None:
    """Each process is asked whether it is the first, and whether it is the second."""
    assert [rank["agreed"] for rank in ranks] == [[True, False]] * 2


@pytest.mark.parametrize(("device", "backend"), [("cpu", "gloo"), ("cuda:1", "nccl")])
def test_they_talk_by_what_knows_the_tensors_of_their_device(
    device: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run on the CPU of a machine with GPUs would fail at its first step."""
    begun = pretend_launch(monkeypatch, 2, local_rank=1)
    replicas.join_processes(8, torch.device(device))
    assert begun == [backend]


@pytest.mark.parametrize("world", [1, 2, 4])
def test_the_parts_make_up_the_batch(world: int) -> None:
    rows = [row for rank in range(world) for row in range(8)[Replica(rank, world).slice_batch(8)]]
    assert rows == list(range(8))


def test_one_process_writes() -> None:
    assert [Replica(rank, 3).writes for rank in range(3)] == [True, False, False]


@pytest.mark.parametrize(("batch", "world"), [(7, 2), (2, 2), (128, 3)])
def test_a_batch_that_cannot_be_shared_is_refused(batch: int, world: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """BatchNorm needs two images in every process."""
    pretend_launch(monkeypatch, world)
    with pytest.raises(InputError, match=rf"pretrain\.batch_size: {batch} .* multiple of {world}"):
        replicas.join_processes(batch, CPU)


@pytest.mark.parametrize(("batch", "parts"), [(8, 3), (8, 4)])
def test_a_share_that_cannot_be_cut_into_parts_is_refused(
    batch: int, parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """8 images in 4 parts do for one process, but not for two: each part would be one image."""
    pretend_launch(monkeypatch, 2)
    with pytest.raises(InputError) as caught:
        replicas.join_processes(batch, CPU, parts)
    assert str(caught.value) == (
        f"params.yaml: pretrain.batch_size: {batch} cannot be shared by 2 processes in {parts} parts each "
        f"(pretrain.accumulate): take a multiple of {2 * parts} with two images or more for each part"
    )


def test_a_gpu_that_is_named_cannot_be_everybodys(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_launch(monkeypatch, 2, local_rank=0)
    with pytest.raises(InputError, match=r"pretrain\.device: 'cuda:1' is one GPU; say cuda"):
        replicas.join_processes(8, torch.device("cuda:1"))


@pytest.mark.parametrize(("device", "world", "shared"), [("cuda", 2, True), ("cuda", 1, False), ("cpu", 2, False)])
def test_norms_run_over_all_gpus_and_keep_their_parameters(device: str, world: int, shared: bool) -> None:
    plain = build_byol()
    before = copy_parameters(plain)
    synchronised = replicas.synchronise_norms(plain, Replica(0, world), torch.device(device))
    norms = [type(module) for module in synchronised.modules() if "BatchNorm" in type(module).__name__]
    assert (set(norms) == {torch.nn.SyncBatchNorm}) is shared
    assert {name: value.tolist() for name, value in copy_parameters(synchronised).items()} == {
        name: value.tolist() for name, value in before.items()
    }


def test_alone_there_is_nobody_to_average_with_to_agree_with_or_to_wait_for() -> None:
    values = torch.rand(3)
    assert replicas.average_over_processes(values) is values
    assert [replicas.broadcast_value(value) for value in (True, False)] == [True, False]
    replicas.wait_for_processes()
    replicas.leave_processes()
    assert (replicas.join_processes(7, CPU).rank, replicas.join_processes(7, CPU).world) == (0, 1)


def test_norms_of_timm_keep_their_activation_when_they_run_over_all_replicas() -> None:
    """PyTorch's converter takes them for plain norms: an EfficientNet would lose its non-linearities."""
    with torch.device("meta"):
        network = build_encoder(timm_network("test_efficientnet"), channels=3, side=32)
    before = [type(module.act) for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    converted = replicas.synchronise_norms(network, Replica(0, 2), torch.device("cuda"))
    norms = [module for module in converted.modules() if isinstance(module, nn.SyncBatchNorm)]
    assert [type(norm.act) for norm in norms] == before
    assert not any(isinstance(module, nn.BatchNorm2d) for module in converted.modules())
