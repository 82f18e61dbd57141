"""The engine: a resumed run is an uninterrupted run, and broken runs say so."""

import dataclasses

import pytest
import torch
from lightning.fabric import Fabric
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from small_runs import CONFIG, MODEL, Killed, noise, run_training
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lmf.core.errors import CheckpointError, InputError, ResourceError
from lmf.data.pairs import Pictures, draw_batch, load_pictures, step_seed, stream
from lmf.train.average import Average
from lmf.train.fabric import _Mixed
from lmf.train.health import DivergedError
from lmf.train.objective import Objective
from lmf.train.schedule import learning_rate
from lmf.train.start import initial_model
from lmf.train.state import latest


@pytest.fixture
def pictures() -> Pictures:
    return noise(2)


@pytest.mark.parametrize("die_at", [1, 4, 7, 9])
def test_resumed_equals_uninterrupted(tmp_path, pictures, die_at):
    whole = run_training(tmp_path / "whole", pictures)
    with pytest.raises(Killed):
        run_training(tmp_path / "cut", pictures, die_at=die_at)
    resumed = run_training(tmp_path / "cut", pictures)
    assert resumed.rows == whole.rows
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor), name


def test_dense_and_sampled_training_both_learn(tmp_path, pictures):
    for queries in (None, 16):
        config = dataclasses.replace(CONFIG, queries=queries)
        trained = run_training(tmp_path / str(queries), pictures, config)
        before = initial_model(MODEL).render_mlp.linears[-1].weight
        assert not torch.equal(trained.model.render_mlp.linears[-1].weight, before)


def test_resume_under_another_config_is_refused_by_name(tmp_path, pictures):
    with pytest.raises(Killed):
        run_training(tmp_path, pictures, die_at=4)
    other = dataclasses.replace(CONFIG, lr=5e-4)
    with pytest.raises(CheckpointError, match=r"train\.lr \(0\.001, now 0\.0005\)"):
        run_training(tmp_path, pictures, other)


def test_a_damaged_state_is_refused(tmp_path, pictures):
    with pytest.raises(Killed):
        run_training(tmp_path, pictures, die_at=4)
    state = latest(tmp_path)
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"damaged.*delete it to go on"):
        run_training(tmp_path, pictures)


def test_the_state_before_serves_where_the_newest_is_deleted(tmp_path, pictures):
    whole = run_training(tmp_path / "whole", pictures)
    with pytest.raises(Killed):
        run_training(tmp_path / "cut", pictures, die_at=8)
    newest = latest(tmp_path / "cut")
    newest.unlink()
    assert latest(tmp_path / "cut") < newest
    resumed = run_training(tmp_path / "cut", pictures)
    assert resumed.rows == whole.rows


def test_a_full_disk_is_one_clear_line_and_leaves_nothing_half_written(small_disk, pictures):
    """A disk of 4 MB: two training states fit, and none beside the ballast."""
    disk = small_disk(4096)
    (disk / "ballast").write_bytes(bytes(3_500_000))
    with pytest.raises(
        ResourceError, match=r"state-000000003\.safetensors: writing failed \(No space left"
    ):
        run_training(disk / "run", pictures)
    assert list((disk / "run").iterdir()) == []
    (disk / "ballast").unlink()
    assert run_training(disk / "run", pictures).rows[-1]["step"] == CONFIG.steps


def test_three_non_finite_losses_end_the_run(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(
        Objective, "forward", lambda *a: torch.tensor(1.0, requires_grad=True) * float("nan")
    )
    with pytest.raises(DivergedError, match="step 3: loss nan"):
        run_training(tmp_path, pictures)


def spoil_the_second_loss(monkeypatch) -> None:
    original, calls = Objective.forward, []

    def once(*arguments):
        calls.append(1)
        loss = original(*arguments)
        return loss * float("nan") if len(calls) == 2 else loss

    monkeypatch.setattr(Objective, "forward", once)


def test_one_non_finite_loss_is_skipped(tmp_path, pictures, monkeypatch, caplog):
    spoil_the_second_loss(monkeypatch)
    trained = run_training(tmp_path, pictures)
    assert "step 2: loss nan" in caplog.text
    assert all(torch.isfinite(p).all() for p in trained.model.parameters())


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", "float32"), ("bf16", "bfloat16")])
def test_precision_is_that_of_the_convolutions(tmp_path, pictures, monkeypatch, precision, dtype):
    seen = set()
    convolve = torch.nn.Conv2d.forward

    def watch(self, x):
        y = convolve(self, x)
        seen.add(str(y.dtype)) if y.requires_grad else None
        return y

    monkeypatch.setattr(torch.nn.Conv2d, "forward", watch)
    run_training(tmp_path, pictures, dataclasses.replace(CONFIG, precision=precision))
    assert seen == {f"torch.{dtype}"}


def test_half_precision_leaves_the_pictures_as_they_are(tmp_path, pictures, monkeypatch):
    """In bfloat16 they would lose half a grey level, and what is learnt with them."""
    original, seen = Objective.forward, []

    def watch(self, lr, target):
        hr = target.rgb
        seen.append((lr.dtype, hr.dtype, bool(torch.isin((hr * 255).round() / 255, hr).all())))
        return original(self, lr, target)

    monkeypatch.setattr(Objective, "forward", watch)
    run_training(tmp_path, pictures, dataclasses.replace(CONFIG, precision="bf16"))
    assert set(seen) == {(torch.float32, torch.float32, True)}


def test_fp16_goes_on_after_a_loss_that_is_not_finite(tmp_path, pictures, monkeypatch, caplog):
    """Its scaler, which a CPU has as well, wants to be asked at every step."""
    spoil_the_second_loss(monkeypatch)
    config = dataclasses.replace(CONFIG, precision="fp16")
    fabric = Fabric(accelerator="cpu", devices=1, plugins=[_Mixed("16-mixed", "cpu")])
    trained = run_training(tmp_path, pictures, config, fabric=fabric)
    assert "step 2: loss nan" in caplog.text
    assert trained.health.skipped == 1
    assert all(torch.isfinite(p).all() for p in trained.model.parameters())


def test_initial_model_is_bilinear(pictures):
    model = initial_model(MODEL).eval()
    image = torch.rand(1, 3, 7, 9)
    with torch.no_grad():
        enlarged = model(image, size=(20, 31))
    expected = torch.nn.functional.interpolate(image, (20, 31), mode="bilinear")
    torch.testing.assert_close(enlarged, expected)


def test_batches_depend_on_seed_and_step_alone(pictures):
    settings = {"batch": 3, "patch": 5, "scales": (1.0, 4.0)}
    first = draw_batch(pictures, stream(0, 7), **settings)
    again = draw_batch(pictures, stream(0, 7), **settings)
    other = draw_batch(pictures, stream(0, 8), **settings)
    assert torch.equal(first.hr, again.hr)
    assert torch.equal(first.lr, again.lr)
    assert first.hr.shape != other.hr.shape or not torch.equal(first.hr, other.hr)
    reseeded = draw_batch(pictures, stream(1, 7), **settings)
    assert first.hr.shape != reseeded.hr.shape or not torch.equal(first.hr, reseeded.hr)
    assert first.lr.shape == (3, 3, 5, 5)


def test_no_step_of_a_seed_is_one_of_another():
    """PyTorch's generator on a CPU reads 32 bits of a seed."""
    assert [step_seed(0, step) for step in (0, 7)] == [0, 7]
    million = {seed: {step_seed(seed, step) >> 20 for step in (0, 999_999)} for seed in range(50)}
    assert len(set().union(*million.values())) == 50
    one, two = (torch.rand(3, generator=stream(seed, 7)) for seed in (1, 2))
    assert not torch.equal(one, two)


def test_learning_rate_rises_then_falls():
    rates = [learning_rate(CONFIG, step) for step in range(CONFIG.steps)]
    assert rates[0] == pytest.approx(CONFIG.lr / 2)
    assert max(rates) == rates[1] == rates[2] == CONFIG.lr
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] >= CONFIG.lr_min


def test_a_picture_smaller_than_the_patch_is_named(tmp_path):
    from PIL import Image

    Image.new("RGB", (30, 9)).save(tmp_path / "thin.png")
    with pytest.raises(InputError, match=r"thin\.png: 30x9 is smaller than the 24-pixel"):
        load_pictures([tmp_path / "thin.png"], torch.device("cpu"), smallest=24)


def test_the_average_is_torchs():
    torch.manual_seed(0)
    model = initial_model(MODEL)
    ours = Average(model, 0.9, torch.device("cpu"))
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    for _ in range(3):
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn_like(weight))
        ours.follow(model)
        theirs.update_parameters(model)
        for name, tensor in theirs.module.state_dict().items():
            assert torch.equal(ours.module.state_dict()[name], tensor), name


def test_a_state_of_another_version_says_how_to_go_on(tmp_path, pictures):
    with pytest.raises(Killed):
        run_training(tmp_path, pictures, die_at=4)
    state = latest(tmp_path)
    with safe_open(state, framework="pt") as file:
        about = file.metadata()
    tensors = load_file(state)
    del tensors["average.begun"]
    save_file(tensors, state, about)
    with pytest.raises(CheckpointError, match=r"begun.*; delete .* to start afresh"):
        run_training(tmp_path, pictures)
