"""Finds the weights that torchvision and timm publish, in their caches or, where there is a network, at their sources.

What was downloaded is read like a stranger's file, and compared with the SHA-256 that its name holds: the first digits
in the file names of PyTorch's hub, all of it in Hugging Face's cache. Neither library is imported before it is needed.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch

from components.pretrain.params import TimmStart, TorchvisionStart
from components.pretrain.start.file import Tensors, read_file
from components.stage.errors import InputError
from components.stage.shown import escape, shorten, show

KEY = "params.yaml: pretrain.start"
WRAPPED = re.compile(r"^(state_dict_ema|state_dict|model_ema|model)\.")
HUB_FILES = ("model.safetensors", "pytorch_model.bin")  # as timm looks for them


@dataclass(frozen=True)
class Published:
    """Published weights and what their publisher says about them."""

    path: Path
    tensors: Tensors
    digest: str  # what the SHA-256 of the file begins with; may be empty
    mean: tuple[float, ...]  # of the pixels that the weights were trained with, in 0..1; empty if not known
    std: tuple[float, ...]
    licence: str  # empty if not known


def find_torchvision(params: TorchvisionStart) -> Published:
    """Find weights of torchvision by their name there. Raises InputError if there are none, or they cannot be got."""
    import torchvision

    if params.model not in torchvision.models.list_models():
        raise name_nearest("model", params.model, torchvision.models.list_models(), "torchvision")
    named = torchvision.models.get_model_weights(params.model).__members__
    if params.weights not in named:
        raise InputError(f"{KEY}.weights: {params.model} has {', '.join(named) or 'none'}, not {show(params.weights)}")
    weights = named[params.weights]
    path, digest = find_in_hub(weights.url)
    preset = weights.transforms()
    mean, std = (tuple(getattr(preset, name, ())) for name in ("mean", "std"))
    return Published(path, read_file(path), digest, mean, std, "")


def find_timm(params: TimmStart) -> Published:
    """Find weights of timm by the name of the model. Raises InputError if there are none, or they cannot be got."""
    import timm

    try:
        settings = timm.models.get_pretrained_cfg(params.model)
    except RuntimeError:  # a model that there is, with weights that there are not
        settings = None
    if settings is None or not timm.is_model(params.model):
        raise name_nearest("model", params.model, timm.list_pretrained(), "timm")
    if settings.hf_hub_id:
        path, digest = find_on_hugging_face(settings)
    elif settings.url:
        path, digest = find_in_hub(settings.url)
    else:
        raise InputError(f"{KEY}.model: timm has no weights of {params.model}; see timm.list_pretrained()")
    tensors = {WRAPPED.sub("", name): tensor for name, tensor in read_file(path).items()}
    overlay = {"state_dict": tensors, "custom_load": False}
    try:  # timm itself renames what other programs saved; of a model with its own head it takes all or nothing
        model = timm.create_model(params.model, pretrained=True, pretrained_cfg_overlay=overlay)
    except Exception as error:
        raise InputError(f"{path}: not the weights of timm's {params.model}: {shorten_error(error)}") from None
    return Published(path, model.state_dict(), digest, settings.mean, settings.std, settings.license or "")


def find_in_hub(address: str | tuple[str, str]) -> tuple[Path, str]:
    """Find a file in the cache of PyTorch's hub, or download it there; return the digits of SHA-256 in its name, too.

    An address may come with the name of the file.
    """
    url, name = (address, Path(urlparse(address).path).name) if isinstance(address, str) else address
    path, digest = Path(torch.hub.get_dir()) / "checkpoints" / name, re.search(r"-([a-f0-9]{8,})\.", name)
    prefix = digest[1] if digest else ""
    if not path.exists():
        download(path, url, lambda: torch.hub.download_url_to_file(url, str(path), prefix or None, progress=False))
    return path, prefix


def find_on_hugging_face(settings: Any) -> tuple[Path, str]:
    """Find a file in Hugging Face's cache, or download it there; return its SHA-256 where the cache knows it, too."""
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    repository, _, revision = settings.hf_hub_id.partition("@")
    files = (settings.hf_hub_filename,) if settings.hf_hub_filename else HUB_FILES
    where = {"repo_id": repository, "revision": revision or None}
    cached = [try_to_load_from_cache(filename=name, **where) for name in files]
    found = next((path for path in cached if isinstance(path, str)), None)

    def fetch() -> str:
        for name in files:
            try:
                return str(hf_hub_download(filename=name, **where))
            except LocalEntryNotFoundError:
                raise
            except EntryNotFoundError:
                continue
        raise FileNotFoundError(f"{repository} holds none of {', '.join(files)}")

    path = Path(found or download(Path(constants.HF_HUB_CACHE), f"{repository} on Hugging Face", fetch))
    blob = path.resolve().name  # the cache calls large files by their SHA-256
    return path, blob if re.fullmatch("[a-f0-9]{64}", blob) else ""


def download(cache: Path, source: str, fetch: Callable[[], Any]) -> Any:
    """Download what is not in a cache, with a line. Raises InputError if that fails."""
    print(f"pretrain: downloading {source} to {cache}", flush=True)
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        return fetch()
    except Exception as error:  # of urllib, of Hugging Face's client, of the disk
        raise InputError(
            f"{KEY}: the weights are not in the cache ({cache}), and cannot be downloaded from {source}: "
            f"{shorten_error(error)}; without a network, copy that cache from a machine that has one"
        ) from None


def name_nearest(key: str, name: str, known: Iterable[str], library: str) -> InputError:
    """Make the error for a name that a library does not know."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    advice = f"did you mean {' or '.join(near)}?" if near else "see its documentation"
    return InputError(f"{KEY}.{key}: {library} has no {show(name)}; {advice}")


def shorten_error(error: Exception) -> str:
    """Return the first line of an error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return escape(shorten(lines[0] if lines else type(error).__name__))
