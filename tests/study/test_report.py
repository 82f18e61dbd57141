"""The report: complete, self-contained, equal bytes for equal inputs, and loud when it should be."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from places import ROOT

from lmf.core.errors import DataError
from lmf.study import figures
from lmf.study.report.build import build_report
from lmf.study.settings.params import Params
from lmf.study.settings.profile import read_profile
from lmf.study.settings.workspace import Workspace
from lmf.study.tables.layout import to_csv
from lmf.study.tables.rows import COLUMNS, read_rows
from lmf.study.tables.tidy import ablation_table

ENCODERS = ["edsr-baseline", "rdn"]
ABLATIONS = ["no-position"]
VARIANTS = (*ENCODERS, *ABLATIONS)
MODELS = ["bicubic", "bilinear", *VARIANTS]
PROFILE = read_profile("quick", ROOT)
LEVEL = {"bilinear": -0.5, "edsr-baseline": 0.5, "rdn": 0.25, "no-position": 0.375}
SETS = {"photos-test": ["astronaut", "chelsea", "coffee", "rocket"], "custom": ["zone-plate"]}
CROP = "photos-test-coffee-x2.7.png"


def write_results(folder: Path, level: dict[str, float] = LEVEL) -> Path:
    """results/quick as the stages leave it; returns results."""
    noise = np.random.default_rng(0)
    for part in ("evaluate", "weights", "train", "timing"):
        (folder / "quick" / part).mkdir(parents=True)
    for model in MODELS:
        rows = [
            {
                "model": model, "set": set_, "image": image, "scale": scale,
                "psnr": 30 + 2 * index - float(scale) + level.get(model, 0) + 0.02 * noise.random(),
                "ssim": 0.9, "psnr_8bit": 30.0, "protocol": "benchmark_y",
                "lr_source": "pillow-bicubic", "profile": "quick",
            }
            | (provenance(model) if model in VARIANTS else {})
            | {"device": "a CPU", "torch": "2.13.0", "lmf": "0.1.0"}
            for set_, images in SETS.items()
            for scale in ("2", "2.7")
            for index, image in enumerate(images)
        ]  # fmt: skip
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        (folder / "quick" / "evaluate" / f"{model}.csv").write_text(to_csv(frame))
        if model in VARIANTS:
            write_variant(folder / "quick", model)
    for column in ("bicubic", "bicubic/lr", "bicubic/hr", *VARIANTS):
        path = folder / "quick" / "crops" / column / CROP
        path.parent.mkdir(parents=True)
        Image.fromarray(noise.integers(0, 255, (12, 12, 3), dtype=np.uint8)).save(path)
    table = ablation_table(
        read_rows(Workspace("quick", folder.parent), MODELS), "edsr-baseline", ABLATIONS
    )
    (folder / "quick" / "ablation.csv").write_text(to_csv(table))
    return folder


def provenance(variant: str) -> dict[str, object]:
    sha256 = (variant.encode().hex() * 9)[:64]
    return {"seed": 0, "steps": 650, "weights_sha256": sha256, "params": 12345, "macs_g": 1.5}


def write_variant(folder: Path, variant: str) -> None:
    card = {
        "name": variant, "profile": "quick", "architecture": {"encoder": "edsr-small"},
        "parameters": 12345, "steps": 650, "seed": 0, "device": "a CPU", "torch": "2.13.0",
        "data": {"set": "photos-train", "images": 14, "tree_sha256": "78" * 32}, "lmf": "0.1.0",
        "metrics": {"psnr_validation_bicubic": 28.0},
        "sha256": provenance(variant)["weights_sha256"], "licence": "Apache-2.0",
    }  # fmt: skip
    (folder / "weights" / f"{variant}.json").write_text(json.dumps(card))
    curve = "step,loss,lr,grad_norm,psnr_val\n25,0.1,0.001,0.5,\n50,0.05,0.001,0.4,28.5\n"
    (folder / "train" / f"{variant}.csv").write_text(curve)


def write_timing(folder: Path, seconds: float) -> None:
    timing = {
        "model": "rdn", "input": [180, 320], "scale": 4, "device": "cpu", "threads": 2,
        "precision": "fp32", "median_s": seconds, "q25_s": seconds, "q75_s": seconds, "runs": 5,
        "cpu": "a CPU", "torch": "2.13.0", "renderer": "dense", "convolutions": "torch",
    }  # fmt: skip
    (folder / "quick" / "timing" / "rdn.json").write_text(json.dumps(timing))


def build(results: Path, *more: str) -> dict[str, bytes]:
    """Files of the report by name; more: further variants."""
    place = Workspace("quick", results.parent)
    written = build_report(place, PROFILE, Params("quick", (), VARIANTS + more))
    return {path.relative_to(place.reports).as_posix(): path.read_bytes() for path in written}


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("report")
    return build(write_results(folder / "results"))


@pytest.fixture
def results(tmp_path) -> Path:
    return write_results(tmp_path / "results")


def test_every_file_is_there(report):
    assert set(report) == {
        "encoders.md", "encoders.csv", "encoders.tex", "ablation.md", "ablation.csv",
        "ablation.tex", "timing.md", "timing.js", "efficiency.md", "index.html",
        "figures/gain-photos-test.png", "figures/gain-custom.png", "figures/ablation-photos-test.png",
        "figures/ablation-custom.png", "figures/loss.png", "figures/validation.png",
        "figures/crops.png",
    }  # fmt: skip


def test_equal_results_give_equal_bytes_and_seconds_stay_out(report, results, tmp_path):
    write_timing(results, 1.25)
    again = build(results)
    changed = {name for name in report if report[name] != again[name]}
    assert changed == {"timing.md", "timing.js"}
    assert "1.25 s" in again["timing.js"].decode()
    assert "dense renderer, torch convolutions" in again["timing.md"].decode()
    assert "not measured" in again["timing.md"].decode()


def test_costs_are_on_the_page_where_they_were_counted(report, results):
    assert 'id="cost"' not in report["index.html"].decode()
    shutil.copy(ROOT / "results/quick/efficiency.csv", results / "quick")
    files = build(results)
    page = files["index.html"].decode()
    assert 'id="cost"' in page
    assert 'src="efficiency.png"' in page
    assert "230,050.0" in page
    assert files["efficiency.png"].startswith(b"\x89PNG")


def test_trainings_with_other_validations_have_no_common_level(results):
    card = results / "quick" / "weights" / "rdn.json"
    card.write_text(card.read_text().replace("28.0", "28.1"))
    assert build(results)["figures/validation.png"].startswith(b"\x89PNG")


def test_page_holds_everything_and_needs_no_network(report):
    page = report["index.html"].decode()
    loaded = re.findall(r"""(?:src|srcset)=["']([^"']+)["']|url\(([^)]*)\)""", page)
    assert {src[:10] for src, url in loaded} == {"data:image", "timing.js"}
    assert not any(url for src, url in loaded)
    assert not re.search(r"<link|@import|fetch\(", page)
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) == {"https://arxiv.org/abs/2404.16451"}
    assert page.count("<img") == 6 + 3 + len(VARIANTS)


def test_ablations_that_were_not_run_are_named(report):
    said = "Not run: no-cross-scale (without cross-scale attention); no-modulation"
    for name in ("ablation.md", "index.html"):
        text = report[name].decode()
        assert said in text
        assert "perceptual (trained by L1 + 0.1" in text


def test_strip_labels_columns_once_and_each_row():
    crop = np.zeros((4, 4, 3), np.uint8)
    figure = figures.strip({"coffee": {"LR": crop, "HR": crop}, "rocket": {"LR": crop, "HR": crop}})
    assert [axes.get_title() for axes in figure.axes] == ["LR", "HR", "", ""]
    assert [axes.get_ylabel() for axes in figure.axes] == ["coffee", "", "rocket", ""]


def test_page_names_variants_sets_and_provenance(report):
    page = report["index.html"].decode()
    for name in [*MODELS, *SETS, "n = 4", "n = 1", "benchmark_y", "pillow-bicubic", "12.5 %"]:
        assert name in page
    for variant in VARIANTS:
        sha256 = provenance(variant)["weights_sha256"]
        assert f'<code title="{sha256}">{sha256[:12]}</code>' in page
    assert page.count('data-time="rdn"') == len(SETS)
    assert "see timing.md" in page
    assert "11 dB below plain bicubic" in page
    assert "Read this first" not in page


def test_each_number_of_a_table_is_in_the_csv(report):
    csv = report["encoders.csv"].decode()
    numbers = {f"{float(n):.2f}" for n in re.findall(r"\d+\.\d{4}", csv)}
    shown = re.findall(r"\d\d\.\d\d(?!\d)", report["encoders.md"].decode().split("Brackets")[0])
    assert set(shown) <= numbers


def test_below_bicubic_is_said_loudly(tmp_path):
    results = write_results(tmp_path / "results", LEVEL | {"rdn": -0.25})
    files = build(results)
    page = files["index.html"].decode()
    alarm = page[page.index("Read this first") :].split("</div>")[0]
    assert "rdn lies below bicubic interpolation: photos-test ×2" in alarm
    assert "edsr-baseline" not in alarm
    assert "**rdn lies below bicubic" in files["encoders.md"].decode()


@pytest.mark.parametrize(
    "name",
    [
        "evaluate/rdn.csv", "evaluate/bicubic.csv", "weights/rdn.json", "train/no-position.csv",
        "ablation.csv", f"crops/rdn/{CROP}",
    ],
)  # fmt: skip
def test_a_missing_file_is_named_with_the_command(results, tmp_path, name):
    path = results / "quick" / name
    path.unlink()
    with pytest.raises(DataError) as error:
        build(results)
    assert str(path) in str(error.value)
    assert "dvc repro" in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("evaluate/rdn.csv", ",quick,", ",paper,", "may not mix profile paper and quick"),
        ("evaluate/rdn.csv", "0.9000", "much", "could not convert string to float"),
        ("evaluate/rdn.csv", "psnr_8bit", "psnr8", "no column psnr_8bit"),
        ("weights/rdn.json", '"sha256": "7', '"sha256": "8', "not of the weights in results"),
        ("weights/rdn.json", "{", "", "not JSON"),
        ("weights/rdn.json", '"seed"', '"sed"', "the card lacks seed"),
        ("ablation.csv", "-0.1", "-0.9", "not of the present evaluation"),
        ("ablation.csv", "no-position,custom", "else,custom", "not of the present evaluation"),
    ],
)
def test_results_that_do_not_belong_together_are_refused(
    results, tmp_path, name, old, new, message
):
    path = results / "quick" / name
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        build(results)


def test_another_profile_is_refused(results, tmp_path):
    (results / "quick").rename(results / "study")
    with pytest.raises(DataError, match="rows are of profile quick, not study"):
        build_report(Workspace("study", tmp_path), PROFILE, Params("study", (), VARIANTS))


def test_a_study_without_ablations_has_no_such_section(results, tmp_path):
    (results / "quick" / "ablation.csv").unlink()
    place = Workspace("quick", tmp_path)
    build_report(place, PROFILE, Params("quick", (), tuple(ENCODERS)))
    page = (place.reports / "index.html").read_text()
    assert 'id="ablation"' not in page
    assert 'id="encoders"' in page


def write_repeat(results: Path, name: str, seed: int, louder: float) -> None:
    """A variant's results again, under another seed."""
    folder, model = results / "quick", name.rsplit("-", 1)[0]
    sha256 = "5" * 64
    rows = pd.read_csv(folder / "evaluate" / f"{model}.csv")
    rows = rows.assign(model=name, seed=seed, weights_sha256=sha256, psnr=rows["psnr"] + louder)
    (folder / "evaluate" / f"{name}.csv").write_text(to_csv(rows))
    card = json.loads((folder / "weights" / f"{model}.json").read_text())
    card |= {"name": name, "seed": seed, "sha256": sha256}
    (folder / "weights" / f"{name}.json").write_text(json.dumps(card))


def test_other_seeds_say_how_far_chance_goes(report, results, tmp_path):
    write_repeat(results, "rdn-seed1", 1, 0.125)
    files = build(results, "rdn-seed1")
    said = "Trained twice with different seeds, rdn moves by up to 0.12 dB on photos-test"
    for name in ("encoders.md", "ablation.md", "encoders.tex", "index.html"):
        text = files[name].decode()
        assert "One seed" in report[name].decode()
        assert "One seed" not in text
        assert said in text
    table = files["encoders.md"].decode()
    assert re.search(r"\| rdn +\| photos-test +\| +2 \| +31\.2\d … 31\.3\d \|", table)
    assert "rdn-seed1" not in table
    write_repeat(results, "rdn-seed1", 1, 0.0)
    card = results / "quick" / "weights" / "rdn-seed1.json"
    card.write_text(card.read_text().replace("5" * 64, "6" * 64))
    with pytest.raises(DataError, match=r"rdn-seed1\.csv: not of the weights"):
        build(results, "rdn-seed1")


def test_bold_is_what_another_seed_does_not_do(results):
    def bold() -> int:
        page = build(results, *seeds)["index.html"].decode()
        return page.split('id="ablation"')[1].split("<ul>")[0].count("<td><b>")

    seeds: tuple[str, ...] = ()
    assert bold() > 0
    write_repeat(results, "rdn-seed1", 1, 0.5)
    seeds = ("rdn-seed1",)
    assert bold() == 0


def test_equal_differences_whose_mean_is_rounded_past_the_interval_are_drawn():
    row = {"variant": "no-position", "set": "custom", "scale": 2.0, "delta_psnr": 0.1 + 2e-17}
    table = pd.DataFrame([row | {"delta_low": 0.1 + 2e-16, "delta_high": 0.1 + 3e-16}])
    assert (table["delta_psnr"] < table["delta_low"]).all()
    assert figures.ablation(table, figures.LIGHT, ["no-position"]).axes
