"""The benchmark: what is measured, what is left out and said, and what is written. No seconds here."""

import io
import json
import math
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from lmf.architecture import MODELS
from lmf.cli import app
from lmf.core import compiled
from lmf.core.coords import pixel_centres
from lmf.core.errors import ConfigError, DataError, LmfError, ResourceError
from lmf.metrics.stopwatch import Stopwatch
from lmf.model import create_model
from lmf.render.gather import render_queries
from lmf.render.kernels import why_not
from lmf.render.kernels.native import SOURCES
from lmf.study.bench.count import cost, saved_by_winograd
from lmf.study.bench.measure import Budget, Decoded, Encoded, by_query, check_limit, probe, seconds
from lmf.study.bench.official import PASS, render_maps, to_maps
from lmf.study.bench.plan import Case, Plan, make_plan, with_kernel
from lmf.study.bench.ratios import GOALS, MEANING, PEAK
from lmf.study.bench.record import Check, Spread, read_bench, write_bench
from lmf.study.bench.run import run_bench
from lmf.study.bench.subject import make_subject
from lmf.study.bench.table import COLUMNS, cells, show, value

CPU = torch.device("cpu")
OURS = Case("lm-lte", "edsr-small", (8, 12), 2.0, "dense")
PLAN = Plan(
    timed=(
        OURS,
        replace(OURS, path="gather"),
        replace(OURS, path="official"),
        replace(OURS, model="lte", path="gather"),
        replace(OURS, model="lte", path="dense"),
        replace(OURS, model="ciaosr", scale=2.7),
    ),
    memory=(),
    runs=2,
)


@pytest.fixture(scope="module", autouse=True)
def _small_ceilings():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lmf.metrics.machine.CPU_COPIED", 1 << 20)
        patch.setattr("lmf.metrics.machine.product_side", lambda device: 64)
        yield


@pytest.fixture(scope="module", autouse=True)
def _no_kernel():
    """Plans are run as they stand; what a kernel adds to them depends on the machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lmf.study.bench.run.best_kernel", lambda device: None)
        yield


@pytest.fixture(scope="module")
def bench(_small_ceilings, _no_kernel):
    return run_bench(PLAN, CPU)


def test_every_case_is_in_the_record(bench):
    assert [row.case for row in bench.rows] == list(PLAN.timed)
    assert bench.skipped == ()
    for row in bench.rows:
        assert row.runs == 2
        assert (row.seconds.latent is None) == (row.modulation == 0)
        assert row.seconds.total.best <= row.seconds.total.q25 <= row.seconds.total.q75
        assert row.share.decoder > 0
    ours, _, _, original, _, _ = bench.rows
    assert ours.modulation == 2 * 8 * 16 + 2 * 16
    assert ours.decoder_parameters < original.decoder_parameters < original.parameters


def test_record_is_read_back(bench, tmp_path):
    write_bench(tmp_path / "bench.json", bench)
    assert read_bench(tmp_path / "bench.json") == bench
    raw = json.loads((tmp_path / "bench.json").read_text())
    assert set(raw) == {"ceilings", "memory", "provenance", "ratios", "rows", "skipped"}
    told = {"device", "cpu", "threads", "torch", "lmf", "precision", "seed", "runs", "weights"}
    assert told < set(raw["provenance"])
    (tmp_path / "bench.json").write_text(json.dumps(raw | {"rows": [{}]}))
    with pytest.raises(ConfigError, match="rows"):
        read_bench(tmp_path / "bench.json")
    with pytest.raises(DataError, match="lmf bench"):
        read_bench(tmp_path / "none.json")


def test_ratios_are_of_the_rows(bench):
    found = {ratio.name: ratio.value for ratio in bench.ratios}
    ours, gathered, official, original, fast, _ = (row.seconds for row in bench.rows)
    assert set(found) == set(MEANING) - {PEAK}
    assert found["decoder_over_gather"] == gathered.decoder.median / ours.decoder.median
    assert found["total_over_official"] == official.total.median / ours.total.median
    assert found["total_over_original"] == original.total.median / ours.total.median
    assert found["total_over_fast_original"] == fast.total.median / ours.total.median
    assert {ratio.case for ratio in bench.ratios} == {OURS}


def test_what_was_timed_in_small_passes_is_a_lower_bound(bench):
    ours, _, official, *_ = bench.rows
    few = replace(official, queries=0.5)
    (ratio,) = (one for one in bench.ratios if one.name == "total_over_official")
    assert not value(ratio, bench).startswith("≥")
    assert value(ratio, replace(bench, rows=(ours, few))) == f"≥ {ratio.value:.2f}"
    assert cells(few, None)[8].startswith("≥ ")
    assert "[" in cells(replace(few, runs=2), None)[8]
    assert "[" not in cells(replace(few, runs=1), None)[8], "one run has no quartiles"


def test_quick_plan_can_tell_every_goal():
    plan = make_plan(quick=True)
    at = {(case.input, case.scale) for case in (*plan.timed, *plan.memory)}
    at |= {(one.case.input, one.case.scale) for one in plan.left_out}
    assert {goal[1:] for goal in GOALS} <= at
    assert {goal[0] for goal in GOALS} <= set(MEANING)


@pytest.mark.parametrize("scale", [2.0, 2.7, 12.0])
@pytest.mark.parametrize("model", MODELS)
def test_counts_agree_both_ways(model, scale):
    check = cost(replace(OURS, model=model, scale=scale)).check
    assert check == replace(check, gather=check.formula)
    assert isinstance(check, Check)
    assert math.prod(check.input) == 32


def test_shares_count_no_product_that_winograd_saves():
    """36 products for a tile of 4x4 pixels and not 144: all of LM-LTE's head, most of its encoder."""
    subject = make_subject(OURS, "fp32", 0, CPU)
    if why_not("native", subject.model.head.render_basis, subject.model.render_mlp, CPU):
        pytest.skip("no kernel in C here")
    case = replace(OURS, input=(8, 12), path="native", encoder="edsr-baseline")
    found, saved = cost(case).macs, saved_by_winograd(case)
    assert saved.head == 3 / 4 * found.head
    assert 0.7 * found.encoder < saved.encoder < 3 / 4 * found.encoder
    assert saved_by_winograd(replace(case, input=(5, 5))).head == (9 * 25 - 36 * 4) * 2 * 64 * 128
    bench = run_bench(replace(PLAN, timed=(case,)), CPU)
    (row,) = bench.rows
    executed = row.share.decoder * row.seconds.decoder.median * bench.ceilings.matmul / 2
    assert executed == pytest.approx(found.head / 4 + found.latent + cost(case).useful)


def test_a_case_beyond_the_limit_is_named_not_dropped():
    plan = replace(PLAN, timed=(OURS, replace(OURS, path="gather")), limit=1e-9)
    bench = run_bench(plan, CPU)
    assert bench.rows == ()
    assert [one.case for one in bench.skipped] == list(plan.timed)
    assert all("the limit is 1e-09 s" in one.reason for one in bench.skipped)
    text = io.StringIO()
    show(bench, Console(file=text))
    shown = " ".join(text.getvalue().split())
    assert "not measured: time of lm-lte edsr-small 12x8 x2 gather" in shown


def test_native_kernel_is_measured_where_it_runs(monkeypatch):
    monkeypatch.setattr("lmf.study.bench.run.best_kernel", lambda device: "native")
    bench = run_bench(replace(PLAN, timed=(OURS,)), CPU)
    left_out = [one.case.path for one in bench.skipped]
    compiles = compiled.why_not(CPU, (torch.float32,), *SOURCES) is None
    assert [row.case.path for row in bench.rows] == (["dense", "native"] if compiles else ["dense"])
    assert left_out == ([] if compiles else ["native"])


def test_gpu_kernel_is_measured_beside_our_renderer():
    plan = with_kernel(replace(PLAN, memory=(OURS,)), "triton")
    by_kernel = replace(OURS, path="triton")
    assert plan.timed == (OURS, by_kernel, *PLAN.timed[1:])
    assert plan.memory == (OURS, by_kernel)


def test_quick_plan_has_one_peak_and_fits_a_minute():
    """Seconds on two cores of a Xeon: 14 for imports, ceilings, counts and the process of the peak.

    The steps of the released code are run once, beyond `spend`: 9 s of the whole, 4 of the small one.
    """
    plan = with_kernel(make_plan(quick=True), "native")
    assert [case.path for case in plan.memory] == ["native"]
    timed = [case for case in plan.timed if case.path != "official"]
    assert len(plan.timed) == len(timed) + 2
    whole = [case for case in timed if case.input == (180, 320)]
    encoded = {(case.model, case.path == "native") for case in whole}
    small = len(timed) - len(whole)  # a second each, but for the original algorithm
    assert 14 + plan.spend * (len(whole) + len(encoded) + 1) + small + 9 + 4 < 60
    asked = make_plan(quick=True, limit=20.0)
    assert (asked.limit, asked.spend) == (20.0, None)


def test_official_way_of_an_original_decoder_is_refused():
    bench = run_bench(replace(PLAN, timed=(replace(OURS, model="lte", path="official"),)), CPU)
    assert [one.reason for one in bench.skipped] == [
        "the official way is that of latent-modulated models"
    ]


def test_gpu_kernel_that_cannot_run_is_named(monkeypatch):
    monkeypatch.setattr("lmf.study.bench.subject.why_not", lambda *arguments: "of the weather")
    by_kernel = replace(OURS, path="triton")
    bench = run_bench(replace(PLAN, timed=(by_kernel,)), CPU)
    assert bench.rows == ()
    assert [(one.case, one.reason) for one in bench.skipped] == [(by_kernel, "of the weather")]


def test_a_hopeless_case_is_tried_on_one_small_corner():
    """On ever larger ones only where the limit is near; at a large scale the first has few pixels."""
    assert [probe(scale) for scale in (2, 8, 12, 18, 30, 100)] == [16, 16, 11, 7, 4, 4]
    subject = make_subject(replace(OURS, input=(64, 64)), "fp32", 0, CPU)
    for whole, sides in ((101.0, [4]), (20.0, [4, 8, 16]), (9.0, [4])):
        seen = []
        watch = SimpleNamespace(read=lambda s=seen, w=whole: {"decode": w * (s[-1] / 64) ** 2})
        refused = whole > 10 and pytest.raises(ResourceError, match=f"about {whole:.0f} s a run")
        with refused or nullcontext():
            check_limit(subject, seen.append, watch, "decode", 10.0, 4)
        assert list(dict.fromkeys(seen)) == sides


def test_repetitions_fit_the_budget():
    budget = Budget(runs=5, limit=10.0, spend=10.0)
    assert [max(0, budget.more(s)) for s in (0.1, 2.0, 3.0, 6.0, 11.0)] == [5, 4, 2, 0, 0]
    budget = Budget(runs=3, limit=10.0, spend=3.5)  # run once, not left out, where it takes 4 s
    assert [max(0, budget.more(s)) for s in (0.1, 1.1, 4.0)] == [3, 2, 0]


def test_unequal_numbers_of_runs_are_paired():
    encoded = Encoded(None, [{"encode": 3.0, "encoder": 2.0}])
    decoded = Decoded([{"decode": d, "latent": 1.0} for d in (2.0, 4.0, 6.0)], 1.0)
    found = seconds(encoded, decoded, latent=True)
    assert found.total == Spread(median=7.0, q25=6.0, q75=8.0, best=5.0)
    assert (found.encoder.median, found.head.median, found.render.median) == (2.0, 1.0, 3.0)
    assert found.decoder.median == 5.0
    assert seconds(encoded, decoded, latent=False).latent is None


@pytest.mark.parametrize("way", ["gather", "official"])
def test_what_takes_queries_is_sampled_and_says_so(monkeypatch, way):
    monkeypatch.setattr("lmf.study.bench.measure.QUERIES", 32)
    case = replace(OURS, scale=4.0, path=way)
    subject = make_subject(case, "fp32", 0, CPU)
    latents = subject.encode(Stopwatch(CPU))
    found = by_query(way, subject, latents, case, Budget(2, 1e-9, 1e-9))
    assert found.queries == 32 / (32 * 48)
    assert len(found.times) == 1
    found = by_query(way, subject, latents, case, Budget(2, 60.0, 1e-9))
    assert found.queries == (1 if way == "official" else 32 / (32 * 48))  # one pass of all


@pytest.mark.parametrize("way", ["gather", "official"])
def test_queries_are_timed_in_half_precision_too(way):
    case = replace(OURS, path=way)
    subject, watch = make_subject(case, "bf16", 0, CPU), Stopwatch(CPU)
    latents = subject.encode(watch)
    rgb = subject.by_query(way, latents, case.size, watch)
    assert rgb.shape == (1, math.prod(case.size), 3)
    assert torch.isfinite(rgb).all()


def test_both_ways_of_a_subject_make_one_image():
    case = replace(OURS, scale=2.7)
    subject, watch = make_subject(case, "fp32", 0, CPU), Stopwatch(CPU)
    latents = subject.encode(watch)
    dense = subject.dense(latents, case.size, watch)
    gathered = subject.by_query("gather", latents, case.size, watch)
    torch.testing.assert_close(
        dense, gathered.transpose(1, 2).unflatten(-1, case.size), atol=5e-5, rtol=0
    )
    assert set(watch.read()) == {"encode", "encoder", "decode", "latent"}
    coord, cell = subject.queries(case.size, 10)
    assert coord.shape == cell.shape == (1, 10, 2)
    middle = math.prod(case.size) // 2
    assert torch.equal(coord[0], pixel_centres(*case.size)[middle - 5 : middle + 5])


@pytest.mark.parametrize("model", [name for name in MODELS if name.startswith("lm-")])
@pytest.mark.parametrize("off", [{}, {"mod_scale": False}, {"mod_shift": False}])
def test_the_released_codes_steps_are_the_same_algorithm(model, off):
    """In any number of passes, and for a batch."""
    torch.manual_seed(0)
    lm = create_model(model, encoder="edsr-small", options=off).eval()
    coord = torch.rand(2, 50, 2) * 2 - 1
    with torch.no_grad():
        latents = lm.encode(torch.rand(2, 3, 5, 7))
        cell = torch.full((2, 50, 2), 0.7)
        cells = lm.cells(latents, cell[:, 0])
        parts = (lm.head.render_basis, lm.render_mlp)
        gathered = render_queries(cells, *parts, (5, 7), coord, cell, ensemble=True)
        for chunk in (7, 50, PASS):
            found = render_maps(to_maps(cells), *parts, coord, cell, chunk)
            torch.testing.assert_close(found, gathered, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "lm-let"], "unknown model 'lm-let', did you mean lm-lte?"),
        (["--encoder", "vgg"], "unknown encoder 'vgg'"),
        (["--scale", "nan"], "scale is nan"),
        (["--scale", "0.5"], "scale is 0.5"),
        (["--scale", "1000"], "more than 268,435,456 pixels"),
        (["--size", "320"], "write WIDTHxHEIGHT"),
        (["--size", "0x8"], "no pixels"),
        (["--precision", "fp8"], "valid: fp32, bf16"),
        (["--runs", "0"], "at least 1"),
        (["--limit", "-1"], "limit is -1"),
        (["--quick", "--scale", "2"], "--quick has cases of its own"),
        (["--out", "."], "name a file"),
    ],
)
def test_bad_input_is_one_line(options, message):
    result = CliRunner().invoke(app, ["bench", *options])
    assert isinstance(result.exception, LmfError)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)


@pytest.mark.slow
def test_quick_command_writes_the_ratios(monkeypatch, tmp_path):
    tiny = replace(PLAN, memory=(OURS,), limit=5.0)
    monkeypatch.setattr("lmf.study.bench.plan.quick_plan", lambda precision: tiny)
    out = tmp_path / "new" / "bench.json"
    result = CliRunner().invoke(app, ["bench", "--quick", "--device", "cpu", "--out", str(out)])
    assert result.exit_code == 0, result.output
    bench = read_bench(out)
    assert {ratio.name for ratio in bench.ratios} == set(MEANING)
    assert bench.peak(OURS) is not None


def test_cells_have_a_column_each(bench):
    assert {len(cells(row, 1)) for row in bench.rows} == {len(COLUMNS)}
