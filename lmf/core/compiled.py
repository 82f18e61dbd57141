"""Compile C files of the package for this very machine, once, and load them."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import torch
from platformdirs import user_cache_path
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from lmf.core.errors import ResourceError
from lmf.core.files import atomic_write

FLAGS = ("-std=gnu11", "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC")
"""GNU C fuses a product and a sum into one operation, as every BLAS does.

OpenMP is what PyTorch runs its threads by. Its library is in the process already, and serves ours, too:
threads of our own would share the processors with PyTorch's, which spin for a while after their work.
"""

COMPILERS = ("cc", "gcc", "clang")

PATIENCE = 120
"""Seconds for a compiler."""


class CompilationError(Exception):
    """One line that says why there is no library."""


def why_not(
    device: torch.device, dtypes: Iterable[torch.dtype], package: str, *names: str
) -> str | None:
    """One line that says why C cannot compute there with tensors of `dtypes`; None if it can."""
    if device.type != "cpu":
        return f"the device is {device.type}, not a CPU"
    for dtype in dtypes:
        if dtype != torch.float32:
            return f"it computes in float32, not in {str(dtype).removeprefix('torch.')}"
    tracing = torch.jit.is_tracing()  # type: ignore[attr-defined]
    if is_in_torch_dispatch_mode() or torch.compiler.is_compiling() or tracing:
        return "something watches PyTorch's operations, a counter or a compiler, and C has none"
    found = attempt(package, *names)
    return found if isinstance(found, str) else None


def library(package: str, *names: str) -> ctypes.CDLL:
    """C files of `package` as a library named after the last one, which includes the others.

    Raises:
        CompilationError: no compiler, or it fails, or its result cannot be stored or loaded.
    """
    found = attempt(package, *names)
    if isinstance(found, str):
        raise CompilationError(found)
    return found


@cache
def attempt(package: str, *names: str) -> ctypes.CDLL | str:
    """The library, or one line that says why there is none; a process tries once.

    It is compiled the first time that a machine asks for it, and kept in the user's cache, by its
    source, the compiler and the processor's instructions, so that a home shared by several machines
    holds one for each.
    """
    try:
        return _compiled(package, *names)
    except (CompilationError, ResourceError, OSError) as error:
        return str(error)


def _compiled(package: str, *names: str) -> ctypes.CDLL:
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise CompilationError(f"there is no C compiler ({', '.join(COMPILERS)})")
    paths = [Path(str(files(package).joinpath(name))) for name in names]
    source = b"\n".join(path.read_bytes() for path in paths)
    target = _run([compiler, *FLAGS, "-dM", "-E", "-xc", os.devnull])  # all that it is built for
    key = sha256(b"\0".join((source, target, " ".join(FLAGS).encode()))).hexdigest()[:16]
    path = _cache() / f"{paths[-1].stem}-{key}.so"
    if path.exists():
        with suppress(OSError):  # a damaged file is made again
            return ctypes.CDLL(str(path))
    with atomic_write(path) as temporary:
        _run([compiler, *FLAGS, str(paths[-1]), "-o", str(temporary)])
    return ctypes.CDLL(str(path))


def _cache() -> Path:
    try:
        return user_cache_path("lmf")
    except RuntimeError as error:  # a user without a home
        raise CompilationError(f"no folder for what is compiled: {error}") from error


def _run(command: list[str]) -> bytes:
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompilationError(f"{command[0]} does not run: {error}") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it does not say why"]
        raise CompilationError(f"{command[0]} fails: {said[0]}")
    return done.stdout
