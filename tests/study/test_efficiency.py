"""The efficiency report: counts, the paper's curve beside ours, and where the time goes."""

import re
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from places import ROOT

from lmf.architecture import MODELS
from lmf.core.errors import DataError
from lmf.metrics.machine import Ceilings
from lmf.study.bench.count import cost
from lmf.study.bench.plan import SCALES, Case, Plan, grid, with_kernel
from lmf.study.bench.ratios import CLAIM, ratios
from lmf.study.bench.record import Bench, Row, Seconds, Share, Spread, write_bench
from lmf.study.bench.run import provenance
from lmf.study.figures import png
from lmf.study.literature import read_published
from lmf.study.report.efficiency import ratio_layout, write_efficiency
from lmf.study.report.efficiency_figures import brief, caption, curve, nearest, stages
from lmf.study.settings.profile import Efficiency, read_profile
from lmf.study.settings.workspace import Workspace
from lmf.study.stages.efficiency import DECODER, OTHERS, count_costs, timing_plan

CPU = torch.device("cpu")
CASES = tuple(
    Case(model, "edsr-small", (8, 12), scale, path)
    for scale in (2.0, 8.0)
    for model, path in (("lte", "gather"), ("lm-lte", "gather"), ("lm-lte", "dense"))
)


def timed(case: Case, seconds: float) -> Row:
    """A row of made-up seconds, a tenth each for encoder, head and latent."""
    found = cost(case)
    tenth, whole, rest = (
        Spread(*[part * seconds] * 4) for part in (0.1, 1.0, 0.7 if found.modulation else 0.8)
    )
    spent = Seconds(whole, tenth, tenth, tenth if found.modulation else None, rest, rest)
    share = Share(0.1, 0.1, 0.1)
    return Row(
        case, found.parameters, found.decoder_parameters, found.modulation,
        found.macs, found.check, spent, share, runs=1, queries=1.0,
    )  # fmt: skip


def made_up(cases: tuple[Case, ...]) -> Bench:
    rows = tuple(timed(case, 1.0 + place) for place, case in enumerate(cases))
    ceilings = Ceilings(1e11, 1e10)
    by = provenance(Plan(cases, ()), CPU)
    return Bench(by, ceilings, rows, (), (), ratios(rows, (), ceilings, "fp32"))


@pytest.fixture(scope="module")
def bench() -> Bench:
    return made_up(CASES)


@pytest.fixture(scope="module")
def costs(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lmf.study.stages.efficiency.SCALES", (2.0, 4.0, 8.0))
        patch.setattr("lmf.study.stages.efficiency.ENCODER", "edsr-small")
        yield count_costs(Workspace("x", tmp_path_factory.mktemp("costs")))


def of_one(costs: pd.DataFrame) -> pd.DataFrame:
    """With the papers' encoder, which is a smaller one here."""
    return costs[costs["encoder"] == "edsr-small"]


def test_other_encoders_are_counted_with_one_model_and_their_decoders_cost_the_same(costs):
    found = costs[costs["encoder"].isin(OTHERS)].set_index(["encoder", "scale"])
    assert set(found["model"]) == {"lm-lte"}
    rdn, swinir = (found.loc[encoder] for encoder in OTHERS)
    assert (rdn[DECODER] == swinir[DECODER]).all(axis=None)
    assert (rdn["encoder_macs"] > swinir["encoder_macs"]).all()


def test_latent_modulation_saves_at_every_scale(costs):
    decoder = (
        of_one(costs)
        .set_index(["model", "scale"])[["head_macs", "latent_macs", "render_macs"]]
        .sum(axis=1)
    )
    for family in ("liif", "lte", "ciaosr"):
        assert (decoder[f"lm-{family}"] < decoder[family]).all()


def test_report_shows_counts_and_timing(bench, costs, tmp_path):
    place = Workspace("x", tmp_path)
    assert [path.name for path in write_efficiency(place)] == ["efficiency.md"]
    place.results.mkdir(parents=True)
    costs.to_csv(place.costs, index=False)
    write_bench(place.timing("efficiency"), bench)
    written = write_efficiency(place)
    assert {path.name for path in written} == {
        "efficiency.md", "efficiency.csv", "efficiency.png", "efficiency-stages.png",
    }  # fmt: skip
    text = (place.reports / "efficiency.md").read_text(encoding="utf-8")
    assert f"agree in {len(costs)} of {len(costs)} rows" in text
    assert "| LM-LTE ×4" in text
    assert bench.provenance.cpu in text
    assert caption(bench) in text
    assert "![Share of the time that each stage takes](efficiency-stages.png)" in text
    assert "|   encoder |   head |" in text
    for name in ratio_layout(bench).columns[1:]:
        assert f"\n- {name}: " in text
    table = pd.read_csv(place.reports / "efficiency.csv")
    assert len(table) == len(costs) + len(bench.rows)
    place.costs.write_text("model\nlte\n")
    with pytest.raises(DataError, match="no column encoder"):
        write_efficiency(place)


def test_report_shows_benchmarks_of_other_machines_under_their_names(bench, costs, tmp_path):
    place = Workspace("x", tmp_path)
    place.results.mkdir(parents=True)
    costs.to_csv(place.costs, index=False)
    by = replace(bench.provenance, device="A GPU", cudnn_tf32=True)
    write_bench(place.timing("bench-other"), replace(bench, provenance=by))
    write_efficiency(place)
    text = (place.reports / "efficiency.md").read_text(encoding="utf-8")
    before, section = text.split("## Timed by `lmf bench`: bench-other")
    assert "Not timed yet" in before
    assert "A GPU, " in section
    assert "convolutions take fp32 as TF32" in section
    for case in CASES:
        assert re.search(rf"\| {case.model} +\| +{case.encoder} .* x{case.scale:g} ", section)


def test_ratios_of_several_encoders_stand_apart(bench):
    assert list(ratio_layout(bench)["at"]) == ["lm-lte 12x8 x2 dense", "lm-lte 12x8 x8 dense"]
    more = made_up((*CASES, replace(CASES[2], encoder="rdn-small")))
    assert list(ratio_layout(more)["at"]) == [
        "lm-lte edsr-small 12x8 x2 dense",
        "lm-lte edsr-small 12x8 x8 dense",
        "lm-lte rdn-small 12x8 x2 dense",
    ]


def test_figures_are_the_same_every_time(bench, costs):
    for draw in (lambda: curve(costs, bench), lambda: curve(costs, None), lambda: stages(bench, 2)):
        assert png(draw()) == png(draw())


def test_profile_times_what_it_names():
    chosen = Efficiency(models=("lm-lte", "ciaosr"), scales=(2.0, 3.0), spend=0.5)
    plan = timing_plan(SimpleNamespace(efficiency=chosen, seed=3))
    assert plan.timed == grid(("lm-lte", "ciaosr"), chosen.encoders, (2.0, 3.0), chosen.input)
    assert len(plan.timed) == 2 * 3 + 2 * 2
    more = replace(chosen, more_encoders=("rdn-small",))
    added = timing_plan(SimpleNamespace(efficiency=more, seed=3)).timed[len(plan.timed) :]
    assert added == grid(("lm-lte",), ("rdn-small",), (3.0,), chosen.input)
    assert [(case.model, case.scale) for case in plan.memory] == [("lm-lte", 3.0), ("ciaosr", 3.0)]
    assert (plan.seed, plan.limit, plan.spend) == (3, 1.0, 0.5)


def circles(figure) -> dict[float, list[float]]:
    """Heights of the circles by scale."""
    found: dict[float, list[float]] = {}
    for one in figure.axes[0].collections:
        if len(one.get_facecolor()):  # an outline has none
            ((scale, height),) = one.get_offsets().tolist()
            found.setdefault(scale, []).append(height)
    return found


def test_circles_of_another_input_stand_on_the_lines_and_the_caption_says_how(bench, costs):
    """Of the same encoder they do; of another one they stand where its own decoder does."""
    found = circles(curve(costs, bench))
    decoder = of_one(costs)
    decoder = decoder[decoder["scale"] == 8].set_index("model")[DECODER].sum(axis=1) / 1e9
    assert found[8] == pytest.approx([decoder["lte"], decoder["lm-lte"]])
    wide = made_up(tuple(replace(case, encoder="edsr-baseline") for case in CASES))
    assert min(circles(curve(costs, wide))[8]) > 1.05 * min(found[8])  # of lm-lte
    assert "12×8 with edsr-small" in caption(bench)
    assert "multiplied by 600" in caption(bench)
    papers = made_up(tuple(replace(case, input=(180, 320)) for case in CASES[:1]))
    assert "multiplied" not in caption(papers)
    assert "320×180 with edsr-small" in caption(papers)


def test_one_encoder_has_circles(bench):
    both = replace(
        bench,
        rows=(*bench.rows, *made_up((replace(CASES[0], encoder="edsr-baseline"),)).rows),
    )
    assert "with edsr-baseline" in caption(both)
    assert "edsr-small" not in caption(both)


def test_published_points_are_crosses(costs):
    published = read_published()
    points = published[published["metric"] == "MACs_G_approx"]
    drawn = circles(curve(costs, None, published))
    assert {(scale, y) for scale in drawn for y in drawn[scale]} == set(
        zip(points["scale"], points["value"], strict=True)
    )
    assert "published runtimes are not known" in caption(None)


def test_stages_are_shown_at_the_timed_scale_that_is_nearest(bench):
    assert nearest(bench, 4) == 2
    (axes,) = stages(bench, 4).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "lte gather", "lm-lte gather", "lm-lte dense",
    ]  # fmt: skip
    assert [bar.get_width() for bar in axes.patches[3:6]] == [10, 10, 10]  # head
    assert {text.get_text() for text in axes.texts} == {"1 s", "2 s", "3 s"}
    assert (brief(0.0123), brief(103.2)) == ("0.012 s", "103 s")


def test_the_papers_claim_is_held_against_the_largest_scale_on_a_gpu_alone():
    cases = tuple(
        Case(model, encoder, (180, 320), scale, path)
        for scale in (4.0, 12.0, 30.0)
        for encoder in ("edsr-baseline", "edsr-small")
        for model, path in (("lte", "gather"), ("lm-lte", "dense"))
    )[:-4]  # x30 was left out
    found = made_up(cases)
    assert CLAIM not in {one.goal for one in found.ratios}
    on_gpu = ratios(found.rows, (), found.ceilings, "fp32", gpu=True)
    (held,) = (one for one in on_gpu if one.goal == CLAIM)
    assert (held.name, held.case) == ("total_over_original", cases[5])


def test_profile_study_times_the_papers_comparison_in_minutes():
    """Counted, not timed: eight minutes of repetitions, beside trials and what is run but once."""
    chosen = read_profile("study", ROOT).efficiency
    plan = with_kernel(timing_plan(SimpleNamespace(efficiency=chosen, seed=0)), "native")
    assert {case.model for case in plan.timed} == set(MODELS)
    assert {case.encoder for case in plan.timed} == {"edsr-baseline", "rdn", "swinir"}
    assert {case.input for case in plan.timed} == {(180, 320)}
    assert {case.scale for case in plan.timed} == set(SCALES)
    assert len(plan.timed) * plan.spend < 8 * 60
