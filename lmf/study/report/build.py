"""The study's report: tables as .md, .csv and .tex, figures, and one index.html.

The only part of the report that touches paths. All of its outputs have equal bytes for equal inputs,
except timing.md and timing.js, and those of `report.efficiency`: seconds differ from run to run, so they
have files of their own. index.html reads timing.js and shows efficiency.png when it is opened.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lmf.core.errors import DataError
from lmf.core.files import atomic_write
from lmf.study import literature
from lmf.study.figures import DARK, LIGHT, png
from lmf.study.report import documents
from lmf.study.report.efficiency import count_layout, write_efficiency
from lmf.study.report.page import CropKey, Page, draw, render_page
from lmf.study.settings.params import Params
from lmf.study.settings.profile import BASELINES, BICUBIC, Profile
from lmf.study.settings.repeats import Training
from lmf.study.settings.workspace import Workspace
from lmf.study.stages.efficiency import read_costs
from lmf.study.tables import layout
from lmf.study.tables.rows import read_bytes, read_csv, read_rows
from lmf.study.tables.tidy import (
    ablation_table,
    check,
    difference_table,
    encoder_table,
    spread_table,
)

CURVE = ("step", "loss", "lr", "grad_norm", "psnr_val")
ABLATION = ("variant", "set", "scale", "psnr", "delta_psnr", "delta_low", "delta_high")
_FOLDER = {"hr": f"{BICUBIC}/hr", "lr": f"{BICUBIC}/lr"}
"""Of a column's crops, where it is not called like the column."""

CARD = (
    "name", "profile", "architecture", "parameters", "steps", "seed", "data", "sha256", "metrics",
)  # fmt: skip


@dataclass(frozen=True)
class Results:
    """What a profile's stages produced, checked to belong together."""

    rows: pd.DataFrame
    cards: Mapping[str, Mapping[str, Any]]
    curves: Mapping[str, pd.DataFrame]
    ablation: pd.DataFrame
    crops: Mapping[CropKey, Mapping[str, bytes]]


def build_report(place: Workspace, profile: Profile, params: Params) -> list[Path]:
    """Write reports/<profile>/ from results/<profile>/ and return the files written.

    Raises:
        DataError: a result is missing, damaged, of another profile, or older than what it is made
            from; the message names the file and the command to run.
    """
    encoders, ablations, base = params.encoders(profile), params.ablations(), profile.base
    variants = [*dict.fromkeys([*encoders, base, *ablations])]
    found = read_results(place, variants, base, ablations)
    compared = [*BASELINES, *encoders]
    table, published = encoder_table(found.rows, compared), literature.read_published()
    page = Page(
        profile=place.profile,
        scope=profile.scope,
        base=base,
        encoders=table,
        gains=difference_table(found.rows, variants, BICUBIC),
        between=difference_table(found.rows, encoders, base),
        spread=read_spread(place, params.repeats(profile)),
        ablation=found.ablation,
        published=literature.published_table(table, published),
        unchecked_sets=literature.unchecked_sets(table, published),
        context=layout.context_layout(published),
        seed=literature.seed_table(literature.read_seed(), published, table, found.ablation, base),
        cards=found.cards,
        curves=found.curves,
        crops=found.crops,
        psnr=found.rows.set_index(["model", "set", "image", "scale"])["psnr"].to_dict(),
        costs=count_layout(read_costs(place)) if place.costs.is_file() else pd.DataFrame(),
    )
    light, dark = ({n: png(f) for n, f in draw(page, theme)} for theme in (LIGHT, DARK))
    target = place.reports
    return [
        *_write_tables(target, page),
        *(_write(target / "figures" / f"{name}.png", data) for name, data in light.items()),
        *_write_timing(place, variants),
        *write_efficiency(place),
        _write(target / "index.html", render_page(page, light, dark)),
    ]


def read_results(
    place: Workspace, variants: Sequence[str], base: str, ablations: Sequence[str]
) -> Results:
    """All results that the report shows. Raises DataError, see `build_report`."""
    rows = check(read_rows(place, [*BASELINES, *variants]), [*BASELINES, *variants])
    cards = {variant: _read_card(place, variant, rows) for variant in variants}
    if (other := rows["profile"].iloc[0]) != place.profile:
        raise DataError(
            f"{place.results}: rows are of profile {other}, not {place.profile}; run `dvc repro`"
        )
    return Results(
        rows=rows,
        cards=cards,
        curves={variant: read_csv(place.curve(variant), CURVE, CURVE) for variant in variants},
        ablation=_read_ablation(place.ablation, rows, base, ablations),
        crops=_read_crops(place, rows, ["lr", BICUBIC, *variants, "hr"]),
    )


def read_spread(place: Workspace, repeats: Sequence[str]) -> pd.DataFrame:
    """How far other seeds move models; of the models' own rows and those of `repeats`."""
    trainings: dict[str, list[str]] = {}
    for name in repeats:
        model = Training.named(name).variant
        trainings.setdefault(model, [model]).append(name)
    if not trainings:
        return spread_table(pd.DataFrame(), {})
    rows = read_rows(place, [name for own in trainings.values() for name in own])
    for name in repeats:
        _read_card(place, name, rows)
    return spread_table(rows, trainings)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(read_bytes(path))
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); remove it and run `dvc repro`") from error


def _read_card(place: Workspace, variant: str, rows: pd.DataFrame) -> dict[str, Any]:
    """The card of a variant's weights, which must be those that its rows are of."""
    path = place.card(variant)
    card = _read_json(path)
    for name in CARD:
        if name not in card:
            raise DataError(f"{path}: the card lacks {name}; train again with `dvc repro`")
    if set(rows.loc[rows["model"] == variant, "weights_sha256"]) != {card["sha256"]}:
        raise DataError(f"{place.rows(variant)}: not of the weights in results; run `dvc repro`")
    return card


def _read_ablation(
    path: Path, rows: pd.DataFrame, base: str, ablations: Sequence[str]
) -> pd.DataFrame:
    """The ablation table, which must agree with the rows that it was made from."""
    if not ablations:
        return pd.DataFrame(columns=[*ABLATION, "images"])
    keys, means = ["variant", "set", "scale"], ["psnr", "delta_psnr"]
    fresh = ablation_table(rows, base, ablations).set_index(keys)
    stored = read_csv(path, ABLATION, ABLATION[2:]).set_index(keys)
    pairs = stored[means].reindex(fresh.drop(base, level="variant").index)
    if not np.allclose(pairs, fresh.loc[pairs.index, means], atol=1e-3):
        raise DataError(f"{path}: not of the present evaluation; run `dvc repro`")
    fresh.update(stored[["delta_low", "delta_high"]])
    return fresh.reset_index()


def _read_crops(
    place: Workspace, rows: pd.DataFrame, columns: Sequence[str]
) -> dict[CropKey, dict[str, bytes]]:
    """PNG bytes by place and column, wherever there is a crop of the original."""
    crops = {}
    for row in rows.drop_duplicates(["set", "image", "scale"]).itertuples():
        name = f"{row.set}-{row.image}-x{row.scale:g}.png"
        if (place.crops(_FOLDER["hr"]) / name).is_file():
            crops[row.set, row.image, row.scale] = {
                column: read_bytes(place.crops(_FOLDER.get(column, column)) / name)
                for column in columns
            }
    return crops


def _write_tables(target: Path, page: Page) -> list[Path]:
    return [
        _write(target / "encoders.md", documents.encoders_markdown(page)),
        _write(target / "encoders.csv", layout.to_csv(page.encoders)),
        _write(target / "encoders.tex", documents.encoders_latex(page)),
        _write(target / "ablation.md", documents.ablation_markdown(page)),
        _write(target / "ablation.csv", layout.to_csv(page.ablation)),
        _write(target / "ablation.tex", documents.ablation_latex(page)),
    ]


def _write_timing(place: Workspace, variants: Sequence[str]) -> list[Path]:
    """timing.md for people and timing.js, which fills index.html's column; both may change."""
    found = {v: place.timing(v) for v in variants if place.timing(v).is_file()}
    timings = {variant: _read_json(path) for variant, path in found.items()}
    lines = layout.timing_layout(timings, variants)
    cells = json.dumps(dict(zip(lines["model"], lines["median"], strict=True)), indent=1)
    target = place.reports
    return [
        _write(target / "timing.md", f"# Time per image\n\n{layout.to_markdown(lines)}"),
        _write(target / "timing.js", f"const seconds = {cells};\n{_FILL}"),
    ]


_FILL = """for (const [model, text] of Object.entries(seconds))
  for (const cell of document.querySelectorAll(`[data-time="${model}"]`))
    if (text) cell.textContent = text;
"""


def _write(path: Path, content: str | bytes) -> Path:
    with atomic_write(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
