"""Builds a network of the user's own: a function in a file of components/encoder/own.

Only functions that are defined there are called, so that a file from elsewhere, as a damaged config.json, can name
nothing but what the user has put there. They are imported by name, since no other file knows them.
B images, C channels, S pixels per side, D features.
"""

import importlib
import inspect
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from torch import nn

from components.encoder.errors import NetworkError, explain
from components.encoder.params import OwnNetwork
from components.stage.shown import show_name


def build_own_network(params: OwnNetwork, *, channels: int, side: int) -> nn.Module:
    """Call the user's function: (B, C, S, S) -> (B, D). Raises NetworkError where it fails or returns no network."""
    build = load_function(params.function)
    with explain(f"{params.function} failed", "function"):
        network = build(channels=channels, side=side, **params.arguments)
    if not isinstance(network, nn.Module):
        returned = show_name(type(network).__name__)
        raise NetworkError(f"{params.function} returns a {returned}, not a torch.nn.Module", "function")
    return network


def load_function(path: str) -> Callable[..., Any]:
    """Import the function. Raises NetworkError if there is none of this name."""
    module, _, name = path.rpartition(".")
    file = f"{module.replace('.', '/')}.py"
    with explain(f"{file} cannot be imported", "function"):
        found = find_spec(module) and importlib.import_module(module)
    if found is None:
        raise NetworkError(f"there is no file {file}", "function")
    function = getattr(found, name, None)
    if not inspect.isfunction(function) or function.__module__ != module:
        raise NetworkError(f"{file} defines no function {name}(*, channels, side, ...)", "function")
    return function
