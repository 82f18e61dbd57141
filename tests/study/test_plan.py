"""`lmf plan`: what it promises is what would be done, and it does nothing."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from places import ROOT
from rich.console import Console
from small_sets import picture, put

from lmf.core.errors import ConfigError, DataError
from lmf.data.catalog import CATALOGUE, data_set
from lmf.study.plan.measure import measure_training
from lmf.study.plan.needs import UNKNOWN, make_plan
from lmf.study.plan.show import show
from lmf.study.plan.stages import stages
from lmf.study.settings.profile import read_profile
from lmf.study.settings.workspace import Workspace

TAR = data_set("set5").archives[0]


@pytest.fixture
def place(tmp_path) -> Workspace:
    """A study of which nothing was run."""
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    shutil.copy(ROOT / "tests/helpers/tiny.yaml", tmp_path / "profiles/tiny.yaml")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return Workspace("paper", tmp_path)


def plan_of(place: Workspace, mirror: Path | None = None, **measured):
    return make_plan(read_profile(place.profile, place.root), place, mirror, measured)


def text_of(plan) -> str:
    console = Console(width=250)
    with console.capture() as said:
        console.print(show(plan), highlight=False)
    return said.get()


def test_an_archive_of_several_sets_is_downloaded_once(place):
    plan = plan_of(place)
    bytes_ = {one.entry.name: one.bytes for one in plan.sets}
    assert bytes_["set5"] == TAR.bytes
    assert bytes_["set14"] == bytes_["b100"] == bytes_["urban100"] == 0
    assert {one.shared for one in plan.sets if one.entry.name in ("b100", "urban100")} == {"set5"}
    archives = {a.url: a.bytes for name in bytes_ for a in CATALOGUE[name].archives}
    assert plan.download == sum(archives.values())
    unpacked = sum(CATALOGUE[name].unpacked for name in bytes_)
    assert plan.disk == plan.download + unpacked


def test_what_is_there_or_at_hand_is_not_downloaded(place, tmp_path):
    put(place.data, {"set5/HR/a.png": picture(0), "div2k-train/HR/a.png": picture(0)})
    mirror = tmp_path / "mirror"
    put(mirror, {"Set14/HR/a.png": picture(0), "DIV2K_valid_HR.zip": b"PK"})
    part = place.data / ".partial/downloads/benchmark.tar.part"
    put(place.data, {part.relative_to(place.data).as_posix(): bytes(1000)})
    plan = plan_of(place, mirror)
    states = {one.entry.name: one.state for one in plan.sets}
    assert states == {
        "div2k-train": "there", "set5": "there", "set14": "mirror", "b100": "download",
        "urban100": "download", "div2k-valid": "download", "photos-test": "bundled",
    }  # fmt: skip
    lr = sum(a.bytes for a in CATALOGUE["div2k-valid"].archives if "LR" in a.name)
    assert plan.download == TAR.bytes - 1000 + lr
    text = text_of(plan)
    assert "with b100" in text
    assert data_set("div2k-valid").licence in text
    with pytest.raises(DataError, match="nowhere is no folder"):
        plan_of(place, tmp_path / "nowhere")


def test_the_stages_are_those_of_dvc(place):
    names = [stage.name for stage in stages(place)]
    assert names[:2] == ["fetch@photos-train", "fetch@photos-test"]
    assert {"train@rdn", "evaluate@no-position", "baseline@bicubic", "report"} <= set(names)
    assert all(stage.lacking for stage in stages(place))
    (place.results / "recipes").mkdir(parents=True)
    assert [stage.name for stage in stages(place) if not stage.lacking] == ["recipe"]
    text = text_of(plan_of(place))
    assert "the profile uses no photos-train, bsds400" in text


def test_time_is_recorded_or_unknown_but_never_guessed(place):
    text = text_of(plan_of(place))
    assert text.count(UNKNOWN) == 7 + 1
    log = place.results / "timing/train-rdn.csv"
    log.parent.mkdir(parents=True)
    log.write_text("step,seconds,steps_per_s\n1,1,3\n2,1,5\n3,1,100\n")
    assert UNKNOWN in text_of(plan_of(place)), "nobody knows on which device that was"
    card = place.weights("rdn").with_suffix(".json")
    put(card.parent, {card.name: json.dumps({"device": "a GPU"}).encode()})
    plan = plan_of(place)
    speed = next(one for one in plan.trainings if one.variant == "rdn").speed
    assert (speed.steps_per_s, speed.device) == (5, "a GPU")
    assert "2.3 days" in text_of(plan), "a million steps at 5 a second"
    assert "and 6 variants whose time is unknown" in text_of(plan)
    place.weights("rdn").touch()
    assert next(one for one in plan_of(place).trainings if one.variant == "rdn").left == 0


def test_measuring_takes_real_steps_and_leaves_nothing(place, tmp_path):
    tiny = replace(place, profile="tiny")
    profile = read_profile("tiny", tmp_path)
    profile = replace(profile, train=replace(profile.train, steps=10**6))
    before = sorted(tmp_path.rglob("*"))
    said: list[str] = []
    variants, cpu = ["rdn", "no-position", "perceptual"], torch.device("cpu")
    profile = replace(profile, train=replace(profile.train, patch=16))
    speeds = measure_training(profile, variants, cpu, tiny.data, steps=2, say=said.append)
    assert said[-1] == "perceptual is not timed: VGG-19's weights are not there yet"
    assert set(speeds) == {"rdn", "no-position"}
    plan = make_plan(profile, tiny, None, speeds)
    assert sorted(tmp_path.rglob("*")) == before
    by_name = {one.variant: one for one in plan.trainings}
    assert by_name["rdn"].seconds == 10**6 / speeds["rdn"].steps_per_s
    assert by_name["edsr-baseline"].seconds is None
    assert "measured now, median of 2 steps" in text_of(plan)


def test_steps_are_those_of_the_profile(place):
    steps = yaml.safe_load((ROOT / "profiles/paper.yaml").read_text())["train"]["steps"]
    assert {one.steps for one in plan_of(place).trainings} == {steps}
    assert f"{steps:,}" in text_of(plan_of(place))


def test_a_variant_again_under_the_seed_it_has_is_refused(place, tmp_path):
    path = tmp_path / "profiles/paper.yaml"
    path.write_text(path.read_text().replace("seed: 0", "seed: 1"))
    with pytest.raises(ConfigError, match="1 is the seed of edsr-baseline itself"):
        plan_of(place)


def test_vgg_is_downloaded_for_the_variant_that_needs_it(place, tmp_path):
    before = plan_of(place)
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    params["variants"].append("perceptual")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    after = plan_of(place)
    assert after.download - before.download == after.vgg == 575 * 10**6
    assert "VGG-19's weights 575.0 MB of it" in text_of(after)
    put(place.data, {"vgg19-dcbb9e9d.pth": b"weights"})
    assert plan_of(place).download == before.download
