"""Dense = gather = reference; and what may not change a result does not."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from whole_image import render_image

from lmf import reference
from lmf.core.coords import cell_of, pixel_centres
from lmf.core.windows import axis_windows

FAMILIES = ["liif", "lte", "lm-liif", "lm-lte"]
VARIANTS = [
    {},
    {"mod_scale": False},
    {"mod_shift": False},
    {"mod_scale": False, "mod_shift": False},
    {"mod_input": False},
    {"cell": False},
    {"ensemble": False},
    {"position": False},
]


def query_all(model, image, size):
    """The whole image by scattered queries."""
    coord = pixel_centres(*size).expand(image.shape[0], -1, -1)
    extent = cell_of(size, image.shape[-2:], model.config.max_scale)
    cell = torch.tensor(extent).expand_as(coord)
    with torch.no_grad():
        rgb = model.query(model.encode(image), coord, cell, chunk=101)
    return rgb.transpose(1, 2).unflatten(-1, size)


def test_inference_does_not_spoil_training(small_model):
    model, image = small_model("lm-lte"), torch.rand(1, 3, 5, 6)
    axis_windows.cache_clear()
    with torch.inference_mode():
        model(image, scale=2)
    model(image, scale=2).mean().backward()
    assert all(p.grad is not None for p in model.render_mlp.parameters())


def test_waves_are_not_taken_of_bfloat16(small_model):
    model, image, size = small_model("lm-lte"), torch.rand(1, 3, 5, 6), (20, 24)
    with torch.no_grad():
        latents, cell = model.encode(image), model.cell(image, size)
        cells = model.cells(latents, cell).map(lambda t: t.flatten(0, 2))
        planes = model.head.render_basis.planes(cells.code, cell.expand(30, 2))
        offset = torch.randn(1, 3, 16)
        expected = model.head.render_basis.inputs(planes, offset)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(model.head.render_basis.inputs(planes, offset), expected)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("size", [(12, 16), (29, 31), (15, 50), (5, 7), (80, 21)])
def test_dense_equals_gather(small_model, name, size):
    model, image = small_model(name), torch.rand(2, 3, 5, 7)
    with torch.no_grad():
        dense = model(image, size=size)
    torch.testing.assert_close(dense, query_all(model, image, size), atol=5e-5, rtol=0)


@pytest.mark.parametrize(("shape", "size"), [((12, 50), (18, 75)), ((50, 12), (75, 18))])
def test_without_ensemble_dense_equals_gather_where_two_pixels_are_equally_far(
    small_model, shape, size
):
    """At x1.5 that is every third one."""
    model, image = small_model("lm-lte", ensemble=False), torch.rand(1, 3, *shape)
    with torch.no_grad():
        dense = model(image, size=size)
    torch.testing.assert_close(dense, query_all(model, image, size), atol=5e-5, rtol=0)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_dense_equals_gather_in_half_precision(small_model, name, dtype):
    """Up to a rounding or two of the type; coordinates of that type would miss whole pixels."""
    model, image, size = (
        small_model(name).to(dtype),
        torch.rand(1, 3, 24, 24, dtype=dtype),
        (61, 96),
    )
    with torch.no_grad():
        dense = model(image, size=size)
    scattered = query_all(model, image, size)
    assert scattered.dtype == dtype
    tolerance = 2 * torch.finfo(dtype).eps
    torch.testing.assert_close(dense, scattered, atol=tolerance, rtol=0)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
@pytest.mark.parametrize("name", ["lm-lte", "lm-liif"])
def test_dense_equals_gather_for_every_option(small_model, name, options):
    model, image = small_model(name, **options), torch.rand(1, 3, 6, 4)
    size = (16, 17)
    with torch.no_grad():
        dense = model(image, size=size)
    torch.testing.assert_close(dense, query_all(model, image, size), atol=5e-5, rtol=0)


def layers(mlp):
    return [
        (m.weight.detach().double().numpy(), m.bias.detach().double().numpy()) for m in mlp.linears
    ]


@pytest.mark.parametrize("size", [(8, 12), (13, 9), (22, 33)])
def test_lm_lte_equals_reference(small_model, size):
    model, image = small_model("lm-lte"), torch.rand(1, 3, 4, 5)
    with torch.no_grad():
        latents = model.encode(image)
        fast = model.render(latents, size)[0].double().numpy()
    coef = latents.code.coef[0].permute(2, 0, 1).double().numpy()
    freq = latents.code.freq[0].flatten(2).permute(2, 0, 1).double().numpy()
    slow = reference.render_lm_lte(
        reference.LatentModulated(
            layers(model.latent_mlp),
            layers(model.render_mlp),
            model.head.basis.phase.weight.detach().double().numpy(),
            model.head.render_basis.phase.weight.detach().double().numpy(),
        ),
        image[0].double().numpy(),
        coef,
        freq,
        size,
    )
    np.testing.assert_allclose(fast, slow, atol=5e-5)


def test_lm_liif_equals_reference(small_model):
    model, image = small_model("lm-liif"), torch.rand(1, 3, 4, 3)
    with torch.no_grad():
        fast = model(image, size=(11, 9))[0].double().numpy()
        feature = model.encoder((image - 0.5) / 0.5)[0].double().numpy()
    slow = reference.render_lm_liif(
        reference.LatentModulated(layers(model.latent_mlp), layers(model.render_mlp)),
        feature,
        (11, 9),
    )
    np.testing.assert_allclose(fast, slow, atol=5e-5)


@settings(max_examples=25, deadline=None)
@given(
    h=st.integers(1, 7),
    w=st.integers(1, 7),
    scale_y=st.floats(1, 6),
    scale_x=st.floats(1, 6),
)
def test_any_size_is_rendered_alike_by_both_ways(small_lm_lte, h, w, scale_y, scale_x):
    image = torch.rand(1, 3, h, w)
    size = (round(h * scale_y), round(w * scale_x))
    with torch.no_grad():
        dense = small_lm_lte(image, size=size)
    assert dense.shape == (1, 3, *size)
    torch.testing.assert_close(dense, query_all(small_lm_lte, image, size), atol=5e-5, rtol=0)


@pytest.fixture(scope="module")
def small_lm_lte():
    from lmf.model import create_model

    torch.manual_seed(1)
    return create_model(
        "lm-lte", encoder="edsr-small", options={"fourier": 16, "hidden": [24]}
    ).eval()


def lively(model):
    """As far from linear as a trained model; a new one's windows are nearly flat."""
    with torch.no_grad():
        for layer in model.render_mlp.linears:
            layer.weight.mul_(2.5)
        model.latent_mlp.linears[-1].weight.mul_(4)
    return model


@pytest.mark.parametrize("size", [(24, 28), (18, 21), (31, 23), (3, 9), (6, 70)])
@pytest.mark.parametrize("name", ["lm-liif", "lm-lte"])
def test_strong_modulations_are_folded_exactly(small_model, name, size):
    model, image = lively(small_model(name)), torch.rand(1, 3, 6, 7)
    with torch.no_grad():
        dense = model(image, size=size)
    assert dense.std() > 0.3
    torch.testing.assert_close(dense, query_all(model, image, size), atol=2e-5, rtol=0)


@pytest.mark.parametrize(("scale", "positions"), [(2, 4), (3, 5), (4, 8), (2.5, 5), (1, 1)])
def test_windows_are_no_wider_than_their_weights(scale, positions):
    windows = axis_windows(10, round(10 * scale), True, torch.device("cpu"))
    assert windows.positions == positions
    assert windows.alike == (scale != 2.5)


def test_bf16_errs_by_a_hundredth(small_model):
    """Of the span of what is rendered: products have 8 bits, sums and the ensemble 24."""
    model, image = lively(small_model("lm-lte")), torch.rand(1, 3, 12, 12)
    with torch.no_grad():
        cell = torch.full((1, 2), 0.5)
        cells = model.cells(model.encode(image), cell)
        arguments = (cells, model.head.render_basis, model.render_mlp, (48, 48), cell)
        full = render_image(*arguments, ensemble=True)
        half = render_image(*arguments, ensemble=True, dtype=torch.bfloat16)
    span = full.max() - full.min()
    assert 1e-4 < (half - full).square().mean().sqrt() / span < 0.01
    assert (half - full).abs().max() / span < 0.05


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_whole_models_may_have_another_dtype(small_model, dtype):
    model, image = small_model("lm-lte"), torch.rand(1, 3, 5, 6)
    with torch.no_grad():
        expected = model(image, scale=2.5)
        found = model.to(dtype)(image.to(dtype), scale=2.5)
    assert found.dtype == dtype
    tolerance = 0.03 if dtype == torch.bfloat16 else 1e-5
    torch.testing.assert_close(found.float(), expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("chunk", [1, 5000, 10**9])
def test_chunk_size_changes_nothing(small_model, chunk):
    model, image = small_model("lm-lte"), torch.rand(2, 3, 9, 5)
    size = (31, 17)
    with torch.no_grad():
        latents = model.encode(image)
        cell = torch.full((2, 2), 0.6)
        cells = model.cells(latents, cell)
        arguments = (cells, model.head.render_basis, model.render_mlp, size, cell)
        whole = render_image(*arguments, ensemble=True)
        torch.testing.assert_close(render_image(*arguments, ensemble=True, chunk=chunk), whole)


@pytest.mark.parametrize("name", FAMILIES)
def test_batch_changes_nothing(small_model, name):
    model, images = small_model(name), torch.rand(3, 3, 6, 5)
    with torch.no_grad():
        together = model(images, scale=2.5)
        alone = torch.cat([model(image[None], scale=2.5) for image in images])
    torch.testing.assert_close(together, alone, atol=2e-6, rtol=0)


@pytest.mark.parametrize("name", ["lm-liif", "lm-lte", "lm-ciaosr"])
def test_zero_modulation_is_the_plain_mlp(small_model, name):
    model, image = small_model(name), torch.rand(1, 3, 4, 4)
    last = model.latent_mlp.linears[-1]
    keep = model.head.render_code
    with torch.no_grad():
        last.weight[:-keep] = 0
        last.bias[:-keep] = 0
        modulated = model(image, scale=3)
        plain = small_model(name, mod_scale=False, mod_shift=False)
        state = model.state_dict()
        for name in ("weight", "bias"):
            key = f"latent_mlp.layers.{len(plain.latent_mlp.layers) - 1}.{name}"
            state[key] = state[key][-keep:]
        plain.load_state_dict(state)
        torch.testing.assert_close(modulated, plain(image, scale=3))


def test_flipping_the_latents_flips_the_image(small_model):
    """Windows and weights are symmetric: a mirrored grid of codes gives the mirrored image."""
    model = small_model("lm-lte", position=False)
    latents = model.encode(torch.rand(1, 3, 6, 5))
    flipped = latents.map(lambda t: t.flip(-1) if t.ndim == 4 and t.shape[1] == 3 else t.flip(2))
    with torch.no_grad():
        image = model.render(latents, (14, 13))
        mirror = model.render(flipped, (14, 13))
    torch.testing.assert_close(mirror, image.flip(-1), atol=1e-5, rtol=0)


def test_constant_latents_give_a_constant_image(small_model):
    """The ensemble weights sum to one everywhere, at the border too."""
    model = small_model("lm-lte", position=False)
    latents = model.encode(torch.full((1, 3, 12, 12), 0.4))
    same = latents.map(lambda t: t[:, :1, :1].expand_as(t) if t.shape[1] != 3 else t)
    with torch.no_grad():
        image = model.render(same, (31, 29))
    torch.testing.assert_close(image, image[..., :1, :1].expand_as(image), atol=1e-5, rtol=0)


def test_gradients_of_both_ways_agree(small_model):
    model, image = small_model("lm-lte"), torch.rand(1, 3, 4, 5)
    size = (9, 11)
    target = torch.rand(1, 3, *size)
    gradients = []
    for dense in (True, False):
        model.zero_grad()
        latents = model.encode(image)
        if dense:
            out = model.render(latents, size)
        else:
            coord = pixel_centres(*size)[None]
            cell = torch.tensor(cell_of(size, (4, 5), 4.0)).expand_as(coord)
            out = model.query(latents, coord, cell).transpose(1, 2).unflatten(-1, size)
        (out - target).square().mean().backward()
        gradients.append(
            torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        )
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-5, rtol=1e-3)
