"""Keeps some of a training still: the encoder's first layers, its norms' statistics, or all of it while heads learn.

What follows the encoder, BYOL's target, is kept still in the same places, or the two would see different features of
the same weights. A layer that does not learn normalises by the statistics that it has.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from components.encoder.layers import list_layers
from components.learning.continuing import Continuing
from components.learning.objective import Objective
from components.stage.errors import InputError

KEY = "params.yaml: pretrain.continuing"


def find_frozen(encoder: nn.Module, count: int) -> set[str]:
    """Return the names of the tensors of the encoder's first layers. Raises InputError if no layer is left to learn."""
    layers = list_layers(encoder) if count else [[]]
    if count >= len(layers) and count:
        raise InputError(
            f"{KEY}.frozen_layers: {count}, but this encoder has {len(layers)} layers, and the last has to learn: "
            f"at most {len(layers) - 1}"
        )
    return {name for layer in layers[:count] for name in layer}


def hold_still(objective: Objective, params: Continuing) -> None:
    """Keep layers and norms still for the whole run. Raises InputError if nothing would be left to learn."""
    frozen = find_frozen(objective.encoder, params.frozen_layers)
    for name, parameter in objective.encoder.named_parameters():
        if name in frozen:
            parameter.requires_grad_(False)
    objective.still = tuple(
        module
        for network in (objective.encoder, *objective.followers)
        for path, module in network.named_modules()
        if (params.norms == "frozen" and isinstance(module, _BatchNorm)) or has_tensor_in(module, path, frozen)
    )
    encoder = set(objective.encoder.parameters())
    if params.head_epochs and not any(p.requires_grad for p in objective.parameters() if p not in encoder):
        raise InputError(f"{KEY}.head_epochs: this objective trains nothing but the encoder; say 0")


def has_tensor_in(module: nn.Module, path: str, names: set[str]) -> bool:
    """Whether a tensor of the module itself, which lies at this path, is among the names."""
    tensors = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
    return any(f"{path}.{name}".removeprefix(".") in names for name, _ in tensors)


@contextmanager
def hold_encoder(objective: Objective) -> Iterator[None]:
    """Keep the encoder as it is, down to its norms' statistics, while the rest learns.

    Its parameters get no gradient, so the optimiser neither moves nor decays them nor gathers momentum for them. Its
    norms go on as they will when it learns, but note nothing, so that the heads meet the features that will come.
    """
    learning = [parameter for parameter in objective.encoder.parameters() if parameter.requires_grad]
    networks = (objective.encoder, *objective.followers)
    modules = [module for network in networks for module in network.modules() if isinstance(module, _BatchNorm)]
    norms = [norm for norm in modules if norm.track_running_stats]
    for parameter in learning:
        parameter.requires_grad_(False)
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
        for norm in norms:
            norm.track_running_stats = True
