"""Profiles and params.yaml are strict: what they do not know, they name, with what they know instead."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from places import ROOT

from lmf.core.errors import ConfigError
from lmf.data.catalog import data_set
from lmf.study.settings.ablations import ABLATIONS
from lmf.study.settings.params import Params, read_params, workspace
from lmf.study.settings.profile import model_config, of_variant, read_profile, train_config
from lmf.study.weights import weights_of
from lmf.train.config import VGG_URL


@pytest.mark.parametrize("name", [path.stem for path in (ROOT / "profiles").glob("*.yaml")])
def test_every_profile_and_variant_is_valid(name):
    profile = read_profile(name, ROOT)
    for variant in (*profile.encoders, *ABLATIONS):
        model_config(profile, variant)
        train_config(profile, variant)


def test_the_cell_is_held_at_the_largest_scale_of_training():
    profile = read_profile("study", ROOT)
    assert model_config(profile, "rdn").max_scale == 4
    wide = replace(profile, train=replace(profile.train, scales=(1.0, 8.0)))
    assert model_config(wide, "rdn").max_scale == 8
    told = replace(wide, model={"max_scale": 6.0})
    assert model_config(told, "rdn").max_scale == 6


def test_a_variant_under_another_seed_is_the_same_but_for_that():
    profile = read_profile("study", ROOT)
    for name in ("rdn", "no-position"):
        other = of_variant(profile, f"{name}-seed7")
        assert other == replace(of_variant(profile, name), seed=7)
        assert model_config(profile, f"{name}-seed7") == model_config(profile, name)
    with pytest.raises(ConfigError, match="rdn-seed0: 0 is the seed of rdn itself"):
        of_variant(profile, "rdn-seed0")
    with pytest.raises(ConfigError, match="unknown variant 'rnd', did you mean rdn"):
        of_variant(profile, "rnd-seed1")
    with pytest.raises(ConfigError, match="seed is 4294967296"):
        of_variant(profile, "rdn-seed4294967296")


def test_names_of_trainings_are_sorted_out():
    params = Params("quick", (), ("rdn-seed1", "no-position", "rdn"))
    profile = read_profile("quick", ROOT)
    assert params.encoders(profile) == ["rdn"]
    assert params.repeats(profile) == ["rdn-seed1"]
    assert params.trainings(profile) == ["rdn", "no-position", "rdn-seed1"]


@pytest.mark.parametrize(
    ("variants", "said"),
    [
        (("rdn", "no-positon"), "unknown variant 'no-positon', did you mean no-position"),
        (("rdn", "rnd-seed1"), "unknown variant 'rnd', did you mean rdn"),
        (("rdn", "swinir-seed1"), "variant that swinir-seed1 repeats: 'swinir'; valid: rdn"),
    ],
)
def test_names_of_no_training_are_refused(variants, said):
    with pytest.raises(ConfigError, match=said):
        Params("quick", (), variants).trainings(read_profile("quick", ROOT))


def test_an_ablation_of_the_training_changes_the_loss_and_nothing_else():
    profile = read_profile("study", ROOT)
    assert train_config(profile, "no-position") == profile.train
    assert model_config(profile, "perceptual") == model_config(profile, profile.base)
    recipe = train_config(profile, "perceptual")
    assert (recipe.perceptual.weight, recipe.perceptual.weights) == (0.1, VGG_URL)
    assert replace(recipe, perceptual=None, queries=profile.train.queries) == profile.train


@pytest.fixture
def place(tmp_path):
    """A function of (file, **changes) that writes a changed copy of the study's settings."""

    def write(file: str = "params.yaml", **changes) -> Path:
        for name in ("params.yaml", "profiles/quick.yaml"):
            values = yaml.safe_load((ROOT / name).read_text())
            values |= changes if name == file else {}
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(yaml.safe_dump(values))
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scael": 4}, r"quick.yaml: unknown name scael, did you mean scales\?"),
        ({"model": {"fuorier": 3}}, "unknown name fuorier, did you mean fourier"),
        ({"cross_scale": {"window": 50, "scales": [3]}}, "window 50 is no multiple of 2 x 3"),
        ({"scales": [2, 0.5]}, "scale 0.5 is below 1"),
        ({"protocol": "y"}, "unknown protocol 'y'; valid: benchmark_y"),
        (
            {"timing": {"input": [9, 9], "scale": 0.5, "runs": 1}},
            "timing: scale is 0.5: use at least 1",
        ),
        ({"timing": {"input": [9, 9], "scale": 2, "runs": 0}}, "timing: runs is 0: use at least 1"),
        ({"efficiency": {"models": ["lm-let"]}}, "unknown model 'lm-let', did you mean lm-lte"),
        ({"efficiency": {"encoders": ["edsr"], "limit": 0}}, "limit is 0.0: use seconds above 0"),
        (
            {
                "crops": [
                    {"set": "photos-test", "image": "astronaut", "scale": 4, "box": [-1, 0, 9, 9]}
                ]
            },
            r"box is \(-1, 0, 9, 9\): use top, left of at least 0",
        ),
        ({"base": "edsr"}, "unknown base 'edsr'; valid: edsr-baseline"),
        ({"encoders": {"edsr-baseline": "edsr-smal"}}, "unknown encoder 'edsr-smal', did you"),
        ({"test_sets": ["set5"]}, "unknown set of a crop 'photos-test'; valid: set5"),
        ({"test_sets": {"set5": {"scale": [2]}}}, "unknown name test_sets.set5.scale, did you"),
        ({"test_sets": {"set5": {"scales": [0.5]}}}, "scale 0.5 is below 1"),
        ({"test_sets": {"set5": {"protocol": "y"}}}, "unknown protocol 'y'; valid: benchmark_y"),
        ({"test_sets": {"photos-test": {"scales": [2]}}}, "astronaut: x4 is none of the scales"),
        ({"test_sets": "set5"}, "test_sets is 'set5': input should be an object"),
    ],
)
def test_wrong_profile_is_refused_by_file_and_name(place, changes, said):
    with pytest.raises(ConfigError, match=said):
        read_profile("quick", place("profiles/quick.yaml", **changes))


def test_each_test_set_may_have_its_own_protocol_and_scales(place):
    own = {"photos-test": {}, "div2k-valid": {"protocol": "div2k_rgb", "scales": [2, 30]}}
    profile = read_profile("quick", place("profiles/quick.yaml", test_sets=own))
    assert set(profile.test_sets) == {"photos-test", "div2k-valid"}
    assert profile.protocol_of("photos-test") == "benchmark_y"
    assert profile.scales_of("photos-test") == profile.scales_of("custom") == profile.scales
    assert profile.protocol_of("div2k-valid") == "div2k_rgb"
    assert profile.scales_of("div2k-valid") == (2, 30)


def test_the_paper_profile_scores_each_set_as_the_literature_does():
    profile = read_profile("paper", ROOT)
    for name in ("set5", "set14", "b100", "urban100"):
        assert profile.protocol_of(name) == "benchmark_y"
        assert profile.scales_of(name) == (2, 3, 4, 6, 8)
    assert profile.protocol_of("div2k-valid") == "div2k_rgb"
    assert profile.scales_of("div2k-valid") == (2, 3, 4, 6, 12, 18, 24, 30)
    for name in profile.sets:
        entry = data_set(name)
        assert name == profile.train_set or profile.protocol_of(name) == entry.protocol


def test_unknown_name_in_params_is_refused(place):
    with pytest.raises(ConfigError, match=r"params.yaml: unknown name varaints, did you mean"):
        read_params(place(varaints=["rdn"]))


def test_wrong_profile_name_lists_the_profiles(place):
    with pytest.raises(ConfigError, match="unknown profile 'quik', did you mean quick"):
        workspace(None, place(profile="quik"))


def test_outside_the_repository_the_message_says_where_to_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for profile in (None, "quick"):
        with pytest.raises(ConfigError, match="run from the repository's root"):
            weights_of("edsr-baseline", profile)


@pytest.mark.parametrize("text", ["- a\n", "a: [1\n", "just words"])
def test_settings_that_are_no_mapping_are_refused(tmp_path, text):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"params.yaml: (not YAML|expected names and values)"):
        read_params(tmp_path)
