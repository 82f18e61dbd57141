"""A benchmark as text: cells for a terminal or a document."""

from collections.abc import Iterator
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from lmf.study.bench.official import PASS
from lmf.study.bench.plan import Case, Skipped
from lmf.study.bench.ratios import MEANING
from lmf.study.bench.record import Bench, Ratio, Row, Spread
from lmf.study.bench.subject import QUERIES
from lmf.study.progress import console as progress

COLUMNS = (
    "model", "encoder", "input", "scale", "path", "decoder par.", "decoder GMACs", "all GMACs",
    "seconds", "encoder", "head", "latent", "render", "decoder of matmul", "peak", "runs",
)  # fmt: skip

WIDTH = 200
"""Columns of text where the output is no terminal."""

LEGEND = (
    "MACs are by the definition, for every HR pixel and neighbour. Paths: `gather` is the original "
    f"algorithm, {QUERIES:,} queries at a time; `official` the same in the steps of the released "
    f"code, up to {PASS:,} queries in one pass; `dense` our renderer in PyTorch; `native` and `triton` "
    "our kernels. (n %) is timed on n % of the HR pixels and scaled up; ≥ marks what was timed in "
    "smaller passes than its own, which are faster."
)
"""How the rows of any benchmark are to be read."""


def say_step(done: int, total: int, what: str) -> None:
    """Progress for people, on stderr: a line per case."""
    progress.print(f"bench {done + 1}/{total}: {what}", highlight=False, soft_wrap=True)


def show(bench: Bench, console: Console) -> None:
    """Print the rows, the ratios, what was left out, and where all of it was taken."""
    if not console.is_terminal:
        console.width = WIDTH
    rows = Table(*COLUMNS, title="Cost of one image")
    for row in bench.rows:
        rows.add_row(*cells(row, bench.peak(row.case)))
    console.print(rows)
    ratios = Table("ratio", "at", "value", "goal", title="Ratios within this run")
    for ratio in bench.ratios:
        ratios.add_row(
            MEANING[ratio.name], where(ratio.case, bench), value(ratio, bench), ratio.goal or ""
        )
    console.print(ratios)
    for one in bench.skipped:
        console.print(skipped_line(one), highlight=False, markup=False)
    for line in (*notes(bench), LEGEND):
        console.print(line, highlight=False, markup=False)


def cells(row: Row, peak: int | None) -> list[str]:
    """A row as text, in the order of `COLUMNS`."""
    case, spent = row.case, row.seconds
    return [
        case.model,
        case.encoder,
        f"{case.input[1]}x{case.input[0]}",
        f"x{case.scale:g}",
        case.path + ("" if row.queries == 1 else f" ({100 * row.queries:.2g} %)"),
        f"{row.decoder_parameters:,}",
        f"{row.macs.decoder / 1e9:.1f}",
        f"{row.macs.total / 1e9:.1f}",
        ("≥ " if at_least(row) else "") + _spread(spent.total, row.runs),
        _seconds(spent.encoder.median),
        _seconds(spent.head.median),
        "" if spent.latent is None else _seconds(spent.latent.median),
        _seconds(spent.render.median),
        f"{100 * row.share.decoder:.0f} %",
        "" if peak is None else f"{peak / 1e6:.0f} MB",
        str(row.runs),
    ]


def at_least(row: Row) -> bool:
    """Whether the case was timed in smaller passes than its own, which are faster."""
    height, width = row.case.size
    timed = row.queries * height * width
    return row.case.path == "official" and timed < min(PASS, height * width)


def value(ratio: Ratio, bench: Bench) -> str:
    """A ratio as text, with ≥ where what stands above its line was faster than it would be."""
    above = replace(ratio.case, path="official")
    bound = any(at_least(row) for row in bench.rows if row.case == above)
    return ("≥ " if bound and ratio.name.endswith("over_official") else "") + f"{ratio.value:.2f}"


def place(case: Case) -> str:
    """Input and scale of a case."""
    return f"{case.input[1]}x{case.input[0]} x{case.scale:g}"


def where(case: Case, bench: Bench) -> str:
    """A case in words: its encoder is named where the benchmark has several."""
    encoders = {row.case.encoder for row in bench.rows}
    encoder = f" {case.encoder}" if len(encoders) > 1 else ""
    return f"{case.model}{encoder} {place(case)} {case.path}"


def skipped_line(one: Skipped) -> str:
    """What was left out, and why."""
    return f"not measured: {one.what} of {one.case}: {one.reason}"


def notes(bench: Bench) -> Iterator[str]:
    """Where the figures were taken, how often, and between which ceilings."""
    by, top = bench.provenance, bench.ceilings
    yield (
        f"{by.device}, {by.cpu}, {by.threads} threads, torch {by.torch}, lmf {by.lmf}, "
        f"{by.precision}, batch 1, seed {by.seed}, {by.weights} weights. Seconds are the median "
        f"[quartiles] of at most {by.runs} runs after a first that warms up; a case whose first run takes "
        "too long for a second has that one alone. Left out is what, by a run on a small corner of "
        f"the input, would take more than {by.limit:g} s; seconds marked (n %) are scaled up and may be more"
        + ("." if by.spend is None else f"; runs are repeated for {by.spend:g} s.")
    )
    yield (
        f"ceilings measured in the same run: matrix product {top.matmul / 1e9:.0f} GFLOP/s, "
        f"copy {top.copy / 1e9:.1f} GB/s read and written"
        + ("; convolutions take fp32 as TF32, which is faster than that product" if by.tf32 else "")
    )


def _spread(spent: Spread, runs: int) -> str:
    if runs == 1:
        return _seconds(spent.median)
    low, high = _seconds(spent.q25), _seconds(spent.q75)
    return f"{_seconds(spent.median)} [{low}, {high}]"


def _seconds(value: float) -> str:
    """Three figures, from milliseconds up; two of what a GPU does in less."""
    if value < 0.01:
        return f"{value:.2g}"
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"
