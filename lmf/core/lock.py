"""One process at a time where two would spoil each other's files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def alone(path: Path, busy: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file `path`, which is made; the kernel frees that of a killed process.

    busy: called where another process holds it; may raise. After it the lock is waited for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        busy()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
