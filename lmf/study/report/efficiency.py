"""efficiency.md, .csv, .png and efficiency-stages.png: what the models cost, beside published figures.

The counts are the same on every machine. Seconds, shares and memory are not: like timing.md, these
files may differ from run to run, and nothing depends on them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from lmf.core.files import atomic_write, write_text
from lmf.study.bench.ratios import MEANING, PEAK
from lmf.study.bench.record import Bench
from lmf.study.bench.table import COLUMNS, LEGEND, cells, notes, value, where
from lmf.study.figures import save
from lmf.study.literature import read_published
from lmf.study.report.efficiency_figures import METRIC, STAGES, caption, curve, nearest, stages
from lmf.study.settings.workspace import Workspace
from lmf.study.stages.efficiency import (
    DECODER,
    of_one_encoder,
    read_costs,
    read_elsewhere,
    read_timing,
)
from lmf.study.tables import layout

SCALE = 4
"""At which, or near which, the stages are shown."""

STAGES_PICTURE = "efficiency-stages.png"

_MISSING = "Not counted yet; run `dvc repro efficiency`.\n"


def write_efficiency(place: Workspace) -> list[Path]:
    """Write the profile's files; returns their paths. The stages' picture only where they were timed."""
    target = place.reports
    document = target / "efficiency.md"
    if not place.costs.is_file():
        write_text(document, f"# What the models cost\n\n{_MISSING}")
        return [document]
    costs, bench = read_costs(place), read_timing(place)
    pictures = [save(curve(costs, bench, read_published()), target / "efficiency.png")]
    if bench is not None and bench.rows:
        pictures.append(save(stages(bench, SCALE), target / STAGES_PICTURE))
    write_text(document, _document(costs, bench, read_elsewhere(place)))
    table = target / "efficiency.csv"
    with atomic_write(table) as temporary:
        tidy(costs, bench).to_csv(temporary, index=False, lineterminator="\n", float_format="%.12g")
    return [document, table, *pictures]


def tidy(costs: pd.DataFrame, bench: Bench | None) -> pd.DataFrame:
    """One row per count and per timed case, with what it was taken on."""
    counts = costs.drop(columns=[c for c in costs if c.startswith("check_")])
    if bench is None:
        return counts
    by = bench.provenance
    timed = [
        {"model": row.case.model, "encoder": row.case.encoder, "height": row.case.input[0]}
        | {"width": row.case.input[1], "scale": row.case.scale, "path": row.case.path}
        | {"parameters": row.parameters, "decoder_parameters": row.decoder_parameters}
        | {f"{stage}_macs": getattr(row.macs, stage) for stage in STAGES}
        | {"seconds": row.seconds.total.median, "seconds_q25": row.seconds.total.q25}
        | {"seconds_q75": row.seconds.total.q75, "decoder_seconds": row.seconds.decoder.median}
        | {"render_seconds": row.seconds.render.median, "runs": row.runs, "queries": row.queries}
        | {"decoder_of_matmul": row.share.decoder, "peak_bytes": bench.peak(row.case)}
        | {"device": by.device, "cpu": by.cpu, "threads": by.threads, "precision": by.precision}
        for row in bench.rows
    ]
    return pd.concat([counts, pd.DataFrame(timed)], ignore_index=True)


def _document(costs: pd.DataFrame, bench: Bench | None, elsewhere: Mapping[str, Bench]) -> str:
    parts = [
        "# What the models cost",
        "## Counted",
        "Parameters, and 10⁹ multiply-adds of the decoder (all but the encoder) for one 320×180 "
        "input, by the definition: for every HR pixel and each of its neighbours. Formula and "
        f"torch's own count agree in {_agreeing(costs)} of {len(costs)} rows.",
        layout.to_markdown(count_layout(costs)),
        "![Multiply-adds against scale; a circle's area is its runtime](efficiency.png)",
        caption(bench),
        "## Beside published figures",
        layout.to_markdown(published_layout(costs, read_published())),
        "Published: read off the chart of the LMF repository, approximate. Its unit is not stated; "
        "with 2³⁰ multiply-adds for a G ours come closer.",
        "## Timed",
    ]
    if benches := [one for one in (bench, *elsewhere.values()) if one is not None]:
        parts += [LEGEND, "Ratios are of figures of one run:", _ratio_lines(benches)]
    if bench is None:
        parts.append("Not timed yet; run `dvc repro efficiency`.")
    else:
        parts += [*notes(bench), *_timed(bench, _stages(bench) if bench.rows else ())]
    for name, other in elsewhere.items():
        parts += [f"## Timed by `lmf bench`: {name}", *notes(other), *_timed(other)]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _timed(bench: Bench, stages: Sequence[str] = ()) -> list[str]:
    """The times, what was left out, the picture of the stages where there is one, and the ratios."""
    rows = [cells(row, bench.peak(row.case)) for row in bench.rows]
    return [
        _markdown(COLUMNS, rows),
        *_further_peaks(bench),
        *_left_out(bench),
        *stages,
        "Ratios within this run:",
        layout.to_markdown(ratio_layout(bench)),
    ]


def _further_peaks(bench: Bench) -> list[str]:
    """Peak memory of cases that have no row, as they were not timed; nothing if there are none."""
    timed = {row.case for row in bench.rows}
    found = [f"{m.case}, {m.peak / 1e6:.0f} MB" for m in bench.memory if m.case not in timed]
    return [f"Peak memory of what was not timed: {'; '.join(found)}."] if found else []


def _left_out(bench: Bench) -> list[str]:
    """What was not measured, and why, as a table; nothing if all was."""
    if not bench.skipped:
        return []
    rows = [(one.what, str(one.case), one.reason) for one in bench.skipped]
    return ["Not measured:", _markdown(("what", "of", "why"), rows)]


def _stages(bench: Bench) -> list[str]:
    """The picture of the stages, and what it shows."""
    return [
        f"![Share of the time that each stage takes]({STAGES_PICTURE})",
        f"Stages of one image at ×{nearest(bench, SCALE):g}, of the sum of their medians, and seconds "
        "of the whole: the encoder; `head` makes codes of its features; `latent` writes the "
        "modulations; `render` is what remains.",
    ]


def count_layout(costs: pd.DataFrame) -> pd.DataFrame:
    """Parameters and decoder multiply-adds as text: models down, scales across."""
    decoder = costs[DECODER].sum(axis=1) / 1e9
    lines = []
    groups = costs.assign(decoder=decoder).groupby(["model", "encoder"], sort=False)
    for (model, encoder), group in groups:
        first = group.iloc[0]
        line = {"model": model, "encoder": encoder}
        line["parameters"] = layout.count(first["parameters"])
        line["decoder parameters"] = layout.count(first["decoder_parameters"])
        line["encoder (G)"] = layout.number(first["encoder_macs"] / 1e9, 1)
        for row in group.itertuples():
            line[f"×{row.scale:g}"] = f"{row.decoder:,.1f}"
        lines.append(line)
    return pd.DataFrame(lines)


def published_layout(costs: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Published decoder multiply-adds beside ours, in both units that G may stand for."""
    counts = of_one_encoder(costs).set_index(["model", "scale"])
    lines = []
    for row in published[published["metric"] == METRIC].itertuples():
        ours = counts.loc[(row.method.lower(), row.scale), DECODER].sum()
        lines.append(
            {
                "method": f"{row.method} ×{row.scale:g}",
                "published (G)": f"{row.value:.1f}",
                "ours (10⁹)": f"{ours / 1e9:.1f}",
                "ours (2³⁰)": f"{ours / 2**30:.1f}",
                "difference (2³⁰)": f"{100 * (ours / 2**30 / row.value - 1):+.1f} %",
            }
        )
    return pd.DataFrame(lines)


def ratio_layout(bench: Bench) -> pd.DataFrame:
    """Ratios as text: where down, what they are across; peaks stand with the times already."""
    found = [
        {"at": where(one.case, bench), "ratio": _heading(one.name), "value": value(one, bench)}
        for one in bench.ratios
        if one.name != PEAK
    ]
    frame = pd.DataFrame(found, columns=["at", "ratio", "value"])
    across = frame.pivot(index="at", columns="ratio", values="value")
    order = across.reindex(frame["at"].unique())[frame["ratio"].unique()]
    return order.fillna("").reset_index().rename_axis(columns=None)


def _ratio_lines(benches: Sequence[Bench]) -> str:
    """What the columns of `ratio_layout` are, as a list of those that any of the benchmarks has."""
    there = {one.name for bench in benches for one in bench.ratios} - {PEAK}
    return "\n".join(f"- {_heading(name)}: {MEANING[name]}" for name in MEANING if name in there)


def _heading(ratio: str) -> str:
    return ratio.replace("_", " ")


def _agreeing(costs: pd.DataFrame) -> int:
    return int((costs["check_formula"] == costs["check_gather"]).sum())


def _markdown(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return layout.to_markdown(pd.DataFrame(rows, columns=list(names)))
