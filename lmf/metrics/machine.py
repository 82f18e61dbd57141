"""What this machine can do at most: the ceilings that a measured time is held against."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from lmf.core.config import Config

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

COPIED = {"cuda": 1 << 30}
"""Bytes of the tensor whose copy sets the ceiling, far beyond any cache; `CPU_COPIED` elsewhere."""

CPU_COPIED = 1 << 28

PATIENCE = 1.0
"""Seconds after which a ceiling is not tried again: half precision can be very slow on a CPU."""


@dataclass(frozen=True)
class Ceilings(Config):
    """Best rates found; faster than any of them nothing gets that is made of products or copies.

    matmul: floating-point operations (two per multiply-add) per second of a large square product.
    copy: bytes per second of a large copy; every byte is read once and written once, and counts twice.
    """

    matmul: float
    copy: float


def measure_ceilings(device: torch.device, precision: str) -> Ceilings:
    """Both ceilings, one after the other."""
    return Ceilings(matmul_rate(device, precision), copy_rate(device))


def best(*found: Ceilings) -> Ceilings:
    """The higher of each: a busy machine is slower for a while, never faster than it is."""
    return Ceilings(max(one.matmul for one in found), max(one.copy for one in found))


def product_side(device: torch.device) -> int:
    """Of the square matrices whose product sets the ceiling: large enough to keep the device busy."""
    return 8192 if device.type == "cuda" else 2048


def matmul_rate(device: torch.device, precision: str) -> float:
    """Floating-point operations per second of a square matrix product; best of five."""
    side = product_side(device)
    a = torch.rand(side, side, device=device).to(DTYPES[precision])
    out = torch.empty_like(a)
    return 2 * side**3 / _fastest(lambda: torch.mm(a, a, out=out), device)


def copy_rate(device: torch.device) -> float:
    """Bytes read and written per second by a copy within the device's memory; best of five."""
    source = torch.ones(COPIED.get(device.type, CPU_COPIED) // 4, device=device)
    target = torch.zeros_like(source)
    return 2 * 4 * source.numel() / _fastest(lambda: target.copy_(source), device)


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was asked for."""
    if device.type not in ("cpu", "meta"):
        torch.accelerator.synchronize(device)


def _fastest(run: Callable[[], object], device: torch.device) -> float:
    seconds: list[float] = []
    begin = time.perf_counter()
    while len(seconds) < 6 and (len(seconds) < 2 or time.perf_counter() - begin < PATIENCE):
        start = time.perf_counter()
        run()
        synchronise(device)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])  # the first call wakes threads and chooses a kernel
