"""Released weights score what their cards say, and stay small enough for a repository."""

import json

import numpy as np
import pytest
import torch
from at_hand import benchmark
from skimage import data

from lmf.checkpoint import RELEASED, load_model, released_names
from lmf.data.pictures import as_tensor
from lmf.metrics.quality import scores
from lmf.study.evaluate.pair import make_pair
from lmf.study.literature import read_published

NAMES = released_names()


def card(name: str) -> dict:
    return json.loads((RELEASED / f"{name}.json").read_text(encoding="utf-8"))


def test_there_are_some_and_they_are_small():
    assert "lm-lte-edsr-baseline" in NAMES
    assert sum(path.stat().st_size for path in RELEASED.iterdir()) < 60e6


@pytest.mark.parametrize("name", NAMES)
def test_card_says_where_the_weights_come_from(name):
    facts = card(name)
    wanted = {"data", "steps", "seed", "device", "wall_time_s", "results", "licence", "profile"}
    assert wanted <= facts.keys()
    assert {row["set"] for row in facts["results"]} >= {"set5"}
    bicubic = read_published().query("method == 'Bicubic' and metric == 'PSNR'")
    bicubic = bicubic.set_index(["set", "scale"])["value"]
    for row in facts["results"]:
        if (row["set"], row["scale"]) in bicubic.index:
            assert row["psnr"] > bicubic[row["set"], row["scale"]] + 0.3
    assert load_model(name).config is not None


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", NAMES)
def test_set5_scores_what_the_card_says(name, scale):
    model, pictures = load_model(name), benchmark("set5")
    found = []
    for index in range(len(pictures.hr)):
        pair = make_pair(pictures, index, scale)
        with torch.no_grad():
            sr = model(as_tensor(pair.lr), size=pair.hr.shape[:2])
        found.append(scores(sr, pair.hr, "benchmark_y", scale).psnr)
    said = [r["psnr"] for r in card(name)["results"] if (r["set"], r["scale"]) == ("set5", scale)]
    assert said == [pytest.approx(np.mean(found), abs=0.01)]


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_products_in_bfloat16_stay_60_db_from_float32(scale):
    """As the README and `Lmf.upscale` say, on a detail of a photograph that comes with scikit-image."""
    model, picture = load_model("lm-lte-edsr-baseline"), data.astronaut()[:192, 128:320]
    image = as_tensor(picture[::3, ::3])
    exact = model.upscale(image, scale=scale).rgb
    rough = model.upscale(image, scale=scale, dtype=torch.bfloat16).rgb
    distance = -10 * (rough - exact).square().mean().log10()
    assert 60 < distance < 100
