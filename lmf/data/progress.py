"""What a long step tells whoever is watching, without knowing whether that is a bar or a log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

_LOG = logging.getLogger(__name__)


class ProgressSink(Protocol):
    """Receives the progress of one step at a time."""

    def begin(
        self, label: str, total: int | None, unit: Literal["B", "images"], done: int = 0
    ) -> None:
        """A step of `total` units starts (None: unknown); `done` of them are there already."""

    def advance(self, count: int) -> None:
        """`count` more units of the current step are done."""

    def end(self) -> None:
        """The current step is over, whether it succeeded or not."""

    def note(self, text: str) -> None:
        """One line for people: a licence, a retry, a wait, the next mirror."""


class Quiet:
    """Shows no progress; notes go to the log."""

    def begin(
        self, label: str, total: int | None, unit: Literal["B", "images"], done: int = 0
    ) -> None:
        """Ignore it."""

    def advance(self, count: int) -> None:
        """Ignore it."""

    def end(self) -> None:
        """Ignore it."""

    def note(self, text: str) -> None:
        """Write `text` to the log at level INFO."""
        _LOG.info(text)


QUIET = Quiet()


@contextmanager
def step(
    progress: ProgressSink,
    label: str,
    total: int | None,
    unit: Literal["B", "images"],
    done: int = 0,
) -> Iterator[None]:
    """Open a step on `progress` and close it whatever happens."""
    progress.begin(label, total, unit, done)
    try:
        yield
    finally:
        progress.end()
