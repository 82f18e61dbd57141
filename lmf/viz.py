"""Figures for notebooks: pictures side by side, maps over the LR grid, gains by scale.

Every function returns a matplotlib Figure that belongs to no global state; `show` displays it.
"""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from torch import Tensor

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import Image


def show(figure: Figure) -> "Image":
    """The figure as a PNG that a notebook displays when it is a cell's last value."""
    from IPython.display import Image

    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    return Image(data=buffer.getvalue())


def pictures(named: Mapping[str, Tensor | ArrayLike], zoom: float = 2.4) -> Figure:
    """Pictures in a row, each under its name, pixels kept square and unsmoothed.

    named: (3, H, W) or (1, 3, H, W) tensors, or (H, W[, 3]) arrays, with values in [0, 1] or uint8.
    """
    figure = Figure(figsize=(zoom * len(named), zoom * 1.15))
    for axes, (name, picture) in zip(
        figure.subplots(1, len(named), squeeze=False)[0], named.items(), strict=True
    ):
        axes.imshow(_as_array(picture), interpolation="nearest", cmap="gray", vmin=0, vmax=1)
        axes.set_title(name, fontsize=9)
        axes.set_axis_off()
    return figure


def maps(named: Mapping[str, Tensor], columns: int = 4, label: str = "") -> Figure:
    """Scalar maps (h, w) over the LR grid, each with its own colour bar."""
    rows = -(-len(named) // columns)
    figure = Figure(figsize=(3.0 * columns, 2.6 * rows))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, values) in zip(grid, named.items(), strict=False):
        image = axes.imshow(values.detach().cpu().numpy(), cmap="viridis", interpolation="nearest")
        axes.set_title(name, fontsize=9)
        figure.colorbar(image, ax=axes, shrink=0.8, label=label)
    for axes in grid:
        axes.set_xticks([])
        axes.set_yticks([])
    for axes in grid[len(named) :]:
        axes.set_visible(False)
    return figure


def gains(rows: "pd.DataFrame", reference: "pd.DataFrame") -> Figure:
    """PSNR of `rows` minus `reference`, a dot per picture and a line through the means, per set.

    reference: of one model, which the label names.
    """
    keys = ["set", "image", "scale"]
    both = rows.merge(reference[[*keys, "psnr"]], on=keys, suffixes=("", "_reference"))
    both["gain"] = both["psnr"] - both["psnr_reference"]
    sets: Sequence[str] = list(dict.fromkeys(both["set"]))
    (other,) = reference["model"].unique()
    figure = Figure(figsize=(4.2 * len(sets), 3.2))
    for axes, name in zip(figure.subplots(1, len(sets), squeeze=False)[0], sets, strict=True):
        part = both[both["set"] == name]
        mean = part.groupby("scale")["gain"].mean()
        axes.axhline(0, color="0.6", linewidth=1)
        axes.plot(part["scale"], part["gain"], "o", color="#8fb8de", label="one picture")
        axes.plot(mean.index, mean, "-o", color="#1f5a96", label="mean")
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("scale")
        axes.set_ylabel(f"PSNR gain over {other} (dB)")
        axes.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    return figure


def lines(x: Sequence[float], named: Mapping[str, ArrayLike], xlabel: str, ylabel: str) -> Figure:
    """One line per name over common x values, logarithmic in y."""
    figure = Figure(figsize=(4.6, 3.1))
    axes = figure.subplots()
    for name, values in named.items():
        axes.semilogy(x, np.asarray(values), "-o", label=name)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.grid(color="0.9")
    axes.legend(frameon=False)
    return figure


def _as_array(picture: Tensor | ArrayLike) -> np.ndarray:
    if isinstance(picture, Tensor):
        planes = picture.detach().cpu().reshape(picture.shape[-3:]).permute(1, 2, 0)
        planes = planes / 255 if picture.dtype == torch.uint8 else planes.float()
        return planes.clamp(0, 1).numpy()
    array = np.asarray(picture)
    return array / 255 if array.dtype == np.uint8 else array
