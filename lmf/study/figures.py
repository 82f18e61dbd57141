"""The study's figures: PSNR gain, ablation, training curves, crops. One idea per figure.

A figure is drawn in a light and a dark theme, at a size that stays readable on a narrow screen, and
always to the same bytes. None of them touches pyplot's state.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from lmf.core.files import atomic_write

SIZE = (4.6, 3.1)  # inches; shown some 500 CSS pixels wide, so that 8.5 pt reads as body text
DPI = 200
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "p")


@dataclass(frozen=True)
class Theme:
    """Colours; `series` are told apart with every common colour-vision deficiency, or by marker."""

    paper: str
    ink: str
    muted: str
    grid: str
    series: tuple[str, ...]


LIGHT = Theme(
    paper="#ffffff",
    ink="#1b2430",
    muted="#667085",
    grid="#e6e9ee",
    series=("#1f5fa8", "#c8661a", "#2b8a6b", "#8456a8", "#9a7d0a", "#b23a5b", "#4b5563", "#0e7c9b"),
)
DARK = Theme(
    paper="#171c24",
    ink="#e6eaf0",
    muted="#98a2b3",
    grid="#2a3340",
    series=("#6aa9ee", "#f0a05a", "#62c7a3", "#bd97e0", "#d8bf55", "#ea7f9c", "#c3cad6", "#5cc6e0"),
)


def gain(
    differences: pd.DataFrame, theme: Theme = LIGHT, order: Sequence[str] | None = None
) -> Figure:
    """PSNR gain over bicubic against scale, one series per model, 95 % intervals over pictures.

    differences: one set of `tables.tidy.difference_table`. order: all variants of the study, so that one
    variant has one colour in all figures.
    """
    scales = sorted(differences["scale"].unique())
    models = list(dict.fromkeys(differences["model"]))
    with canvas(theme) as (figure, axes):
        for index, model in enumerate(models):
            rows = differences[differences["model"] == model].set_index("scale").loc[scales]
            axes.errorbar(
                np.arange(len(scales)) + _dodge(index, len(models), 0.11),
                rows["difference"],
                yerr=_reach(rows, "difference", "difference_low", "difference_high"),
                **look(model, order or models, theme),
                linewidth=1.3,
                elinewidth=1.1,
                markersize=4.5,
            )
        _level(axes, theme, "bicubic")
        axes.set_xticks(range(len(scales)), [f"×{scale:g}" for scale in scales])
        axes.set(xlabel="scale", ylabel="PSNR gain over bicubic (dB)")
        legend(figure, len(models))
    return figure


def ablation(
    table: pd.DataFrame, theme: Theme = LIGHT, order: Sequence[str] | None = None
) -> Figure:
    """PSNR difference to the full model per scale, one bar per ablation, paired 95 % intervals.

    table: one set of `tables.tidy.ablation_table`; the full model's own rows (no delta) are left out.
    order: as in `gain`.
    """
    table = table[table["delta_psnr"].notna()]
    scales = sorted(table["scale"].unique())
    variants = list(dict.fromkeys(table["variant"]))
    width = 0.75 / max(1, len(variants))
    with canvas(theme) as (figure, axes):
        for index, variant in enumerate(variants):
            rows = table[table["variant"] == variant].set_index("scale").loc[scales]
            axes.bar(
                np.arange(len(scales)) + _dodge(index, len(variants), width),
                rows["delta_psnr"],
                width * 0.9,
                yerr=_reach(rows, "delta_psnr", "delta_low", "delta_high"),
                color=look(variant, order or variants, theme)["color"],
                error_kw={"ecolor": theme.ink, "elinewidth": 1.0},
                label=variant,
            )
        _level(axes, theme, "full model")
        axes.set_xticks(range(len(scales)), [f"×{scale:g}" for scale in scales])
        axes.set(xlabel="scale", ylabel="PSNR, ablation − full (dB)")
        legend(figure, len(variants))
    return figure


def training(
    curves: Mapping[str, pd.DataFrame],
    column: str,
    ylabel: str,
    theme: Theme = LIGHT,
    bicubic: float | None = None,
) -> Figure:
    """A column of the training logs against step, one line per variant, the loss as a running mean.

    bicubic: what interpolation reaches, as a line across.
    """
    with canvas(theme) as (figure, axes):
        tops = []
        for variant, curve in curves.items():
            known = curve[curve[column].notna()]
            window = len(known) // 10 if column == "loss" else 1  # a step's loss says little
            values = known[column].rolling(max(1, window), min_periods=1).mean()
            tops.append(values.quantile(0.97))
            style_ = look(variant, list(curves), theme)
            if len(known) > 12:
                style_["marker"] = ""
            axes.plot(known["step"], values, **style_, markersize=4, linewidth=1.3)
        if column == "loss" and tops:
            axes.set_ylim(0, 1.15 * max(tops))  # the first steps would flatten all the rest
        if bicubic is not None:
            _level(axes, theme, "bicubic", bicubic)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set(xlabel="optimiser step", ylabel=ylabel)
        legend(figure, len(curves))
    return figure


def strip(rows: Mapping[str, Mapping[str, ArrayLike]], theme: Theme = LIGHT) -> Figure:
    """Crops side by side: one row per picture, one column per model; (H, W, 3) uint8 each.

    rows: row label -> column label -> pixels; every row has the same columns.
    """
    columns = list(next(iter(rows.values())))
    with style.context(_style(theme)):
        figure = Figure(
            (1.15 * len(columns) + 0.2, 1.3 * len(rows) + 0.2), DPI, layout="constrained"
        )
        grid = figure.subplots(len(rows), len(columns), squeeze=False)
        for line, (label, crops) in zip(grid, rows.items(), strict=True):
            for axes, column in zip(line, columns, strict=True):
                axes.imshow(np.asarray(crops[column]), interpolation="nearest")
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set_visible(False)
            line[0].set_ylabel(label, fontsize=7)
        for axes, column in zip(grid[0], columns, strict=True):
            axes.set_title(column, fontsize=7)
    return figure


def png(figure: Figure) -> bytes:
    """The figure as PNG; equal figures give equal bytes, for no date or version is written."""
    buffer = io.BytesIO()
    with style.context("default"):
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def save(figure: Figure, path: Path) -> Path:
    """Write the figure as PNG, whole or not at all; returns `path`. Raises ResourceError."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(png(figure))
    return path


def _style(theme: Theme) -> list[str | dict[str, object]]:
    return [
        "default",  # whatever matplotlibrc says on this machine
        {
            "font.size": 8.5,
            "text.color": theme.ink,
            "axes.labelcolor": theme.ink,
            "axes.edgecolor": theme.muted,
            "axes.facecolor": theme.paper,
            "figure.facecolor": theme.paper,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.linewidth": 0.8,
            "axes.grid": True,
            "axes.grid.axis": "y",
            "axes.axisbelow": True,
            "grid.color": theme.grid,
            "grid.linewidth": 0.8,
            "xtick.color": theme.muted,
            "ytick.color": theme.muted,
            "xtick.labelcolor": theme.ink,
            "ytick.labelcolor": theme.ink,
            "legend.frameon": False,
        },
    ]


@contextmanager
def canvas(theme: Theme) -> Iterator[tuple[Figure, Axes]]:
    """A figure with one pair of axes in the theme's style."""
    with style.context(_style(theme)):
        figure = Figure(SIZE, DPI, layout="constrained")
        yield figure, figure.subplots()


def look(name: str, order: Sequence[str], theme: Theme) -> dict[str, Any]:
    """Colour, marker and label of a series, the same wherever `order` is."""
    index = list(order).index(name)
    return {
        "color": theme.series[index % len(theme.series)],
        "marker": MARKERS[index % len(MARKERS)],
        "label": name,
    }


def _dodge(index: int, of: int, step: float) -> float:
    """Sideways shift of series `index`, so that intervals do not cover each other."""
    return (index - (of - 1) / 2) * step


def _reach(rows: pd.DataFrame, middle: str, low: str, high: str) -> NDArray[np.float64]:
    """(2, n) lengths of the interval below and above its mean; 0 where there is none."""
    reach = np.nan_to_num([rows[middle] - rows[low], rows[high] - rows[middle]])
    return np.maximum(reach, 0)  # equal differences: their mean is rounded past the interval


def _level(axes: Axes, theme: Theme, label: str, at: float = 0) -> None:
    axes.axhline(at, color=theme.ink, linewidth=1.0, zorder=1)
    axes.annotate(
        label,
        (1, at),
        xycoords=("axes fraction", "data"),
        xytext=(3, 0),
        textcoords="offset points",
        va="center",
        fontsize=7.5,
        color=theme.muted,
    )


def legend(figure: Figure, entries: int) -> None:
    """Above the axes, where it hides no data."""
    figure.legend(
        loc="outside upper left",
        ncols=min(entries, 3),
        fontsize=8,
        columnspacing=1.2,
        handlelength=1.6,
    )
