"""`lmf bench`: what the models cost here."""

from pathlib import Path
from typing import Annotated

import typer

from lmf.cli.options import DeviceOption, parse_size


def bench(
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model", help="liif, lte, ciaosr or lm-...; may be repeated.  [default: all]"
        ),
    ] = None,
    encoders: Annotated[
        list[str] | None,
        typer.Option("--encoder", help="May be repeated.  [default: edsr-baseline]"),
    ] = None,
    scales: Annotated[
        list[float] | None,
        typer.Option("--scale", help="May be repeated.  [default: 2 4 8 12 18 30]"),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="WIDTHxHEIGHT of the input.  [default: 320x180]")
    ] = None,
    precision: Annotated[str, typer.Option(help="fp32 or bf16.")] = "fp32",
    device: DeviceOption = "auto",
    runs: Annotated[
        int | None, typer.Option(help="Repetitions, after a warm-up.  [default: 5]")
    ] = None,
    limit: Annotated[
        float | None, typer.Option(help="Seconds that one case may take.  [default: 20]")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="The most telling ratios, in under a minute.")
    ] = False,
    out: Annotated[Path, typer.Option(help="JSON to write.")] = Path("runs/bench.json"),
) -> None:
    """Measure parameters, multiply-adds, seconds by stage and peak memory, against the machine's best.

    Models are rendered by our renderer, in PyTorch and by the device's kernel where there is one, and by
    the original algorithm, which gathers codes and modulations for every HR pixel: in an order that suits
    caches ("gather"), and in the steps of the released code ("official"). Weights are untrained: they
    change no time.
    A case that would exceed --limit gets fewer repetitions, or is left out with the reason. The figures
    are of one run on one machine: an interrupted benchmark writes nothing, and begins anew.

    Example: lmf bench --quick

    Example: lmf bench --model lte --model lm-lte --scale 4 --device cuda --out bench.json
    """
    from rich.console import Console

    from lmf.core.files import check_place
    from lmf.deploy.device import choose_device
    from lmf.study.bench.plan import make_plan
    from lmf.study.bench.record import write_bench
    from lmf.study.bench.run import run_bench
    from lmf.study.bench.table import say_step, show

    lr_size = None if size is None else parse_size(size)
    plan = make_plan(models, encoders, scales, lr_size, precision, runs, limit, quick=quick)
    chosen = choose_device(device)
    check_place(out)  # before the work, which is in vain where nothing can be written
    found = run_bench(plan, chosen, say_step)
    write_bench(out, found)
    show(found, Console())
    typer.echo(out, err=True)
