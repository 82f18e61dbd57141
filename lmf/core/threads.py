"""Run C code on as many threads as PyTorch would take."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import torch


def run_in_parts(run: Callable[[int, int], int], count: int, grain: int) -> bool:
    """`run(start, stop)` for all of `count`, in one part a thread; whether all of them returned 0.

    run: leaves Python while it works, so that the others can. grain: parts start at its multiples,
    and a thread has at least one.
    """
    grains = -(-count // grain)
    threads = max(1, min(torch.get_num_threads(), grains))
    bounds = [min(count, grains * i // threads * grain) for i in range(threads + 1)]
    if threads == 1:
        return run(0, count) == 0
    with ThreadPoolExecutor(threads) as pool:
        return not any(pool.map(lambda part: run(*part), pairwise(bounds)))
