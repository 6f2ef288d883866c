"""Weighted votes of nearest neighbours (Wu et al., arXiv 1805.01978, section 3.4).

N queries, M in the bank, K classes.
"""

from torch import Tensor


def vote(cosine: Tensor, labels: Tensor, *, classes: int, k: int, temperature: float) -> Tensor:
    """Cosines of queries to the bank (N, M) and the bank's labels (M,) -> predicted classes (N,)."""
    nearest_cosine, nearest = cosine.topk(k)  # (N, k) each
    # Less the nearest's, so that its weight is 1 and no temperature makes all of them 0 or infinite.
    weight = ((nearest_cosine - nearest_cosine[:, :1]) / temperature).exp()
    votes = weight.new_zeros(len(cosine), classes).scatter_add_(1, labels[nearest], weight)  # (N, K)
    return votes.argmax(1)
