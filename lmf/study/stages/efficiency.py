"""The study's `efficiency` stage: what the models cost on any machine, and what on this one.

Counts are the same everywhere, so they are a result: results/<profile>/efficiency.csv. Seconds are
not, so they lie beside the other timings, where nothing depends on them.
"""

from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import torch

from lmf.architecture import MODELS
from lmf.core.files import atomic_write
from lmf.metrics.cost import LR_SIZE
from lmf.study.bench.count import cost
from lmf.study.bench.plan import SCALES, Plan, grid
from lmf.study.bench.ratios import ratios
from lmf.study.bench.record import Bench, read_bench, write_bench
from lmf.study.bench.run import OnStep, run_bench
from lmf.study.settings.profile import Profile
from lmf.study.settings.workspace import Workspace
from lmf.study.tables.rows import read_csv

DECODER = ["head_macs", "latent_macs", "render_macs"]
"""Columns of `count_costs` that make up the decoder: all but the encoder."""

NUMBERS = (
    "scale", "height", "width", "parameters", "decoder_parameters", "encoder_macs", *DECODER,
    "check_height", "check_width", "check_formula", "check_gather", "check_dense",
)  # fmt: skip
"""Columns of `count_costs` that hold numbers."""

ENCODER = "edsr-baseline"
"""The paper's; the decoders of other encoders with as many channels cost the same."""

OTHERS = ("rdn", "swinir")
"""Encoders that are counted with LM-LTE alone."""

LMLTE, AT = "lm-lte", 4.0
"""With what a profile's `more_encoders` are timed, and near which scale."""

TIMING = "efficiency"
"""Name of the benchmark among the timings."""

ELSEWHERE = "bench-*.json"
"""Further ones in results/<profile>/timing, which `lmf report` shows; no stage waits for them."""


def count_costs(place: Workspace) -> pd.DataFrame:
    """Parameters and multiply-adds of every model for the paper's input; writes them and returns them.

    All models with `ENCODER`, see `of_one_encoder`, and LM-LTE with `OTHERS`.

    Columns: model, encoder, height, width, scale, parameters, decoder_parameters; multiply-adds of the
    stages (encoder_macs, head_macs, latent_macs, render_macs); and for check_height x check_width
    pixels the same count by formula and as torch counts it in both renderers, see `record.Check`.
    """
    records = []
    cases = grid(MODELS, (ENCODER,), SCALES, LR_SIZE) + grid((LMLTE,), OTHERS, SCALES, LR_SIZE)
    for case in cases:
        if case.path == "dense":
            found = cost(case)
            check = asdict(found.check)
            (height, width), (check_height, check_width) = case.input, check.pop("input")
            records.append(
                {"model": case.model, "encoder": case.encoder, "height": height, "width": width}
                | {"scale": case.scale, "parameters": found.parameters}
                | {"decoder_parameters": found.decoder_parameters}
                | {f"{stage}_macs": value for stage, value in asdict(found.macs).items()}
                | {"check_height": check_height, "check_width": check_width}
                | {f"check_{name}": value for name, value in check.items()}
            )
    frame = pd.DataFrame(records)
    with atomic_write(place.costs) as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n", float_format="%.12g")
    return frame


def of_one_encoder(costs: pd.DataFrame) -> pd.DataFrame:
    """The rows of `count_costs` that differ in model and scale alone."""
    return costs[costs["encoder"] == ENCODER]


def timing_plan(profile: Profile) -> Plan:
    """What the profile times, and the peak memory of each model at one scale, of LM-LTE at the largest.

    `more_encoders` are timed with LM-LTE alone at that scale: their decoders cost the same.
    """
    chosen = profile.efficiency
    near, largest = min(chosen.scales, key=lambda scale: abs(scale - AT)), max(chosen.scales)
    timed = grid(chosen.models, chosen.encoders, chosen.scales, chosen.input)
    memory = tuple(
        case
        for case in timed
        if case.path == "dense"
        and case.scale in ((near, largest) if case.model == LMLTE else (near,))
    )
    return Plan(
        timed + grid((LMLTE,), chosen.more_encoders, (near,), chosen.input),
        memory,
        runs=chosen.runs,
        limit=chosen.limit,
        spend=chosen.spend,
        seed=profile.seed,
    )


def time_models(
    profile: Profile,
    place: Workspace,
    device: torch.device,
    on_step: OnStep = lambda done, total, what: None,
) -> Bench:
    """Measure `timing_plan` on the device; writes the timing and returns it."""
    bench = run_bench(timing_plan(profile), device, on_step)
    write_bench(place.timing(TIMING), bench)
    return bench


def read_costs(place: Workspace) -> pd.DataFrame:
    """What `count_costs` wrote; DataError where it is missing or damaged."""
    return read_csv(place.costs, ("model", "encoder", *NUMBERS), NUMBERS)


def read_timing(place: Workspace) -> Bench | None:
    """What `time_models` wrote, if a timing was taken; ConfigError where it is no benchmark.

    Its ratios are made anew of its rows.
    """
    path = place.timing(TIMING)
    return _read(path) if path.is_file() else None


def read_elsewhere(place: Workspace) -> dict[str, Bench]:
    """What `lmf bench --out` left there, maybe on other machines, by name; raises as `read_timing`."""
    paths = sorted(place.timing(TIMING).parent.glob(ELSEWHERE))
    return {path.stem: _read(path) for path in paths}


def _read(path: Path) -> Bench:
    bench = read_bench(path)
    by = bench.provenance
    found = ratios(bench.rows, bench.memory, bench.ceilings, by.precision, gpu=by.cuda)
    return replace(bench, ratios=found)
