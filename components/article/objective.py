"""The objective that the article "BYOL原理与代码实例讲解" calls BYOL: an autoencoder with up to three further terms.

It is not BYOL: it has no second network whose output is predicted (section 2.5 against arXiv 2006.07733). Its sections
describe an encoder and a decoder with mean squared error (2.5, 3.1), a centre loss and a contrastive loss (4.1), and a
discriminator that should not distinguish features of original images from those of rebuilt ones (2.5, 3.1). Its
listings (3.2, 5.2) do not run, leave out the first and the last of these terms, and add terms up without weights.
Encoder and decoder have separate weights, as in the listings; in section 2.3 they share them. The article trains on
plain images; here every term is computed for each view and averaged: views whose strengths are all 0 are the plain
image. B images of this process, C channels, S pixels per side, D features.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from components.article.decoder import build_decoder
from components.article.params import ArticleSettings, ArticleWeights
from components.encoder.build import count_features
from components.learning.engine import Engine
from components.learning.objective import Loss, Objective, ViewSet


class Article(Objective):
    """The encoder, and those of decoder, discriminator and direction w that a term with a weight needs."""

    watched = "feature"

    def __init__(self, networks: nn.ModuleDict, weights: ArticleWeights) -> None:
        super().__init__()
        self.parts = networks
        self.weights = {name: weight for name, weight in weights.model_dump().items() if weight}
        self.terms = tuple(self.weights)
        self.method = f'{" + ".join(self.terms)}, after the article "BYOL原理与代码实例讲解"'

    @classmethod
    def build_around(cls, encoder: nn.Module, params: ArticleSettings) -> Self:
        """Build the objective around an encoder; the other networks are drawn from torch's global generator."""
        weights, shape = params.article, {"channels": params.images.channels, "side": params.images.side}
        features = count_features(encoder, **shape)
        parts = nn.ModuleDict({"encoder": encoder})
        if weights.reconstruction or weights.adversarial:
            parts["decoder"] = build_decoder(params.encoder, features=features, **shape)
        if weights.contrastive:
            parts["direction"] = nn.Linear(features, 1, bias=False)
        if weights.adversarial:
            parts["discriminator"] = nn.Sequential(
                nn.Linear(features, features), nn.ReLU(inplace=True), nn.Linear(features, 1)
            )
        return cls(parts, weights)

    @property
    def encoder(self) -> nn.Module:  # noqa: D102
        return self.parts["encoder"]

    @property
    def networks(self) -> dict[str, nn.Module]:  # noqa: D102
        return dict(self.parts.items())

    def loss(self, views: ViewSet, engine: Engine) -> Loss:
        """Compute the weighted sum of the terms, each the average over the views.

        The adversarial weight scales only the gradient that encoder and decoder get of that term, so that the
        discriminator learns at full rate whatever the weight.
        """
        seen = [self.compute_terms(view, engine) for view in views.online]
        terms = {name: torch.stack([terms[name] for terms in seen]).mean() for name in self.terms}
        weights = self.weights | {"adversarial": 1.0}
        return Loss(torch.stack([weights[name] * terms[name] for name in self.terms]).sum(), terms)

    def compute_terms(self, view: Tensor, engine: Engine) -> dict[str, Tensor]:
        """Compute every term of one view by name: (B, C, S, S) -> ()."""
        networks, terms = engine.networks, {}
        with engine.autocast():
            features = networks["encoder"](view)  # (B, D)
            if "decoder" in networks:
                rebuilt = networks["decoder"](features)  # (B, C, S, S)
            if "adversarial" in self.terms:
                with keep_statistics(self.encoder):
                    rebuilt_features = networks["encoder"](rebuilt)  # (B, D)
                discriminator, weight = networks["discriminator"], self.weights["adversarial"]
                original_logits = discriminator(reverse_gradient(features, weight))  # (B, 1)
                rebuilt_logits = discriminator(reverse_gradient(rebuilt_features, weight))  # (B, 1)
        features = raise_precision(features)
        if "reconstruction" in self.terms:
            terms["reconstruction"] = F.mse_loss(raise_precision(rebuilt), raise_precision(view))
        if "centre" in self.terms:
            terms["centre"] = centre_loss(features)
        if "contrastive" in self.terms:
            terms["contrastive"] = contrastive_loss(networks["direction"](features))
        if "adversarial" in self.terms:
            terms["adversarial"] = adversarial_loss(raise_precision(original_logits), raise_precision(rebuilt_logits))
        return terms

    def compute_watched(self, features: Tensor) -> Tensor:
        """Return the features unchanged, since nothing projects them: (B, D) -> (B, D)."""
        return features

    def explain_collapse(self, params: ArticleSettings) -> str:  # noqa: D102
        pulling = [f"pretrain.article.{name} ({self.weights[name]:g})" for name in PULLING if name in self.weights]
        too_high = (
            f"{' and '.join(pulling)} too high beside pretrain.article.reconstruction "
            f"({params.article.reconstruction:g}), as one answer to every image is what they ask for, "
        )
        rate = f"pretrain.optimiser.learning_rate too high ({params.optimiser.learning_rate:g})"
        return f"{too_high if pulling else ''}{'or ' if pulling else ''}{rate}"


PULLING = ("centre", "contrastive", "adversarial")  # terms that are lowest if all images have the same features


def centre_loss(features: Tensor) -> Tensor:
    """Compute the mean over i of the mean over j != i of |z_i - z_j|^2 (section 4.1): (B, D) -> (), 0 for one image.

    It takes O(B D), since the sum over all pairs follows from the distances to the mean m: sum_ij |z_i - z_j|^2
    = 2 B sum_i |z_i|^2 - 2 |sum_i z_i|^2 = 2 B sum_i |z_i - m|^2, here divided by B (B - 1). Equal features are its
    minimum: alone it collapses the encoder, contrary to what the article expects.
    """
    return 2 * (features - features.mean(dim=0)).square().sum() / max(len(features) - 1, 1)


def contrastive_loss(products: Tensor) -> Tensor:
    """Compute the mean over the batch of -log sigmoid(z.w), for the learned w of section 4.1: (B, 1) -> ().

    The article has - sum_i sign(z_i.w) log sign(z_i.w), which is 0 for a positive product, undefined for a negative
    product, and without a gradient anywhere. This loss is the nearest relaxation that makes the products large, as
    section 4.2 describes: it is 0 for large positive products and grows with negative ones. The sigmoid in both places,
    -p log p, would be 0 for large negative products as well and would drive images to either side. The mean in place of
    the article's sum makes its weight relative to the centre loss, which is a mean, the same for every batch size.
    The loss has no minimum: it falls as w or z grow, whatever z says about an image. The gradient is at most 1 per
    product and vanishes with exp(-z.w), so that products grow as the logarithm of the steps under SGD; Adam, which
    scales small gradients up, goes on until they are near its 1e-8. log sigmoid is computed as such, without overflow.
    """
    return -F.logsigmoid(products).mean()


def adversarial_loss(original: Tensor, rebuilt: Tensor) -> Tensor:
    """Compute the binary cross entropy of telling features of images from those of rebuilt images: twice (B, 1) -> ().

    The inputs are logits. A discriminator that cannot tell has log 2 = 0.69 (sections 2.5 and 3.1; Goodfellow et al.,
    arXiv 1406.2661).
    """
    return -(F.logsigmoid(original) + F.logsigmoid(-rebuilt)).mean() / 2


def reverse_gradient(features: Tensor, weight: float) -> Tensor:
    """Return the same values with a gradient that is multiplied by -weight.

    One step then trains the discriminator to tell features apart, and encoder and decoder to fool it (Ganin &
    Lempitsky, arXiv 1409.7495, section 3.1, where the weight is lambda).
    """
    return features.detach() + weight * (features.detach() - features)  # the second term is 0


def raise_precision(values: Tensor) -> Tensor:
    """Convert values to float32 or better, since sums of squares in bfloat16 lose all digits."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


@contextmanager
def keep_statistics(network: nn.Module) -> Iterator[None]:
    """Keep BatchNorm's running statistics unchanged within the context, so that rebuilt images do not enter them."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


OBJECTIVE = Article
