"""Figures of the efficiency study: the paper's curve beside ours, and where the time goes."""

import math
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lmf.metrics.cost import LR_SIZE
from lmf.study.bench.record import Bench, Row
from lmf.study.figures import LIGHT, Theme, canvas, legend, look
from lmf.study.stages.efficiency import DECODER, ENCODER, of_one_encoder

LARGEST = 500.0
"""Area in square points of the slowest case's circle."""

STAGES = ("encoder", "head", "latent", "render")

METRIC = "MACs_G_approx"
"""Published multiply-adds of decoders for 320x180, read off a chart; no runtime is known."""

BARS = 6
"""Bars that the usual height of a figure has room for."""


def curve(
    costs: pd.DataFrame,
    bench: Bench | None,
    published: pd.DataFrame | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Multiply-adds of the decoder against scale, a line per model; a circle's area is its runtime.

    costs: of `stages.efficiency.count_costs`. published: of `read_published`, whose points
    are crosses. Circles are of one encoder that was timed, for as many LR pixels as the lines: those of
    another input are scaled, both height and area. `caption` says what is what.
    """
    costs = of_one_encoder(costs)
    models = list(dict.fromkeys(costs["model"]))
    macs = costs.assign(decoder=costs[DECODER].sum(axis=1) / 1e9)
    with canvas(theme) as (figure, axes):
        for model in models:
            rows = macs[macs["model"] == model]
            style = look(model, models, theme) | {"marker": ""}
            axes.plot(rows["scale"], rows["decoder"], linewidth=1.2, **style)
        if bench is not None:
            _circles(axes, _fastest(bench.rows), models, theme)
        if published is not None:
            _crosses(axes, published, models, theme)
        axes.set(yscale="log", xscale="log", xlabel="scale", ylabel="decoder, 10⁹ multiply-adds")
        scales = sorted(macs["scale"].unique())
        axes.set_xticks(scales, [f"×{scale:g}" for scale in scales])
        axes.minorticks_off()
        axes.margins(x=0.08, y=0.1)  # whole circles
        legend(figure, len(models))
    return figure


def caption(bench: Bench | None) -> str:
    """What the curve shows, and how circles of another input or encoder come to stand beside it."""
    said = (
        "Lines: counted for 320×180, EDSR-baseline. Crosses: published for 320×180, read off a "
        "chart; published runtimes are not known."
    )
    rows = [] if bench is None else _fastest(bench.rows)
    if not rows:
        return said
    (h, w), encoder = rows[0].case.input, rows[0].case.encoder
    said += f" Circles: our decoders on {w}×{h} with {encoder}, area ∝ seconds, by the fastest path"
    if (h, w) == LR_SIZE:
        return said + "."
    return (
        f"{said}; multiply-adds and seconds are multiplied by {_scaling(rows[0]):.4g}, as the lines "
        "are for so many times the LR pixels."
    )


def _circles(axes: Axes, rows: Sequence[Row], models: Sequence[str], theme: Theme) -> None:
    seconds = [_scaling(row) * row.seconds.decoder.median for row in rows]
    for row, spent in zip(rows, seconds, strict=True):
        colour = look(row.case.model, models, theme)["color"]
        at = (row.case.scale, _scaling(row) * row.macs.decoder / 1e9)
        area = LARGEST * spent / max(seconds)
        axes.scatter(*at, area, color=colour, alpha=0.45, linewidths=0)
        axes.scatter(*at, area, facecolors="none", edgecolors=colour, linewidths=0.8)
        if spent == max(seconds):
            about = "" if _scaling(row) == 1 else "≈ "
            axes.annotate(about + brief(spent), at, ha="center", va="center", fontsize=7)


def _crosses(axes: Axes, published: pd.DataFrame, models: Sequence[str], theme: Theme) -> None:
    for row in published[published["metric"] == METRIC].itertuples():
        if (model := row.method.lower()) in models:
            colour = look(model, models, theme)["color"]
            axes.scatter(row.scale, row.value, 28, color=colour, marker="x", linewidths=1.2)


def brief(seconds: float) -> str:
    """Two figures, or all digits before the point."""
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"


def _scaling(row: Row) -> float:
    """LR pixels of the lines for each of a timed case."""
    return math.prod(LR_SIZE) / math.prod(row.case.input)


def stages(bench: Bench, scale: float, theme: Theme = LIGHT) -> Figure:
    """Share of the time that each stage takes at one scale, a bar per model and path.

    The scale is the timed one that is nearest. Beside each bar: seconds of one whole image.
    """
    scale = nearest(bench, scale)
    rows = [row for row in bench.rows if row.case.scale == scale]
    with canvas(theme) as (figure, axes):
        figure.set_figheight(figure.get_figheight() * max(1, len(rows) / BARS))
        base = [0.0] * len(rows)
        for stage in STAGES:
            values = [_share(row, stage) for row in rows]
            colour = look(stage, STAGES, theme)["color"]
            axes.barh(range(len(rows)), values, 0.7, left=base, color=colour, label=stage)
            base = [low + value for low, value in zip(base, values, strict=True)]
        axes.set_yticks(range(len(rows)), [_name(row, bench) for row in rows], fontsize=7)
        for place, row in enumerate(rows):
            text = brief(row.seconds.total.median)
            axes.annotate(text, (101, place), va="center", fontsize=7)
        axes.grid(visible=False)
        axes.set(xlabel=f"share of the time at ×{scale:g} (%)", xlim=(0, 112))
        axes.set_ylim(len(rows), -1)
        axes.set_xticks(range(0, 101, 20))
        legend(figure, len(STAGES))
    return figure


def nearest(bench: Bench, scale: float) -> float:
    """The timed scale that is nearest to one; that itself if none was timed."""
    timed = {row.case.scale for row in bench.rows}
    return min(sorted(timed), key=lambda one: abs(one - scale), default=scale)


def _name(row: Row, bench: Bench) -> str:
    """Of a bar: model and path, and the encoder where there are several."""
    encoders = {one.case.encoder for one in bench.rows}
    case = row.case
    return f"{case.model} {case.path}" + (f"\n{case.encoder}" if len(encoders) > 1 else "")


def _share(row: Row, stage: str) -> float:
    """Per cent of the sum of all stages."""
    return 100 * _median(row, stage) / sum(_median(row, one) for one in STAGES)


def _median(row: Row, stage: str) -> float:
    spread = getattr(row.seconds, stage)
    return 0.0 if spread is None else spread.median


def _fastest(rows: Sequence[Row]) -> list[Row]:
    """Of each model and scale the path with the shorter decoder: what a user would wait for.

    All with one encoder: that of the lines if it was timed, or the first.
    """
    encoders = [row.case.encoder for row in rows]
    encoder = ENCODER if ENCODER in encoders else next(iter(encoders), None)
    best: dict[tuple[str, float], Row] = {}
    for row in rows:
        key = (row.case.model, row.case.scale)
        if row.case.encoder == encoder and (
            key not in best or row.seconds.decoder.median < best[key].seconds.decoder.median
        ):
            best[key] = row
    return list(best.values())
