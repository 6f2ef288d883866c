"""Chooses the way in which the steps are run: compiled, recorded as a CUDA graph, both or neither.

Compiling takes a minute or two where nothing is in the compiler's cache, and needs a C compiler and Python's own C
header (Triton builds a small launcher for each kernel); recording takes a second and needs neither.
"""

import os
import shutil
import sysconfig
from pathlib import Path

import torch

from components.learning.engine import PLAIN, Way
from components.learning.replicas import Replica
from components.pretrain.params import Pretrain
from components.stage.errors import InputError

WORTH_COMPILING = 1000  # steps; in fewer, a recorded step gains less from the compiler than compiling takes
COMPILERS = ("cc", "gcc", "clang")  # as Triton looks for them


def choose_way(params: Pretrain, device: torch.device, replica: Replica, *, steps: int) -> Way:
    """Choose the way of a run of so many steps, and say what is missing for it, if anything is.

    `auto` does nothing on a CPU, and does not record several processes. Raises InputError where `always` asks for a
    compiler that is not there.
    """
    if params.compile == "never" or (params.compile == "auto" and device.type != "cuda"):
        return PLAIN
    fault, always = find_compiler_fault(), params.compile == "always"
    if fault and always:
        raise InputError(f"params.yaml: pretrain.compile: always needs a compiler: {fault}; or say auto")
    worth = always or steps >= WORTH_COMPILING
    way = Way(compiled=worth and not fault, recorded=device.type == "cuda" and (always or replica.world == 1))
    if worth and fault and replica.writes:
        print(f"pretrain: not compiled: {fault}", flush=True)
    return way


def find_compiler_fault() -> str | None:
    """Describe what PyTorch's compiler lacks on this machine, in a line that says how to get it; None if it has all."""
    if not os.environ.get("CC") and not any(shutil.which(name) for name in COMPILERS):
        return "there is no C compiler; install gcc (Debian and Ubuntu: build-essential)"
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    if not header.is_file():
        return f"{header} is missing; install Python's headers (Debian and Ubuntu: python3-dev)"
    return None


def prepare_libraries(params: Pretrain, device: torch.device, cache: Path) -> str:
    """Tell libraries what they read from the environment, once, when they start; what is set there already stays.

    The compiler keeps its work in the folder `cache`, so that a later run is spared most of the compiling. Return the
    folder that it keeps it in.
    """
    # Its real name: the compiler stores whole paths, and a retraining reaches the folder by a link that is soon gone.
    kept = os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache.resolve()))
    if params.deterministic and device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        os.environ.setdefault("TORCHINDUCTOR_DETERMINISTIC", "1")  # the compiler then chooses no kernel by timing it
    return kept
