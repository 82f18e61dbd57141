"""Forward and backward pass of a GPU's training step, recorded once and then started as one piece.

They are a thousand small kernels, which Python starts more slowly than a GPU computes them. As a CUDA
graph they are started by one call. It replays the very kernels that were recorded, those of convolutions
chosen by trial, and keeps the memory of their activations, also while a validation runs.
"""

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from lmf.data.pairs import Queries
from lmf.train.config import TrainConfig
from lmf.train.objective import Target

WARM_UP = 3
"""Passes before the recorded one: libraries take their memory and choose their kernels in them."""

Pass = Callable[[Tensor, Target], Tensor]
"""Computes a loss of (lr, target), see `Objective`, and leaves its gradients in the parameters."""


def why_not(config: TrainConfig, fabric: Fabric) -> str | None:
    """One line that says why a training's steps cannot be recorded; None if they can."""
    if fabric.device.type != "cuda":
        return f"the device is {fabric.device.type}"
    if fabric.world_size > 1:
        return "several processes exchange gradients"
    if config.queries is None:
        return "whole crops are rendered, each step another size"
    if config.queries > round(config.patch * config.scales[0]) ** 2:
        return "small crops have fewer pixels than queries"
    if config.accumulate > 1:
        return "gradients are accumulated"
    if config.checkpoint:
        return "activations are computed again"
    if config.precision == "fp16":
        return "fp16 scales its loss step by step"
    return None


class Recorded:
    """`compute`, as it was recorded with tensors like `lr` and `target`; gradients are new each time.

    target: pixels, not whole crops, here and in each call; see `why_not`.
    """

    def __init__(self, compute: Pass, model: nn.Module, lr: Tensor, target: Target) -> None:
        assert isinstance(target, Queries)
        self._lr, self._target = lr.clone(), target.map(Tensor.clone)
        self._graph = torch.cuda.CUDAGraph()
        weights = [p for p in model.parameters() if p.requires_grad]
        with torch.cuda.device(lr.device), _chosen_by_trial():
            stream = torch.cuda.Stream()  # recording wants one that no other work is in
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(WARM_UP):
                    compute(self._lr, self._target)
            torch.cuda.current_stream().wait_stream(stream)
            # The recorded pass is to make gradients of its own, and to add to none; an older graph that
            # is collected while this one is recorded would spoil it.
            _forget(weights)
            gc.collect()
            with torch.cuda.graph(self._graph, stream=stream):
                self._loss = compute(self._lr, self._target)
        self._gradients = [(weight, weight.grad) for weight in weights]
        _forget(weights)

    def __call__(self, lr: Tensor, target: Target) -> Tensor:
        """The loss; the gradients lie where `compute` leaves them."""
        assert isinstance(target, Queries)
        self._lr.copy_(lr)
        self._target.coord.copy_(target.coord)
        self._target.cell.copy_(target.cell)
        self._target.rgb.copy_(target.rgb)
        self._graph.replay()
        for weight, gradient in self._gradients:
            weight.grad = gradient
        return self._loss


@contextmanager
def _chosen_by_trial() -> Iterator[None]:
    """Of cuDNN's kernels for a convolution, the one that is fastest here: shapes stay as they are."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def _forget(weights: Iterable[nn.Parameter]) -> None:
    for weight in weights:
        weight.grad = None
