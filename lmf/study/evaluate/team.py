"""Several processes that share one evaluation, as torchrun starts them."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import zip_longest
from typing import Any, TypeVar

import torch
from torch import distributed

from lmf.core.errors import ConfigError

Item = TypeVar("Item")
_NOBODY: Any = object()

PATIENCE = timedelta(days=1)
"""How long the first process waits for the last: some pictures take far longer than others."""


@dataclass(frozen=True)
class Team:
    """This process among `size`; rank 0 speaks and writes. local_rank: its number on this machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        """Whether this process speaks and writes."""
        return self.rank == 0

    def device(self, device: torch.device) -> torch.device:
        """Of several GPUs, this process's own, unless one was asked for."""
        if self.size > 1 and device == torch.device("cuda"):
            return torch.device("cuda", self.local_rank % torch.cuda.device_count())
        return device

    def gather(self, items: list[Item]) -> list[Item] | None:
        """All processes' items at rank 0, None elsewhere.

        Process r holds items r, r + size, ... of the whole, and so their order comes back.
        """
        if self.size == 1:
            return items
        parts: list[list[Item]] = [[] for _ in range(self.size)]
        distributed.gather_object(items, parts if self.leads else None)
        if not self.leads:
            return None
        rounds = zip_longest(*parts, fillvalue=_NOBODY)
        return [item for turn in rounds for item in turn if item is not _NOBODY]


ALONE = Team()


@contextmanager
def team(environment: Mapping[str, str] = os.environ) -> Iterator[Team]:
    """The team that torchrun's variables describe; without them, this process alone.

    Raises:
        ConfigError: the variables are incomplete, or srun started several processes without any.
    """
    size = int(environment.get("WORLD_SIZE", "1"))
    tasks = int(environment.get("SLURM_STEP_NUM_TASKS", "1"))
    if size == 1 and tasks > 1:
        raise ConfigError(f"srun starts {tasks} processes that share nothing: use torchrun there")
    if size == 1:
        yield ALONE
        return
    names = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    if missing := [name for name in names if name not in environment]:
        raise ConfigError(
            f"WORLD_SIZE is {size} but {missing[0]} is not set: start `torchrun -m lmf ...`"
        )
    distributed.init_process_group("gloo", timeout=PATIENCE)
    try:
        yield Team(distributed.get_rank(), size, int(environment["LOCAL_RANK"]))
    finally:
        distributed.destroy_process_group()
