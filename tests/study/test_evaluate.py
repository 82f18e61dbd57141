"""Evaluation of any model on any set: rows, resumption, several processes, pictures, refusals."""

import os
import re
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from bicubic import bicubic
from PIL import Image
from places import ROOT

from lmf.checkpoint import save_model
from lmf.core.errors import ConfigError, DataError, InputError, ResourceError
from lmf.data.sets import ImageSet, open_set
from lmf.study.evaluate.journal import Facts, Journal
from lmf.study.evaluate.pair import make_pair
from lmf.study.evaluate.request import Request, score
from lmf.study.evaluate.run import Task, evaluate
from lmf.study.evaluate.saved import Whole
from lmf.study.evaluate.subject import baseline
from lmf.study.evaluate.team import ALONE, Team, team
from lmf.study.settings.profile import Crop, Scoring, read_profile
from lmf.study.stages.evaluate import detail
from lmf.study.tables.rows import COLUMNS

CPU = torch.device("cpu")
FACTS = Facts("bicubic", "", None, None, None, None, None, "cpu", "2", "0")


@pytest.fixture
def place(tmp_path, monkeypatch, small_model) -> Path:
    """A study with two small sets and a trained model, as the current folder."""
    (tmp_path / "profiles").mkdir()
    for name in ("params.yaml", "profiles/quick.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    for folder, sides in (("custom", (64, 75)), ("grey", (66, 81))):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for index, width in enumerate(sides):
            noise = Image.effect_noise((width, 60), 60 + index).resize((width, 70))
            picture = noise if folder == "grey" else noise.convert("RGB")
            picture.save(tmp_path / "data" / folder / f"{index}.png")
    save_model(small_model("lm-lte"), tmp_path / "own.safetensors", {"seed": 3, "steps": 7})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tasks(place: Path, *scales: float, protocol="benchmark_y") -> list[Task]:
    return [Task(open_set("custom", place / "data"), scales or (2.0, 2.7), protocol)]


@pytest.mark.parametrize("scale", [2, 2.7, 3.14159])
def test_fractional_scales_crop_hr_to_the_rounded_multiple(place, scale):
    pictures = open_set("custom")
    for index in range(2):
        pair = make_pair(pictures, index, scale)
        hr = np.asarray(Image.open(pictures.hr[index]))
        h, w = pair.lr.shape[:2]
        assert (h, w) == tuple(int(side / scale) for side in hr.shape[:2])
        assert pair.hr.shape[:2] == (round(h * scale), round(w * scale))
        np.testing.assert_array_equal(pair.hr, hr[: pair.hr.shape[0], : pair.hr.shape[1]])
        assert pair.lr_source == "pillow-bicubic"


def test_a_size_that_divides_by_a_fraction_loses_nothing(tmp_path):
    assert int(81 / 2.7) == 29
    Image.new("RGB", (81, 27)).save(tmp_path / "a.png")
    pictures = ImageSet("x", (tmp_path / "a.png",), {})
    assert make_pair(pictures, 0, 2.7).lr.shape[:2] == (10, 30)


def test_grey_pictures_count_as_three_equal_channels(place):
    grey = open_set("grey")
    for path in grey.hr:
        Image.open(path).convert("RGB").save(place / path.name)
    colour = ImageSet("grey", tuple(place / path.name for path in grey.hr), {})
    assert bicubic(grey, 2.7) == bicubic(colour, 2.7)


def test_a_picture_too_small_for_the_scale_is_named(place):
    with pytest.raises(InputError, match=r"0\.png: 64x70 leaves less than 8 pixels a side at x9"):
        make_pair(open_set("custom"), 0, 9)


@pytest.mark.parametrize(
    ("lr", "fits"),
    [
        ((21, 33), True),  # HR is cropped to 63x99
        ((21, 32), False),
        ((20, 33), False),
        ((22, 33), False),
        ((10, 16), False),  # as at another scale
        ((33, 21), False),
    ],
)
def test_published_lr_that_is_not_of_this_hr_is_named(tmp_path, lr, fits):
    paths = tmp_path / "a.png", tmp_path / "ax3.png"
    for path, size in zip(paths, ((65, 101), lr), strict=True):
        Image.new("RGB", size).save(path)
    pictures = ImageSet("x", paths[:1], {3: paths[1:]})
    if fits:
        assert make_pair(pictures, 0, 3).hr.shape == (99, 63, 3)
        return
    said = f"{paths[1]}: {lr[0]}x{lr[1]} is not the 65x101 of {paths[0]} at x3; put"
    with pytest.raises(InputError, match=re.escape(said)):
        make_pair(pictures, 0, 3)


class Stop(Exception):  # noqa: N818
    pass


def test_an_interrupted_evaluation_goes_on_where_it_stopped(place, monkeypatch):
    seen = []

    def upscale(image, size):
        seen.append(size)
        return baseline("bicubic")(image, size)

    def stop_at_2(done, total):
        assert total == 4
        if done == 2:
            raise Stop

    whole = evaluate(baseline("bicubic"), FACTS, tasks(place), journal=Journal(place / "w"))
    journal = place / "journal"
    with pytest.raises(Stop):
        evaluate(upscale, FACTS, tasks(place), journal=Journal(journal), on_row=stop_at_2)
    with (journal / "0.jsonl").open("a") as file:
        file.write('{"set": "cus')  # as if killed while writing
    for expected in (4, 4):
        frame = evaluate(upscale, FACTS, tasks(place), journal=Journal(journal))
        assert len(seen) == expected
        pd.testing.assert_frame_equal(frame, whole)
    evaluate(upscale, FACTS, tasks(place, protocol="raw_rgb"), journal=Journal(journal))
    assert len(seen) == 8, "rows by another protocol are other rows"
    other = Facts(**(vars(FACTS) | {"weights_sha256": "ab"}))
    evaluate(upscale, other, tasks(place), journal=Journal(journal))
    assert len(seen) == 12, "rows of other weights are not ours"
    Image.new("RGB", (64, 70), "teal").save(place / "data/custom/0.png")
    evaluate(upscale, other, tasks(place), journal=Journal(journal))
    assert len(seen) == 16, "rows of other pictures are not ours"
    monkeypatch.setattr("lmf.study.evaluate.journal.code_digest", lambda: "changed")
    with pytest.raises(Stop):
        evaluate(upscale, other, tasks(place), journal=Journal(journal), on_row=stop_at_2)
    monkeypatch.setattr("lmf.study.evaluate.journal.code_digest", lambda: "changed again")
    evaluate(upscale, other, tasks(place), journal=Journal(journal))
    assert len(seen) == 16 + 2 + 4, "rows of other code are not ours"


def test_the_detail_that_is_shown_is_a_crop_of_the_profile_if_its_picture_is_there(place):
    crop = Crop("custom", "1", 2.0, (1, 2, 16, 16))
    profile = replace(read_profile("quick"), test_sets={"custom": Scoring()}, crops=(crop,))
    pair, found = detail(profile, place / "data")
    assert (found, pair.image, pair.scale) == (crop, "1", 2.0)
    for crops in ((replace(crop, image="gone"),), ()):
        pair, found = detail(replace(profile, crops=crops), place / "data")
        assert (found.set, found.image, pair.image) == ("custom", "0", "0")
        assert found.box == (0, 0, 96, 96), "the picture is smaller"


def test_pictures_are_saved_once(place):
    seen = []

    def upscale(image, size):
        seen.append(size)
        return baseline("bicubic")(image, size)

    for _ in range(2):
        evaluate(
            upscale, FACTS, tasks(place, 2.0),
            journal=Journal(place / "journal"), saved=Whole(place / "sr", "model"),
        )  # fmt: skip
    assert len(seen) == 2
    saved = Image.open(place / "sr/model/custom/0-x2.png")
    pair = make_pair(open_set("custom"), 0, 2)
    lr = Image.fromarray(pair.lr).resize((64, 70), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(np.asarray(saved), np.asarray(lr))


def test_pictures_of_two_models_lie_side_by_side(place):
    request = Request("bicubic", sets=["grey"], scales=[2], images=Path("sr"))
    for model in ("bicubic", "bilinear"):
        score(replace(request, model=model), CPU, ALONE)
    found = {path.relative_to("sr").as_posix() for path in Path("sr").rglob("*.png")}
    assert found == {f"{m}/grey/{i}-x2.png" for m in ("bicubic", "bilinear") for i in "01"}
    one, other = (Path(f"sr/{m}/grey/0-x2.png").read_bytes() for m in ("bicubic", "bilinear"))
    assert one != other


def test_a_model_whose_name_leads_out_of_the_folder_saves_nothing():
    with pytest.raises(ConfigError, match=r"model '\.\.': rename its file"):
        Whole(Path("sr"), "..")


def test_a_prediction_that_is_not_finite_is_refused(place):
    def broken(image, size):
        return torch.full((1, 3, *size), torch.nan)

    with pytest.raises(DataError, match="custom/0 x2: the prediction is not finite"):
        evaluate(broken, FACTS, tasks(place, 2.0), journal=Journal(place / "journal"))


def test_any_model_is_scored_beside_bicubic(place):
    request = Request("own.safetensors", sets=["custom", "grey"], scales=[2, 2.5])
    text = score(request, CPU, ALONE)
    rows = pd.read_csv("runs/evaluate/own.csv")
    assert list(rows.columns) == list(COLUMNS)
    assert len(rows) == 2 * 2 * 2
    assert set(rows["protocol"]) == {"benchmark_y"}
    assert set(rows["seed"]) == {3}
    assert set(rows["steps"]) == {7}
    assert rows["weights_sha256"].str.len().eq(64).all()
    assert text.startswith("benchmark_y: Y of BT.601 on the float prediction")
    lines = [line.split("|") for line in text.splitlines() if "×" in line]
    assert [(line[1].strip(), line[3].strip()) for line in lines] == [
        (f"{set_} ×{scale}", model)
        for set_ in ("custom", "grey")
        for scale in ("2", "2.5")
        for model in ("bicubic", "own")
    ]
    assert not [path for path in Path("runs").rglob("*") if path.name.startswith(".")]


def test_published_figures_stand_beside_equal_protocols_only(place):
    shutil.copytree("data/custom", "data/set5/HR")
    for name in "abc":
        shutil.copy("data/set5/HR/0.png", f"data/set5/HR/{name}.png")
    for path in Path("data/set5/HR").iterdir():
        pair = make_pair(ImageSet("x", (path,), {}), 0, 2)
        lr = Path("data/set5/LR_bicubic/X2") / f"{path.stem}x2.png"
        lr.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pair.lr).save(lr)
    request = Request("bicubic", sets=["set5"], scales=[2, 3])
    text = score(request, CPU, ALONE)
    two, three = (line.split("|") for line in text.splitlines()[3:5])
    ours, published, difference = (float(cell) for cell in two[5:8])
    assert published == 33.66
    assert difference == pytest.approx(ours - published, abs=0.011)
    assert two[-2].strip() == "Bicubic"
    assert two[2].strip() == "published"
    assert three[2].strip() == "pillow-bicubic"
    assert three[6].strip() == "30.39*", "another LR than the published"
    assert "* from other LR files" in text
    assert "33.66" not in score(replace(request, protocol="raw_rgb"), CPU, ALONE)


@pytest.mark.parametrize(
    ("request_", "error", "said"),
    [
        (Request("bicubic", sets=["set55"]), ConfigError, r"called 'set55'; choose from .*set5,"),
        (Request("bicubic", sets=["b100"]), DataError, "b100 is missing: run `lmf fetch b100`"),
        (Request("bicubic", scales=[0.5]), ConfigError, "scale 0.5: use finite numbers of at"),
        (Request("bicubic", scales=[float("nan")]), ConfigError, "scale nan"),
        (Request("bicubic", protocol="y"), ConfigError, "unknown protocol 'y'; valid: benchmark_y"),
        (Request("bicubic", sets=["custom"], out=Path("data")), ConfigError, "data is a folder"),
        (
            Request("bicubic", sets=["custom"], out=Path("a.txt")),
            ConfigError,
            r"a\.txt: rows are wr",
        ),
        (
            Request("bicubic", sets=["custom"], out=Path("own.json/a.csv")),
            ResourceError,
            r"^own\.json/a\.csv: cannot write here",
        ),
        (
            Request("a/bicubic.safetensors", sets=["custom"]),
            ConfigError,
            "taken for those of bicubic",
        ),
        (Request("../bilinear.pth", sets=["custom"]), ConfigError, "taken for those of bilinear"),
        (Request("rdn", sets=["custom"]), ConfigError, "no trained model 'rdn' in profile quick"),
    ],
)
def test_wrong_requests_are_refused_by_name(place, request_, error, said):
    with pytest.raises(error, match=said):
        score(request_, CPU, ALONE)
    assert not Path("runs").exists()


def run_in_processes(count: int, place: Path, *words: str) -> str:
    """`lmf` in `count` processes with torchrun's variables; what the first one printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "lmf", *words],
            cwd=place,
            env=os.environ
            | {"OMP_NUM_THREADS": "1"}
            | (shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} if count > 1 else {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    said = [process.communicate(timeout=100) for process in started]
    assert [process.returncode for process in started] == [0] * count, said
    assert [out for out, _ in said[1:]] == [""] * (count - 1)
    return said[0][0]


def test_two_processes_write_what_one_writes(place):
    words = ["evaluate", "own.safetensors", "--set", "custom", "--scale", "2", "--scale", "2.5"]
    words += ["--device", "cpu", "--out"]
    one = run_in_processes(1, place, *words, "one.csv")
    two = run_in_processes(2, place, *words, "two.csv")
    assert Path("one.csv").read_text() == Path("two.csv").read_text()
    assert one.replace("one.csv", "two.csv") == two
    assert not list(place.glob(".*.csv.*"))


def test_srun_without_torchrun_is_named():
    with pytest.raises(ConfigError, match="srun starts 4 processes that share nothing"):
        team({"SLURM_STEP_NUM_TASKS": "4"}).__enter__()


def test_torchrun_that_is_no_torchrun_is_named():
    with (
        pytest.raises(ConfigError, match="WORLD_SIZE is 2 but RANK is not set"),
        team({"WORLD_SIZE": "2"}),
    ):
        pass


def test_each_process_takes_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    second = Team(rank=3, size=4, local_rank=1)
    assert second.device(torch.device("cuda")) == torch.device("cuda:1")
    assert second.device(torch.device("cuda:0")) == torch.device("cuda:0")
    assert second.device(CPU) == CPU
    assert ALONE.device(torch.device("cuda")) == torch.device("cuda")
