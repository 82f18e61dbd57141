"""`lmf cmsr check`: what a model's CMSR tables cost in dB and save in time, measured in one run."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import torch
from tabulate import tabulate

from lmf.checkpoint import load_model, read_cmsr
from lmf.data.pictures import as_tensor
from lmf.data.sets import open_set
from lmf.metrics.quality import scores
from lmf.metrics.stopwatch import Stopwatch
from lmf.model import Lmf
from lmf.render.cmsr import CmsrTable
from lmf.render.options import Kernel, Options
from lmf.study.evaluate.pair import Pair, make_pair

RUNS = 3
"""Times each picture is enlarged each way, in turn; the fastest counts."""

PROTOCOL = "benchmark_y"


@dataclass(frozen=True)
class Saving:
    """One picture at one scale. psnr: of full rendering; lost: dB of it that CMSR gives up.

    saved: share of queries. rendering, whole: times as fast, without and with the encoder.
    """

    image: str
    scale: float
    psnr: float
    lost: float
    saved: float
    rendering: float
    whole: float


def check_tables(
    weights: Path,
    scales: Sequence[float],
    set_name: str,
    device: torch.device,
    kernel: Kernel = "auto",
    *,
    data: Path,
) -> tuple[str, list[Saving]]:
    """Enlarge every picture of a set in `data` fully and by CMSR.

    Returns which renderer painted, and the savings.

    Raises:
        CheckpointError: the card has no table for a scale. DataError: the set is missing.
    """
    tables = [read_cmsr(weights, scale) for scale in scales]
    model, pictures = (
        load_model(weights).to(device),
        open_set(set_name, data),
    )
    path, found = model.renderer.choose(Options(kernel=kernel)).path, []
    for table in tables:
        for index in range(len(pictures.hr)):
            pair = make_pair(pictures, index, table.scale)
            found.append(_compare(model, pair, table, Stopwatch(device), device, kernel))
    return path, found


def _compare(
    model: Lmf,
    pair: Pair,
    table: CmsrTable,
    watch: Stopwatch,
    device: torch.device,
    kernel: Kernel,
) -> Saving:
    lr = as_tensor(pair.lr).to(device)
    seconds = []
    for _ in range(RUNS):
        with watch.span("encode"), torch.no_grad():
            model.encode(lr)
        with watch.span("full"):
            full = model.upscale(lr, scale=table.scale, kernel=kernel)
        with watch.span("coarse"):
            coarse = model.upscale(lr, scale=table.scale, cmsr=table, kernel=kernel)
        seconds.append(watch.read())
    encode, fully, coarsely = (
        min(one[name] for one in seconds) for name in ("encode", "full", "coarse")
    )
    before, after = (
        scores(one.rgb.cpu(), pair.hr, PROTOCOL, table.scale).psnr for one in (full, coarse)
    )
    rendering = (fully - encode) / (coarsely - encode)
    lost = before - after
    return Saving(pair.image, table.scale, before, lost, coarse.saved, rendering, fully / coarsely)


def savings_table(found: Sequence[Saving]) -> str:
    """The savings as text, with their mean per scale."""
    rows = [astuple(one) for one in found]
    for scale in dict.fromkeys(one.scale for one in found):
        here = [astuple(one)[2:] for one in found if one.scale == scale]
        means = (sum(column) / len(here) for column in zip(*here, strict=True))
        rows.append(("mean", scale, *means))
    header = ("picture", "scale", f"PSNR ({PROTOCOL})", "lost dB", "queries saved",
              "rendering x", "whole x")  # fmt: skip
    formats = ("", "g", ".2f", "+.4f", ".0%", ".2f", ".2f")
    return str(tabulate(rows, header, "github", floatfmt=formats))
