"""Chooses the way in which the steps are run: compiled, recorded as a CUDA graph, both or neither; and prepares it.

Compiling takes a minute or two where nothing is in the compiler's cache, and needs a C compiler and Python's own C
header (Triton builds a small launcher for each kernel); recording takes a second and needs neither.
"""

import os
import shutil
import sysconfig
from pathlib import Path

import torch

from components.learning.engine import Way
from components.learning.replicas import Replica
from components.pretrain.params import Pretrain
from components.stage.errors import InputError

WORTH_COMPILING = 1000  # steps; in fewer, a recorded step gains less from the compiler than compiling takes
COMPILERS = ("cc", "gcc", "clang")  # as Triton looks for them


def choose_way(params: Pretrain, device: torch.device, replica: Replica, *, steps: int) -> Way:
    """Choose the way of a run of so many steps. `auto` does nothing on a CPU, and does not record several processes.

    Raises InputError where `always` asks for a compiler that is not there.
    """
    if params.compile == "never" or (params.compile == "auto" and device.type != "cuda"):
        return Way(compiled=False, recorded=False)
    fault = find_compiler_fault()
    if params.compile == "always":
        if fault:
            raise InputError(f"params.yaml: pretrain.compile: always needs a compiler: {fault}; or say auto")
        return Way(compiled=True, recorded=device.type == "cuda")
    compiled = steps >= WORTH_COMPILING
    if compiled and fault and replica.writes:
        print(f"pretrain: not compiled: {fault}", flush=True)
    return Way(compiled=compiled and not fault, recorded=replica.world == 1)


def find_compiler_fault() -> str | None:
    """Describe what PyTorch's compiler lacks on this machine, in a line that says how to get it; None if it has all."""
    if not os.environ.get("CC") and not any(shutil.which(name) for name in COMPILERS):
        return "there is no C compiler; install gcc (Debian and Ubuntu: build-essential)"
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    if not header.is_file():
        return f"{header} is missing; install Python's headers (Debian and Ubuntu: python3-dev)"
    return None


def prepare_compiler(way: Way, cache: Path, *, says: bool) -> None:
    """Let the compiler keep its work in a folder that survives, unless the environment names another one."""
    if way.compiled:
        folder = os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache.absolute()))
        if says:
            print(f"pretrain: the step is compiled: a minute or two at first, less from then on ({folder})", flush=True)


def prepare_repetition(params: Pretrain, device: torch.device) -> None:
    """Ask the libraries that read their settings from the environment for the same bits in every run, if wanted."""
    if params.deterministic and device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it starts
        os.environ.setdefault("TORCHINDUCTOR_DETERMINISTIC", "1")  # the compiler then chooses no kernel by timing it
