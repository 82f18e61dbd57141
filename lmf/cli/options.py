"""Options that several commands share."""

from typing import Annotated, Literal

import typer

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
