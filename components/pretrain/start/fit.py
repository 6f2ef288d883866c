"""Fits the tensors of a file to the network that params.yaml names, and says what was taken, adapted and left.

What only a head of the file needs is left; adapt.py has what is adapted.

A start must bring nine tenths of the encoder's parameters, and no layer in another shape: a layer of random numbers in
the middle of a network passes on noise, whatever the others know. What suits and still lacks something lacks less: a
stem or a table of positions of another size.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from components.pretrain.start.adapt import (
    adapt_stem,
    count_prefix_tokens,
    describe_stem,
    is_other_channels,
    resample_positions,
)
from components.pretrain.start.file import Tensors
from components.pretrain.start.names import Match, find_match
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
    left: dict[str, str] = field(default_factory=dict)  # both shapes by the name


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
    check_rest(fitted, match, found, source)
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
            fitted.left[name] = where
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


def check_rest(fitted: Fitted, match: Match, found: Tensors, source: str) -> None:
    """Check that the file has not much more of the same layers, as that of a deeper network has. Raises InputError."""
    _, beside, _ = sort_rest(match, found)
    used = {name.removeprefix(match.prefix).split(".")[0] for name in match.names.values()}
    further = {name: found[match.prefix + name].numel() for name in beside if name.split(".")[0] in used}
    taken = sum(tensor.numel() for tensor in fitted.weights.values())
    if sum(further.values()) > (1 - LEAST) * (taken + sum(further.values())):
        raise InputError(
            f"{source}: does not fit pretrain.encoder: it has further layers, {list_groups(further)}: the weights of "
            "another network"
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
    for name, where in list(fitted.left.items())[:1]:
        yield f"left, and drawn at random: {list_groups(fitted.left)}; {name} is {where}"
    missing = [name for name in wanted if name not in match.names and not name.endswith(COUNTER)]
    if missing:
        yield f"drawn at random, as the file has none: {list_groups(missing)}"
    yield from describe_rest(match, found)


def describe_rest(match: Match, found: Tensors) -> Iterable[str]:
    """Yield lines about what the network does not have: heads, further layers, and what else the file holds."""
    heads, others, elsewhere = sort_rest(match, found)
    if heads:
        yield f"left, a head: {list_groups(heads)}"
    if others:
        yield f"left, not in this network: {list_groups(others)}"
    if elsewhere:
        yield f"left: {elsewhere:,} tensors elsewhere in the file"


def sort_rest(match: Match, found: Tensors) -> tuple[list[str], list[str], int]:
    """Sort what is not taken: names without the prefix of heads, those of other layers, and how many have no prefix."""
    used = set(match.names.values())
    rest = [name for name in found if name not in used]
    beside = [name.removeprefix(match.prefix) for name in rest if name.startswith(match.prefix)]
    heads = [name for name in beside if name.split(".")[0] in HEADS]
    return heads, [name for name in beside if name.split(".")[0] not in HEADS], len(rest) - len(beside)


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
