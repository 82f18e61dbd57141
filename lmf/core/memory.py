"""Whether an error says that memory ran out: of the CPU's torch has no class of its own."""

import torch

SIGNS = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED", "bad alloc")
"""How libraries say so that have no exception for it, such as torch on a CPU, cuBLAS and cuDNN."""


def ran_out(error: RuntimeError | MemoryError) -> str | None:
    """The first line of an error that says that memory ran out; None of any other error."""
    line = str(error).partition("\n")[0] or type(error).__name__
    known = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return line if known or any(sign in str(error) for sign in SIGNS) else None
