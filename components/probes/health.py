"""Health: measures of features that need no label, so that two encoders can be compared without labels.

RankMe, uniformity, alignment and z-std are those that watch pretraining (learning/health.py); like the eigenvalues they
are computed in double precision on the device. alpha-ReQ is the exponent of the power law that the eigenvalues of the
features' covariance follow (Agrawal et al., "alpha-ReQ: Assessing Representation Quality in Self-Supervised Learning by
measuring eigenspectrum decay", NeurIPS 2022), fitted as in its authors' code (fastssl, utils/powerlaw.py, after
Stringer et al., Nature 571, 2019): least squares of log eigenvalue on log rank, weighted by 1 / rank, ranks 4 to 100.
Values near 1 went with good features there.

The images are drawn from all splits, so that pretraining saw most of them.

N images, C channels, R pixels per side, D features.
"""

import numpy as np
import torch
from torch import Generator, Tensor, nn

from components.encoder.normalise import normalise, to_unit
from components.evaluate.given import Given
from components.evaluate.outcome import Curve, Outcome
from components.evaluate.params import Evaluate
from components.features.encoders import OURS
from components.learning.health import alignment, rank_me, uniformity, z_std
from components.learning.views import make_view
from components.show.progress import Progress
from components.store.squares import draw_rows

PORTION = 256  # images that are embedded at once
FIRST, LAST = 4, 100  # ranks that the power law is fitted to, counted from 1


def judge(params: Evaluate, given: Given) -> dict[str, Outcome]:
    """Judge every encoder's features, and how alike each network's features of two views of an image are."""
    table, seed = given.table(OURS), params.shared.seed
    chosen = draw_rows(np.arange(len(table.ids)), params.health.images, np.random.default_rng(seed))
    images = given.read_images(table, chosen, given.encoder.config.images.read_side).to(given.device)
    progress = Progress("evaluate health", len(given.networks) * len(chosen), "images")
    outcomes = {}
    for encoder in given.encoders:
        network = given.networks.get(encoder)
        pair = None if network is None else embed_views(network, images, given, seed, progress)
        outcomes[encoder] = examine_features(
            torch.from_numpy(given.table(encoder).features[chosen]).to(given.device), pair
        )
    return outcomes


@torch.no_grad()
def embed_views(
    network: nn.Module, images: Tensor, given: Given, seed: int, progress: Progress
) -> tuple[Tensor, Tensor]:
    """Embed a first and a second view of each image, drawn as in pretraining: (N, C, R, R) pixels -> twice (N, D)."""
    shape = given.encoder.config.images
    generator = Generator(given.device).manual_seed(seed)  # the same views for every encoder
    first: list[Tensor] = []
    second: list[Tensor] = []
    for batch in torch.split(images, PORTION):
        pixels = to_unit(batch, shape)
        for view, parts in ((given.views.first, first), (given.views.second, second)):
            pictures = make_view(pixels, view, generator, shape.side, shape.colours)
            parts.append(network(normalise(pictures, shape)))
        progress.advance(len(batch))
    return torch.cat(first), torch.cat(second)


def examine_features(features: Tensor, pair: tuple[Tensor, Tensor] | None) -> Outcome:
    """Measure features (N, D) float32, and `pair`, those of two views of the same images or None, (N, D) each."""
    values = compute_eigenvalues(features)
    metrics = {
        "images": float(len(features)),
        "dimensions": float(features.shape[1]),
        "rank_me": rank_me(features),
        "uniformity": uniformity(features),
        "z_std": z_std(features),
    }
    alpha = fit_alpha_req(values)
    if alpha is not None:
        metrics["alpha_req"] = alpha
    if pair is not None:
        metrics["alignment"] = alignment(*pair)
    shares = values / (values.sum() or 1.0)
    return Outcome(metrics=metrics, curves={"spectrum": Curve("index", np.arange(1, len(shares) + 1), shares)})


def compute_eigenvalues(features: Tensor) -> np.ndarray:
    """Return the eigenvalues of the covariance, the largest first: (N, D) -> (D,) float64. Those within the rounding of
    float32 features count as 0, so that a collapsed encoder's rounding is not taken for a spectrum."""
    wide = features.double()
    centred = wide - wide.mean(0)
    values = torch.linalg.eigvalsh(centred.T @ centred / len(wide)).flip(0)
    rounding = torch.finfo(torch.float32).eps ** 2 * wide.square().sum(1).mean()
    return torch.where(values > rounding, values, 0.0).cpu().numpy()


def fit_alpha_req(values: np.ndarray) -> float | None:
    """Fit the exponent to eigenvalues in falling order (D,); None if fewer than two at the fitted ranks are above 0."""
    fitted = values[FIRST - 1 : LAST]
    fitted = fitted[fitted > 0]
    if len(fitted) < 2:
        return None
    ranks = np.arange(FIRST, FIRST + len(fitted))
    slope = np.polyfit(np.log(ranks), np.log(fitted), 1, w=1 / np.sqrt(ranks))[0]  # polyfit squares its weights
    return -float(slope)
