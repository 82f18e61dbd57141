"""Which of several processes this one is, as torchrun or Slurm started them: the first one speaks."""

import os

import typer

from lmf.core.errors import LmfError, ResourceError


def rank() -> int:
    """Of this process among all; 0 for a process alone."""
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")))


def leads() -> bool:
    """Whether this is the first process."""
    return rank() == 0


def say(text: str) -> None:
    """A line for people, from the first process."""
    if leads():
        typer.echo(text, err=True)


def message_of(error: LmfError) -> str | None:
    """What this process says of an error; None where the first one says the same.

    An error may be another process's own: memory is each one's, files are each machine's.
    """
    if leads():
        return str(error)
    local = os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0"))
    if local == "0" or isinstance(error, ResourceError):
        return f"process {rank()}: {error}"
    return None
