"""Tables: what they say, what they refuse to mix, and what stands beside them."""

import re

import numpy as np
import pandas as pd
import pytest

from lmf.core.errors import DataError
from lmf.metrics.protocol import PROTOCOLS
from lmf.study import literature
from lmf.study.report import findings
from lmf.study.tables import layout
from lmf.study.tables.tidy import (
    ablation_table,
    check,
    difference_table,
    encoder_table,
    spread_table,
)

LEVEL = {"bicubic": 0.0, "edsr-baseline": 0.5, "rdn": 0.25, "no-position": 0.375}
PICTURES = {"a": 24.0, "b": 28.0, "c": 32.0, "d": 36.0}


@pytest.fixture
def rows() -> pd.DataFrame:
    """One set, two scales, four pictures; each model lies above bicubic by its LEVEL everywhere."""
    return pd.DataFrame(
        {
            "model": model, "set": "set5", "image": image, "scale": scale,
            "psnr": level + LEVEL[model] - scale, "ssim": 0.9, "psnr_8bit": level,
            "protocol": "benchmark_y", "lr_source": "published", "profile": "quick",
            "seed": np.nan if model == "bicubic" else 0.0, "steps": 650.0,
            "weights_sha256": "" if model == "bicubic" else "ab" * 32,
            "params": np.nan if model == "bicubic" else 1_490_907.0, "macs_g": 41.2,
            "device": "cpu", "torch": "2.13.0", "lmf": "0.1.0",
        }
        for model in LEVEL
        for scale in (2.0, 4.0)
        for image, level in PICTURES.items()
    )  # fmt: skip


def test_means_and_order(rows):
    table = encoder_table(rows.sample(frac=1, random_state=0), ["rdn", "bicubic"])
    assert list(table["model"]) == ["rdn", "bicubic"] * 2
    assert list(table["scale"]) == [2, 2, 4, 4]
    assert list(table["psnr"]) == [28.25, 28.0, 26.25, 26.0]
    assert (table["psnr_low"] < table["psnr"]).all()
    assert (table["images"] == 4).all()


def test_differences_are_paired(rows):
    gains = difference_table(rows, ["edsr-baseline", "rdn"], "bicubic")
    assert set(gains["model"]) == {"edsr-baseline", "rdn"}
    for column in ("difference", "difference_low", "difference_high"):
        np.testing.assert_allclose(gains[column], gains["model"].map(LEVEL), atol=1e-12)


def test_the_spread_over_seeds_is_that_of_the_means(rows):
    again = rows[rows["model"] == "rdn"].assign(model="rdn-seed1", seed=1)
    again["psnr"] -= 0.25
    both = pd.concat([rows, again], ignore_index=True)
    table = spread_table(both, {"rdn": ["rdn", "rdn-seed1"]})
    means = encoder_table(rows, ["rdn"])
    np.testing.assert_allclose(table["psnr_high"], means["psnr"])
    np.testing.assert_allclose(table["spread"], 0.25)
    assert set(table["trainings"]) == {2}
    longer = both.assign(steps=both["steps"].mask(both["model"] == "rdn-seed1", 9))
    with pytest.raises(DataError, match="may not mix steps"):
        spread_table(longer, {"rdn": ["rdn", "rdn-seed1"]})
    lacking = both[(both["model"] != "rdn-seed1") | (both["image"] != both["image"].iloc[0])]
    with pytest.raises(DataError, match="were not scored alike"):
        spread_table(lacking, {"rdn": ["rdn", "rdn-seed1"]})


def test_ablation_is_relative_to_the_full_model(rows):
    table = ablation_table(rows, "edsr-baseline", ["no-position"])
    full, ablated = table[table["variant"] == "edsr-baseline"], table.drop(index=[0, 2])
    assert full["delta_psnr"].isna().all()
    np.testing.assert_allclose(ablated["delta_psnr"], -0.125)
    assert list(table.columns) == [
        "variant", "set", "scale", "psnr", "ssim", "delta_psnr", "delta_low", "delta_high", "images",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "value"),
    [("profile", "paper"), ("protocol", "div2k_rgb"), ("lr_source", "pillow-bicubic"), ("seed", 1)],
)
def test_one_table_does_not_mix(rows, column, value):
    rows.loc[rows["model"] == "rdn", column] = value
    with pytest.raises(DataError, match=f"may not mix {column}.*{value}"):
        check(rows, list(LEVEL))
    check(rows, ["bicubic", "edsr-baseline"])


def test_missing_twice_and_not_finite_are_refused(rows):
    with pytest.raises(DataError, match="rdn lacks set5, a, x2"):
        check(rows.drop(index=rows[(rows["model"] == "rdn")].index[0]), list(LEVEL))
    with pytest.raises(DataError, match="bicubic, set5, a, x2: evaluated twice"):
        check(pd.concat([rows, rows.head(1)]), list(LEVEL))
    with pytest.raises(DataError, match="no evaluation row of swinir"):
        check(rows, ["bicubic", "swinir"])
    with pytest.raises(DataError, match="lack the column protocol"):
        check(rows.drop(columns="protocol"), ["bicubic"])
    for name in ("psnr", "psnr_8bit"):
        with pytest.raises(DataError, match=f"{name} is inf"):
            check(rows.assign(**{name: rows[name].where(rows.index > 0, np.inf)}), list(LEVEL))


def test_layouts_say_number_of_pictures_and_protocol(rows):
    table = encoder_table(rows, ["bicubic", "edsr-baseline"])
    assert layout.set_caption(table, "set5") == (
        "set5, n = 4; protocol benchmark_y; published LR at ×2, ×4; profile quick; seed 0"
    )
    text = layout.to_markdown(layout.encoder_layout(table, "set5"))
    assert re.search(r"edsr-baseline \| +28.50 \[\d\d\.\d\d, \d\d\.\d\d\]", text)
    assert "1,490,907" in text


def test_sets_by_different_protocols_have_tables_of_their_own(rows):
    other = rows.assign(set="div2k-valid", protocol="div2k_rgb", psnr=rows["psnr"] + 1)
    table = encoder_table(pd.concat([rows, other]), ["bicubic", "rdn"])
    assert table.groupby("set")["protocol"].unique().map(list).to_dict() == {
        "div2k-valid": ["div2k_rgb"],
        "set5": ["benchmark_y"],
    }
    means = table.set_index(["set", "scale", "model"])["psnr"]
    assert means["set5", 2, "bicubic"] + 1 == means["div2k-valid", 2, "bicubic"]
    assert "protocol div2k_rgb" in layout.set_caption(table, "div2k-valid")
    both = layout.published_layout(literature.published_table(table, literature.read_published()))
    assert set(zip(both["set"], both["protocol"], strict=True)) == {
        ("set5 ×2", "benchmark_y"),
        ("set5 ×4", "benchmark_y"),
        ("div2k-valid ×2", "div2k_rgb"),
        ("div2k-valid ×4", "div2k_rgb"),
    }


def test_one_picture_is_shown_without_an_interval(rows):
    table = encoder_table(rows[rows["image"] == "a"], ["bicubic"])
    assert layout.encoder_layout(table, "set5")["×2 PSNR (dB)"].tolist() == ["22.00"]
    assert (
        findings.comparisons(
            difference_table(rows[rows["image"] == "a"], ["rdn"], "bicubic"), "", {}
        )
        == []
    )
    assert "no interval" in findings.few_pictures(table)[0]


def test_writers_are_deterministic_and_escape(rows):
    table = encoder_table(rows, ["bicubic", "rdn"])
    assert layout.to_csv(table) == layout.to_csv(encoder_table(rows, ["bicubic", "rdn"]))
    assert layout.to_csv(table).splitlines()[1].startswith("bicubic,set5,2,4,28.0000,")
    lines = layout.encoder_lines(table, "set5").replace("rdn", "r&d_n")
    latex = layout.to_latex(lines, "benchmark_y, 95 %", "tab:x")
    assert r"r\&d\_n" in latex
    assert r"\caption{benchmark\_y, 95 \%}" in latex
    assert r"\toprule" in latex
    assert "×" not in latex


def test_published_figures_name_source_and_protocol():
    published = literature.read_published()
    assert (published["source"] != "").all()
    assert (published["protocol"] != "").all()
    assert set(published["same_as"]) == {"", "benchmark_y", "div2k_rgb"} <= {"", *PROTOCOLS}
    keys = ["method", "encoder", "set", "scale", "metric"]
    assert not published.duplicated(keys).any()


def test_published_stand_beside_ours_only_where_all_coincides(rows):
    published = literature.read_published()
    table = encoder_table(rows, ["bicubic", "rdn"])
    both = literature.published_table(table, published)
    bicubic = both[(both["method"] == "Bicubic") & (both["metric"] == "PSNR")]
    assert list(bicubic["published"]) == [33.66, 28.42]
    np.testing.assert_allclose(bicubic["difference"], [28.0 - 33.66, 26.0 - 28.42])
    assert set(both["model"]) == {"bicubic", "rdn"}
    for column, other in [("protocol", "raw_rgb"), ("lr_source", "pillow-bicubic"), ("set", "x")]:
        assert literature.published_table(table.assign(**{column: other}), published).empty


@pytest.mark.parametrize(("gap", "verdict"), [(0.01, "meets"), (0.2, "MISMATCH")])
def test_bicubic_must_meet_the_literature(rows, gap, verdict):
    table = encoder_table(rows, ["bicubic"]).query("scale == 4").assign(psnr=28.42 + gap)
    both = literature.published_table(table, literature.read_published())
    assert both.set_index("metric").loc["PSNR", "verdict"] == verdict
    assert bool(findings.protocol_mismatch(both)) == (verdict == "MISMATCH")


def test_models_are_judged_only_where_bicubic_meets_the_literature(rows):
    published = literature.read_published()
    table = encoder_table(rows, ["bicubic", "rdn"]).query("scale == 4")
    meets = table.assign(psnr=table["model"].map({"bicubic": 28.42, "rdn": 29.0}))
    both = literature.published_table(meets, published)
    assert {*both.query("model == 'rdn' and metric == 'PSNR'")["verdict"]} == {"below"}
    for bicubic in (meets.query("model == 'rdn'"), meets.assign(psnr=20.0)):
        both = literature.published_table(bicubic, published)
        assert {*both.query("model == 'rdn'")["verdict"]} == {""}
    assert literature.unchecked_sets(meets, published) == []
    own = meets.assign(lr_source="pillow-bicubic")
    assert literature.unchecked_sets(own, published) == ["set5"]
    assert literature.unchecked_sets(own.assign(set="mine"), published) == []
    assert "set5 is not checked" in findings.unchecked(["set5"], own)[0]


def test_a_model_below_a_published_one_is_called_so(rows):
    table = encoder_table(rows, ["bicubic", "rdn"]).query("scale == 4")
    table["psnr"] = table["model"].map({"bicubic": 28.42, "rdn": 32.47 - 0.2})
    both = literature.published_table(table, literature.read_published())
    fixed = both[(both["method"] == "RDN (fixed scale)") & (both["metric"] == "PSNR")]
    assert list(fixed["verdict"]) == ["below"]


def test_seed_lies_eleven_db_below_bicubic(rows):
    table = encoder_table(rows, ["bicubic", "edsr-baseline"])
    ablation = ablation_table(rows, "edsr-baseline", ["no-position"])
    seed = literature.seed_table(
        literature.read_seed(), literature.read_published(), table, ablation, "edsr-baseline"
    )
    psnr = seed[seed["quantity"] == "psnr"]
    assert (psnr["seed_minus_bicubic"] < -10).all()
    assert "17.06 dB" in findings.seed_verdict(seed)
    assert "11 dB below plain bicubic" in findings.seed_verdict(seed)
    ours = seed.set_index(["model", "set", "quantity"])["ours"]
    assert ours["edsr-baseline", "set5", "psnr"] == ours["full", "set5", "psnr"] == 26.5
    assert ours["no-position", "set5", "delta_psnr"] == pytest.approx(-0.125)
    assert np.isnan(ours["edsr-baseline", "set14", "psnr"])
    assert np.isnan(ours["swinir", "set5", "psnr"])


def test_findings_tell_clear_from_unclear(rows):
    noisy = rows["model"].eq("rdn") & rows["image"].isin(["a", "b"]) & rows["scale"].eq(4)
    rows.loc[noisy, "psnr"] -= 2
    gains = difference_table(rows, ["edsr-baseline", "rdn"], "bicubic")
    assert findings.comparisons(gains, "bicubic", {}) == [
        "Against bicubic on set5 (n = 4) — better: edsr-baseline at every scale (+0.50 dB), rdn at ×2 "
        "(+0.25 dB); not told apart: rdn at ×4 (-0.75 dB)."
    ]
    assert findings.tally(gains, "bicubic", {}) == [
        "Against bicubic, in 2 pairs of set and scale: edsr-baseline better in 2; rdn better in 1, "
        "not told apart in 1."
    ]
    assert findings.below_bicubic(gains) == [
        "rdn lies below bicubic interpolation: set5 ×4 (-0.75 dB)."
    ]


def test_what_another_seed_could_have_made_is_no_finding(rows):
    gains = difference_table(rows, ["edsr-baseline", "rdn"], "bicubic")
    spread = pd.DataFrame(
        [("rdn", "set5", 2.0, 2, 0.25), ("rdn", "set5", 4.0, 2, 0.1)],
        columns=["model", "set", "scale", "trainings", "spread"],
    )
    moved = findings.chance(spread)
    assert moved == {"set5": 0.25}
    assert findings.tally(gains, "bicubic", moved) == [
        "Against bicubic, in 2 pairs of set and scale: edsr-baseline better in 2; rdn within chance in 2."
    ]
    assert "rdn moves by up to 0.25 dB on set5" in findings.seeds(spread)[0]
    assert "within chance: rdn at every scale" in findings.comparisons(gains, "bicubic", moved)[0]
    assert findings.chance(spread[:0]) == {}


def test_own_charts_do_not_count_in_the_short_summary(rows):
    gains = difference_table(rows, ["rdn"], "bicubic")
    (alone,) = findings.tally(gains, "bicubic", {})
    charts = gains.assign(set="custom", difference_low=-2.0, difference_high=-1.0)
    (both,) = findings.tally(pd.concat([gains, charts]), "bicubic", {})
    assert both == alone.replace("set and scale", "set and scale (custom left out)")
    assert findings.tally(charts, "bicubic", {}) == []
    assert "custom" in " ".join(findings.comparisons(charts, "bicubic", {})), "in full, it is there"


def test_unequal_budgets_are_announced():
    data = {"tree_sha256": "a" * 64}
    cards = {name: {"steps": 650, "data": data} for name in ("edsr-baseline", "no-position")}
    assert findings.unequal_budgets(cards) == []
    cards["no-position"] = {"steps": 1000, "data": {"tree_sha256": "b" * 64}}
    steps, pictures = findings.unequal_budgets(cards)
    assert "edsr-baseline 650, no-position 1,000" in steps
    assert "edsr-baseline aaaaaaaaaaaa, no-position bbbbbbbbbbbb" in pictures
