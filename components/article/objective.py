"""What the article "BYOL原理与代码实例讲解" describes under BYOL's name: an autoencoder with up to three further terms.

It is not BYOL: there is no second network that is predicted (section 2.5 against arXiv 2006.07733). By its sections:
an encoder and a decoder with mean squared error (2.5, 3.1), a centre loss and a contrastive loss (4.1), a discriminator
that should not tell features of original images from others (2.5, 3.1). Its listings (3.2, 5.2) do not run, and leave
out the first and the last of these; they add terms up without weights. Encoder and decoder have weights of their own,
as in the listings; section 2.3 has them shared. The article trains on plain images; here every term is of each view,
and the two are averaged: views whose strengths are all 0 are the plain image twice.
B images of this process, C channels, S pixels a side, D features.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from components.article.decoder import build_decoder
from components.article.params import ArticleSettings, ArticleWeights
from components.encoder.build import feature_dimension
from components.learning.engine import Engine
from components.learning.objective import Loss, Objective, Pair


class Article(Objective):
    """Encoder, and of decoder, discriminator and direction w those that some weight asks for."""

    watched = "feature"

    def __init__(self, networks: nn.ModuleDict, weights: ArticleWeights) -> None:
        super().__init__()
        self.parts = networks
        self.weights = {name: weight for name, weight in weights.model_dump().items() if weight}
        self.terms = tuple(self.weights)
        self.method = f'{" + ".join(self.terms)}, after the article "BYOL原理与代码实例讲解"'

    @classmethod
    def around(cls, encoder: nn.Module, params: ArticleSettings) -> Self:
        """As params.yaml says; the other networks are drawn from torch's global generator."""
        weights, shape = params.article, {"channels": params.images.channels, "side": params.images.side}
        features = feature_dimension(encoder, **shape)
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

    def loss(self, pair: Pair, engine: Engine) -> Loss:
        """The weighted sum of the terms, each the average of both views.

        The adversarial term's own weight is on what encoder and decoder get of its gradient, so that the discriminator
        learns at full rate whatever it is.
        """
        first, second = (self.look_at(view, engine) for view in pair)
        terms = {name: (first[name] + second[name]) / 2 for name in self.terms}
        weights = self.weights | {"adversarial": 1.0}
        return Loss(torch.stack([weights[name] * terms[name] for name in self.terms]).sum(), terms)

    def look_at(self, view: Tensor, engine: Engine) -> dict[str, Tensor]:
        """Every term of one view by name: (B, C, S, S) -> ()."""
        networks, found = engine.networks, {}
        with engine.autocast():
            features = networks["encoder"](view)  # (B, D)
            if "decoder" in networks:
                rebuilt = networks["decoder"](features)  # (B, C, S, S)
            if "adversarial" in self.terms:
                with statistics_kept(self.encoder):
                    again = networks["encoder"](rebuilt)  # (B, D)
                judge, weight = networks["discriminator"], self.weights["adversarial"]
                verdicts = [judge(reversed_gradient(one, weight)) for one in (features, again)]  # (B, 1) each
        features = precise(features)
        if "reconstruction" in self.terms:
            found["reconstruction"] = F.mse_loss(precise(rebuilt), precise(view))
        if "centre" in self.terms:
            found["centre"] = centre_loss(features)
        if "contrastive" in self.terms:
            found["contrastive"] = contrastive_loss(networks["direction"](features))
        if "adversarial" in self.terms:
            found["adversarial"] = adversarial_loss(precise(verdicts[0]), precise(verdicts[1]))
        return found

    def watch(self, features: Tensor) -> Tensor:
        """Themselves: (B, D) -> (B, D)."""
        return features

    def causes(self, params: ArticleSettings) -> str:  # noqa: D102
        pulling = [f"pretrain.article.{name} ({self.weights[name]:g})" for name in PULLING if name in self.weights]
        named = (
            f"{' and '.join(pulling)} too high beside pretrain.article.reconstruction "
            f"({params.article.reconstruction:g}), as one answer to every image is what they ask for, "
        )
        rate = f"pretrain.optimiser.learning_rate too high ({params.optimiser.learning_rate:g})"
        return f"{named if pulling else ''}{'or ' if pulling else ''}{rate}"


PULLING = ("centre", "contrastive", "adversarial")  # terms that the same features of all images suit best


def centre_loss(features: Tensor) -> Tensor:
    """Mean over i of the mean over j != i of |z_i - z_j|^2 (section 4.1), of a batch: (B, D) -> (). One image has 0.

    In O(B D), since the sum over all pairs is that of the distances to the mean m: sum_ij |z_i - z_j|^2
    = 2 B sum_i |z_i|^2 - 2 |sum_i z_i|^2 = 2 B sum_i |z_i - m|^2, here divided by B (B - 1). Equal features are its
    minimum: alone it collapses the encoder, whatever the article hopes of it.
    """
    return 2 * (features - features.mean(dim=0)).square().sum() / max(len(features) - 1, 1)


def contrastive_loss(products: Tensor) -> Tensor:
    """-log sigmoid(z.w), mean over the batch, for the learned w of section 4.1: (B, 1) -> ().

    The article has - sum_i sign(z_i.w) log sign(z_i.w), which is 0 for a positive product, has no value for a negative
    one, and no gradient anywhere. This is its nearest relaxation that does what section 4.2 says of it, making the
    products large: 0 for large positive ones, and growing with negative ones. To put the sigmoid in both places,
    -p log p, would be 0 for large negative products as well and drive images to either side. The mean in place of the
    article's sum keeps its weight beside the centre loss, which is a mean, the same for every batch size.
    It has no minimum: it falls as w or z grow, whatever z says of an image. The gradient is at most 1 a product and
    dies with exp(-z.w), so that products grow as the logarithm of the steps under SGD; Adam, which scales small
    gradients up, goes on until they are near its 1e-8. log sigmoid is computed as such: no product overflows it.
    """
    return -F.logsigmoid(products).mean()


def adversarial_loss(original: Tensor, rebuilt: Tensor) -> Tensor:
    """Binary cross entropy of telling the features of images from those of rebuilt images: logits, twice (B, 1) -> ().

    log 2 = 0.69 is a discriminator that cannot tell (sections 2.5 and 3.1; Goodfellow et al., arXiv 1406.2661).
    """
    return -(F.logsigmoid(original) + F.logsigmoid(-rebuilt)).mean() / 2


def reversed_gradient(features: Tensor, weight: float) -> Tensor:
    """The same values, the gradient times -weight, so that one step trains the discriminator to tell and the encoder
    and the decoder to fool it (Ganin & Lempitsky, arXiv 1409.7495, section 3.1, with lambda)."""
    return features.detach() + weight * (features.detach() - features)  # what is added is 0


def precise(values: Tensor) -> Tensor:
    """In float32 or better: sums of squares have no digits left in bfloat16."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


@contextmanager
def statistics_kept(network: nn.Module) -> Iterator[None]:
    """Leave BatchNorm's running statistics as they are: those of rebuilt images are not what the encoder will see."""
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
