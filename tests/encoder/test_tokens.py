"""LARS is refused for transformers: they are recognised by what they compute, whatever their classes are called."""

import pytest
import torch.nn.functional as F
from torch import Tensor, nn

from components.encoder.build import plan_encoder
from components.encoder.params import TimmNetwork
from components.encoder.tokens import is_transformer


class Mixing(nn.Module):
    """Attention written out."""

    def __init__(self) -> None:
        super().__init__()
        self.cut, self.shape = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 24)

    def forward(self, images: Tensor) -> Tensor:  # noqa: D102
        query, key, value = self.shape(self.cut(images).flatten(2).mT).chunk(3, -1)
        return (F.softmax(query @ key.mT, -1) @ value).mean(1)


OWN = {
    "written out": (Mixing, True),
    "of torch": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.Flatten(2), nn.TransformerEncoderLayer(4, 2, 8), nn.Flatten()),
        True,
    ),
    "layers": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), False),
    "convolutions": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Flatten()), False),
}


@pytest.mark.parametrize("kind", OWN)
def test_attention_is_seen_in_any_network(kind: str) -> None:
    make, expected = OWN[kind]
    assert is_transformer(make(), channels=3, side=8) == expected


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("vit_tiny_patch16_224", True),
        ("mixer_s16_224", True),
        ("convnext_atto", False),
        ("efficientnet_b0", False),
        ("skresnet18", False),
    ],
)
def test_the_families_of_timm_are_told_apart(model: str, expected: bool) -> None:
    params = TimmNetwork(name="timm", model=model, arguments={}, frozen_patch_embedding=False)
    assert is_transformer(plan_encoder(params, channels=3, side=64), channels=3, side=64) == expected
