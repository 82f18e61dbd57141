"""A module as it is now, whatever becomes of its weights."""

from copy import deepcopy
from typing import TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def snapshot(module: M) -> M:
    """A copy that shares no memory and records no gradients.

    Weights that were computed, as those of pruned layers are, are copied like any other, which
    `deepcopy` by itself refuses.
    """
    tensors = (
        tensor
        for part in module.modules()
        for tensor in (*part._parameters.values(), *part._buffers.values(), *vars(part).values())
        if isinstance(tensor, Tensor)
    )
    return deepcopy(module, {id(one): one.detach().clone() for one in tensors})
