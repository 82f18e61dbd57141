"""What a model costs: parameters, multiply-adds, seconds."""

import copy
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lmf.metrics.machine import synchronise

LR_SIZE = (180, 320)
SCALE = 4
"""The paper's efficiency protocol: a 320x180 input; the study's tables quote it at x4."""


def parameters(model: nn.Module) -> int:
    """Number of parameters, frozen ones included, as the official tables count."""
    return sum(p.numel() for p in model.parameters())


def multiply_adds(model: nn.Module, lr_size: tuple[int, int], scale: float) -> int:
    """Multiply-adds of products, convolutions and attention for one image, counted by torch.

    Nothing is computed: a copy of the model runs on shapes alone (the meta device).
    """
    shapes = copy.deepcopy(model).to("meta")
    image = torch.zeros(1, 3, *lr_size, device="meta")
    return counted(lambda: shapes(image, scale=scale))


def counted(run: Callable[[], object]) -> int:
    """Multiply-adds of products, convolutions and attention that torch counts while `run` runs."""
    # Fused attention is not counted on the CPU; as plain matrix products it is.
    with sdpa_kernel(SDPBackend.MATH), torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() // 2


@dataclass(frozen=True)
class Latency:
    """Seconds per image: quartiles of `runs` runs after warm-up, and where they were taken."""

    median_s: float
    q25_s: float
    q75_s: float
    runs: int
    input: tuple[int, int]
    scale: float
    precision: str
    device: str
    cpu: str
    threads: int
    torch: str


def latency(
    model: Callable[..., object],
    lr_size: tuple[int, int],
    scale: float,
    *,
    device: torch.device,
    runs: int = 3,
    warm_up: int = 1,
) -> Latency:
    """Time one image of `lr_size` (h, w) at `scale`, batch 1, fp32; the device is synchronised.

    A GPU's convolutions take fp32 as TF32 unless PyTorch is told otherwise, and the result says so.
    """
    image = torch.rand(1, 3, *lr_size, generator=torch.Generator().manual_seed(0)).to(device)
    seconds = []
    with torch.no_grad():
        for run in range(warm_up + runs):
            synchronise(device)
            start = time.perf_counter()
            model(image, scale=scale)
            synchronise(device)
            if run >= warm_up:
                seconds.append(time.perf_counter() - start)
    q25, median, q75 = map(float, np.percentile(seconds, (25, 50, 75)))
    return Latency(
        median, q25, q75, runs, lr_size, scale, f"fp32{coarse(device)}",
        torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        cpu_name(), torch.get_num_threads(), torch.__version__,
    )  # fmt: skip


def coarse(device: torch.device) -> str:
    """What to say after the precision fp32, or a device's name, where convolutions round to TF32."""
    rounds = device.type == "cuda" and torch.backends.cudnn.allow_tf32
    return ", TF32 in convolutions" if rounds else ""


def device_name(device: torch.device) -> str:
    """The GPU's name, or that of the processor."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()


def cpu_name() -> str:
    """The processor's name as the operating system gives it."""
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
