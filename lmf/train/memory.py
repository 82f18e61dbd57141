"""Out of memory, wherever in a training it happens, as one line that says what helps."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lmf.core.errors import ResourceError
from lmf.core.memory import ran_out
from lmf.train.config import TrainConfig


@contextmanager
def enough_memory(config: TrainConfig, device: torch.device) -> Iterator[None]:
    """Around whatever takes memory for a training.

    Raises:
        ResourceError: it ran out; names the two settings that lower the need.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        raise ResourceError(
            f"out of memory on {device}: raise train.accumulate (now {config.accumulate}) "
            f"or lower train.batch (now {config.batch}); train.checkpoint: true saves more"
        ) from error
