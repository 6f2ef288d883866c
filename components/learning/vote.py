"""Classifies by the weighted votes of nearest neighbours (Wu et al., arXiv 1805.01978, section 3.4).

N queries, M images in the bank, K classes.
"""

from torch import Tensor


def vote(cosine: Tensor, labels: Tensor, *, classes: int, k: int, temperature: float) -> Tensor:
    """Predict classes from the cosines of queries to the bank and the bank's labels: (N, M), (M,) -> (N,)."""
    nearest_cosine, nearest = cosine.topk(k)  # (N, k) each
    # Relative to the nearest neighbour, whose weight is then 1: no temperature makes all weights 0 or infinite.
    weight = ((nearest_cosine - nearest_cosine[:, :1]) / temperature).exp()
    votes = weight.new_zeros(len(cosine), classes).scatter_add_(1, labels[nearest], weight)  # (N, K)
    return votes.argmax(1)
