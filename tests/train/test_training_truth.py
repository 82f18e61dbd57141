"""The engine learns, and each of its steps is the one that the papers' equations describe."""

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_runs import CONFIG, MODEL, Killed, noise, run_training

from lmf.data.pairs import Pictures, draw_batch, hold, look_up, stream
from lmf.train.drawing import draw
from lmf.train.objective import Objective
from lmf.train.schedule import learning_rate
from lmf.train.start import initial_model

SEED = 5
"""Of `run_training`."""

BETAS, EPS = (0.9, 0.999), 1e-8
"""Of Adam (Kingma & Ba 2015), as all papers have them."""


def sharp_pictures() -> Pictures:
    """Two with edges, which bilinear interpolation blurs; 12 pixels a side, of which a crop is all."""
    bars = ((torch.arange(12) // 4) % 2 * 255).to(torch.uint8)
    checks = bars[:, None] ^ bars
    pictures = [bars.expand(3, 12, 12), checks.expand(3, 12, 12)]
    return hold(["bars.png", "checks.png"], pictures, torch.device("cpu"))


def batch_of(pictures: Pictures, config, step: int):
    """What the objective is given at a step, as the seed decides it."""
    drawn = draw(config, SEED, pictures, step, range(config.batch))
    return drawn.batch.lr, drawn.target


def test_two_pictures_are_learnt(tmp_path):
    config = dataclasses.replace(CONFIG, steps=100, queries=None, scales=(2.0, 2.0), clip=0.1)
    config = dataclasses.replace(config, log_every=100, validate_every=100, save_every=100)
    pictures = sharp_pictures()
    learnt = run_training(tmp_path, pictures, config).model
    every_turn = batch_of(pictures, dataclasses.replace(config, batch=16), step=0)
    with torch.no_grad():
        bilinear, end = (
            float(Objective(m, config)(*every_turn)) for m in (initial_model(MODEL), learnt)
        )
    assert end < 0.8 * bilinear


def step_by_hand(weights, moments, gradients, config, step: int) -> None:
    """Clip, then Adam's equations; `weights` and `moments` (first, second) change in place."""
    norm = torch.stack([g.square().sum() for g in gradients]).sum().sqrt()
    assert norm > 2 * config.clip  # or clipping would not be tested
    rate = learning_rate(config, step)
    for weight, (first, second), gradient in zip(weights, moments, gradients, strict=True):
        gradient = gradient * (config.clip / norm)
        first.mul_(BETAS[0]).add_((1 - BETAS[0]) * gradient)
        second.mul_(BETAS[1]).add_((1 - BETAS[1]) * gradient.square())
        mean, variance = first / (1 - BETAS[0] ** (step + 1)), second / (1 - BETAS[1] ** (step + 1))
        weight.data -= rate * mean / (variance.sqrt() + EPS)


def test_steps_are_those_written_by_hand(tmp_path):
    """Several, for Adam's first step is the same whatever the gradient's length."""
    config = dataclasses.replace(CONFIG, clip=0.01, warmup=4, steps=6, save_every=5)
    pictures = noise(2)
    run_training(tmp_path, pictures, config)
    torch.manual_seed(SEED)
    model = initial_model(MODEL)
    objective = Objective(model, config)
    weights = [p for p in model.parameters() if p.requires_grad]
    moments = [(torch.zeros_like(w), torch.zeros_like(w)) for w in weights]
    for step in range(5):
        loss = objective(*batch_of(pictures, config, step))
        step_by_hand(weights, moments, torch.autograd.grad(loss, weights), config, step)
    saved = load_file(tmp_path / "state-000000005.safetensors")
    for name, weight in model.named_parameters():
        torch.testing.assert_close(saved[f"model.{name}"], weight.detach(), rtol=0, atol=1e-6)


def test_the_average_is_the_recurrence_written_by_hand(tmp_path):
    config = dataclasses.replace(CONFIG, save_every=1)
    with pytest.raises(Killed):
        run_training(tmp_path, noise(2), config, die_at=3)
    first, second = (load_file(tmp_path / f"state-00000000{step}.safetensors") for step in (1, 2))
    names = [name.removeprefix("model.") for name in first if name.startswith("model.")]
    for name in names:
        average = first[f"average.module.{name}"]
        assert torch.equal(average, first[f"model.{name}"])
        wanted = config.ema * average + (1 - config.ema) * second[f"model.{name}"]
        torch.testing.assert_close(second[f"average.module.{name}"], wanted, rtol=0, atol=1e-6)


def test_with_all_pixels_asked_the_objective_is_the_distance_of_the_rendered_picture(small_model):
    model = small_model("lm-lte")
    lr, hr = torch.rand(2, 3, 7, 7), torch.rand(2, 3, 19, 19)
    everything = torch.arange(19 * 19).expand(2, -1)
    with torch.no_grad():
        wanted = (model.render(model.encode(lr), (19, 19)) - hr).abs().mean()
        targets = look_up(hr, everything), hr
        sampled, dense = (Objective(model, CONFIG)(lr, target) for target in targets)
    torch.testing.assert_close(sampled, wanted)
    torch.testing.assert_close(dense, wanted)


def test_crops_are_turned_in_all_eight_ways():
    """A picture as large as the crop is cut in no other way than turned."""
    pixels = np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4)
    pictures = hold(["one.png"], [torch.from_numpy(pixels)], torch.device("cpu"))
    drawn = draw_batch(pictures, stream(0, 0), batch=100, patch=4, scales=(1.0, 1.0))
    found = {(crop * 255).round().to(torch.uint8).numpy().tobytes() for crop in drawn.hr}
    turned = [np.rot90(pixels, quarter, (1, 2)) for quarter in range(4)]
    assert found == {p.tobytes() for one in turned for p in (one, one[:, :, ::-1])}


def test_crops_are_squares_of_their_pictures_in_all_places():
    """Two pictures of other sizes, whose channels say which it is, and the row and column of a pixel."""
    sizes, side = [(7, 9), (8, 5)], 4
    maps = []
    for which, (h, w) in enumerate(sizes):
        y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        maps.append(torch.stack((torch.full_like(y, which), y, x)).to(torch.uint8))
    pictures = hold(["wide.png", "high.png"], maps, torch.device("cpu"))
    drawn = draw_batch(pictures, stream(0, 0), batch=200, patch=side, scales=(1.0, 1.0))
    corners = set()
    for which, crop in zip(drawn.images.tolist(), (drawn.hr * 255).round().int(), strict=True):
        picture, y, x = crop
        assert (picture == which).all()
        y, x = (y.T, x.T) if y[0, 0] != y[0, 1] else (y, x)  # transposed back
        top, left = int(y.min()), int(x.min())
        assert sorted(y[:, 0].tolist()) == list(range(top, top + side))
        assert sorted(x[0].tolist()) == list(range(left, left + side))
        assert (y == y[:, :1]).all()
        assert (x == x[:1]).all()
        corners.add((which, top, left))
    assert corners == {
        (which, top, left)
        for which, (h, w) in enumerate(sizes)
        for top in range(h - side + 1)
        for left in range(w - side + 1)
    }
