"""Test charts computed from formulas: pictures whose true content is known at every scale.

They fill `samples/`, so that a fresh clone has pictures of its own to import and evaluate.
"""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Plane = NDArray[np.float64]


def zone_plate(side: int) -> Plane:
    """cos(pi r^2 / side): frequency grows linearly from 0 at the centre to Nyquist at the edges."""
    y, x = _centred(side)
    return 0.5 + 0.5 * np.cos(math.pi * (x**2 + y**2) / side)


def siemens_star(side: int, spokes: int = 24) -> Plane:
    """Sectors that narrow towards the centre (ISO 12233's target for resolution)."""
    y, x = _centred(side)
    return 0.5 + 0.5 * np.tanh(6 * np.sin(spokes * np.arctan2(y, x)))


def gratings(side: int) -> Plane:
    """Nine fields of sinusoidal lines: three periods (12, 6, 3 px) at 0, 30 and 90 degrees."""
    picture = np.empty((side, side))
    edges = [round(side * i / 3) for i in range(4)]
    y, x = _centred(side)
    for row, degrees in enumerate((0, 30, 90)):
        angle = math.radians(degrees)
        along = x * math.cos(angle) + y * math.sin(angle)
        for column, period in enumerate((12, 6, 3)):
            field = slice(edges[row], edges[row + 1]), slice(edges[column], edges[column + 1])
            picture[field] = (0.5 + 0.5 * np.cos(2 * math.pi * along / period))[field]
    return picture


def text(side: int) -> Plane:
    """Lines of text from 8 to 40 px, dark on light."""
    picture = Image.new("L", (side, side), 235)
    draw = ImageDraw.Draw(picture)
    top = 6
    for height in (8, 10, 12, 16, 20, 28, 40):
        draw.text(
            (8, top), "Latent modulated functions 0123456789", 20, ImageFont.load_default(height)
        )
        top += round(height * 1.6)
    return np.asarray(picture) / 255


CHARTS: dict[str, Callable[[int], Plane]] = {
    "zone-plate": zone_plate,
    "siemens-star": siemens_star,
    "gratings": gratings,
    "text": text,
}


def draw_charts(folder: Path, side: int = 256) -> list[Path]:
    """Write every chart as <folder>/<name>.png (8-bit grey as RGB); returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, chart in CHARTS.items():
        grey = np.round(chart(side) * 255).astype(np.uint8)
        paths.append(folder / f"{name}.png")
        Image.fromarray(grey).convert("RGB").save(paths[-1])
    return paths


def _centred(side: int) -> tuple[Plane, Plane]:
    """(y, x) in pixels from the picture's centre."""
    axis = np.arange(side) - (side - 1) / 2
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return y, x
