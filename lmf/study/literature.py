"""Our figures beside published ones and beside those of the seed document.

published.csv  value, protocol and source are as published; `same_as` is the protocol of ours that it
               is computed by, empty where it is none of them, and `lr_source` where its LR is from.
seed.csv       what the document that this study started from prints, with what is open about it.
"""

from importlib.resources import files

import numpy as np
import pandas as pd

from lmf.study.settings.profile import BICUBIC

PUBLISHED_ENCODERS = {
    "-": BICUBIC,
    "EDSR-b": "edsr-baseline",
    "RDN": "rdn",
    "SwinIR": "swinir",
    "SwinIR-S": "swinir",
}
"""Which model of ours stands beside a published encoder: the same family, not the same model."""

BICUBIC_TOLERANCE_DB = 0.05
"""Published bicubic figures differ by 0.01 dB among themselves; a wrong border costs more than 0.05."""

MODEL_TOLERANCE_DB = 0.1


def read_published() -> pd.DataFrame:
    """The published figures that come with the package; `scale` and `value` are numbers."""
    return _read("published.csv")


def read_seed() -> pd.DataFrame:
    """The seed document's figures; `number` is `value` without its unit (dB, count, seconds)."""
    return _read("seed.csv")


def published_table(table: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Published figures beside ours, only where set, scale, protocol and LR source are the same.

    table: of `tables.tidy.encoder_table`. Columns: set, scale, metric, method, encoder, published, model,
    ours, difference, verdict, protocol, source. Empty if nothing coincides. Models are judged only on
    sets where our bicubic meets the published one.
    """
    ours = table.rename(columns={"psnr": "PSNR", "ssim": "SSIM"}).melt(
        ["model", "set", "scale", "protocol", "lr_source"],
        ["PSNR", "SSIM"],
        var_name="metric",
        value_name="ours",
    )
    theirs = published.drop(columns="protocol").rename(columns={"same_as": "protocol"})
    theirs = theirs.assign(model=theirs["encoder"].map(PUBLISHED_ENCODERS))
    keys = ["model", "set", "scale", "protocol", "lr_source", "metric"]
    both = theirs.merge(ours, on=keys).rename(columns={"value": "published"})
    both["difference"] = both["ours"] - both["published"]
    both["verdict"] = [_verdict(row.model, row.metric, row.difference) for row in both.itertuples()]
    bicubic = both[(both["model"] == BICUBIC) & (both["metric"] == "PSNR")]
    meeting = {*bicubic["set"]} - {*bicubic.loc[bicubic["verdict"] != "meets", "set"]}
    both.loc[~both["set"].isin(meeting) & (both["model"] != BICUBIC), "verdict"] = ""
    columns = ["set", "scale", "metric", "method", "encoder", "published", "model", "ours"]
    return both.sort_values(["set", "scale"], kind="stable", ignore_index=True)[
        [*columns, "difference", "verdict", "protocol", "source"]
    ]


def unchecked_sets(table: pd.DataFrame, published: pd.DataFrame) -> list[str]:
    """Sets with published bicubic figures, none of which ours can be held against.

    table: of `tables.tidy.encoder_table`. So it is where LR pictures are not the published ones.
    """
    known = set(published.loc[published["method"] == "Bicubic", "set"])
    beside = published_table(table, published)
    checked = set(beside.loc[(beside["model"] == BICUBIC) & (beside["metric"] == "PSNR"), "set"])
    return [set_ for set_ in table["set"].unique() if set_ in known - checked]


def seed_table(
    seed: pd.DataFrame,
    published: pd.DataFrame,
    table: pd.DataFrame,
    ablation: pd.DataFrame,
    base: str,
) -> pd.DataFrame:
    """The seed's figures beside published bicubic and, where measured, ours: all PSNR at x4.

    The seed states no scale. x4 is the most lenient of 2, 3 and 4: bicubic is lowest there.
    table, ablation: of `tables.tidy`; `base` is what the seed calls the full model.
    Columns: those of seed.csv, bicubic, seed_minus_bicubic, ours (dB, parameters).
    """
    known = published[(published["method"] == "Bicubic") & (published["metric"] == "PSNR")]
    bicubic = known[known["scale"] == 4].set_index("set")["value"]
    rows = seed.assign(bicubic=seed["set"].map(bicubic).where(seed["quantity"] == "psnr"))
    rows["seed_minus_bicubic"] = rows["number"] - rows["bicubic"]
    measured = pd.concat([table, ablation.rename(columns={"variant": "model"})])
    psnr = measured[measured["scale"] == 4].groupby(["model", "set"]).first()
    params = table.groupby("model")["params"].first()
    ours = []
    for row in rows.itertuples():
        model = base if row.model == "full" else row.model
        if row.quantity == "params":
            ours.append(params.get(model, np.nan))
        else:
            known_here = row.quantity in psnr and (model, row.set) in psnr.index
            ours.append(psnr.loc[(model, row.set), row.quantity] if known_here else np.nan)
    return rows.assign(ours=ours)


def _read(name: str) -> pd.DataFrame:
    with (files("lmf.study") / name).open(encoding="utf-8") as file:
        frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    for column in ("scale", "value") if name == "published.csv" else ("number",):
        frame[column] = frame[column].astype(float)
    return frame


def _verdict(model: str, metric: str, difference: float) -> str:
    if metric != "PSNR":
        return ""
    if model == BICUBIC:
        return "meets" if abs(difference) <= BICUBIC_TOLERANCE_DB else "MISMATCH"
    if abs(difference) <= MODEL_TOLERANCE_DB:
        return f"within {MODEL_TOLERANCE_DB} dB"
    return "above" if difference > 0 else "below"
