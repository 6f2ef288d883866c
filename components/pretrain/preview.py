"""A picture of what the encoder learns from: originals, and below each of them its views, one of each kind.

N images, B of them drawn, C channels, R and S pixels per side, read and seen, K rows of pictures.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Generator, Tensor

from components.encoder.normalise import to_unit
from components.encoder.params import Images
from components.learning import views
from components.learning.randomness import PREVIEW, derive_seed
from components.pretrain.params import Pretrain
from components.stage.disk import write_beside
from components.store.decode import to_channels

COLUMNS, WIDTH = 12, 960


def draw_preview(images: Tensor, params: Pretrain, path: Path) -> None:
    """Draw the first COLUMNS of the images, (N, C, R, R) pixels, and their views, and write the picture."""
    originals = to_unit(images[:COLUMNS], params.images)  # (B, C, R, R)
    side, shown_channels = params.images.side, list_shown(params.images)
    generator = Generator().manual_seed(derive_seed(params.seed, PREVIEW))
    kinds = [params.views.first, params.views.second, *params.views.list_target()[:1]]
    shown = [views.make_view(originals, view, generator, side, params.images.colours) for view in kinds]
    rows = torch.stack([F.interpolate(originals, (side, side), mode="area"), *shown])[
        :, :, shown_channels
    ]  # (K, B, C, S, S)
    rows = F.pad(rows, (1, 1, 1, 1), value=1.0)  # a white frame around each image
    grid = rows.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)  # (K (S + 2), B (S + 2), C)
    scale = max(1, WIDTH // grid.shape[1])
    pixels = (grid * 255).byte().numpy().repeat(scale, 0).repeat(scale, 1)
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    shown_as = to_channels(
        picture, len(shown_channels) - params.images.alpha
    )  # as web pages show it: transparency over white
    with write_beside(path) as new:
        shown_as.save(new, format="PNG")


def list_shown(images: Images) -> list[int]:
    """List the channels that a picture shows: the coloured ones, else the first as gray, and alpha."""
    return [*(images.coloured or (0,)), *([images.channels - 1] if images.alpha else [])]
