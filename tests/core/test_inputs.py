"""What no model can enlarge is refused in one line that names it, before any work."""

import math

import numpy as np
import pytest
import torch

from lmf.core.errors import ConfigError, InputError
from lmf.core.inputs import target_size
from lmf.model import create_model

GOOD = torch.rand(1, 3, 4, 5)
IMAGES = [
    (GOOD[0], r"shape \(3, 4, 5\)"),
    (GOOD[None], r"shape \(1, 1, 3, 4, 5\)"),
    (GOOD[:, :1], r"shape \(1, 1, 4, 5\)"),
    (GOOD.expand(1, 3, 4, 5).repeat(1, 2, 1, 1), r"shape \(1, 6, 4, 5\)"),
    (GOOD[:0], r"shape \(0, 3, 4, 5\)"),
    (GOOD[:, :, :0], r"shape \(1, 3, 0, 5\)"),
    (torch.full_like(GOOD, math.nan), "NaN or infinite"),
    (GOOD - math.inf, "NaN or infinite"),
    ((GOOD * 255).byte(), "image is torch.uint8: pass a float tensor"),
    (GOOD.to(torch.complex64), "image is torch.complex64"),
    (GOOD.double(), "image is torch.float64 and the model torch.float32: convert"),
    (GOOD.half(), "image is torch.float16 and the model torch.float32"),
    (GOOD.to("meta"), "image is on meta and the model on cpu: move"),
    (GOOD.numpy(), "image is ndarray"),
    (None, "image is NoneType"),
]
SIZES = [(0, 5), (4, -1), (4,), (4, 5, 6), (4.0, 5), 8, "8x8", (math.nan, 5)]
SCALES = [0, -2, 0.5, math.nan, math.inf, "4", [2]]


@pytest.fixture(scope="module")
def model():
    return create_model("lm-lte", encoder="edsr-small").eval()


def refusal(call, *args, kind=InputError, **options) -> str:
    with pytest.raises(kind) as caught:
        call(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("image", "said"), IMAGES, ids=[said for _, said in IMAGES])
def test_image_that_is_none(model, image, said):
    for call in (lambda: model(image, scale=2), lambda: model.encode(image)):
        with pytest.raises(InputError, match=said):
            call()


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_size_that_is_none(model, size):
    assert "use two whole numbers (H, W)" in refusal(model, GOOD, size=size)
    latents = model.encode(GOOD)
    assert "use two whole numbers (H, W)" in refusal(model.render, latents, size)


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_scale_that_is_none(model, scale):
    assert f"scale is {scale}: use a finite number" in refusal(model, GOOD, scale=scale)


def test_a_scale_beyond_all_numbers(model):
    assert "there is no picture of so many pixels" in refusal(model, GOOD, scale=1e308)


def test_size_and_scale_exclude_each_other(model):
    assert "not both and not neither" in refusal(model, GOOD)
    assert "not both and not neither" in refusal(model, GOOD, size=(8, 8), scale=2)


def test_whole_numbers_of_numpy_are_whole_numbers():
    assert target_size((3, 5), (np.int64(6), 7), None) == (6, 7)
    assert target_size((3, 5), None, np.float32(2)) == (6, 10)


@pytest.mark.parametrize(
    ("coord", "cell", "said"),
    [
        ((1, 7, 2), (1, 6, 2), r"cell has shape \(1, 6, 2\): pass \(1, 7, 2\), as coord"),
        ((1, 7, 3), (1, 7, 3), r"coord has shape \(1, 7, 3\): pass \(1, Q, 2\)"),
        ((7, 2), (7, 2), r"coord has shape \(7, 2\)"),
        ((2, 7, 2), (2, 7, 2), r"coord has shape \(2, 7, 2\): pass \(1, Q, 2\)"),
        ((1, 0, 2), (1, 0, 2), r"coord has shape \(1, 0, 2\)"),
    ],
)
def test_queries_that_are_none(model, coord, cell, said):
    with pytest.raises(InputError, match=said):
        model.query(model.encode(GOOD), torch.zeros(coord), torch.ones(cell))


def test_queries_of_another_kind_or_nowhere(model):
    latents, points = model.encode(GOOD), torch.zeros(1, 7, 2)
    said = refusal(model.query, latents, points.double(), points)
    assert "coord is torch.float64 on cpu: pass torch.float32 on cpu" in said
    said = refusal(model.query, latents.map(torch.Tensor.half), points.half(), points)
    assert "coord is torch.float16 on cpu: pass torch.float32 on cpu" in said
    with torch.autocast("cpu", torch.bfloat16):
        said = refusal(model.query, latents, points, points.bfloat16())
    assert "cell is torch.bfloat16 on cpu: pass torch.float32 on cpu" in said
    with torch.no_grad():
        assert "cell holds NaN" in refusal(model.query, latents, points, points / 0)


def test_queries_of_several_cells_are_refused_where_a_latent_mlp_reads_one(model):
    points = torch.zeros(1, 7, 2)
    cells = torch.full_like(points, 0.1).index_fill(1, torch.tensor([3]), 0.2)
    two = GOOD.repeat(2, 1, 1, 1)
    each = torch.full((2, 7, 2), 0.1) * torch.tensor([1.0, 2.0])[:, None, None]
    lte = create_model("lte", encoder="edsr-small").eval()
    with torch.no_grad():
        said = refusal(model.query, model.encode(GOOD), points, cells)
        assert "cell differs among the queries of an image" in said
        assert model.query(model.encode(two), points.repeat(2, 1, 1), each).shape == (2, 7, 3)
        assert lte.query(lte.encode(GOOD), points, cells).shape == (1, 7, 3)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("lm-lt", {}, "unknown model 'lm-lt', did you mean lm-lte? valid: liif, lte"),
        ("lm-lte", {"encoder": "edsr-base"}, "unknown encoder 'edsr-base', did you mean"),
        ("lm-lte", {"cross_scale": "yes"}, "cross_scale is 'yes'"),
        ("lm-lte", {"cross_scale": {"multi_scale": [2]}}, "unknown name cross_scale.multi_scale"),
        ("lm-lte", {"options": {"encoder": "rdn"}}, "encoder: pass it as an argument of its own"),
        ("lm-lte", {"options": {"hiden": [4]}}, "unknown name hiden, did you mean hidden?"),
        ("lm-lte", {"options": {"max_scale": 0}}, "max_scale 0.0 is below 1"),
        ("lm-lte", {"options": {"unfold": False}}, "lm-lte has no unfold: leave it out"),
        ("lte", {"options": {"width": 32}}, "lte has no width: leave it out"),
        ("liif", {"options": {"mod_shift": False}}, "liif has no mod_shift: leave it out"),
        ("liif", {"options": {"fourier": 16}}, "head liif has no waves: set fourier to 0"),
        ("lm-ciaosr", {"options": {"mod_input": False}}, "head ciaosr has no mod_input=False"),
    ],
)
def test_model_that_is_none(name, options, said):
    assert said in refusal(create_model, name, kind=ConfigError, **options)
