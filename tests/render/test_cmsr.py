"""Controllable multi-scale rendering: what tables allow, what it saves, and that it never pretends."""

import json
import math
import re

import pytest
import torch
from typer.testing import CliRunner

from lmf.checkpoint import read_cmsr, save_model, write_cmsr
from lmf.cli import app
from lmf.core.errors import CheckpointError, ConfigError
from lmf.render.cmsr import CmsrStep, CmsrTable, candidates, intensity, nodes_at
from lmf.render.cmsr_meter import fit_steps
from lmf.render.cmsr_painter import paint_coarsely
from lmf.render.window import Windows
from lmf.study.cmsr.build import build_tables

SCALE = 8


def table(*steps, scale=SCALE, mse=2e-5):
    steps = tuple(CmsrStep(r, threshold) for r, threshold in steps)
    return CmsrTable(scale, mse, steps, "photos-train", 2, 0)


@pytest.fixture
def model(small_model):
    """Its windows are all but linear: as lively as those of a trained model."""
    model = small_model("lm-lte")
    with torch.no_grad():
        for layer in model.render_mlp.linears:
            layer.weight.mul_(2)
        model.latent_mlp.linears[-1].weight.mul_(4)
    return model


def test_thresholds_of_infinity_render_everything_coarsely(model):
    image = torch.rand(1, 3, 6, 7)
    coarse = model.upscale(image, scale=SCALE, cmsr=table((2, math.inf)))
    full = model.upscale(image, scale=SCALE, kernel="dense")
    assert (coarse.path, full.path, full.by, full.saved) == ("cmsr", "dense", None, 0)
    assert coarse.saved == pytest.approx(1 - (5 / 16) ** 2)
    assert (coarse.rgb - full.rgb).abs().max() > 1e-3


@pytest.mark.parametrize("scale", [SCALE, 6.5])
def test_thresholds_that_no_cell_meets_give_the_full_image(model, scale):
    image = torch.rand(2, 3, 6, 7)
    found = model.upscale(image, scale=scale, cmsr=table((1, -1), (2, -1), scale=scale))
    assert found.saved == 0
    torch.testing.assert_close(found.rgb, model(image, scale=scale), atol=1e-6, rtol=0)


def intensities(model, image):
    with torch.no_grad():
        return intensity(model.cells(model.encode(image), torch.full((len(image), 2), 0.5)))


@pytest.mark.parametrize("scale", [SCALE, 6.5])
def test_finer_render_scales_come_closer(model, scale):
    image = torch.rand(1, 3, 8, 9)
    full = model(image, scale=scale)
    errors = [
        (model.upscale(image, scale=scale, cmsr=table((r, math.inf), scale=scale)).rgb - full)
        .square()
        .mean()
        for r in (1, 2, 3)
    ]
    assert errors[0] > errors[1] > errors[2] > 0


def test_mixed_cells_each_get_their_render_scale(model):
    image = torch.rand(1, 3, 8, 9)
    m = intensities(model, image).flatten()
    low, high = m.quantile(0.3).item(), m.quantile(0.8).item()
    found = model.upscale(image, scale=SCALE, cmsr=table((1, low), (3, high)))
    coarse, middle = (m <= low).float().mean(), ((m > low) & (m <= high)).float().mean()
    expected = coarse * (1 - (3 / 16) ** 2) + middle * (1 - (7 / 16) ** 2)
    assert found.saved == pytest.approx(expected.item(), abs=0.02)  # the cell differs a little
    assert 0 < found.saved < 1


def test_neither_batch_nor_bands_change_anything(model, monkeypatch):
    images = torch.rand(3, 3, 9, 5)
    steps = table((1, 0.03), (3, 0.04))
    together = model.upscale(images, scale=SCALE, cmsr=steps)
    alone = [model.upscale(image[None], scale=SCALE, cmsr=steps) for image in images]
    torch.testing.assert_close(together.rgb, torch.cat([a.rgb for a in alone]), atol=2e-6, rtol=0)
    assert together.saved == pytest.approx(sum(a.saved for a in alone) / 3)
    monkeypatch.setattr("lmf.render.dense.BAND", 1)
    by_row = model.upscale(images, scale=SCALE, cmsr=steps)
    torch.testing.assert_close(by_row.rgb, together.rgb, atol=2e-6, rtol=0)
    assert by_row.saved == pytest.approx(together.saved)


@pytest.mark.parametrize("windows", [1, 5])
@pytest.mark.parametrize("render_scale", [1, 2, 3])
def test_a_linear_window_is_reproduced_exactly(windows, render_scale):
    """Whatever is linear along each axis, interpolation from 2 r + 1 positions finds again."""
    slope = torch.randn(5, 3, 4)

    def linear(windows):
        y, x = windows.y[:, None, :, None], windows.x[:, None, None]
        a, b, c, d = slope[..., None, None].unbind(2)
        return a + b * y + c * x + d * y * x

    y = torch.linspace(-1.9, 1.9, 16).expand(windows, -1)
    x = torch.linspace(-1.8, 1.9, 14).expand(windows, -1)
    windows = Windows(None, y, x, torch.ones(5, 2))
    found = paint_coarsely(linear, windows, nodes_at(render_scale))
    torch.testing.assert_close(found, linear(windows))


def test_a_larger_mse_saves_more():
    m = torch.rand(5000)
    errors = {r: (m * torch.rand(5000)) ** 4 / r**3 for r in (1, 2, 4)}
    found = [dict((s.render_scale, s.threshold) for s in fit_steps(m, errors, mse))
             for mse in (1e-9, 1e-4, 1e-3, 1e-2)]  # fmt: skip
    for r in errors:
        thresholds = [max((t for k, t in steps.items() if k <= r), default=-1) for steps in found]
        assert thresholds == sorted(thresholds)
    assert found[0] != found[1] != found[2] != found[3]


def test_an_mse_that_no_cell_meets_gives_no_step():
    assert fit_steps(torch.rand(50), {1: torch.ones(50)}, 1e-5) == ()


def test_cells_below_a_threshold_err_no_more_than_allowed():
    m = torch.rand(5000)
    errors = {r: (m * torch.rand(5000)) ** 4 / r**3 for r in (1, 2, 4)}
    for step in fit_steps(m, errors, 1e-3):
        assert errors[step.render_scale][m <= step.threshold].mean() <= 1e-3


def saved(model, folder):
    path = folder / "model.safetensors"
    save_model(model, path, {"name": "model"})
    return path


def test_tables_come_back_from_the_card(model, tmp_path):
    path = saved(model, tmp_path)
    first, second = table((1, 0.1), (2, 0.25)), table(scale=12.5)
    write_cmsr(path, [first])
    write_cmsr(path, [second])
    assert read_cmsr(path, 8) == first
    assert read_cmsr(path, 12.5) == second
    with pytest.raises(
        CheckpointError, match=r"no CMSR table for x4 \(there: x12\.5, x8\); run `lmf cmsr b"
    ):
        read_cmsr(path, 4)


@pytest.mark.parametrize(
    "change",
    [{"mse": "small"}, {"extra": 1}, {"steps": [{"render_scale": 9, "threshold": 0.1}]},
     {"steps": [{"render_scale": 2, "threshold": 0.1}, {"render_scale": 1, "threshold": 0.2}]}],
)  # fmt: skip
def test_a_damaged_table_is_refused(model, tmp_path, change):
    path = saved(model, tmp_path)
    write_cmsr(path, [table((1, 0.1))])
    card = json.loads(path.with_suffix(".json").read_text())
    card["cmsr"]["8"] |= change
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(CheckpointError, match="lmf cmsr build"):
        read_cmsr(path, 8)


@pytest.mark.parametrize(
    ("name", "options"), [("lm-lte", {"mod_shift": False}), ("lte", {}), ("liif", {})]
)
def test_a_model_without_shift_is_refused(small_model, name, options):
    model = small_model(name, **options)
    with pytest.raises(ConfigError, match="no shift modulation"):
        model.upscale(torch.rand(1, 3, 5, 5), scale=SCALE, cmsr=table((1, 1.0)))


def test_attention_without_modulation_is_refused(small_model):
    model = small_model("ciaosr", attention=[16])
    with pytest.raises(ConfigError, match="no shift modulation"):
        model.upscale(torch.rand(1, 3, 5, 5), scale=SCALE, cmsr=table((1, 1.0)))


def test_another_scale_is_refused(model):
    with pytest.raises(ConfigError, match="for x8, not 5x5 to 35x35"):
        model.upscale(torch.rand(1, 3, 5, 5), scale=7, cmsr=table((1, 1.0)))


def test_the_command_builds_and_the_other_uses_it(model, tmp_path, monkeypatch):
    from PIL import Image

    folder = tmp_path / "data" / "mine" / "HR"
    folder.mkdir(parents=True)
    for i in range(3):
        noise = torch.rand(9, 11, 3).mul(255).byte().numpy()
        Image.fromarray(noise).resize((110, 90), Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    path, run = saved(model, tmp_path), CliRunner().invoke
    upscale = ["upscale", str(folder / "0.png"), "out.png", "--model", str(path), "--scale", "8"]
    missing = run(app, [*upscale, "--cmsr"])
    assert missing.exit_code != 0
    assert isinstance(missing.exception, (CheckpointError, SystemExit))
    build = ["cmsr", "build", str(path), "--scale", "8", "--set", "mine", "--images", "2"]
    built = run(app, [*build, "--mse", "1"])
    assert built.exit_code == 0, built.output
    assert "x8 on 2 pictures: x1 up to" in built.output
    line = run(app, [*upscale, "--cmsr"])
    # All but a few queries at an mse of 1.
    assert re.search("cmsr renderer over (native|dense), 9", line.output)
    assert "dense renderer" in run(app, [*upscale, "--kernel", "dense"]).output
    checked = run(app, ["cmsr", "check", str(path), "--scale", "8", "--set", "mine"])
    assert checked.exit_code == 0, checked.output
    *_, last, mean = checked.output.strip().splitlines()
    assert last.split("|")[1].strip() == "2"
    assert mean.split("|")[1].strip() == "mean"
    assert float(mean.split("|")[5].strip(" %")) > 90


def test_candidates_leave_something_to_save():
    assert candidates(8) == (1, 2, 3, 4)
    assert candidates(1.5) == ()
    with pytest.raises(ConfigError, match=r"scale 1\.5 leaves nothing"):
        build_tables(None, [1.5], 2e-5, "photos-train", 1, data=None)
