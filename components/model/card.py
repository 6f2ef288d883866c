"""README.md of models/encoder: what this encoder is, what it was made from and how to use it, for whoever finds the
folder without this project (the headings are those of Mitchell et al.'s model cards, arXiv 1810.03993)."""

import json
from pathlib import Path

from components.model.files import CONFIG, ONNX, WEIGHTS, Config

CARD = """# Encoder pretrained by BYOL

## What it is
`{name}`, {channels}-channel images of {side} x {side} pixels in, {features} features out. Trained on {images:,} images
without labels ({method}), {epochs} epochs. It is the online encoder; projector, predictor and target are not kept.

## How to use it
- Input: float32 (batch, {channels}, {side}, {side}); pixels in 0..1, then `(x - mean) / std` a channel with
  mean {mean} and std {std}. Other sizes: scale to cover the square, cut it out of the middle, bicubic.
- `{onnx}`: input `images`, output `features`, any batch size.
- `{weights}` with `{config}`: `components.model.files.load_encoder(folder).network`.
- Compare features by cosine, or put a linear classifier on them.

## Limits
It knows the images it was trained on. Whether its features help on yours is what the probes measure: see the report.

## Provenance
```json
{provenance}
```
"""


def write_card(path: Path, config: Config) -> None:
    """Fill the card from the config."""
    provenance = config.provenance
    path.write_text(
        CARD.format(
            name=config.encoder.name,
            channels=config.images.channels,
            side=config.images.side,
            features=config.features,
            images=provenance["images"],
            method=provenance["method"],
            epochs=provenance["params"]["epochs"],
            mean=list(config.images.mean),
            std=list(config.images.std),
            onnx=ONNX,
            weights=WEIGHTS,
            config=CONFIG,
            provenance=json.dumps(provenance, indent=2),
        )
    )
