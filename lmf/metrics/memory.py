"""Peak memory of a computation: what it takes above its weights and its input.

CPU   the high-water mark of a fresh process's resident memory, minus what is resident before the
      computation, when weights, input and a first small run are behind it. It holds everything:
      tensors, work space of the libraries, and what the allocator did not give back in between. Linux
      begins the mark anew where it is told to; elsewhere it never falls, and what the first small run
      gave back counts only as far as the computation goes beyond it.
CUDA  PyTorch's `max_memory_allocated`, minus what was allocated before.
"""

import multiprocessing
import re
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from lmf.core.errors import ResourceError

Run = Callable[[], object]


def peak_memory(prepare: Callable[[], Run], device: torch.device, seconds: float) -> int:
    """Bytes that the run which `prepare` returns takes at its peak.

    prepare: can be pickled; puts weights and input into memory and runs something small.
    seconds: after which a CPU's process is ended.

    Raises:
        ResourceError: it took longer, memory ran out, or this system does not say.
    """
    if device.type == "cuda":
        return _peak_on_cuda(prepare(), device)
    if device.type != "cpu" or sys.platform == "win32":
        raise ResourceError(f"peak memory of {device.type} on {sys.platform} is not to be had")
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_report, args=(prepare, sender), daemon=True)
    child.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            raise ResourceError(f"it took more than {seconds:.0f} s")
        found = receiver.recv()
    except EOFError as error:
        child.join()
        raise ResourceError(
            f"its process ended with status {child.exitcode}; look whether memory ran out"
        ) from error
    finally:
        child.kill()
        child.join()
    if isinstance(found, Exception):
        raise found
    return found


def _peak_on_cuda(run: Run, device: torch.device) -> int:
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    run()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def _report(prepare: Callable[[], Run], sender: Connection) -> None:
    """In the child: send the bytes, or the exception that stopped it."""
    try:
        run = prepare()
        before = _begin_mark()
        run()
        sender.send(high_water() - before)
    except Exception as error:
        sender.send(error)


def _begin_mark() -> int:
    """Let the high-water mark begin at what is resident now, where Linux is there to do so; the mark."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        try:
            clear.write_text("5", encoding="ascii")
        except OSError as error:
            raise ResourceError(
                f"{clear}: {error.strerror}; peak memory is not to be had here"
            ) from error
    return high_water()


def high_water() -> int:
    """The most bytes that this process has held at once; 0 on Windows, which is not asked.

    Linux's `ru_maxrss` starts at what the parent had, VmHWM at nothing.
    """
    if sys.platform == "win32":
        return 0
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"^VmHWM:\s*(\d+) kB", status.read_text(encoding="ascii"), re.MULTILINE)
        if found:
            return 1024 * int(found[1])
    import resource  # there is none on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
