"""What a finished training is good for: weights under a name, and no second training."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from places import ROOT
from small_studies import profile_of, small_study, train_small
from typer.testing import CliRunner

import lmf
from lmf.cli import app
from lmf.core.errors import ConfigError
from lmf.study.release import release
from lmf.study.stages.train import is_trained

CPU = torch.device("cpu")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A study with one trained variant, where the working directory is; weights/ is its own."""
    place = small_study(tmp_path, steps=4)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    train_small(place, "no-position")
    monkeypatch.chdir(tmp_path)
    for module in ("lmf.checkpoint", "lmf.study.release"):
        monkeypatch.setattr(f"{module}.RELEASED", tmp_path / "weights")
    return place


def put(variant, name, sets=("own",)):
    return release(variant, name, "small", sets, CPU, lambda done, total: None)


def test_a_variant_loads_by_its_new_name_and_the_card_says_what_it_scores(place):
    path = put("no-position", "mine")
    assert path.name == "mine.safetensors"
    model = lmf.load_model("mine")
    trained = lmf.load_model(place.weights("no-position"))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, trained.state_dict()[name].half().float())
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["source_sha256"] == json.loads(place.card("no-position").read_text())["sha256"]
    assert {row["lr_source"] for row in card["results"]} == {"pillow-bicubic"}
    assert (card["name"], card["variant"], card["dtype"]) == ("mine", "no-position", "fp16")
    scales = profile_of(place).scales
    assert [(row["set"], row["scale"]) for row in card["results"]] == [("own", s) for s in scales]
    assert all(row["images"] == 4 for row in card["results"])
    timing = json.loads((place.results / "timing" / "train-no-position.json").read_text())
    assert card["wall_time_s"] == timing["seconds"]


def test_a_training_that_is_done_is_not_begun_again(place):
    profile = profile_of(place)
    assert is_trained(profile, "no-position", place)
    assert not is_trained(profile, "rdn", place)
    longer = replace(profile, train=replace(profile.train, steps=5))
    assert not is_trained(longer, "no-position", place)
    before = place.weights("no-position").stat()
    done = CliRunner().invoke(app, ["train", "no-position", "--profile", "small"])
    assert done.exit_code == 0
    assert "trained already" in done.output
    assert place.weights("no-position").stat() == before


def test_what_cannot_be_released_leaves_nothing(place):
    for name in ("rdn", "bicubic", "no-position"):
        with pytest.raises(ConfigError, match="is that of a variant: choose another"):
            put("no-position", name)
    with pytest.raises(ConfigError, match="use letters, digits and hyphens"):
        put("no-position", "my/model")
    with pytest.raises(
        ConfigError, match="rdn is not trained in profile small: run `lmf train rdn"
    ):
        put("rdn", "mine")
    with pytest.raises(ConfigError, match="unknown model 'rnd', did you mean rdn"):
        put("rnd", "mine")
    assert not Path("weights").exists()
