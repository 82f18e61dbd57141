"""Tidy tables as people read them: text, one table per set, scales side by side; .md, .csv, .tex."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lmf.study.tables.tidy import distinct

_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {"×": "$\\times$", "−": "$-$"}


def encoder_layout(table: pd.DataFrame, set_: str) -> pd.DataFrame:
    """One set of `tables.tidy.encoder_table`: "PSNR [low, high]" and SSIM per scale, then cost."""
    lines = []
    for model, group in table[table["set"] == set_].groupby("model", sort=False):
        first = group.iloc[0]
        line = {"model": model}
        for row in group.itertuples():
            line[f"×{row.scale:g} PSNR (dB)"] = with_interval(row.psnr, row.psnr_low, row.psnr_high)
            line[f"×{row.scale:g} SSIM"] = number(row.ssim, 4)
        cost = {"parameters": count(first["params"]), "MACs (G)": number(first["macs_g"], 1)}
        lines.append(line | cost)
    return pd.DataFrame(lines)


def ablation_layout(table: pd.DataFrame, set_: str) -> pd.DataFrame:
    """One set of `tables.tidy.ablation_table`: PSNR and "difference [low, high]" to full per scale."""
    lines = []
    for variant, group in table[table["set"] == set_].groupby("variant", sort=False):
        line = {"variant": variant}
        for row in group.itertuples():
            delta = with_interval(row.delta_psnr, row.delta_low, row.delta_high, "+.2f")
            line[f"×{row.scale:g} PSNR (dB)"] = number(row.psnr, 2)
            line[f"×{row.scale:g} to full (dB)"] = delta
        lines.append(line)
    return pd.DataFrame(lines)


def encoder_lines(table: pd.DataFrame, set_: str) -> pd.DataFrame:
    """One set of `tables.tidy.encoder_table`, a line per scale and model: narrow enough for print."""
    rows = table[table["set"] == set_]
    return pd.DataFrame(
        {
            "scale": _once(rows["scale"]),
            "model": rows["model"],
            "parameters": rows["params"].map(count),
            "MACs (G)": [number(v, 1) for v in rows["macs_g"]],
            "PSNR (dB)": [number(v, 2) for v in rows["psnr"]],
            "95 % interval": _intervals(rows["psnr_low"], rows["psnr_high"], ".2f"),
            "SSIM": [number(v, 4) for v in rows["ssim"]],
        }
    )


def ablation_lines(table: pd.DataFrame, set_: str) -> pd.DataFrame:
    """One set of `tables.tidy.ablation_table`, a line per scale and variant: narrow enough for print."""
    rows = table[table["set"] == set_]
    return pd.DataFrame(
        {
            "scale": _once(rows["scale"]),
            "variant": rows["variant"],
            "PSNR (dB)": [number(v, 2) for v in rows["psnr"]],
            "SSIM": [number(v, 4) for v in rows["ssim"]],
            "to full (dB)": [number(v, 2, "+") for v in rows["delta_psnr"]],
            "95 % interval": _intervals(rows["delta_low"], rows["delta_high"], "+.2f"),
        }
    )


def spread_layout(spread: pd.DataFrame) -> pd.DataFrame:
    """`tables.tidy.spread_table` as text: models and sets down, scales across, "low … high (dB)"."""
    lines = []
    for (model, set_), group in spread.groupby(["model", "set"], sort=False):
        line = {"model": model, "set": set_, "trainings": group["trainings"].iloc[0]}
        for row in group.itertuples():
            line[f"×{row.scale:g} (dB)"] = f"{row.psnr_low:.2f} … {row.psnr_high:.2f}"
        lines.append(line)
    return pd.DataFrame(lines)


def published_layout(table: pd.DataFrame) -> pd.DataFrame:
    """`literature.published_table` as text, PSNR and SSIM of one method in one line.

    A protocol that is everyone's is left out: it stands above the tables of ours.
    """
    keys = ["set", "scale", "protocol", "method", "encoder", "model"]
    several, lines = table["protocol"].nunique() > 1, []
    for (set_, scale, protocol, method, encoder, model), group in table.groupby(keys, sort=False):
        line = {"set": f"{set_} ×{scale:g}", "published method": method_name(method, encoder)}
        line |= ({"protocol": protocol} if several else {}) | {"ours": model}
        for metric, digits in (("PSNR", 2), ("SSIM", 4)):
            rows = group[group["metric"] == metric]
            for name, sign in (("published", ""), ("ours", ""), ("difference", "+")):
                text = number(rows[name].iloc[0], digits, sign) if len(rows) else ""
                line[f"{metric} {name}"] = text
            if metric == "PSNR":
                line["verdict"] = "".join(rows["verdict"])
        lines.append(line)
    return pd.DataFrame(lines)


def context_layout(published: pd.DataFrame, scales: Sequence[float] = (2, 3, 4)) -> pd.DataFrame:
    """Published PSNR as text, methods down, set and scale across; † marks a protocol not ours."""
    rows = published[(published["metric"] == "PSNR") & published["scale"].isin(scales)]
    lines: dict[str, dict[str, str]] = {}
    for row in rows.itertuples():
        name = method_name(row.method, row.encoder)
        mark = "" if row.same_as else "†"
        line = lines.setdefault(name, {"method": name})
        line[f"{row.set} ×{row.scale:g}"] = f"{row.value:.2f}{mark}"
    across = [f"{set_} ×{scale:g}" for set_ in rows["set"].unique() for scale in scales]
    return pd.DataFrame(list(lines.values()), columns=["method", *across]).fillna("")


def method_name(method: str, encoder: str) -> str:
    """A published method with its encoder, unless that is its name already."""
    known = encoder.removesuffix("-S").strip("-")
    return method if known in method else f"{method}, {encoder}"


def seed_layout(table: pd.DataFrame) -> pd.DataFrame:
    """`literature.seed_table` as text, the seed's figures as it prints them; notes left out."""
    titles = {
        "psnr": "PSNR",
        "delta_psnr": "PSNR to full",
        "params": "parameters",
        "time": "time per image",
    }
    return pd.DataFrame(
        {
            "model": table["model"],
            "quantity": [
                ", ".join(filter(None, (titles[row.quantity], row.set)))
                for row in table.itertuples()
            ],
            "printed": table["value"],
            "published bicubic ×4": [_unit(v, "{:.2f} dB") for v in table["bicubic"]],
            "printed − bicubic": [_unit(v, "{:+.2f} dB") for v in table["seed_minus_bicubic"]],
            "ours, PSNR at ×4": [_OURS[r.quantity](r.ours) for r in table.itertuples()],
        }
    )


def timing_layout(timings: Mapping[str, Mapping[str, Any]], models: Sequence[str]) -> pd.DataFrame:
    """Measured seconds per image, one line per model; "not measured" where there is no timing.

    timings: results/<profile>/timing/*.json by model.
    """
    lines = []
    for model in models:
        line = {"model": model, "median": "", "quartiles": "not measured", "measured on": ""}
        if timing := timings.get(model):
            height, width = timing["input"]
            line["median"] = f"{timing['median_s']:.2f} s"
            line["quartiles"] = f"{timing['q25_s']:.2f} to {timing['q75_s']:.2f} s"
            line["measured on"] = (
                f"{width}×{height} input, ×{timing['scale']:g}, batch 1, {timing['precision']}, "
                f"{timing['runs']} runs, {timing['renderer']} renderer, {timing['convolutions']} "
                f"convolutions, {timing['device']}, {timing['cpu']}, "
                f"{timing['threads']} threads, torch {timing['torch']}"
            )
        lines.append(line)
    return pd.DataFrame(lines)


def set_caption(table: pd.DataFrame, set_: str) -> str:
    """What a set's numbers are: pictures, protocol, source of the LR pictures, profile, seed."""
    rows = table[table["set"] == set_]
    sources = "; ".join(
        f"{source} LR at {', '.join(f'×{scale:g}' for scale in group['scale'].unique())}"
        for source, group in rows.groupby("lr_source", sort=False)
    )
    first = rows.iloc[0]
    return (
        f"{set_}, n = {first['images']}; protocol {first['protocol']}; {sources}; "
        f"profile {first['profile']}; seed {', '.join(distinct(rows['seed'])) or 'none'}"
    )


def to_csv(frame: pd.DataFrame) -> str:
    """CSV with four decimals; scales as people write them (2, 2.7), counts without decimals."""
    text = frame.copy()
    for name in text.columns.intersection(["scale", "seed", "steps", "params"]):
        text[name] = ["" if pd.isna(v) else f"{float(v):.12g}" for v in frame[name]]
    return text.to_csv(index=False, float_format="%.4f", lineterminator="\n")


def to_markdown(frame: pd.DataFrame) -> str:
    """A pipe table of text cells: the first column to the left, the others to the right."""
    align = ["left", *["right"] * (frame.shape[1] - 1)]
    return frame.to_markdown(index=False, disable_numparse=True, colalign=align) + "\n"


def to_latex(frame: pd.DataFrame, caption: str, label: str) -> str:
    """A table for LaTeX with booktabs; text is escaped. label: as for \\ref, "tab:..."."""
    escape = str.maketrans(_LATEX)
    return frame.map(lambda text: text.translate(escape)).to_latex(
        index=False,
        header=[name.translate(escape) for name in frame.columns],
        caption=caption.translate(escape),
        label=label,
        column_format="ll" + "r" * (frame.shape[1] - 2),
    )


def number(value: float, digits: int, sign: str = "") -> str:
    """Fixed digits; nothing for NaN."""
    return "" if np.isnan(value) else f"{value:{sign}.{digits}f}"


def count(value: float) -> str:
    """Thousands with commas; nothing for NaN."""
    return "" if np.isnan(value) else f"{int(value):,}"


def interval(low: float, high: float, style: str = ".2f") -> str:
    """An interval, "[low, high]"; nothing for NaN."""
    return "" if np.isnan(low) else f"[{low:{style}}, {high:{style}}]"


def with_interval(mean: float, low: float, high: float, style: str = ".2f") -> str:
    """The mean with its interval where there is one; nothing for NaN."""
    return "" if np.isnan(mean) else f"{mean:{style}} {interval(low, high, style)}".rstrip()


def _unit(value: float, style: str, without: str = "") -> str:
    return without if np.isnan(value) else style.format(value)


_OURS: Mapping[str, Callable[[float], str]] = {
    "psnr": lambda value: _unit(value, "{:.2f} dB", "not measured"),
    "delta_psnr": lambda value: _unit(value, "{:+.2f} dB", "not measured"),
    "params": lambda value: _unit(value, "{:,.0f}", "not measured"),
    "time": lambda value: "see timing.md",
}


def _intervals(lows: pd.Series, highs: pd.Series, style: str) -> list[str]:
    return [interval(low, high, style) for low, high in zip(lows, highs, strict=True)]


def _once(scales: pd.Series) -> pd.Series:
    """A scale as text on the first of its lines, nothing on the others."""
    return scales.map("×{:g}".format).mask(scales.duplicated(), "")
