"""Options that several commands share."""

import re
import reprlib
from typing import Annotated, Literal

import typer

from lmf.core.errors import InputError

ProfileOption = Annotated[
    str | None,
    typer.Option("--profile", help="Default: `profile` in params.yaml.", show_default=False),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]

KernelOption = Annotated[
    Literal["auto", "dense", "native", "triton"],
    typer.Option(
        help="Renderer: PyTorch (dense), C for CPUs (native), the GPU's (triton), or the best."
    ),
]


def parse_size(text: str) -> tuple[int, int]:
    """ "WIDTHxHEIGHT" -> (H, W). Raises InputError for anything else, or sides of no pixel."""
    found = re.fullmatch(r"([0-9]{1,9})[xX]([0-9]{1,9})", text)
    if not found:
        shown = reprlib.repr(text)  # of no more than 30 characters
        raise InputError(f"--size {shown}: write WIDTHxHEIGHT, for instance 1920x1080")
    width, height = map(int, found.groups())
    if not (width and height):
        raise InputError(f"--size {text} has no pixels: use at least 1x1")
    return height, width
