"""Finds a network's tensors in a file whose names for them begin, are numbered or are spelled otherwise.

Wrappers put words before a name: `module.` by DistributedDataParallel, `encoder_q.` by MoCo, `online_encoder.net.` by
BYOL, `teacher.backbone.` by DINO. So each beginning that makes names of the file names of the network is tried, and the
one under which the most numbers fit is taken. Of a network and its moving average, which fit alike, it is the one that
its authors evaluate.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import nn

from components.pretrain.start.file import Tensors

BETTER = {"teacher", "ema"}  # words in the names of networks that are evaluated
WORSE = {"student", "target", "momentum", "k", "key"}  # and of those that are not


@dataclass(frozen=True)
class Match:
    """Which tensor of a file is which of a network."""

    prefix: str  # what all its names in the file begin with; may be empty
    names: Mapping[str, str]  # the file's name by the network's, without and with the prefix
    by_order: bool = False  # whether not the names but order and shapes agree
    equals: tuple[str, ...] = ()  # other beginnings under which as much fits


def find_match(network: nn.Module, found: Tensors, stem: str | None) -> Match:
    """Match a network's tensors with those of a file; nothing is matched where most names differ.

    `stem` names the weight of the first convolution, whose shape may differ.
    """
    wanted = network.state_dict()
    match = match_names(network, wanted, found)
    learned = dict(network.named_parameters()).keys()
    if 2 * len(match.names.keys() & learned) < len(learned):
        return match_order(wanted, found, stem) or Match("", {})
    return match


def match_names(network: nn.Module, wanted: Tensors, found: Tensors) -> Match:
    """Match by names, under the beginning that fits best."""
    tried: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    for number, spelled in enumerate(list_spellings(network, wanted)):
        for name in found:
            for prefix, rest in split_name(name):
                if rest in spelled:
                    tried[prefix, number][spelled[rest]] = name
    scores = {key: count_fitting(names, wanted, found) for key, names in tried.items()}
    if not scores:
        return Match("", {})
    ranked = sorted(scores, key=lambda key: (-scores[key], -len(tried[key]), -rank(key[0]), key[1], len(key[0])))
    best = ranked[0]
    equals = tuple(key[0] for key in ranked[1:] if key[1] == best[1] and scores[key] == scores[best])
    return Match(best[0], tried[best], equals=equals)


def list_spellings(network: nn.Module, wanted: Tensors) -> Iterator[dict[str, str]]:
    """Yield the network's names by how a file may spell them.

    They are spelled as they are; with the network's parts numbered, as `nn.Sequential(*network.children())` does; or
    without their first part, if all have the same.
    """
    yield {name: name for name in wanted}
    numbers = {name: str(number) for number, (name, _) in enumerate(network.named_children())}
    parts = {name: name.split(".", 1) for name in wanted}
    if all(len(part) == 2 and part[0] in numbers for part in parts.values()):
        yield {f"{numbers[first]}.{rest}": name for name, (first, rest) in parts.items()}
        if len({first for first, _ in parts.values()}) == 1:
            yield {rest: name for name, (_, rest) in parts.items()}


def split_name(name: str) -> Iterator[tuple[str, str]]:
    """Yield each way to cut a name at a dot, the dot being the first part's: a.b -> ("", a.b), (a., b)."""
    yield "", name
    for dot in re.finditer(r"\.", name):
        yield name[: dot.end()], name[dot.end() :]


def count_fitting(names: Mapping[str, str], wanted: Tensors, found: Tensors) -> int:
    """Count the numbers in the tensors that have the same shape in both."""
    return sum(wanted[ours].numel() for ours, theirs in names.items() if wanted[ours].shape == found[theirs].shape)


def rank(prefix: str) -> int:
    """Rank a beginning: above 0 for a network that is evaluated, below 0 for one that only helped to train it."""
    words = set(re.split(r"[._]", prefix.lower()))
    return bool(words & BETTER) - bool(words & WORSE)


def match_order(wanted: Tensors, found: Tensors, stem: str | None) -> Match | None:
    """Match by order: another program's names for the same layers, one by one of the same kind and shape.

    Only networks of convolutions are matched so: of attention's equal matrices the order would not tell which is which.
    """
    if not wanted or any(tensor.ndim == 2 for tensor in wanted.values()):
        return None
    under: dict[str, list[str]] = defaultdict(list)
    for name in found:
        for prefix, _ in split_name(name):
            under[prefix].append(name)
    for prefix in sorted(under, key=lambda prefix: (-rank(prefix), len(prefix))):
        pairs = list(zip(wanted, under[prefix], strict=False))
        if len(pairs) == len(wanted) and all(
            ours.rpartition(".")[2] == theirs.rpartition(".")[2]
            and (ours == stem or wanted[ours].shape == found[theirs].shape)
            for ours, theirs in pairs
        ):
            return Match(prefix, dict(pairs), by_order=True)
    return None
