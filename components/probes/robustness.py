"""Robustness: what the accuracy of a linear classifier on the features falls to when the test images are disturbed.

The classifier is a logistic regression on clean train features. Common corruptions as in Hendrycks & Dietterich
(arXiv 1903.12261), in pixels: noise, blur, JPEG, brightness. Attacks that know the network and the classifier, within
so much of each pixel: FGSM (Goodfellow et al., arXiv 1412.6572) and PGD from a random start with steps of 2.5 radii in
all (Madry et al., arXiv 1706.06083, and their challenges' code). Alpha is not disturbed.

B images, C channels, L of them colours, S pixels a side, D features, K classes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Generator, Tensor, nn

from components.encoder.normalise import normalise
from components.encoder.params import Images
from components.evaluate.given import Given, labelled, labelled_rows
from components.evaluate.jpeg import as_jpeg
from components.evaluate.outcome import Outcome
from components.evaluate.params import Evaluate, Robustness, Shared
from components.evaluate.probe import Labelled
from components.evaluate.regression import Regression
from components.evaluate.statistics import accuracy, hold_out_rows
from components.features.encoders import OURS
from components.learning.colour import count_colours
from components.show.progress import Progress
from components.store.squares import draw
from components.store.store import TEST

NEVER = -1e9  # the logit of a class that train has not
PORTION = 64  # images at once: gradients are taken through the whole network
Judge = Callable[[Tensor], Tensor]  # colours (B, L, S, S) in 0..1 -> logits (B, K)
Disturb = Callable[[Tensor, Tensor, Judge, Generator], Tensor]  # colours, labels (B,) -> colours, all in 0..1
Compress = Callable[[Tensor, int], Tensor]  # colours (B, L, S, S) uint8 on the CPU, quality -> as JPEG has them


def judge(params: Evaluate, given: Given) -> dict[str, Outcome]:
    """Judge both networks on the same disturbed test images, each by a linear classifier on its own features."""
    own, seed = params.robustness, params.shared.seed
    networks = {encoder: network for encoder, network in given.networks.items() if encoder in given.encoders}
    tables = {encoder: given.table(encoder) for encoder in networks}
    parts = {encoder: labelled(table) for encoder, table in tables.items()}
    chosen = draw(np.arange(len(parts[OURS].truth)), own.images, np.random.default_rng(seed))
    shape = given.encoder.config.images
    images = given.read_images(tables[OURS], labelled_rows(tables[OURS], TEST)[chosen], shape.side)
    ways = disturbances(own, as_jpeg)
    progress = Progress("evaluate robustness", len(networks) * len(ways) * len(chosen), "images")
    return {
        encoder: resist(
            network,
            fit_classifier(parts[encoder], own, params.shared, given.device),
            images,
            tested_on(parts[encoder], chosen),
            shape,
            ways,
            seed,
            progress.advance,
        )
        for encoder, network in networks.items()
    }


def tested_on(part: Labelled, chosen: np.ndarray) -> Labelled:
    """Keep these of the test images alone: (n,)."""
    return replace(part, test=part.test[chosen], truth=part.truth[chosen], ids=part.ids[chosen])


@dataclass(frozen=True)
class Classifier:
    """Features (B, D) -> logits (B, K)."""

    weights: Tensor  # (D, K) float64
    bias: Tensor  # (K,) float64
    c: float  # that was chosen

    def __call__(self, features: Tensor) -> Tensor:  # noqa: D102
        return features.double() @ self.weights + self.bias


def fit_classifier(part: Labelled, params: Robustness, shared: Shared, device: torch.device) -> Classifier:
    """Logistic regression, from all labels, as one layer on the features as they are: a linear map is known by what it
    makes of zero and of the unit vectors. Classes that train has not are never answered."""
    features = part.train.shape[1]
    units = np.concatenate([np.zeros((1, features)), np.eye(features)])
    fitted = Regression(replace(part, test=units), params.classifier, device)
    generator = np.random.default_rng(shared.seed)
    weights, c = fitted.choose(hold_out_rows(part.labels, shared.validation_fraction, generator))
    logits = torch.full((len(units), part.classes), NEVER, dtype=torch.float64, device=device)  # (1 + D, K)
    logits[:, torch.from_numpy(fitted.names)] = fitted.test @ weights[0]
    return Classifier(logits[1:] - logits[0], logits[0], c)


def disturbances(params: Robustness, compress: Compress) -> dict[str, Disturb]:
    """By the name of the metric, which says how strong."""
    found: dict[str, Disturb] = {"accuracy": lambda colours, labels, judge, generator: colours}
    found |= {f"accuracy_noise_{level:g}": partial(noise, level) for level in params.noise}
    found |= {f"accuracy_blur_{level:g}": partial(blur, level) for level in params.blur}
    found |= {f"accuracy_jpeg_{level:g}": partial(jpeg, compress, level) for level in params.jpeg}
    found |= {f"accuracy_brightness_{level:g}": partial(brightness, level) for level in params.brightness}
    found |= {f"accuracy_fgsm_{level:g}": partial(fgsm, level / 255) for level in params.fgsm}
    found |= {f"accuracy_pgd_{level:g}": partial(pgd, level / 255, params.pgd_steps) for level in params.pgd}
    return found


def resist(
    network: nn.Module,
    classifier: Classifier,
    images: Tensor,
    part: Labelled,
    shape: Images,
    ways: dict[str, Disturb],
    seed: int,
    advance: Callable[[int], None],
) -> Outcome:
    """Judge an encoder in eval mode by test images (N, C, S, S) uint8, which `part` says the labels of; `advance` is
    told of each disturbance of each image."""
    truth = torch.from_numpy(part.truth)
    device = classifier.weights.device
    predictions: dict[str, np.ndarray] = {}
    for name, disturb in ways.items():
        generator = Generator(device).manual_seed(seed)  # whichever others there are
        found = []
        for batch, labels in zip(torch.split(images, PORTION), torch.split(truth.to(device), PORTION), strict=True):
            colours, alpha = (batch.to(device).float() / 255).tensor_split([count_colours(batch.shape[1])], dim=1)
            judge = partial(logits_of, network, classifier, shape, alpha)
            disturbed = disturb(colours, labels, judge, generator)
            with torch.no_grad():
                found.append(judge(disturbed).argmax(1))
            advance(len(batch))
        predictions[name] = torch.cat(found).cpu().numpy()
    scores = {name: predicted == part.truth for name, predicted in predictions.items()}
    return Outcome(
        metrics={name: accuracy(right) for name, right in scores.items()} | {"c": classifier.c},
        ids=part.ids,
        actual=part.truth,
        predicted=predictions["accuracy"],
        scores=scores,
    )


def logits_of(network: nn.Module, classifier: Classifier, shape: Images, alpha: Tensor, colours: Tensor) -> Tensor:
    """What the classifier says of images in 0..1: (B, C - L, S, S), (B, L, S, S) -> (B, K)."""
    return classifier(network(normalise(torch.cat([colours, alpha], dim=1), shape)))


def noise(deviation: float, colours: Tensor, labels: Tensor, judge: Judge, generator: Generator) -> Tensor:
    """Gaussian, of that standard deviation."""
    drawn = torch.randn(colours.shape, generator=generator, device=colours.device)
    return (colours + deviation * drawn).clamp(0, 1)


def blur(sigma: float, colours: Tensor, labels: Tensor, judge: Judge, generator: Generator) -> Tensor:
    """Gaussian, mirrored at the edge, with a kernel that reaches three sigma, or as far as there are pixels."""
    from torchvision.transforms.v2.functional import gaussian_blur  # takes seconds

    radius = min(math.ceil(3 * sigma), colours.shape[-1] - 1)
    blurred: Tensor = gaussian_blur(colours, [2 * radius + 1] * 2, [sigma] * 2)
    return blurred


def jpeg(
    compress: Compress, quality: int, colours: Tensor, labels: Tensor, judge: Judge, generator: Generator
) -> Tensor:
    """Written as JPEG and read again."""
    return compress((colours * 255).round().byte().cpu(), quality).to(colours.device).float() / 255


def brightness(factor: float, colours: Tensor, labels: Tensor, judge: Judge, generator: Generator) -> Tensor:
    """Times the factor, cut off at white."""
    return (factor * colours).clamp(0, 1)


def fgsm(radius: float, colours: Tensor, labels: Tensor, judge: Judge, generator: Generator) -> Tensor:
    """One step to the corner of the ball that the gradient points to."""
    return (colours + radius * ascent(colours, labels, judge)).clamp(0, 1)


def pgd(radius: float, steps: int, colours: Tensor, labels: Tensor, judge: Judge, generator: Generator) -> Tensor:
    """Steps along the gradient's signs, each followed by the way back into the ball."""
    low, high = (colours - radius).clamp(min=0), (colours + radius).clamp(max=1)
    drawn = torch.rand(colours.shape, generator=generator, device=colours.device)
    attacked = low + (high - low) * drawn
    for _ in range(steps):
        attacked = (attacked + 2.5 * radius / steps * ascent(attacked, labels, judge)).clamp(low, high)
    return attacked


def ascent(colours: Tensor, labels: Tensor, judge: Judge) -> Tensor:
    """Signs of the cross-entropy's gradient by the pixels: (B, L, S, S), (B,) -> (B, L, S, S).

    Taken of log(sum of the others' exp) - the label's logit, of which the cross-entropy is a growing function: the
    signs are the same, but they do not vanish in rounding where the classifier is sure, which would pass for strength.
    """
    asked = colours.detach().requires_grad_()
    logits = judge(asked)  # (B, K)
    own = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, labels[:, None], True)
    excess = logits.masked_fill(own, -math.inf).logsumexp(1) - logits.gather(1, labels[:, None])[:, 0]
    (gradient,) = torch.autograd.grad(excess.sum(), asked)
    return gradient.sign()
