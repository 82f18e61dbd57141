"""Every setting of a training has its range, and a value outside of it is refused by name."""

import pytest
import yaml
from places import ROOT
from small_runs import CONFIG
from small_studies import profile_of, small_study

from lmf.core.config import parse, plain
from lmf.core.errors import ConfigError
from lmf.study.settings.profile import read_profile
from lmf.train.config import PerceptualConfig, TrainConfig

DENSE = {"queries": None, "patch": 16}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch": 0}, "batch is 0: use at least 1"),
        ({"queries": 0}, "queries is 0: use at least 1, or null for all"),
        ({"queries": -1}, "queries is -1: use at least 1, or null for all"),
        ({"lr": 0}, "lr is 0.0: use more than 0"),
        ({"lr": -1}, "lr is -1.0: use more than 0"),
        ({"lr_min": -1e-6}, "lr_min is -1e-06: use 0 to lr (0.001)"),
        ({"lr_min": 0.01}, "lr_min is 0.01: use 0 to lr (0.001)"),
        ({"warmup": -5}, "warmup is -5: use 0 to steps - 1 (8)"),
        ({"warmup": 9}, "warmup is 9: use 0 to steps - 1 (8)"),
        ({"ema": 1}, "ema is 1.0: use 0 to less than 1"),
        ({"ema": -1}, "ema is -1.0: use 0 to less than 1"),
        ({"clip": 0}, "clip is 0.0: use more than 0"),
        ({"clip": -1}, "clip is -1.0: use more than 0"),
        ({"progressive": -3}, "progressive is -3: use 0 to steps (9)"),
        ({"progressive": 10}, "progressive is 10: use 0 to steps (9)"),
        ({"milestones": [5, 3]}, "milestones is [5, 3]: use rising steps from 1 to 8"),
        ({"milestones": [0, 3]}, "milestones is [0, 3]: use rising steps from 1 to 8"),
        ({"milestones": [3, 9]}, "milestones is [3, 9]: use rising steps from 1 to 8"),
        ({"milestones": [3, 3]}, "milestones is [3, 3]: use rising steps from 1 to 8"),
        ({"accumulate": 0}, "accumulate is 0: use at least 1"),
        (DENSE | {"perceptual": {"weight": -1}}, "perceptual: weight is -1.0: use more than 0"),
        (
            DENSE | {"perceptual": {"weight": 1, "layers": [0]}},
            "layers is [0]: use some of 1 to 16",
        ),
        (DENSE | {"perceptual": {"weight": 1, "layers": []}}, "layers is []: use some of 1 to 16"),
        ({"queries": None, "perceptual": {"weight": 1}}, "patch is 6: use at least 16 / 1 with a"),
    ],
)
def test_a_value_outside_its_range_is_refused_by_name(change, message):
    with pytest.raises(ConfigError) as refused:
        parse(TrainConfig, plain(CONFIG) | change, "train")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        {"queries": None, "lr_min": 0, "warmup": 0, "ema": 0},
        {"warmup": 8, "progressive": 9, "milestones": [1, 8], "lr_min": 0.001},
    ],
)
def test_the_ends_of_the_ranges_are_in_them(change):
    parse(TrainConfig, plain(CONFIG) | change, "train")


def test_nan_is_no_value_even_without_a_file():
    with pytest.raises(ConfigError, match="weight is nan: use more than 0"):
        PerceptualConfig(float("nan"))


@pytest.mark.parametrize(
    ("block", "change", "message"),
    [
        (None, {"seed": 2**40}, "seed is 1099511627776: use 0 to 4294967295"),
        (None, {"seed": -1}, "seed is -1: use 0 to 4294967295"),
        (
            "validation",
            {"crop": 0},
            "validation.crop is 0: use at least 6, as benchmark_y shaves 2",
        ),
        ("validation", {"crop": 5}, "validation.crop is 5: use at least 6"),
        ("validation", {"scale": 0.5}, "validation: scale is 0.5: use at least 1"),
        ("train", {"lr": 0}, "train: lr is 0.0: use more than 0"),
    ],
)
def test_a_profile_is_refused_with_its_file_and_setting(tmp_path, block, change, message):
    place = small_study(tmp_path)
    path = tmp_path / "profiles/small.yaml"
    raw = yaml.safe_load(path.read_text())
    (raw[block] if block else raw).update(change)
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(ConfigError) as refused:
        profile_of(place)
    assert str(refused.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize("path", sorted((ROOT / "profiles").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_profiles_that_there_are_pass(path):
    assert read_profile(path.stem, ROOT).train.steps > 0
