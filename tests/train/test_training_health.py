"""A training whose numbers go wrong says so, and leaves no model that is not one."""

import dataclasses
import json
import logging
import math

import pytest
import torch
from small_runs import CONFIG, noise, run_training
from small_studies import VARIANT, small_study, train_small

from lmf.checkpoint import save_model
from lmf.core.errors import CheckpointError, DataError
from lmf.core.files import write_json
from lmf.study.stages.validate import Validator
from lmf.train import engine
from lmf.train.health import EXPLODED, OVERFLOW_LIMIT, WINDOW, DivergedError, Health
from lmf.train.log import Step
from lmf.train.objective import Objective


def step(loss: float, norm: float = 1.0) -> Step:
    return Step(loss, norm, 1e-3, (1.0, 4.0))


def note(health: Health, loss: float, norm: float = 1.0, scaled: bool = False) -> None:
    health.note(7, step(loss, norm), ["a.png", "b.png"], scaled=scaled)


def results(place) -> list:
    return [path for path in place.results.rglob("*") if path.is_file()]


@pytest.mark.parametrize("steps", [2, 3, 4])
def test_a_run_that_ends_in_nan_fails_and_writes_nothing(tmp_path, steps):
    place = small_study(tmp_path, steps=steps, lr=1e20, lr_min=0, warmup=0)
    with pytest.raises(DivergedError) as refused:
        train_small(place)
    for said in (f"step {steps}: loss ", "learning rate ", ".png", "lower train.lr"):
        assert said in str(refused.value)
    assert results(place) == []


@pytest.mark.parametrize("which", ["model", "average"])
def test_weights_that_are_not_finite_are_no_result(tmp_path, monkeypatch, which):
    update = engine._update

    def break_one(parts, taken, config):
        update(parts, taken, config)
        if parts.optimizer.state and next(iter(parts.optimizer.state.values()))["step"] == 9:
            next(getattr(parts, which).parameters()).data[0] = math.inf

    monkeypatch.setattr(engine, "_update", break_one)
    with pytest.raises(DivergedError, match=r"weights are not finite \(.+\) after step 9: loss"):
        run_training(tmp_path, noise(2))


def test_a_validation_that_is_not_finite_is_no_result(tmp_path, monkeypatch):
    place = small_study(tmp_path)
    monkeypatch.setattr(Validator, "_mean", lambda self, found: 30.0 if len(found) else 0.0)
    monkeypatch.setattr(Validator, "__call__", lambda self, model, step: math.nan)
    with pytest.raises(DivergedError, match="validation is nan dB after step 12"):
        train_small(place)
    assert results(place) == []


def test_a_run_in_which_no_step_counted_is_no_result(tmp_path, monkeypatch):
    monkeypatch.setattr(
        Objective, "forward", lambda *a: torch.tensor(1.0, requires_grad=True) * float("nan")
    )
    with pytest.raises(DivergedError, match=r"no step had a finite loss.*2 steps skipped"):
        run_training(tmp_path, noise(2), dataclasses.replace(CONFIG, steps=2, warmup=0))


def test_skipped_steps_at_the_end_are_counted_on_the_card(tmp_path, monkeypatch, caplog):
    original, calls = Objective.forward, []

    def late(*arguments):
        calls.append(1)
        loss = original(*arguments)
        return loss * float("nan") if len(calls) > 10 else loss

    monkeypatch.setattr(Objective, "forward", late)
    monkeypatch.setattr(Validator, "_mean", lambda self, found: 30.0)
    card = train_small(small_study(tmp_path))
    assert card["skipped_steps"] == 2
    assert "step 12: loss nan" in caplog.text


def test_no_file_of_weights_or_json_holds_nan(tmp_path, small_model):
    model = small_model("lm-lte")
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] = math.nan
    with pytest.raises(CheckpointError, match="holds NaN or infinite weights; not written"):
        save_model(model, tmp_path / "a.safetensors", {})
    with pytest.raises(DataError, match=r"b\.json: a value in it would be NaN"):
        write_json(tmp_path / "b.json", {"psnr": math.nan})
    assert list(tmp_path.iterdir()) == []


def test_weights_too_large_for_fp16_are_refused(tmp_path, small_model):
    model = small_model("lm-lte")
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] = 1e6
    with pytest.raises(CheckpointError, match="infinite"):
        save_model(model, tmp_path / "a.safetensors", {}, half=True)
    save_model(model, tmp_path / "a.safetensors", {})


def test_messages_name_the_pictures():
    health = Health()
    note(health, math.nan)
    note(health, 0.1, math.inf)
    with pytest.raises(
        DivergedError, match=r"step 7: loss nan.*pictures a\.png, b\.png; 3 in a row"
    ):
        note(health, math.nan)


def test_the_scaler_of_fp16_may_skip_some_steps_but_not_for_ever():
    health = Health()
    for _ in range(OVERFLOW_LIMIT - 1):
        note(health, 0.1, math.inf, scaled=True)
    note(health, 0.1, scaled=True)
    assert (health.overflowed, health.overflowed_in_a_row) == (OVERFLOW_LIMIT - 1, 0)
    for _ in range(OVERFLOW_LIMIT - 1):
        note(health, 0.1, math.nan, scaled=True)
    with pytest.raises(DivergedError, match=r"overflowed 20 times in a row.*bf16, or lower tr"):
        note(health, 0.1, math.nan, scaled=True)
    assert health.skipped == 0


def test_a_loss_that_explodes_is_said_and_counted(caplog):
    health = Health()
    for _ in range(3):
        note(health, 0.02)
    note(health, 0.02 * (EXPLODED - 1))
    assert not caplog.records
    note(health, 0.03 * EXPLODED)
    assert "THE LOSS EXPLODES: 30 times its running median of 0.02 at step 7" in caplog.text
    assert "a.png, b.png" in caplog.text
    note(health, 0.03 * EXPLODED)
    assert health.exploded == 2  # what has exploded does not become the measure
    for _ in range(2 * WINDOW):
        note(health, 0.03)
    assert len(health.losses) == WINDOW


def test_scales_near_1_are_no_measure_of_an_explosion(caplog):
    health = Health()
    for loss in (1e-5, 1e-5, 0.15):
        note(health, loss)
    assert (health.exploded, caplog.records) == (0, [])


def test_an_explosion_stands_on_the_card(tmp_path, monkeypatch, caplog):
    original, calls = Objective.forward, []

    def explode(*arguments):
        calls.append(1)
        loss = original(*arguments)
        return loss * 1000 if len(calls) == 2 else loss

    monkeypatch.setattr(Objective, "forward", explode)
    card = train_small(small_study(tmp_path))
    assert card["exploded_steps"] == 1
    assert f"{VARIANT}: THE LOSS EXPLODED at 1 steps" in caplog.text


def test_every_validation_below_bicubic_says_so_when_it_is_made(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    seen = []

    def on_step(done, loss):
        seen.append((done, caplog.text.count("below bicubic's")))

    train_small(small_study(tmp_path, steps=9, validate_every=3), on_step=on_step)
    assert [count for done, count in seen if done in (3, 4, 7)] == [0, 1, 2]
    assert caplog.text.count("below bicubic's") == 3
    assert "validation at step 3: " in caplog.text
    assert "IS BELOW BICUBIC" in caplog.text


def test_cards_are_json_without_nan(tmp_path):
    place = small_study(tmp_path)
    train_small(place)
    text = place.weights(VARIANT).with_suffix(".json").read_text()
    json.loads(text, parse_constant=pytest.fail)
