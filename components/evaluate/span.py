"""Decides whether a fit works in the span of its rows.

Weights that begin at zero and are moved by gradients and by a decay that is the same for all are sums of the rows, so
that as many numbers as there are rows determine them, and the answers are the same.
"""


def spans_less(rows: int, features: int) -> bool:
    """Return whether the rows span fewer dimensions than they have features."""
    return rows < features
