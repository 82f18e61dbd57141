"""Out of memory, wherever in a training it happens, as one line that says what helps."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lmf.core.errors import ResourceError
from lmf.train.config import TrainConfig

SIGNS = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED", "bad alloc")
"""How libraries say so that have no exception for it, such as torch on a CPU, cuBLAS and cuDNN."""


@contextmanager
def enough_memory(config: TrainConfig, device: torch.device) -> Iterator[None]:
    """Around whatever takes memory for a training.

    Raises:
        ResourceError: it ran out; names the two settings that lower the need.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _ran_out(error):
            raise
        raise ResourceError(
            f"out of memory on {device}: raise train.accumulate (now {config.accumulate}) "
            f"or lower train.batch (now {config.batch}); train.checkpoint: true saves more"
        ) from error


def _ran_out(error: RuntimeError | MemoryError) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(sign in str(error) for sign in SIGNS)
