"""Lists the tensors of an encoder by layer, from the input to the output.

A network of timm tells its layers itself (`group_matcher`), each block for itself. Any other network is read by its
children in the order in which they are defined: a plain Sequential is no layer, but each of its children is, so that
a residual block is a layer; a norm belongs to the layer before it, so that the stem is a layer.
"""

from collections.abc import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

NORMS = (_BatchNorm, _InstanceNorm, nn.LayerNorm, nn.GroupNorm, nn.LocalResponseNorm, nn.RMSNorm)


def list_layers(encoder: nn.Module) -> list[list[str]]:
    """List the names of parameters and buffers, as in the state_dict, by layer; each name is there once."""
    names = list(encoder.state_dict())
    if hasattr(encoder, "group_matcher"):
        return list_timm_layers(encoder, names)
    layers: list[list[str]] = []
    left = set(names)
    for prefix, module in walk_layers(encoder):
        found = [name for name in names if name in left and is_below(name, prefix)]
        left -= set(found)
        if found and isinstance(module, NORMS) and layers:
            layers[-1] += found
        elif found:
            layers.append(found)
    alone = [name for name in names if name in left]  # tensors of the network itself, as a class token is
    return [alone + layers[0], *layers[1:]] if layers else [alone] if alone else []


def walk_layers(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield the children with their names; of a plain Sequential or ModuleList, its children in its place."""
    for name, child in module.named_children():
        if type(child) in (nn.Sequential, nn.ModuleList):
            yield from walk_layers(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def is_below(name: str, prefix: str) -> bool:
    """Whether a tensor belongs to the module of this name."""
    return name.startswith(f"{prefix}.")


def list_timm_layers(encoder: nn.Module, names: list[str]) -> list[list[str]]:
    """List the layers as timm groups them for a learning rate per layer."""
    from timm.models._manipulate import group_with_matcher

    matcher = encoder.group_matcher(coarse=False)  # type: ignore[operator]
    groups = group_with_matcher(((name, name) for name in names), matcher)
    return [groups[key] for key in sorted(groups)]
