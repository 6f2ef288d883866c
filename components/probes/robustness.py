"""Robustness: the accuracy of a linear classifier on the features when the test images are disturbed.

The classifier is a logistic regression on clean train features. Common corruptions change the pixels as in Hendrycks &
Dietterich (arXiv 1903.12261): noise, blur, JPEG, brightness. Attacks know the network and the classifier, and change
each pixel by at most a radius: FGSM (Goodfellow et al., arXiv 1412.6572), and PGD from a random start with steps that
add up to 2.5 radii (Madry et al., arXiv 1706.06083, and their challenges' code). Alpha is not disturbed.

B images, C channels, L of them colours, S pixels per side, D features, K classes.
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
from components.evaluate.given import Given, find_labelled_rows, select_labelled
from components.evaluate.jpeg import compress_jpeg
from components.evaluate.outcome import Outcome
from components.evaluate.params import Evaluate, Robustness, Shared
from components.evaluate.probe import LabelledFeatures
from components.evaluate.regression import Regression
from components.evaluate.statistics import estimate_accuracy, hold_out_rows
from components.features.encoders import OURS
from components.learning.colour import count_colours
from components.show.progress import Progress
from components.store.squares import draw_rows
from components.store.store import TEST

NEVER = -1e9  # the logit of a class that no train image has
PORTION = 64  # images at once: gradients are taken through the whole network
Judge = Callable[[Tensor], Tensor]  # colours (B, L, S, S) in 0..1 -> logits (B, K)
Disturb = Callable[[Tensor, Tensor, Judge, Generator], Tensor]  # colours, labels (B,) -> colours, all in 0..1
Compress = Callable[[Tensor, int], Tensor]  # colours (B, L, S, S) uint8 on the CPU, quality -> colours after JPEG


def judge(params: Evaluate, given: Given) -> dict[str, Outcome]:
    """Judge both networks on the same disturbed test images, each by a linear classifier on its own features."""
    settings, seed = params.robustness, params.shared.seed
    networks = {encoder: network for encoder, network in given.networks.items() if encoder in given.encoders}
    tables = {encoder: given.table(encoder) for encoder in networks}
    parts = {encoder: select_labelled(table) for encoder, table in tables.items()}
    chosen = draw_rows(np.arange(len(parts[OURS].truth)), settings.images, np.random.default_rng(seed))
    shape = given.encoder.config.images
    images = given.read_images(tables[OURS], find_labelled_rows(tables[OURS], TEST)[chosen], shape.side)
    ways = list_disturbances(settings, compress_jpeg)
    progress = Progress("evaluate robustness", len(networks) * len(ways) * len(chosen), "images")
    return {
        encoder: measure_robustness(
            network,
            fit_classifier(parts[encoder], settings, params.shared, given.device),
            images,
            select_test_images(parts[encoder], chosen),
            shape,
            ways,
            seed,
            progress.advance,
        )
        for encoder, network in networks.items()
    }


def select_test_images(part: LabelledFeatures, chosen: np.ndarray) -> LabelledFeatures:
    """Keep only the chosen test images: (n,)."""
    return replace(part, test=part.test[chosen], truth=part.truth[chosen], ids=part.ids[chosen])


@dataclass(frozen=True)
class Classifier:
    """A linear classifier: features (B, D) -> logits (B, K)."""

    weights: Tensor  # (D, K) float64
    bias: Tensor  # (K,) float64
    c: float  # the chosen C

    def __call__(self, features: Tensor) -> Tensor:  # noqa: D102
        return features.double() @ self.weights + self.bias


def fit_classifier(part: LabelledFeatures, params: Robustness, shared: Shared, device: torch.device) -> Classifier:
    """Fit a logistic regression to all train labels, as one layer on features that are not standardised: its values at
    zero and at the unit vectors determine a linear map. Classes without a train image are never predicted."""
    features = part.train.shape[1]
    units = np.concatenate([np.zeros((1, features)), np.eye(features)])
    regression = Regression(replace(part, test=units), params.classifier, device)
    generator = np.random.default_rng(shared.seed)
    weights, c = regression.choose(hold_out_rows(part.labels, shared.validation_fraction, generator))
    logits = torch.full((len(units), part.classes), NEVER, dtype=torch.float64, device=device)  # (1 + D, K)
    logits[:, torch.from_numpy(regression.names)] = regression.test @ weights[0]
    return Classifier(logits[1:] - logits[0], logits[0], c)


def list_disturbances(params: Robustness, compress: Compress) -> dict[str, Disturb]:
    """Return the disturbances by the name of their metric, which says how strong they are."""
    ways: dict[str, Disturb] = {"accuracy": lambda colours, labels, judge, generator: colours}
    ways |= {f"accuracy_noise_{level:g}": partial(add_noise, level) for level in params.noise}
    ways |= {f"accuracy_blur_{level:g}": partial(blur, level) for level in params.blur}
    ways |= {f"accuracy_jpeg_{level:g}": partial(apply_jpeg, compress, level) for level in params.jpeg}
    ways |= {f"accuracy_brightness_{level:g}": partial(scale_brightness, level) for level in params.brightness}
    ways |= {f"accuracy_fgsm_{level:g}": partial(attack_fgsm, level / 255) for level in params.fgsm}
    ways |= {f"accuracy_pgd_{level:g}": partial(attack_pgd, level / 255, params.pgd_steps) for level in params.pgd}
    return ways


def measure_robustness(
    network: nn.Module,
    classifier: Classifier,
    images: Tensor,
    part: LabelledFeatures,
    shape: Images,
    ways: dict[str, Disturb],
    seed: int,
    advance: Callable[[int], None],
) -> Outcome:
    """Judge an encoder in eval mode by test images (N, C, S, S) uint8 with the labels in `part` under each disturbance;
    `advance` is called with the number of images done."""
    truth = torch.from_numpy(part.truth)
    device = classifier.weights.device
    predictions: dict[str, np.ndarray] = {}
    for name, disturb in ways.items():
        generator = Generator(device).manual_seed(seed)  # the same whatever other disturbances there are
        answers = []
        for batch, labels in zip(torch.split(images, PORTION), torch.split(truth.to(device), PORTION), strict=True):
            colours, alpha = (batch.to(device).float() / 255).tensor_split([count_colours(batch.shape[1])], dim=1)
            judge = partial(compute_logits, network, classifier, shape, alpha)
            disturbed = disturb(colours, labels, judge, generator)
            with torch.no_grad():
                answers.append(judge(disturbed).argmax(1))
            advance(len(batch))
        predictions[name] = torch.cat(answers).cpu().numpy()
    scores = {name: predicted == part.truth for name, predicted in predictions.items()}
    return Outcome(
        metrics={name: estimate_accuracy(right) for name, right in scores.items()} | {"c": classifier.c},
        ids=part.ids,
        actual=part.truth,
        predicted=predictions["accuracy"],
        scores=scores,
    )


def compute_logits(network: nn.Module, classifier: Classifier, shape: Images, alpha: Tensor, colours: Tensor) -> Tensor:
    """Return the classifier's logits for images in 0..1: (B, C - L, S, S), (B, L, S, S) -> (B, K)."""
    return classifier(network(normalise(torch.cat([colours, alpha], dim=1), shape)))


def add_noise(deviation: float, colours: Tensor, labels: Tensor, judge: Judge, generator: Generator) -> Tensor:
    """Add Gaussian noise of that standard deviation."""
    drawn = torch.randn(colours.shape, generator=generator, device=colours.device)
    return (colours + deviation * drawn).clamp(0, 1)


def blur(sigma: float, colours: Tensor, labels: Tensor, judge: Judge, generator: Generator) -> Tensor:
    """Blur with a Gaussian kernel that reaches three sigma, or as far as there are pixels; edges are mirrored."""
    from torchvision.transforms.v2.functional import gaussian_blur  # takes seconds

    radius = min(math.ceil(3 * sigma), colours.shape[-1] - 1)
    blurred: Tensor = gaussian_blur(colours, [2 * radius + 1] * 2, [sigma] * 2)
    return blurred


def apply_jpeg(
    compress: Compress, quality: int, colours: Tensor, labels: Tensor, judge: Judge, generator: Generator
) -> Tensor:
    """Write the images as JPEG of that quality and read them again."""
    return compress((colours * 255).round().byte().cpu(), quality).to(colours.device).float() / 255


def scale_brightness(factor: float, colours: Tensor, labels: Tensor, judge: Judge, generator: Generator) -> Tensor:
    """Multiply the pixels by the factor and clip them at white."""
    return (factor * colours).clamp(0, 1)


def attack_fgsm(radius: float, colours: Tensor, labels: Tensor, judge: Judge, generator: Generator) -> Tensor:
    """Take one step to the corner of the ball of that radius that the gradient points to."""
    return (colours + radius * compute_ascent(colours, labels, judge)).clamp(0, 1)


def attack_pgd(
    radius: float, steps: int, colours: Tensor, labels: Tensor, judge: Judge, generator: Generator
) -> Tensor:
    """Take steps along the gradient's signs, and project back into the ball of that radius after each."""
    low, high = (colours - radius).clamp(min=0), (colours + radius).clamp(max=1)
    drawn = torch.rand(colours.shape, generator=generator, device=colours.device)
    attacked = low + (high - low) * drawn
    for _ in range(steps):
        attacked = (attacked + 2.5 * radius / steps * compute_ascent(attacked, labels, judge)).clamp(low, high)
    return attacked


def compute_ascent(colours: Tensor, labels: Tensor, judge: Judge) -> Tensor:
    """Return the signs of the cross-entropy's gradient by the pixels: (B, L, S, S), (B,) -> (B, L, S, S).

    They are taken of log(sum of the other classes' exp) - the label's logit, of which the cross-entropy is a growing
    function: the signs are the same, but they do not vanish in rounding where the classifier is sure, which would be
    mistaken for robustness.
    """
    pixels = colours.detach().requires_grad_()
    logits = judge(pixels)  # (B, K)
    is_label = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, labels[:, None], True)
    excess = logits.masked_fill(is_label, -math.inf).logsumexp(1) - logits.gather(1, labels[:, None])[:, 0]
    (gradient,) = torch.autograd.grad(excess.sum(), pixels)
    return gradient.sign()
