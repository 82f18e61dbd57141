"""The report's index.html: what goes where. Pure: frames and pictures in, text out.

One file without a network: style and pictures are inside. Only what differs from run to run is not: the
page asks timing.js, which lies beside it, for the seconds per image, and shows efficiency.png.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure
from PIL import Image

from lmf.metrics.protocol import protocol_named
from lmf.study import figures
from lmf.study.figures import Theme
from lmf.study.literature import BICUBIC_TOLERANCE_DB
from lmf.study.report import findings
from lmf.study.settings.ablations import ABLATIONS
from lmf.study.settings.profile import BICUBIC
from lmf.study.tables import layout
from lmf.study.tables.tidy import distinct

REFERENCES = {"lr": ("LR", "as pixels"), "hr": ("HR", "the original")}
"""Crops that no model made: title and note."""

CropKey = tuple[str, str, float]
"""Set, image, scale."""


@dataclass(frozen=True)
class Page:
    """What the report shows; frames as their functions in `tables.tidy` and `literature` describe them.

    scope: what the profile is for. gains: differences to bicubic. between: differences of encoders to
    `base`. spread: of models trained under other seeds. crops: PNG bytes by place and column (lr, bicubic,
    each variant, hr). curves: training logs by variant. costs: multiply-adds, as text.
    """

    profile: str
    scope: str
    base: str
    encoders: pd.DataFrame
    gains: pd.DataFrame
    between: pd.DataFrame
    spread: pd.DataFrame
    ablation: pd.DataFrame
    published: pd.DataFrame
    unchecked_sets: Sequence[str]
    context: pd.DataFrame
    seed: pd.DataFrame
    cards: Mapping[str, Mapping[str, Any]]
    curves: Mapping[str, pd.DataFrame]
    crops: Mapping[CropKey, Mapping[str, bytes]]
    psnr: Mapping[tuple[str, str, str, float], float]
    costs: pd.DataFrame

    @cached_property
    def sets(self) -> list[str]:
        """Test sets in reading order."""
        return list(self.encoders["set"].unique())

    @cached_property
    def alarms(self) -> list[str]:
        """What a reader must know before any number."""
        return [
            *findings.below_bicubic(self.gains),
            *findings.protocol_mismatch(self.published),
            *findings.unequal_budgets(self.cards),
        ]

    @cached_property
    def unchecked(self) -> list[str]:
        """Sets whose bicubic cannot be held against the literature."""
        return findings.unchecked(self.unchecked_sets, self.encoders)

    @cached_property
    def comparisons(self) -> dict[str, pd.DataFrame]:
        """Paired differences by what they are against: the questions that the study asks."""
        encoders = self.gains["model"].isin(self.encoders["model"])
        return {
            BICUBIC: self.gains[encoders],
            self.base: self.between,
            f"the full {self.base}": as_differences(self.ablation),
        }

    @cached_property
    def in_short(self) -> list[str]:
        """One sentence per question."""
        moved = findings.chance(self.spread)
        return [s for a, d in self.comparisons.items() for s in findings.tally(d, a, moved)]

    @cached_property
    def in_full(self) -> dict[str, list[str]]:
        """One sentence per question and set."""
        moved = findings.chance(self.spread)
        return {a: findings.comparisons(d, a, moved) for a, d in self.comparisons.items()}

    @cached_property
    def seeds(self) -> list[str]:
        """How far a second training moves a model, or that nobody knows."""
        return findings.seeds(self.spread)

    @cached_property
    def cautions(self) -> list[str]:
        """Sets too small for firm conclusions."""
        return findings.few_pictures(self.encoders)

    @cached_property
    def left_out(self) -> list[str]:
        """Ablations that the study knows and did not run."""
        return findings.ablations_left_out(self.ablation)

    @cached_property
    def seed_verdict(self) -> str:
        """What to think of the seed's figures, in one paragraph."""
        return findings.seed_verdict(self.seed)


def draw(page: Page, theme: Theme) -> Iterator[tuple[str, Figure]]:
    """The report's figures by file name without suffix."""
    encoders = set(page.encoders["model"])
    for set_ in page.sets:
        gains = page.gains[(page.gains["set"] == set_) & page.gains["model"].isin(encoders)]
        yield f"gain-{set_}", figures.gain(gains, theme, list(page.cards))
        if len(page.ablation):
            rows = page.ablation[page.ablation["set"] == set_]
            yield f"ablation-{set_}", figures.ablation(rows, theme, list(page.cards))
    yield "loss", figures.training(page.curves, "loss", "training loss", theme)
    levels = {card["metrics"].get("psnr_validation_bicubic") for card in page.cards.values()}
    bicubic = levels.pop() if len(levels) == 1 else None  # trainings may have had other crops
    label = "validation PSNR (dB)"
    yield "validation", figures.training(page.curves, "psnr_val", label, theme, bicubic)
    if page.crops:
        rows = {
            f"{image} ×{scale:g}\n{set_}": {
                REFERENCES.get(name, (name,))[0]: _pixels(png) for name, png in crops.items()
            }
            for (set_, image, scale), crops in page.crops.items()
        }
        yield "crops", figures.strip(rows, theme)


def render_page(page: Page, light: Mapping[str, bytes], dark: Mapping[str, bytes]) -> str:
    """index.html; light, dark: the PNGs of `draw` in both themes."""
    environment = Environment(
        loader=PackageLoader("lmf.study.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["minus"] = lambda text: re.sub(r"(?<!\w)-(?=\d)", "−", text)
    environment.filters["data"] = lambda png: "data:image/png;base64," + b64encode(png).decode()
    return environment.get_template("report.html.j2").render(
        page=page,
        light=light,
        dark=dark,
        changes={name: one.what for name, one in ABLATIONS.items()},
        protocols={name: protocol_named(name).description for name in _protocols(page)},
        seeds=distinct(page.encoders["seed"]),
        steps=[f"{steps:,}" for steps in sorted({card["steps"] for card in page.cards.values()})],
        tolerance=BICUBIC_TOLERANCE_DB,
        encoder_sets=[_encoder_set(page, set_) for set_ in page.sets],
        ablation_sets=[_ablation_set(page, set_) for set_ in page.sets if len(page.ablation)],
        published=layout.published_layout(page.published),
        seed=layout.seed_layout(page.seed),
        crops=list(_crops(page)),
        hardware=distinct(page.encoders["device"]),
    )


def _protocols(page: Page) -> list[str]:
    return list(dict.fromkeys(page.encoders["protocol"]))


def _encoder_set(page: Page, set_: str) -> dict[str, Any]:
    rows = page.encoders[page.encoders["set"] == set_]
    best = rows.groupby("scale")["psnr"].transform("max").eq(rows["psnr"])
    rows = rows.assign(best=best)
    return {
        "name": set_,
        "caption": layout.set_caption(page.encoders, set_),
        "scales": [f"×{scale:g}" for scale in rows["scale"].unique()],
        "lines": [
            {
                "model": model,
                "parameters": layout.count(group["params"].iloc[0]),
                "macs": layout.number(group["macs_g"].iloc[0], 1),
                "cells": [
                    {
                        "main": f"{row.psnr:.2f}",
                        "interval": _interval(row.psnr_low, row.psnr_high, ".2f"),
                        "ssim": f"{row.ssim:.4f}",
                        "best": row.best,
                    }
                    for row in group.itertuples()
                ],
            }
            for model, group in rows.groupby("model", sort=False)
        ],
    }


def _ablation_set(page: Page, set_: str) -> dict[str, Any]:
    rows = page.ablation[page.ablation["set"] == set_]
    clear = findings.clear(as_differences(rows), findings.chance(page.spread))
    rows = rows.assign(told=clear.reindex(rows.index, fill_value=False))
    return {
        "name": set_,
        "caption": layout.set_caption(page.encoders, set_),
        "scales": [f"×{scale:g}" for scale in rows["scale"].unique()],
        "lines": [
            {
                "variant": variant,
                "cells": [
                    {
                        "main": "" if np.isnan(row.delta_psnr) else f"{row.delta_psnr:+.2f}",
                        "interval": _interval(row.delta_low, row.delta_high, "+.2f"),
                        "psnr": f"{row.psnr:.2f}",
                        "told": row.told,
                    }
                    for row in group.itertuples()
                ],
            }
            for variant, group in rows.groupby("variant", sort=False)
        ],
    }


def _interval(low: float, high: float, style: str) -> str:
    return "" if np.isnan(low) else f"{low:{style}} … {high:{style}}"


def as_differences(ablation: pd.DataFrame) -> pd.DataFrame:
    """The ablations' deltas in the columns of `tables.tidy.difference_table`, full model left out."""
    names = {
        "variant": "model",
        "delta_psnr": "difference",
        "delta_low": "difference_low",
        "delta_high": "difference_high",
    }
    return ablation[ablation["delta_psnr"].notna()].rename(columns=names)


def _crops(page: Page) -> Iterator[dict[str, Any]]:
    for (set_, image, scale), crops in page.crops.items():
        tiles = []
        for name, png in crops.items():
            psnr = page.psnr.get((name, set_, image, scale), np.nan)
            title, note = REFERENCES.get(name, (name, f"{psnr:.2f} dB"))
            tiles.append({"title": title, "note": note, "png": png})
        yield {"title": f"{image} ×{scale:g}", "set": set_, "tiles": tiles}


def _pixels(png: bytes) -> np.ndarray:
    with Image.open(BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))
