"""The study's tables, from one row per picture and scale.

    rows     what results/<profile>/evaluate/*.csv hold, see `COLUMNS`
    table    tidy: one row per model, set and scale, every number in a cell of its own

`layout` makes text of them, `literature` sets them beside published figures.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lmf.core.errors import DataError
from lmf.study.statistics import Interval, mean_interval, paired_interval
from lmf.study.tables.rows import COLUMNS, FACTS


def check(rows: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """The rows of `models` in reading order: set as it comes, scale, model as named, image.

    Raises:
        DataError: a column, a model or a picture is missing, a row is there twice, PSNR or SSIM is
            not finite, or rows disagree in what one table may not mix: profile, seed, a set's
            protocol, the LR source of a set and scale.
    """
    if lost := [name for name in COLUMNS if name not in rows]:
        raise DataError(f"evaluation rows lack the column {lost[0]}; run `dvc repro`")
    rows = rows[rows["model"].isin(models)]
    if lost := [model for model in models if model not in set(rows["model"])]:
        raise DataError(f"no evaluation row of {lost[0]}; run `dvc repro`")
    _agree(rows, "profile")
    _agree(rows, "seed")
    _agree(rows, "protocol", "set")
    _agree(rows, "lr_source", "set", "scale")
    for name in ("psnr", "psnr_8bit", "ssim"):  # a flat picture may be met to the last bit
        for row in rows[~np.isfinite(rows[name])].itertuples():
            where = f"{row.model}, {row.set}, {row.image}, x{row.scale:g}"
            raise DataError(f"{where}: {name} is {getattr(row, name)}; leave that picture out")
    _complete(rows, models)
    order = {"set": list(rows["set"].unique()), "model": list(models)}
    return rows.sort_values(
        ["set", "scale", "model", "image"],
        key=lambda column: column.map(order[column.name].index) if column.name in order else column,
        kind="stable",
        ignore_index=True,
    )


def encoder_table(rows: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """PSNR (dB) with its interval, SSIM and facts of each model, per set and scale.

    Columns: model, set, scale, images, psnr, psnr_low, psnr_high, ssim, psnr_8bit and `FACTS`.
    Raises DataError as `check` does.
    """
    records = []
    for (set_, scale, model), group in _groups(check(rows, models), "set", "scale", "model"):
        first, interval = group.iloc[0], mean_interval(group["psnr"])
        records.append(
            {"model": model, "set": set_, "scale": scale, "images": interval.images}
            | _fields("psnr", interval)
            | {"ssim": group["ssim"].mean(), "psnr_8bit": group["psnr_8bit"].mean()}
            | {name: first[name] for name in FACTS}
        )
    return pd.DataFrame(records)


def difference_table(rows: pd.DataFrame, models: Sequence[str], reference: str) -> pd.DataFrame:
    """PSNR of each model minus that of `reference`, paired by picture, per set and scale.

    Columns: model, set, scale, images, difference, difference_low, difference_high (dB).
    Raises DataError as `check` does.
    """
    records = []
    others = [model for model in models if model != reference]
    for (set_, scale), group in _groups(check(rows, [reference, *others]), "set", "scale"):
        psnr = group.pivot(index="image", columns="model", values="psnr")
        for model in others:
            interval = paired_interval(psnr[model], psnr[reference])
            place = {"model": model, "set": set_, "scale": scale, "images": interval.images}
            records.append(place | _fields("difference", interval))
    names = ["model", "set", "scale", "images"]
    return pd.DataFrame(
        records, columns=[*names, "difference", "difference_low", "difference_high"]
    )


def ablation_table(rows: pd.DataFrame, full: str, ablations: Sequence[str]) -> pd.DataFrame:
    """The full model and each ablation: PSNR, SSIM and the paired PSNR difference to the full one.

    Columns: variant, set, scale, psnr, ssim, delta_psnr, delta_low, delta_high, images; the deltas
    of the full model itself are NaN. Raises DataError as `check` does.
    """
    means = encoder_table(rows, [full, *ablations])
    deltas = difference_table(rows, ablations, full).drop(columns="images")
    table = means.merge(deltas, on=["model", "set", "scale"], how="left")
    names = {
        "model": "variant",
        "difference": "delta_psnr",
        "difference_low": "delta_low",
        "difference_high": "delta_high",
    }
    columns = ["variant", "set", "scale", "psnr", "ssim", "delta_psnr", "delta_low", "delta_high"]
    return table.rename(columns=names)[[*columns, "images"]]


def spread_table(rows: pd.DataFrame, trainings: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """How far models move that were trained again under other seeds: mean PSNR per set and scale.

    trainings: by model, the names of all its trainings. Columns: model, set, scale, trainings,
    psnr_low and psnr_high, the lowest and highest of their means, and spread, the difference (dB).

    Raises:
        DataError: as `check` does; or the trainings of a model were not scored alike.
    """
    records = []
    for model, names in trainings.items():
        tables = [encoder_table(rows, [name]) for name in names]
        means = pd.concat(tables, ignore_index=True)
        for column in ("steps", "profile"):
            _agree(means, column)
        for (set_, scale), group in _groups(means, "set", "scale"):
            alike = len(group) == len(names) and group["images"].nunique() == 1
            if not alike or group["protocol"].nunique() > 1:
                raise DataError(
                    f"{set_}, x{scale:g}: the trainings of {model} were not scored alike; "
                    "run `dvc repro`"
                )
            low, high = group["psnr"].min(), group["psnr"].max()
            place = {"model": model, "set": set_, "scale": scale, "trainings": len(names)}
            records.append(place | {"psnr_low": low, "psnr_high": high, "spread": high - low})
    columns = ["model", "set", "scale", "trainings", "psnr_low", "psnr_high", "spread"]
    return pd.DataFrame(records, columns=columns)


def distinct(values: pd.Series) -> list[str]:
    """What a column says, as sorted text; empty cells (a baseline has no seed) say nothing."""
    return sorted({f"{v:.12g}" if isinstance(v, float) else str(v) for v in values.dropna()} - {""})


def _agree(rows: pd.DataFrame, column: str, *per: str) -> None:
    for place, group in _groups(rows, *per) if per else [((), rows)]:
        if len(values := distinct(group[column])) > 1:
            where = " ".join(f"x{p:g}" if isinstance(p, float) else str(p) for p in place)
            raise DataError(
                f"{where or 'evaluation rows'}: one table may not mix {column} {' and '.join(values)}; "
                "evaluate all models alike with `dvc repro`"
            )


def _complete(rows: pd.DataFrame, models: Sequence[str]) -> None:
    keys = ["set", "scale", "image"]
    for row in rows[rows.duplicated([*keys, "model"])].itertuples():
        raise DataError(f"{row.model}, {row.set}, {row.image}, x{row.scale:g}: evaluated twice")
    present = rows.pivot(index=keys, columns="model", values="psnr").notna()
    for model in models:
        for set_, scale, image in present.index[~present[model]]:
            raise DataError(
                f"{model} lacks {set_}, {image}, x{scale:g}, which others have; run `dvc repro`"
            )


def _groups(rows: pd.DataFrame, *by: str) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    return iter(rows.groupby(list(by), sort=False))


def _fields(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
