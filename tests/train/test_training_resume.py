"""What an interrupted training may go on as, and what is refused."""

import dataclasses
import re
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from small_runs import CONFIG, Killed, noise, run_training
from small_studies import VARIANT, profile_of, small_study, train_small

from lmf.core.errors import CheckpointError, ResourceError
from lmf.study.stages.train import is_trained
from lmf.train import engine, parts
from lmf.train.state import latest


def kill(place, at: int) -> None:
    def on_step(done, loss):
        if done == at:
            raise Killed

    with pytest.raises(Killed):
        train_small(place, on_step=on_step)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scale": 3}, "validation.scale (2.0, now 3.0)"),
        ({"crop": 20}, "validation.crop (16, now 20)"),
    ],
)
def test_another_validation_is_refused_by_name(tmp_path, change, said):
    kill(small_study(tmp_path), at=10)
    with pytest.raises(CheckpointError, match=re.escape(said)):
        train_small(small_study(tmp_path, validation=change))


def test_another_protocol_is_refused_by_name(tmp_path):
    place = small_study(tmp_path)
    kill(place, at=10)
    path = tmp_path / "profiles/small.yaml"
    path.write_text(path.read_text().replace("protocol: benchmark_y", "protocol: raw_rgb"))
    with pytest.raises(
        CheckpointError, match=r"validation\.protocol \('benchmark_y', now 'raw_rgb'"
    ):
        train_small(place)


def test_a_variant_is_trained_again_under_another_seed(tmp_path):
    place = small_study(tmp_path)
    one, two = train_small(place), train_small(place, f"{VARIANT}-seed1")
    assert (one["seed"], two["seed"]) == (0, 1)
    assert one["sha256"] != two["sha256"]
    assert is_trained(profile_of(place), f"{VARIANT}-seed1", place)


def test_resumed_moments_lie_in_memory_as_their_weights_do(tmp_path, monkeypatch):
    with pytest.raises(Killed):
        run_training(tmp_path, noise(2), die_at=4)
    saved, resumed = load_file(latest(tmp_path)), []

    def look(run, folder, found, fabric):
        parts.resume(run, folder, found, fabric)
        trained = found.optimizer.param_groups[0]["params"]
        resumed.extend((weight, found.optimizer.state[weight]) for weight in trained)
        raise Killed  # before a step changes them

    monkeypatch.setattr(engine, "resume", look)
    with pytest.raises(Killed):
        run_training(tmp_path, noise(2))
    assert not all(weight.is_contiguous() for weight, _ in resumed)
    for index, (weight, moments) in enumerate(resumed):
        for key in ("exp_avg", "exp_avg_sq"):
            assert moments[key].stride() == weight.stride()
            assert torch.equal(moments[key], saved[f"adam.{index}.{key}"])


def test_a_run_of_other_numerics_is_refused(tmp_path, monkeypatch):
    place = small_study(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "NUMERICS", 1)
        kill(place, at=10)
    with pytest.raises(CheckpointError, match=r"differs in numerics \(1, now 2\)"):
        train_small(place)


def test_what_went_wrong_is_remembered(tmp_path, monkeypatch):
    from lmf.train.objective import Objective

    original = Objective.forward

    def explode(self, lr, target):
        calls.append(1)
        loss = original(self, lr, target)
        return loss * {2: 1000, 3: float("nan")}.get(len(calls), 1)

    monkeypatch.setattr(Objective, "forward", explode)
    calls: list[int] = []
    whole = run_training(tmp_path / "whole", noise(2))
    calls = []
    with pytest.raises(Killed):
        run_training(tmp_path / "cut", noise(2), die_at=8)
    resumed = run_training(tmp_path / "cut", noise(2))
    assert (resumed.health.exploded, resumed.health.skipped) == (1, 1)
    assert dataclasses.asdict(resumed.health) == dataclasses.asdict(whole.health)


def test_processes_at_different_steps_are_refused_with_one_message(tmp_path, monkeypatch):
    """Here the other one of two processes is at step 6."""

    class Two:
        world_size = 2

    def gather(found, step):
        found[:] = [step, 6]

    monkeypatch.setattr(parts.distributed, "all_gather_object", gather)
    message = r"different steps \(process 0 at 3, process 1 at 6\): let all machines share"
    with pytest.raises(CheckpointError, match=message):
        parts._agree(3, tmp_path, Two())
    parts._agree(6, tmp_path, Two())


def test_a_killed_run_is_at_the_step_of_its_newest_state(tmp_path):
    with pytest.raises(Killed):
        run_training(tmp_path, noise(2), CONFIG, die_at=7)
    assert parts.step_of(latest(tmp_path)) == 6


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"train": {}, "data": {}}'])
def test_a_damaged_card_is_that_of_no_finished_training(tmp_path, text):
    place = small_study(tmp_path)
    train_small(place)
    assert is_trained(profile_of(place), VARIANT, place)
    place.weights(VARIANT).with_suffix(".json").write_text(text)
    assert not is_trained(profile_of(place), VARIANT, place)


def test_all_but_the_weights_is_written_before_them(tmp_path, monkeypatch):
    """A run that is killed while it writes is not taken for finished."""

    def killed(*arguments):
        raise Killed

    place = small_study(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("lmf.study.stages.train.save_model", killed)
        with pytest.raises(Killed):
            train_small(place)
    assert not is_trained(profile_of(place), VARIANT, place)
    timing = place.results / "timing" / f"train-{VARIANT}.json"
    first = place.curve(VARIANT).read_bytes()
    assert timing.is_file()
    assert train_small(place)["name"] == VARIANT
    assert place.curve(VARIANT).read_bytes() == first


def test_the_learning_log_is_there_while_it_learns(tmp_path):
    place = small_study(tmp_path)
    kill(place, at=11)
    written = (place.run(VARIANT) / "log.csv").read_text()
    train_small(place)
    assert place.curve(VARIANT).read_text().startswith(written)
    assert len(written.splitlines()) > 1


HOLDER = """
import sys, time
from pathlib import Path
from lmf.core.lock import alone

with alone(Path(sys.argv[1]), lambda: None):
    print("held", flush=True)
    time.sleep(600)
"""


def test_two_trainings_of_one_variant_do_not_share_a_folder(tmp_path):
    """The second is refused while the first lives; a killed one holds nothing."""
    place = small_study(tmp_path)
    folder = place.run(VARIANT)
    lock = folder.with_name(f".{VARIANT}.lock")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ResourceError, match=r"another training is at work in .*: wait"):
            train_small(place)
        other.kill()
    assert not folder.exists()
    assert train_small(place)["name"] == VARIANT
