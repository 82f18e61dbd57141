"""CMSR inside the C renderer equals CMSR around the dense one, and evaluates as many queries."""

import math
import shutil

import pytest
import torch
from whole_image import render_image

from lmf.core import compiled
from lmf.core.errors import ConfigError
from lmf.render.cmsr import CmsrStep, CmsrTable, intensity
from lmf.render.cmsr_painter import CmsrLinePainter, CmsrPainter, cmsr_painter
from lmf.render.dense import dense_painter
from lmf.render.kernels import native

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, compiled.COMPILERS)), reason="no C compiler on this machine"
)


@pytest.fixture
def lively(small_model):
    """A function of (name, **options): a model whose windows are all but linear, and its cells differ."""

    def make(name="lm-lte", **options):
        model = small_model(name, **options)
        with torch.no_grad():
            for layer in model.render_mlp.linears:
                layer.weight.mul_(2)
            model.latent_mlp.linears[-1].weight.mul_(4)
        return model

    return make


def table(scale, *steps):
    steps = tuple(CmsrStep(r, threshold) for r, threshold in steps)
    return CmsrTable(scale, 2e-5, steps, "photos-train", 2, 0)


def quantiles(model, image, *shares):
    """Intensities that these shares of the cells do not exceed."""
    with torch.no_grad():
        m = intensity(model.cells(model.encode(image), torch.full((len(image), 2), 0.5)))
    return [m.flatten().quantile(share).item() for share in shares]


@torch.no_grad()
def render(model, image, size, painter):
    """The image that a painter makes of a model's cells, without the LR image."""
    cell = model.cell(image, size)
    cells = model.cells(model.encode(image), cell)
    basis, mlp = model.head.render_basis, model.render_mlp
    return render_image(
        cells, basis, mlp, size, cell, ensemble=model.config.ensemble, paint=painter
    )


def both(model, image, size, steps):
    """Painters, beside their images: CMSR by C, and by PyTorch."""
    basis, mlp = model.head.render_basis, model.render_mlp
    painters = [cmsr_painter(one(basis, mlp), steps) for one in (native.painter, dense_painter)]
    assert [type(one) for one in painters] == [CmsrLinePainter, CmsrPainter]
    return [(one, render(model, image, size, one)) for one in painters]


@pytest.mark.parametrize(("name", "options"), [
    ("lm-lte", {}), ("lm-liif", {}), ("lm-ciaosr", {"attention": [24]}),
    ("lm-lte", {"ensemble": False}), ("lm-liif", {"ensemble": False, "mod_scale": False}),
    ("lm-lte", {"position": False}),
], ids=str)  # fmt: skip
@pytest.mark.parametrize(
    "size", [(48, 72), (41, 59), (24, 150), (96, 36), (9, 13), (150, 220)], ids=str
)
def test_equals_cmsr_by_the_dense_renderer(lively, name, options, size):
    model, image = lively(name, **options), torch.rand(2, 3, 6, 9)
    low, middle, high = quantiles(model, image, 0.3, 0.6, 0.8)
    steps = table(40, (1, low), (2, middle), (7, high))
    (by_c, found), (by_torch, expected) = both(model, image, size, steps)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-5)
    assert (by_c.asked, by_c.made) == (by_torch.asked, by_torch.made)
    assert expected.std() > 0.01  # there is something to differ in


@pytest.mark.parametrize("r", [1, 8, 16, 70])
@pytest.mark.parametrize("size", [(160, 200), (161, 203)], ids=str)
def test_all_cells_coarse(lively, r, size):
    """Of 16, the nodes are more than a block; of 70, one row of them is."""
    model, image = lively(), torch.rand(1, 3, 2, 1)
    (by_c, found), (by_torch, expected) = both(model, image, size, table(200, (r, math.inf)))
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-5)
    assert by_c.saved == by_torch.saved > 0
    full = render(model, image, size, None)
    assert (full - expected).abs().max() > (1e-3 if r == 1 else 1e-7)


@pytest.mark.parametrize("size", [(48, 72), (41, 59)], ids=str)
def test_no_cell_coarse(lively, size):
    model, image = lively(), torch.rand(1, 3, 6, 9)
    (by_c, found), _ = both(model, image, size, table(8, (1, -1.0), (3, -1.0)))
    full = native.painter(model.head.render_basis, model.render_mlp)
    assert torch.equal(found, render(model, image, size, full))
    assert by_c.saved == 0


@pytest.mark.parametrize("scale", [8, 6.5])
def test_as_many_nodes_as_positions_give_the_full_image(lively, scale):
    """A window without ensemble has one LR pixel's positions, which are soon fewer than the nodes."""
    model, image = lively(ensemble=False), torch.rand(1, 3, 6, 8)
    steps = table(scale, (4, math.inf))
    full = model.upscale(image, scale=scale)
    for kernel in ("native", "dense"):
        found = model.upscale(image, scale=scale, cmsr=steps, kernel=kernel)
        assert (found.by, found.saved) == (kernel, 0)
        torch.testing.assert_close(found.rgb, full.rgb, atol=5e-6, rtol=0)


def test_threads_change_nothing(lively):
    model, image, found = lively(), torch.rand(1, 3, 20, 23), []
    low, high = quantiles(model, image, 0.3, 0.7)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            steps = table(8, (1, low), (3, high))
            found.append(both(model, image, (160, 184), steps)[0][1])
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)


def test_tiles_give_the_same_image(lively):
    model, image = lively(), torch.rand(1, 3, 40, 45)
    low, high = quantiles(model, image, 0.3, 0.7)
    steps = table(4, (1, low), (2, high))
    whole = model.upscale(image, scale=4, cmsr=steps)
    least = model.footprint(image, (160, 180)).needed(16)
    tiled = model.upscale(image, scale=4, cmsr=steps, max_memory=least)
    assert (whole.path, whole.by) == (tiled.path, tiled.by) == ("cmsr", "native")
    assert tiled.tiles > whole.tiles
    torch.testing.assert_close(tiled.rgb, whole.rgb, atol=2e-5, rtol=0)


def test_a_nan_is_not_hidden(lively):
    model, image = lively(), torch.rand(1, 3, 4, 4)
    model.render_mlp.linears[3].bias.data[5] = torch.nan
    (_, found), _ = both(model, image, (32, 32), table(8, (1, math.inf)))
    assert found.isnan().all()


def test_gradients_are_refused(lively):
    model, image = lively(), torch.rand(1, 3, 4, 4)
    paint = cmsr_painter(
        native.painter(model.head.render_basis, model.render_mlp), table(8, (1, math.inf))
    )
    with pytest.raises(ConfigError, match="gradients"):
        model.render(model.encode(image), (32, 32), paint=paint)
