"""What the figures of one benchmark say about each other: taken in one run on one machine."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import get_args

from lmf.metrics.machine import Ceilings
from lmf.study.bench.plan import Case, Precision, Queried
from lmf.study.bench.record import Memory, Ratio, Row

PEAK = "peak_gb"

MEANING = {
    "decoder_over_official": "decoder in the steps of the released code / ours, seconds",
    "decoder_over_gather": "decoder by gathering / ours, seconds",
    "render_over_official": "render stage in the steps of the released code / ours, seconds",
    "render_over_gather": "render stage by gathering / ours, seconds",
    "total_over_official": "whole model in the steps of the released code / ours, seconds",
    "total_over_gather": "whole model by gathering / ours, seconds",
    "total_over_original": "whole original model by gathering / ours, seconds (the paper: up to 57)",
    "total_over_fast_original": "whole original model by our dense renderer / ours, seconds",
    "decoder_share": "decoder, of the machine's matrix-product rate",
    "render_share": "render stage, of the machine's matrix-product rate",
    "render_over_bound": "render stage / the larger of bytes at copy rate and operations at matmul rate",
    PEAK: "peak memory above weights and input, 10^9 bytes",
}

_PAPERS, _SMALL = (180, 320), (48, 64)
Place = tuple[str, tuple[int, int], float]
"""Name of a ratio, input and scale."""

GOALS: Mapping[Place, str] = {
    ("decoder_over_official", _PAPERS, 4): ">= 15 on two CPU cores",
    ("decoder_over_official", _SMALL, 12): ">= 20 on two CPU cores",
    ("render_over_gather", _PAPERS, 4): ">= 10 on a GPU",
    ("total_over_official", _PAPERS, 4): ">= 6 on two CPU cores",
    ("total_over_original", _PAPERS, 4): ">= 18 on two CPU cores",
    ("decoder_share", _PAPERS, 4): ">= 0.45 on two CPU cores",
    ("render_share", _PAPERS, 4): ">= 0.35 on two CPU cores",
    ("render_over_bound", _PAPERS, 4): "<= 3 on a GPU",
    (PEAK, _PAPERS, 12): "<= 1.0 on a CPU",
    (PEAK, (1024, 1024), 8): "<= 6 on a CPU",
}
"""What the renderer is held to: LM-LTE with EDSR-baseline in fp32, by name, input and scale."""

CLAIM = ">= 57 on a GPU, as the paper; its abstract says no scale, this is the largest measured"
"""Of "total_over_original" at the largest measured scale of the paper's input, and of a GPU alone."""


def ratios(
    rows: Sequence[Row],
    memory: Sequence[Memory],
    ceilings: Ceilings,
    precision: Precision,
    *,
    gpu: bool = False,
) -> tuple[Ratio, ...]:
    """Every ratio that the rows allow, for the latent-modulated models as we render them.

    gpu: whether they were taken on one, which the paper's claim is about.
    """
    by_case = {row.case: row for row in rows}
    found = [
        (name, case, value)
        for case, row in by_case.items()
        if case.model.startswith("lm-") and case.path not in get_args(Queried)
        for name, value in _of(row, by_case, ceilings, precision)
    ]
    found += [(PEAK, one.case, one.peak / 1e9) for one in memory]
    goals = dict(GOALS)
    if gpu:
        goals |= {_claimed(found, precision): CLAIM}
    return tuple(
        Ratio(name, case, value, _goal(goals, name, case, precision)) for name, case, value in found
    )


def _claimed(found: Iterable[tuple[str, Case, float]], precision: Precision) -> Place:
    """Where the paper's claim is held against ours: the largest scale that was measured."""
    name = "total_over_original"
    ours = [case for one, case, _ in found if one == name and _held(case, precision)]
    scales = [case.scale for case in ours if case.input == _PAPERS]
    return name, _PAPERS, max(scales, default=0.0)


def _of(
    row: Row, by_case: dict[Case, Row], ceilings: Ceilings, precision: Precision
) -> Iterator[tuple[str, float]]:
    ours = row.seconds
    for way in get_args(Queried):
        if queried := by_case.get(replace(row.case, path=way)):
            theirs = queried.seconds
            yield f"decoder_over_{way}", theirs.decoder.median / ours.decoder.median
            yield f"render_over_{way}", theirs.render.median / ours.render.median
            yield f"total_over_{way}", theirs.total.median / ours.total.median
    name = row.case.model.removeprefix("lm-")
    if found := by_case.get(replace(row.case, model=name, path="gather")):
        yield "total_over_original", found.seconds.total.median / ours.total.median
    if found := by_case.get(replace(row.case, model=name, path="dense")):
        yield "total_over_fast_original", found.seconds.total.median / ours.total.median
    yield "decoder_share", row.share.decoder
    yield "render_share", row.share.render
    yield "render_over_bound", ours.render.median / _bound(row, ceilings, precision)


def _bound(row: Row, ceilings: Ceilings, precision: Precision) -> float:
    """Seconds below which no renderer gets: it reads every modulation once and writes RGB."""
    (h, w), (H, W) = row.case.input, row.case.size
    moved = (h * w * row.modulation + H * W * 3) * (2 if precision == "bf16" else 4)
    return max(moved / ceilings.copy, 2 * row.macs.render / ceilings.matmul)


def _goal(goals: Mapping[Place, str], name: str, case: Case, precision: Precision) -> str | None:
    return goals.get((name, case.input, case.scale)) if _held(case, precision) else None


def _held(case: Case, precision: Precision) -> bool:
    """Whether there are goals for such a case."""
    return (case.model, case.encoder, precision) == ("lm-lte", "edsr-baseline", "fp32")
