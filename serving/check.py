"""What a version must show before it is served: known images are embedded as PyTorch embeds them, and found.

So neither a half-written mixture of two runs nor a damaged network is ever served. P known images, D features.
"""

import numpy as np
import torch

from components.features.load import LoadedEncoder
from components.flows.serving import Health
from components.index.search import Index
from components.stage.errors import InputError
from serving.decoding import make_square
from serving.served import Served

NEAR = 10  # neighbours among which a known image must be
TIE = 1e-4  # below the similarity of the first: copies of it are as near
CLOSE = 1e-3  # of two libraries' float32
MADE = "`dvc repro pretrain` writes it"


def check(served: Served, loaded: LoadedEncoder, health: Health) -> None:
    """Check a version. Raises InputError with one line that says what is wrong, and what would be right."""
    names = choose_known(served, health.images)
    shape = served.config.images
    squares = np.stack([make_square(served.pictures.read(name), shape) for name in names])  # (P, C, S, S)
    network, folder = served.batcher.network, served.places.encoder
    try:
        features = network(squares)  # (P, D)
    except Exception as error:  # onnxruntime has many, without a common base
        raise InputError(f"{folder}: encoder.onnx does not run: {str(error)[:200]}; {MADE}") from None
    if features.shape != (len(names), served.config.features) or not np.isfinite(features).all():
        kind = f"{served.config.features} finite numbers"
        raise InputError(f"{folder}: the features of known images are not {kind}; {MADE}")
    with torch.inference_mode():
        wanted = loaded.compute_features(torch.from_numpy(squares)).float().numpy()
    scale = max(float(np.abs(wanted).max()), 1e-12)
    if not np.allclose(features / scale, wanted / scale, rtol=CLOSE, atol=CLOSE):
        raise InputError(f"{folder}: encoder.onnx is not the network of its weights; {MADE}")
    if served.index:
        check_index(served, served.index, names, features, health)


def choose_known(served: Served, count: int) -> list[str]:
    """Choose images of the store, spread over it. Raises InputError if it has none."""
    names = list(served.pictures.places)
    if not names:
        raise InputError(f"{served.places.store}: no image; `dvc repro fetch` fills the store")
    return [names[place] for place in np.linspace(0, len(names) - 1, min(count, len(names))).astype(int).tolist()]


def check_index(served: Served, index: Index, names: list[str], features: np.ndarray, health: Health) -> None:
    """Check that the index is of the same images and the same encoder. Raises InputError."""
    way = "`dvc repro index` makes it anew"
    known = index.ids.tolist()
    if len(known) != len(served.pictures) or not all(name in served.pictures for name in known):
        raise InputError(f"{served.places.index}: it is not of the images of {served.places.store}; {way}")
    rows, similarities = index.search(features, min(NEAR, len(known)))
    found = 0
    for name, near, similar in zip(names, index.ids[rows].tolist(), similarities, strict=True):
        own = float(similar[near.index(name)]) if name in near else -1.0
        found += own >= max(health.similarity, float(similar[0]) - TIE)
    if found < health.found * len(names):
        seen = f"{found} of {len(names)} known images find themselves"
        raise InputError(f"{served.places.index}: {seen}, so it is of another encoder; {way}")
