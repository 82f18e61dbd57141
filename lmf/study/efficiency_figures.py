"""Figures of the efficiency study: the paper's curve, and where the time goes."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lmf.study.bench.record import Bench, Row
from lmf.study.figures import LIGHT, Theme, canvas, legend, look
from lmf.study.stages.efficiency import DECODER

LARGEST = 500.0
"""Area in square points of the slowest case's circle."""

STAGES = ("encoder", "head", "latent", "render")


def curve(costs: pd.DataFrame, bench: Bench | None, theme: Theme = LIGHT) -> Figure:
    """Multiply-adds of the decoder against scale, a line per model; a circle's area is its runtime.

    costs: of `stages.efficiency.count_costs`, one encoder. Circles stand on the lines, at the scales
    that were timed; only their areas are of the timed input, which may be a smaller one.
    """
    models = list(dict.fromkeys(costs["model"]))
    macs = costs.assign(decoder=costs[DECODER].sum(axis=1) / 1e9)
    with canvas(theme) as (figure, axes):
        for model in models:
            rows = macs[macs["model"] == model]
            style = look(model, models, theme) | {"marker": ""}
            axes.plot(rows["scale"], rows["decoder"], linewidth=1.2, **style)
        if bench is not None:
            _circles(axes, macs, _fastest(bench.rows), models, theme)
        axes.set(yscale="log", xscale="log", xlabel="scale", ylabel="decoder, 10⁹ multiply-adds")
        scales = sorted(macs["scale"].unique())
        axes.set_xticks(scales, [f"×{scale:g}" for scale in scales])
        axes.minorticks_off()
        legend(figure, len(models))
    return figure


def _circles(
    axes: Axes, macs: pd.DataFrame, rows: Sequence[Row], models: Sequence[str], theme: Theme
) -> None:
    slowest = max((row.seconds.decoder.median for row in rows), default=0.0)
    height = macs.set_index(["model", "scale"])["decoder"].groupby(level=(0, 1)).first()
    for row in rows:
        place, seconds = (row.case.model, row.case.scale), row.seconds.decoder.median
        if place in height.index:
            colour = look(row.case.model, models, theme)["color"]
            at = (row.case.scale, height[place])
            area = LARGEST * seconds / slowest
            axes.scatter(*at, area, color=colour, alpha=0.45, linewidths=0)
            if seconds == slowest:
                axes.annotate(f"{seconds:.2g} s", at, ha="center", va="center", fontsize=7)


def stages(bench: Bench, scale: float, theme: Theme = LIGHT) -> Figure:
    """Share of the time that each stage takes at one scale, a stacked bar per model and path."""
    rows = [row for row in bench.rows if row.case.scale == scale]
    names = [f"{row.case.model}\n{row.case.path}\n{row.seconds.total.median:.2g} s" for row in rows]
    with canvas(theme) as (figure, axes):
        base = [0.0] * len(rows)
        for stage in STAGES:
            values = [_share(row, stage) for row in rows]
            colour = look(stage, STAGES, theme)["color"]
            axes.bar(names, values, 0.7, bottom=base, color=colour, label=stage)
            base = [low + value for low, value in zip(base, values, strict=True)]
        axes.tick_params(axis="x", labelsize=6.5)
        axes.set(ylabel=f"share of the time at ×{scale:g} (%)", ylim=(0, 100))
        legend(figure, len(STAGES))
    return figure


def _share(row: Row, stage: str) -> float:
    """Per cent of the sum of all stages."""
    return 100 * _median(row, stage) / sum(_median(row, one) for one in STAGES)


def _median(row: Row, stage: str) -> float:
    spread = getattr(row.seconds, stage)
    return 0.0 if spread is None else spread.median


def _fastest(rows: Sequence[Row]) -> list[Row]:
    """Of each model and scale the path with the shorter decoder: what a user would wait for."""
    best: dict[tuple[str, float], Row] = {}
    for row in rows:
        key = (row.case.model, row.case.scale)
        if key not in best or row.seconds.decoder.median < best[key].seconds.decoder.median:
            best[key] = row
    return list(best.values())
