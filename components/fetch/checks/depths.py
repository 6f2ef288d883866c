"""Summarises images that have more than 8 bits or other channels than gray and RGB: which there are, what a training on
them needs in `pretrain.images`, and which images do not go together. N images.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from components.fetch.checks.deep import count_bits
from components.fetch.checks.facts import Facts

PLAIN_CHANNELS = 4  # up to so many are read in 8 bits without `range` as what Pillow shows: gray, RGB, and alpha


def list_depths(facts: Facts, kept: np.ndarray) -> list[dict[str, Any]]:
    """List how many kept images, (N,) bool, have so many channels of so many bits, the most first; none if all are
    gray or RGB of 8 bits."""
    rows = np.flatnonzero(kept).tolist()
    if not any(row in facts.full for row in rows):
        return []
    groups: dict[tuple[int, int, bool], list[int]] = {}
    for row in rows:
        full = facts.full.get(row)
        plain = (1 if facts.grays[row] else 3, 8, False)
        groups.setdefault((full.channels, full.bits, full.bands) if full else plain, []).append(row)
    return [
        {
            "channels": channels,
            "bits": bits,
            "bands": bands,  # whether they are neither gray nor RGB
            "images": len(members),
            "highest": max((facts.full[row].highest for row in members if row in facts.full), default=None),
            "example": facts.ids[members[0]],
        }
        for (channels, bits, bands), members in sorted(groups.items(), key=lambda group: -len(group[1]))
    ]


def summarise_channels(facts: Facts, kept: np.ndarray, trained: np.ndarray) -> dict[str, Any]:
    """Return what `pretrain.images` needs for the images to train on, (N,) bool, of those that are kept.

    Where bits or channels do not go together, that is what is seen of them in 8 bits.
    """
    fulls = [facts.full.get(row) for row in np.flatnonzero(trained).tolist()]
    measured = [full for full in fulls if full]
    alike = {(full.bands and full.channels, full.bits > 8) for full in measured}
    if not measured or len(measured) < len(fulls) or len(alike) > 1:
        mean, deviation = facts.compute_mean_and_deviation(trained)
        return {"mean": round_all(mean), "std": round_all(deviation)}
    colours = 1 if all(full.gray for full in measured) else max(len(full.means) for full in measured)
    means = np.mean([np.broadcast_to(full.means[:colours], colours) for full in measured], axis=0)
    squares = np.mean([np.broadcast_to(full.squares[:colours], colours) for full in measured], axis=0)
    highest = max(facts.full[row].highest for row in np.flatnonzero(kept).tolist() if row in facts.full)
    limit = 2 ** count_bits(highest) - 1
    ranged = {"range": [0, limit]} if measured[0].bits > 8 or colours <= PLAIN_CHANNELS else {}
    deviation = np.sqrt(np.maximum(squares - means**2, 0))
    return {**ranged, "mean": round_all(means / limit), "std": round_all(deviation / limit)}


def round_all(numbers: np.ndarray) -> list[float]:
    """Round numbers as params.yaml has them."""
    return [round(float(number), 4) for number in numbers]


def describe_depths(metrics: dict[str, Any]) -> Iterator[str]:
    """Yield what a person should know of these images: one line on what they need, and one on each mixture."""
    depths = metrics["depths"]
    special = [depth for depth in depths if depth["bands"] or depth["bits"] > 8]
    if not special:
        return
    count, channels = sum(depth["images"] for depth in special), max(depth["channels"] for depth in special)
    bits, highest = max(depth["bits"] for depth in special), max(depth["highest"] for depth in special)
    limit = metrics["channels"].get("range")
    needed = f"pretrain.images.range: {limit} keeps their values" if limit else "see `depths` in the metrics"
    if bits > 8 and limit:
        needed += "; without it, only the upper 8 bits are seen" + ", nearly black" * (limit[1] < 2**12)
    yield (
        f"warning: {count:,} image{'s have' if count > 1 else ' has'} up to {channels} channel{'s' * (channels > 1)} "
        f"of up to {bits} bits, the highest value {highest:,}: {needed}"
    )
    kinds = {depth["channels"] if depth["bands"] else 0: depth for depth in reversed(depths)}
    if len(kinds) > 1:
        named = "; ".join(f"{kind or 'gray or RGB'} as {depth['example']}" for kind, depth in sorted(kinds.items()))
        yield f"warning: images of different channels ({named}): a training takes one kind; leave out the others"
    shallow = next((depth for depth in depths if depth["bits"] <= 8), None)
    deep = next((depth for depth in depths if depth["bits"] > 8), None)
    if shallow and deep:
        yield (
            f"warning: images of 8 bits, as {shallow['example']}, beside images of more, as {deep['example']}: with "
            "pretrain.images.range the former are nearly black, without it the latter lose their lower bits"
        )
