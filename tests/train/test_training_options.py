"""Options of a training: what must not change its result does not; what it lacks is refused."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning.fabric import Fabric
from places import ROOT
from safetensors.torch import load_file, save_file
from small_runs import CONFIG, MODEL, noise, run_training
from small_studies import VARIANT, small_study, train_small

from lmf.core.config import parse, plain
from lmf.core.errors import CheckpointError, ConfigError, ResourceError
from lmf.train.config import PerceptualConfig, TrainConfig
from lmf.train.engine import Run, train
from lmf.train.fabric import make_fabric
from lmf.train.objective import Objective
from lmf.train.observe import Watch
from lmf.train.perceptual import Vgg19Features, perceptual_loss
from lmf.train.schedule import learning_rate, scale_range


def losses(trained) -> list[float]:
    return [row["loss"] for row in trained.rows]


@pytest.mark.parametrize(
    "option", [{"accumulate": 2}, {"checkpoint": True}, {"channels_last": False}]
)
def test_what_saves_memory_or_time_changes_nothing_else(tmp_path, option):
    config = dataclasses.replace(CONFIG, log_every=1)
    plainly = run_training(tmp_path / "a", noise(2), config)
    other = run_training(tmp_path / "b", noise(2), dataclasses.replace(config, **option))
    assert losses(other) == pytest.approx(losses(plainly), abs=1e-5)


def test_two_processes_are_one(tmp_path):
    """Data parallelism over gloo: half of every batch each, the same losses and weights."""
    arguments = ["2", "20"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for name, count in (("one", 1), ("two", 2)):
        (tmp_path / name).mkdir()
        subprocess.run(
            [
                sys.executable, "-m", "torch.distributed.run", "--standalone",
                f"--nproc-per-node={count}", str(ROOT / "tests" / "helpers" / "two_processes.py"),
                str(tmp_path / name), *arguments,
            ],
            cwd=ROOT, env=environment, check=True, capture_output=True,
        )  # fmt: skip
    one, two = (load_file(tmp_path / name / "done.safetensors") for name in ("one", "two"))
    assert len(one["losses"]) == 20
    torch.testing.assert_close(two.pop("losses"), one.pop("losses"), atol=1e-5, rtol=0)
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=1e-4, rtol=0, msg=name)


def test_torchrun_runs_the_command(tmp_path):
    """One writes, and what it writes is what one process alone learns."""
    one, two = small_study(tmp_path / "one"), small_study(tmp_path / "two")
    train_small(one)
    ran = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
            "-m", "lmf", "train", VARIANT, "--profile", "small", "--device", "cpu",
        ],
        cwd=two.root, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True, capture_output=True,
        text=True,
    )  # fmt: skip
    assert (ran.stdout + ran.stderr).count(f"training {VARIANT} of profile small") == 1
    weights = [load_file(place.weights(VARIANT)) for place in (one, two)]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, atol=1e-4, rtol=0, msg=name)


def test_a_batch_that_does_not_divide_among_processes_is_refused():
    with pytest.raises(ConfigError, match="accumulate 2 does not divide batch 3"):
        dataclasses.replace(CONFIG, batch=3, accumulate=2)


def test_a_batch_larger_than_the_data_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="batch 3 is larger than the 2 training pictures"):
        run_training(tmp_path, noise(2), dataclasses.replace(CONFIG, batch=3))


def test_half_precision_needs_a_gpu():
    with pytest.raises(ConfigError, match="fp16 needs a CUDA device, this is cpu; use bf16"):
        make_fabric(torch.device("cpu"), "fp16")


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ResourceError, match="4 processes on a machine with 2 GPUs"):
        make_fabric(torch.device("cuda"), "bf16")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    with pytest.raises(ConfigError, match="4 processes share the devices: say cuda, not cuda:1"):
        make_fabric(torch.device("cuda:1"), "bf16")


def test_a_plain_command_in_a_slurm_job_of_many_tasks_is_one_process(monkeypatch):
    """srun alone starts several: it says so of the step, sbatch of the job."""
    monkeypatch.setenv("SLURM_NTASKS", "4")
    assert make_fabric(torch.device("cpu"), "fp32").world_size == 1
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    with pytest.raises(ConfigError, match="4 processes: say srun --ntasks-per-node"):
        make_fabric(torch.device("cpu"), "fp32")


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA"), RuntimeError("[enforce] can't allocate memory: 8")]
)
def test_out_of_memory_names_the_settings_that_help(tmp_path, monkeypatch, error):
    def full(*arguments):
        raise error

    monkeypatch.setattr(Objective, "forward", full)
    with pytest.raises(ResourceError, match=r"raise train\.accumulate \(now 1\) or lower"):
        run_training(tmp_path, noise(2))


def test_other_runtime_errors_are_not_taken_for_it(tmp_path, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(Objective, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        run_training(tmp_path, noise(2))


def test_milestones_halve_the_learning_rate():
    config = dataclasses.replace(CONFIG, milestones=(4, 6))
    rates = [learning_rate(config, step) / config.lr for step in range(8)]
    assert rates == [0.5, 1, 1, 1, 0.5, 0.5, 0.25, 0.25]


def test_progressive_scales_widen_to_the_whole_range():
    config = dataclasses.replace(CONFIG, progressive=4)
    highs = [scale_range(config, step)[1] for step in range(6)]
    assert highs == [1.75, 2.5, 3.25, 4, 4, 4]
    assert {scale_range(CONFIG, step) for step in range(6)} == {(1.0, 4.0)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preciscion": "bf16"}, "did you mean precision"),
        ({"precision": "int8"}, "precision is 'int8'"),
        ({"steps": 0}, "steps is 0: use at least 1"),
        ({"scales": [4, 1]}, "use 1 <= low <= high"),
        ({"perceptual": {"weight": 0.1}}, "set queries to null"),
    ],
)
def test_what_the_recipe_lacks_is_refused_by_name(change, message):
    with pytest.raises(ConfigError, match=message):
        parse(TrainConfig, plain(CONFIG) | change, "profile")


@pytest.fixture(scope="module")
def vgg(tmp_path_factory) -> Path:
    """Random weights under the names of torchvision's file."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("vgg") / "vgg19.safetensors"
    save_file(Vgg19Features((16,)).state_dict(), path)
    return path


def test_vgg19_has_the_parameters_of_torchvisions(vgg):
    shapes = {name: tuple(t.shape) for name, t in load_file(vgg).items()}
    assert len(shapes) == 32
    assert shapes["features.0.weight"] == (64, 3, 3, 3)
    assert shapes["features.34.weight"] == (512, 512, 3, 3)
    assert sum(t.numel() for t in load_file(vgg).values()) == 20_024_384


def test_perceptual_loss_is_a_distance_that_trains_the_image_alone(vgg):
    loss = perceptual_loss(PerceptualConfig(0.1, str(vgg), (2, 4)))
    hr = torch.rand(1, 3, 16, 16)
    sr = (hr + 0.1 * torch.rand_like(hr)).requires_grad_()
    assert loss(hr, hr) == 0
    loss(sr, hr).backward()
    assert sr.grad.abs().sum() > 0
    assert all(p.grad is None for p in loss.parameters())
    with torch.autocast("cpu", torch.bfloat16):
        half = loss(sr, hr)
    assert torch.equal(loss(sr, hr), half)


def test_the_perceptual_term_adds_to_the_loss(tmp_path, vgg):
    dense = dataclasses.replace(
        CONFIG, queries=None, patch=16, steps=1, warmup=0, scales=(1.0, 2.0)
    )
    weighted = dataclasses.replace(dense, perceptual=PerceptualConfig(0.1, str(vgg), (2,)))
    alone = run_training(tmp_path / "a", noise(2), dense)
    both = run_training(tmp_path / "b", noise(2), weighted)
    assert losses(both)[0] > losses(alone)[0] * 1.001
    assert not any("features" in name for name in both.model.state_dict())


def test_weights_of_another_network_are_refused(tmp_path):
    other = tmp_path / "vgg.safetensors"
    save_file({"features.0.weight": torch.zeros(1)}, other)
    with pytest.raises(CheckpointError, match=r"features\.0\.weight is missing or misshapen"):
        perceptual_loss(PerceptualConfig(0.1, str(other)))


@pytest.mark.slow
def test_a_compiled_encoder_learns_the_same(tmp_path):
    config = dataclasses.replace(CONFIG, log_every=1, steps=3)
    plainly = run_training(tmp_path / "a", noise(2), config)
    compiled = run_training(tmp_path / "b", noise(2), dataclasses.replace(config, compile=True))
    assert losses(compiled) == pytest.approx(losses(plainly), abs=1e-5)


def test_speed_is_logged_beside_what_was_learnt(tmp_path):
    speed = tmp_path / "speed.csv"
    run = Run(MODEL, CONFIG, seed=5, data="digest")
    fabric = Fabric(accelerator="cpu", devices=1)
    train(run, noise(2), tmp_path / "run", fabric, Watch(lambda model, step: 0.0, speed=speed))
    header, *lines = speed.read_text().splitlines()
    assert header == "step,seconds,steps_per_s,data_share,memory_mb"
    assert [int(line.split(",")[0]) for line in lines] == [2, 4, 6, 8, 9]
    assert all(float(line.split(",")[4]) > 10 for line in lines)
