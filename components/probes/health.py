"""Health: what can be said of features without a label, so that two encoders can be compared where there are none.

RankMe, uniformity, alignment and z-std are those that watch pretraining (learning/health.py). alpha-ReQ is the
exponent of the power law that the eigenvalues of the features' covariance follow (Agrawal et al., "alpha-ReQ: Assessing
Representation Quality in Self-Supervised Learning by measuring eigenspectrum decay", NeurIPS 2022), fitted as in its
authors' code (fastssl, utils/powerlaw.py, after Stringer et al., Nature 571, 2019): least squares of log eigenvalue on
log rank, weighted by 1 / rank, ranks 4 to 100. Values near 1 went with good features there.

N images, D features.
"""

import numpy as np
import torch
from torch import Generator, Tensor, nn

from components.encoder.normalise import normalise
from components.evaluate.given import Given
from components.evaluate.outcome import Curve, Outcome
from components.evaluate.params import Evaluate
from components.features.encoders import OURS
from components.learning.health import alignment, rank_me, uniformity, z_std
from components.learning.views import make_view
from components.show.progress import Progress
from components.store.squares import draw

PORTION = 256  # images that are embedded at once
FIRST, LAST = 4, 100  # ranks that the power law is fitted to, counted from 1


def judge(params: Evaluate, given: Given) -> dict[str, Outcome]:
    """Judge every encoder's features, and how alike both networks see two views of an image."""
    table, seed = given.table(OURS), params.shared.seed
    chosen = draw(np.arange(len(table.ids)), params.health.images, np.random.default_rng(seed))
    images = given.read_images(table, chosen, given.encoder.config.images.read_side)
    progress = Progress("evaluate health", len(given.networks) * len(chosen), "images")
    found = {}
    for encoder in given.encoders:
        network = given.networks.get(encoder)
        pair = None if network is None else embed_views(network, images, given, seed, progress)
        found[encoder] = examine(torch.from_numpy(given.table(encoder).features[chosen]).to(given.device), pair)
    return found


@torch.no_grad()
def embed_views(
    network: nn.Module, images: Tensor, given: Given, seed: int, progress: Progress
) -> tuple[Tensor, Tensor]:
    """Embed a first and a second view as pretraining draws them: (N, C, R, R) uint8 -> twice (N, D)."""
    shape = given.encoder.config.images
    generator = Generator(given.device).manual_seed(seed)  # the same views for every encoder
    first: list[Tensor] = []
    second: list[Tensor] = []
    for batch in torch.split(images, PORTION):
        pixels = batch.to(given.device).float() / 255
        for view, found in ((given.views.first, first), (given.views.second, second)):
            seen = make_view(pixels, view, generator, shape.side)
            found.append(network(normalise(seen, shape)))
        progress.advance(len(batch))
    return torch.cat(first), torch.cat(second)


def examine(features: Tensor, pair: tuple[Tensor, Tensor] | None) -> Outcome:
    """Features (N, D) float32, and those of two views of the same images where there are any: twice (N, D)."""
    values = eigenvalues(features)
    metrics = {
        "images": float(len(features)),
        "dimensions": float(features.shape[1]),
        "rank_me": rank_me(features),
        "uniformity": uniformity(features),
        "z_std": z_std(features),
    }
    alpha = alpha_req(values)
    if alpha is not None:
        metrics["alpha_req"] = alpha
    if pair is not None:
        metrics["alignment"] = alignment(*pair)
    shares = values / (values.sum() or 1.0)
    return Outcome(metrics=metrics, curves={"spectrum": Curve("index", np.arange(1, len(shares) + 1), shares)})


def eigenvalues(features: Tensor) -> np.ndarray:
    """Of the covariance, the largest first: (N, D) -> (D,) float64. What the features' float32 cannot hold counts as
    nothing, so that a collapsed encoder's rounding is not taken for a spectrum."""
    wide = features.double()
    centred = wide - wide.mean(0)
    values = torch.linalg.eigvalsh(centred.T @ centred / len(wide)).flip(0)
    rounding = torch.finfo(torch.float32).eps ** 2 * wide.square().sum(1).mean()
    return torch.where(values > rounding, values, 0.0).cpu().numpy()


def alpha_req(values: np.ndarray) -> float | None:
    """The exponent, from eigenvalues in falling order (D,); nothing where fewer than two of those ranks are above 0."""
    fitted = values[FIRST - 1 : LAST]
    fitted = fitted[fitted > 0]
    if len(fitted) < 2:
        return None
    ranks = np.arange(FIRST, FIRST + len(fitted))
    slope = np.polyfit(np.log(ranks), np.log(fitted), 1, w=1 / np.sqrt(ranks))[0]  # polyfit squares its weights
    return -float(slope)
