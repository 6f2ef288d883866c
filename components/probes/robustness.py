"""Robustness: the accuracy of a linear classifier on the features when the test images are disturbed.

The classifier is a logistic regression on clean train features, and the network judges in the precision in which these
were computed. Common corruptions change the pixels as in Hendrycks & Dietterich (arXiv 1903.12261): noise, blur, JPEG,
brightness. Attacks know the network and the classifier, and change each pixel by at most a radius: FGSM (Goodfellow et
al., arXiv 1412.6572), and PGD from a random start with steps that add up to 2.5 radii (Madry et al., arXiv 1706.06083,
and their challenges' code). All channels but alpha are disturbed alike. The images lie on the device; JPEG alone is
written on the host, and left out where it could not hold the images.

N test images, B of them at once, C channels, L of them not alpha, S pixels per side, D features, K classes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Generator, Tensor, nn

from components.encoder.normalise import normalise, to_unit
from components.encoder.params import Images
from components.evaluate.given import Given, find_labelled_rows, select_labelled
from components.evaluate.jpeg import compress_jpeg
from components.evaluate.outcome import Outcome
from components.evaluate.params import Evaluate, Robustness
from components.features.encoders import OURS
from components.features.judging.classifier import Classifier, fit_classifier
from components.features.judging.labelled import LabelledFeatures
from components.features.judging.statistics import estimate_accuracy, hold_out_rows
from components.learning.device import compute_in, place_network
from components.show.progress import Progress
from components.store.squares import draw_rows
from components.store.store import TEST

PORTION = 64  # images at once: gradients are taken through the whole network
Judge = Callable[[Tensor], Tensor]  # all but alpha (B, L, S, S) in 0..1 -> logits (B, K)
Disturb = Callable[[Tensor, Tensor, Judge, Generator], Tensor]  # colours, labels (B,) -> colours, all in 0..1
Compress = Callable[[Tensor, int], Tensor]  # colours (B, L, S, S) uint8 on the CPU, quality -> colours after JPEG


def judge(params: Evaluate, given: Given) -> dict[str, Outcome]:
    """Judge every network on the same disturbed test images, each by a linear classifier on its own features."""
    settings, seed = params.robustness, params.shared.seed
    networks = {encoder: network for encoder, network in given.networks.items() if encoder in given.encoders}
    tables = {encoder: given.table(encoder) for encoder in networks}
    parts = {encoder: select_labelled(table) for encoder, table in tables.items()}
    chosen = draw_rows(np.arange(len(parts[OURS].truth)), settings.images, np.random.default_rng(seed))
    shape = given.encoder.config.images
    rows = find_labelled_rows(tables[OURS], TEST)[chosen]
    images = given.read_images(tables[OURS], rows, shape.side).to(given.device)  # (N, C, S, S)
    fault = find_jpeg_fault(shape)
    left_out = {f"accuracy_jpeg_{level:g}": fault for level in settings.jpeg} if fault else {}
    ways = list_disturbances(settings, compress_jpeg)
    ways = {name: disturb for name, disturb in ways.items() if name not in left_out}
    drawn = np.random.default_rng(seed)
    held_out = hold_out_rows(parts[OURS].labels, params.shared.validation_fraction, drawn)  # every encoder has these
    progress = Progress("evaluate robustness", len(networks) * len(ways) * len(chosen), "images")
    outcomes = {
        encoder: measure_robustness(
            JudgedNetwork(
                place_network(network, given.device, tables[encoder].precision),
                tables[encoder].precision,
                fit_classifier(parts[encoder], settings.classifier, held_out, given.device),
                shape,
            ),
            images,
            select_test_images(parts[encoder], chosen),
            ways,
            seed,
            progress.advance,
        )
        for encoder, network in networks.items()
    }
    return {encoder: replace(outcome, left_out=left_out) for encoder, outcome in outcomes.items()}


def find_jpeg_fault(shape: Images) -> str:
    """Describe why JPEG cannot hold such images; an empty text if it can."""
    if shape.deep:
        return "JPEG holds 8 bits per channel, and the images have a range of their own"
    if shape.colours is not None or not shape.coloured:
        return "JPEG holds gray or RGB, and the images have other channels"
    return ""


def select_test_images(part: LabelledFeatures, chosen: np.ndarray) -> LabelledFeatures:
    """Keep only the chosen test images: (n,)."""
    return replace(part, test=part.test[chosen], truth=part.truth[chosen], ids=part.ids[chosen])


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


@dataclass(frozen=True)
class JudgedNetwork:
    """An encoder in eval mode under a linear classifier."""

    network: nn.Module  # (B, C, S, S) normalised -> (B, D)
    precision: torch.dtype  # in which the classifier's features were computed
    classifier: Classifier
    shape: Images

    def compute_logits(self, alpha: Tensor, colours: Tensor) -> Tensor:
        """Compute the classifier's logits for images in 0..1: (B, C - L, S, S), (B, L, S, S) -> (B, K)."""
        pixels = normalise(torch.cat([colours, alpha], dim=1), self.shape)
        with compute_in(self.precision, pixels.device):
            features = self.network(pixels)  # (B, D)
        return self.classifier(features)


def measure_robustness(
    judged: JudgedNetwork,
    images: Tensor,
    part: LabelledFeatures,
    ways: dict[str, Disturb],
    seed: int,
    advance: Callable[[int], None],
) -> Outcome:
    """Judge an encoder by test images (N, C, S, S), which lie on its device, with the labels in `part` under each
    disturbance; `advance` is called with the number of images done."""
    truth = torch.from_numpy(part.truth).to(images.device)
    predictions: dict[str, np.ndarray] = {}
    for name, disturb in ways.items():
        generator = Generator(images.device).manual_seed(seed)  # the same whatever other disturbances there are
        answers = []
        for batch, labels in zip(torch.split(images, PORTION), torch.split(truth, PORTION), strict=True):
            colours, alpha = to_unit(batch, judged.shape).tensor_split([batch.shape[1] - judged.shape.alpha], dim=1)
            judge = partial(judged.compute_logits, alpha)
            disturbed = disturb(colours, labels, judge, generator)
            with torch.no_grad():
                answers.append(judge(disturbed).argmax(1))
            advance(len(batch))
        predictions[name] = torch.cat(answers).cpu().numpy()
    scores = {name: predicted == part.truth for name, predicted in predictions.items()}
    return Outcome(
        metrics={name: estimate_accuracy(right) for name, right in scores.items()} | {"c": judged.classifier.c},
        ids=part.ids,
        actual=part.truth,
        predicted=predictions["accuracy"],
        scores=scores,
    )


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
