"""Fits the tensors of a file to the network that params.yaml names, and says what was taken, adapted and left.

The stem of other channels is adapted as timm does it (timm.models._manipulate.adapt_input_conv), and so are position
embeddings (timm.layers.resample_abs_pos_embed). What only a head of the file needs is left.

A start must bring nine tenths of the encoder's parameters, and no layer in another shape: a layer of random numbers in
the middle of a network passes on noise, whatever the others know. What suits and still lacks something lacks less: a
stem or a table of positions of another size.
O and I channels out of and into a convolution, K pixels of its kernel's sides, T positions, D features.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from components.pretrain.start.names import Match, Tensors, find_match
from components.stage.errors import InputError
from components.stage.shown import show_name

LEAST = 0.9  # of the encoder's parameters
FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
COUNTER = "num_batches_tracked"  # of BatchNorm; it decides nothing
HEADS = {"fc", "_fc", "head", "heads", "head_dist", "classifier", "last_linear", "logits", "projector", "predictor"}
HEADS |= {"projection_head", "prediction_head", "projection", "prediction"}  # the first parts of names
MOST_GROUPS = 8  # that are named in a line


@dataclass
class Fitted:
    """What the start decides of a network's weights, and what there is to say about it."""

    weights: dict[str, Tensor] = field(default_factory=dict)  # by the network's names, as the network has them
    taken: list[str] = field(default_factory=list)  # unchanged but for their type
    converted: Counter[str] = field(default_factory=Counter)  # tensors by the type that they had
    adapted: list[str] = field(default_factory=list)  # lines
    left: list[str] = field(default_factory=list)  # lines


def fit(network: nn.Module, found: Tensors, *, channels: int, source: str) -> tuple[dict[str, Tensor], list[str]]:
    """Return the weights that the network takes from a file, by the network's names, and lines that say what became of
    the file's.

    `source` is what errors call the file. The network may lie on the device `meta`. Raises InputError if it does not
    fit, or holds numbers that no network has.
    """
    stem, wanted = find_stem(network, channels), network.state_dict()
    match = find_match(network, found, stem)
    fitted = Fitted()
    for name, tensor in wanted.items():
        if theirs := match.names.get(name):
            take(fitted, name, tensor, found[theirs], stem=stem, channels=channels, source=source)
    check_share(network, fitted, match, found, source)
    return fitted.weights, list(describe(fitted, match, wanted, found))


def find_stem(network: nn.Module, channels: int) -> str | None:
    """Find the weight of the convolution that sees the images."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and module.in_channels == channels and module.groups == 1:
            return f"{name}.weight"
    return None


def take(
    fitted: Fitted, name: str, ours: Tensor, theirs: Tensor, *, stem: str | None, channels: int, source: str
) -> None:
    """Take a tensor of the file, adapt it, or leave it. Raises InputError."""
    if name.endswith(COUNTER):
        if theirs.numel() == 1 and bool(theirs.isfinite().all()):
            fitted.weights[name] = theirs.detach().reshape(ours.shape).to(ours.dtype, copy=True)
        return
    if not ours.is_floating_point():
        return  # a table that the network computes for itself
    if theirs.dtype not in FLOATS:
        kind = name_type(theirs)
        raise InputError(f"{source}: {name} holds numbers of {kind}, as of a quantised network; give the float weights")
    same, adapted = theirs.shape == ours.shape, None
    if not same and name == stem and is_other_channels(ours, theirs):
        theirs, adapted = adapt_stem(theirs, channels), f"{name}, {describe_stem(theirs, channels)}"
    elif not same and name.endswith("pos_embed") and (prefix := count_prefix_tokens(ours, theirs)) is not None:
        sides = [math.isqrt(tensor.shape[1] - prefix) for tensor in (theirs, ours)]
        theirs = resample_positions(theirs, sides[1], prefix)
        adapted = f"{name}, scaled from {sides[0]} x {sides[0]} to {sides[1]} x {sides[1]} places"
    elif not same:
        where = f"{list(theirs.shape)} there and {list(ours.shape)} here"
        if name == stem or "pos_embed" in name or "relative_position" in name:
            fitted.left.append(f"{name}, {where}")
            return
        raise InputError(f"{source}: does not fit pretrain.encoder: {name} is {where}: the weights of another network")
    weights = theirs.detach().to(ours.dtype, copy=True).contiguous()
    check_numbers(name, weights, source)
    fitted.weights[name] = weights
    if adapted:
        fitted.adapted.append(adapted)
    else:
        fitted.taken.append(name)
    if theirs.dtype != ours.dtype:
        fitted.converted[name_type(theirs)] += 1


def is_other_channels(ours: Tensor, theirs: Tensor) -> bool:
    """Whether two convolutions differ only in how many channels they see."""
    return ours.ndim == theirs.ndim == 4 and (len(ours), *ours.shape[2:]) == (len(theirs), *theirs.shape[2:])


def adapt_stem(weight: Tensor, channels: int) -> Tensor:
    """Adapt a convolution to images of other channels, whose sum stays about what it was: (O, I, K, K) -> (O, C, K, K).

    One channel gets the sum over all; several repeat those that there are, scaled by I / C.
    """
    weight, before = weight.float(), weight.shape[1]
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    return weight[:, torch.arange(channels) % before] * (before / channels)


def describe_stem(weight: Tensor, channels: int) -> str:
    """Describe what `adapt_stem` does."""
    before = weight.shape[1]
    how = "their sum" if channels == 1 else f"repeated or cut, times {before}/{channels}"
    return f"from {before} channel{'s' * (before > 1)} to {channels}, {how}"


def count_prefix_tokens(ours: Tensor, theirs: Tensor) -> int | None:
    """Count the positions that are no place in the image, such as the class token's: (1, T, D) each.

    Return None if what is left are not squares of places.
    """
    if not ours.ndim == theirs.ndim == 3 or len(ours) != 1 or len(theirs) != 1 or ours.shape[2] != theirs.shape[2]:
        return None
    for prefix in range(8):
        places = [tensor.shape[1] - prefix for tensor in (ours, theirs)]
        if all(place > 0 and math.isqrt(place) ** 2 == place for place in places):
            return prefix
    return None


def resample_positions(positions: Tensor, side: int, prefix: int) -> Tensor:
    """Scale a square of positions to another side: (1, T, D) -> (1, prefix + side * side, D) float32."""
    kept, places = positions[:, :prefix].float(), positions[:, prefix:].float()
    old = math.isqrt(places.shape[1])
    square = places.reshape(1, old, old, -1).permute(0, 3, 1, 2)  # (1, D, old, old)
    scaled = F.interpolate(square, (side, side), mode="bicubic", antialias=True)  # (1, D, side, side)
    return torch.cat([kept, scaled.flatten(2).transpose(1, 2)], dim=1)


def check_numbers(name: str, weights: Tensor, source: str) -> None:
    """Check that no number is one that only a broken training leaves. Raises InputError."""
    if not bool(weights.isfinite().all()):
        raise InputError(f"{source}: {name} holds numbers that are not finite; did its training diverge?")
    if name.endswith("running_var") and bool((weights < 0).any()):
        raise InputError(f"{source}: {name} holds a variance below 0; the file is damaged")


def check_share(network: nn.Module, fitted: Fitted, match: Match, found: Tensors, source: str) -> None:
    """Check that enough of the network's parameters are taken. Raises InputError with what was expected and found."""
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    share = sum(size for name, size in sizes.items() if name in fitted.weights) / max(1, sum(sizes.values()))
    if share < LEAST:
        raise InputError(
            f"{source}: does not fit pretrain.encoder: {math.floor(100 * share)} % of its numbers are there, of "
            f"{LEAST:.0%} that a start must bring; expected {list_shapes(network.state_dict(), sizes)}; "
            f"found {list_shapes(found, [name for name in found if name.startswith(match.prefix)])}"
        )


def list_shapes(tensors: Tensors, names: Iterable[str]) -> str:
    """List the first few tensors and their shapes."""
    listed = list(names)
    text = ", ".join(f"{show_name(name)} {list(tensors[name].shape)}" for name in listed[:3])
    return f"{text} and {len(listed) - 3:,} more" if len(listed) > 3 else text


def describe(fitted: Fitted, match: Match, wanted: Tensors, found: Tensors) -> Iterable[str]:
    """Yield lines that say what was taken, adapted, left, and drawn at random, by groups of names."""
    under = f" from `{show_name(match.prefix)}`" if match.prefix else ""
    yield f"taken: {list_groups(fitted.taken)}{under}"
    if match.by_order:
        ours, theirs = next(iter(match.names.items()))
        yield f"the file has other names, {show_name(theirs)} for {ours}: taken by their order and shapes"
    if match.equals:
        yield f"as much would fit from {', '.join(f'`{show_name(prefix)}`' for prefix in match.equals[:3])}"
    for kind, count in fitted.converted.items():
        yield f"converted to float32: {count:,} of {kind}"
    for text in fitted.adapted:
        yield f"adapted: {text}"
    for text in fitted.left:
        yield f"left, and drawn at random: {text}"
    missing = [name for name in wanted if name not in match.names and not name.endswith(COUNTER)]
    if missing:
        yield f"drawn at random, as the file has none: {list_groups(missing)}"
    yield from describe_rest(match, found)


def describe_rest(match: Match, found: Tensors) -> Iterable[str]:
    """Yield lines about what the network does not have: heads, further layers, and what else the file holds."""
    used = set(match.names.values())
    rest = {name: name.removeprefix(match.prefix) for name in found if name not in used}
    beside = [short for name, short in rest.items() if name.startswith(match.prefix)]
    heads = [name for name in beside if name.split(".")[0] in HEADS]
    others = [name for name in beside if name.split(".")[0] not in HEADS]
    if heads:
        yield f"left, a head: {list_groups(heads)}"
    if others:
        yield f"left, not in this network: {list_groups(others)}"
    if elsewhere := len(rest) - len(beside):
        yield f"left: {elsewhere:,} tensors elsewhere in the file"


def list_groups(names: Iterable[str]) -> str:
    """List names by their first part: `conv1.weight, layer1.*: 30 tensors`."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.split(".")[0], []).append(name)
    texts = [
        show_name(inner[0]) if len(inner) == 1 else f"{show_name(first)}.*: {len(inner)} tensors"
        for first, inner in groups.items()
    ]
    more = len(texts) - MOST_GROUPS
    return ", ".join(texts[:MOST_GROUPS]) + (f" and {more} more groups" if more > 0 else "")


def name_type(tensor: Tensor) -> str:
    """Return the name of a tensor's type of numbers."""
    return str(tensor.dtype).removeprefix("torch.")
