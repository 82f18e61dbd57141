"""The logs of a training: what is in them when, also after a full disk and after a kill."""

import dataclasses
import runpy
import sys
from functools import partial

import pytest
import torch
from lightning.fabric import Fabric
from small_runs import CONFIG, MODEL, Killed, noise
from small_studies import VARIANT, small_study, train_small

from lmf.core.errors import ResourceError
from lmf.metrics.memory import high_water
from lmf.train import log
from lmf.train.engine import Run, train
from lmf.train.log import COLUMNS, StepClock, read_speed
from lmf.train.observe import Watch

HEADER = ",".join(COLUMNS)


def run_logged(folder, config=CONFIG, die_at=None):
    def on_step(step, loss):
        if step == die_at:
            raise Killed

    seen = []

    def validate(model, step):
        seen.append(step)
        return 30.0

    watch = Watch(validate, on_step, speed=folder / "speed.csv")
    fabric = Fabric(accelerator="cpu", devices=1)
    return train(Run(MODEL, config, 5, "digest"), noise(2), folder, fabric, watch), seen


def steps_of(path) -> list[int]:
    header, *lines = path.read_text().splitlines()
    assert header == HEADER
    return [int(line.split(",")[0]) for line in lines]


@pytest.mark.parametrize(("log_every", "validate_every"), [(5, 3), (4, 2), (100, 4), (1, 9)])
def test_validation_is_made_when_due_however_often_the_log_is(tmp_path, log_every, validate_every):
    config = dataclasses.replace(CONFIG, log_every=log_every, validate_every=validate_every)
    trained, seen = run_logged(tmp_path, config)
    due = sorted({*range(validate_every, 10, validate_every), 9})
    assert seen == due
    assert [row["step"] for row in trained.rows if row["psnr_val"] is not None] == due
    logged = sorted({*range(log_every, 10, log_every), *due})
    assert [row["step"] for row in trained.rows] == logged
    assert steps_of(tmp_path / "speed.csv") == logged


@pytest.mark.parametrize("die_at", [None, 5])
def test_the_log_holds_the_steepest_gradient_since_the_row_before(tmp_path, die_at):
    """Also of the steps before a kill."""
    every = dataclasses.replace(CONFIG, log_every=1)
    norms = {row["step"]: row["grad_norm"] for row in run_logged(tmp_path / "a", every)[0].rows}
    few = dataclasses.replace(CONFIG, log_every=4, validate_every=9)
    if die_at is not None:
        with pytest.raises(Killed):
            run_logged(tmp_path / "b", few, die_at)
    rows = run_logged(tmp_path / "b", few)[0].rows
    expected = {
        end: max(norms[k] for k in range(start, end + 1)) for start, end in ((1, 4), (5, 8))
    }
    assert {row["step"]: row["grad_norm"] for row in rows} == {**expected, 9: norms[9]}


@pytest.mark.parametrize("die_at", [2, 5, 8])
def test_a_resumed_run_times_no_step_twice(tmp_path, die_at):
    with pytest.raises(Killed):
        run_logged(tmp_path, die_at=die_at)
    run_logged(tmp_path)
    assert steps_of(tmp_path / "speed.csv") == [2, 4, 6, 8, 9]


def test_the_memory_of_a_row_is_the_high_water_mark():
    before = high_water()
    row = StepClock(None, torch.device("cpu")).lap(1)
    assert 0 < before / 1e6 <= row.memory_mb + 0.1 <= high_water() / 1e6 + 0.2


def test_windows_which_has_no_high_water_mark_can_train(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)  # importing it fails, as there
    monkeypatch.setattr(sys, "platform", "win32")
    there = runpy.run_path(log.__file__)
    assert there["StepClock"](None, torch.device("cpu")).lap(1).memory_mb == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: "",
        lambda whole: whole[:20],
        lambda whole: whole.split("\n", 1)[1],  # no header
        lambda whole: whole + "8,1.2,\n8,1.",
        lambda whole: whole.replace(".", "\x00"),
        lambda whole: None,
    ],
    ids=["empty", "half a header", "no header", "half a row", "garbage", "gone"],
)
def test_a_damaged_speed_log_is_mended(tmp_path, damage):
    with pytest.raises(Killed):
        run_logged(tmp_path, die_at=7)
    path = tmp_path / "speed.csv"
    damaged = damage(path.read_text())
    path.unlink()
    if damaged is not None:
        path.write_text(damaged)
    run_logged(tmp_path)
    assert steps_of(path)[-2:] == [8, 9]
    assert set(steps_of(path)) <= {2, 4, 6, 8, 9}
    assert all(row.seconds > 0 for row in read_speed(path))


def test_an_emptied_speed_log_does_not_fail_the_stage(tmp_path):
    place = small_study(tmp_path)

    def on_step(done, loss):
        if done == 10:
            raise Killed

    with pytest.raises(Killed):
        train_small(place, on_step=on_step)
    (place.run(VARIANT) / "speed.csv").write_text("")
    train_small(place)
    rows = (place.results / "timing" / f"train-{VARIANT}.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "9", "12"]


def test_a_disk_that_fills_up_names_the_log_and_the_next_run_goes_on(small_disk):
    """A disk of 64 KB, nearly all of it taken."""
    disk = small_disk(64)
    (disk / "ballast").write_bytes(bytes(60_000))
    path, cpu = disk / "speed.csv", torch.device("cpu")

    def tick(clock: StepClock, step: int) -> None:
        clock.drew(0.0)
        clock.lap(step)

    clock = StepClock(path, cpu)
    tick(clock, 1)
    with pytest.raises(
        ResourceError, match=r"speed\.csv: writing failed \(No space left on device\)"
    ):
        list(map(partial(tick, clock), range(2, 10_000)))
    (disk / "ballast").unlink()
    tick(StepClock(path, cpu, done=10), 11)
    assert steps_of(path) == list(range(1, 12))
