"""Tiles: cut without gap, equal to the whole image, as small as the memory asks for."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lmf.core.errors import InputError, ResourceError
from lmf.nets.winograd import fastest
from lmf.render.result import assemble
from lmf.render.tiles import Reach, cut_axis, widest
from lmf.render.upscale import encoded

CROSS = {"scales": [2], "window": 8, "channels": 4}


@given(
    n=st.integers(1, 200),
    side=st.integers(1, 80),
    overlap=st.integers(0, 40),
    alignment=st.integers(1, 9),
)
def test_spans_cover_an_axis_once_and_have_their_surroundings(n, side, overlap, alignment):
    spans = cut_axis(n, side, Reach(overlap, alignment))
    assert [cell for span in spans for cell in span.cells] == list(range(n))
    for span in spans:
        assert len(span.cells) <= side
        assert span.source.start % alignment == 0
        assert span.source.stop % alignment == 0 or span.source.stop == n
        assert span.source.start <= max(0, span.cells.start - overlap)
        assert span.source.stop >= min(n, span.cells.stop + overlap)
        assert list(span.source)[span.inner] == list(span.cells)
        assert len(span.source) <= widest(n, side, Reach(overlap, alignment))


def whole_and_tiled(model, lr_size, size, side):
    """The image in one piece, and in tiles of `side`; batch 2."""
    image = torch.rand(2, 3, *lr_size)
    with torch.no_grad():
        whole = model(image, size=size)
    cell = model.cell(image, size)
    with torch.no_grad():
        plan = model.footprint(image, size)
        cells = encoded(model, image, cell, side, plan, fastest(image))
        tiled = assemble(model.renderer.rows(cells, image, size, cell), size[0])
    assert cells.tiles > 1
    return whole, tiled


@pytest.mark.parametrize("side", [7, 16])
@pytest.mark.parametrize("encoder", ["edsr-small", "rdn-small"])
@pytest.mark.parametrize("name", ["liif", "lte", "ciaosr", "lm-liif", "lm-lte", "lm-ciaosr"])
def test_tiled_cnn_equals_the_whole(small_model, name, encoder, side):
    model = small_model(name, encoder=encoder)
    whole, tiled = whole_and_tiled(model, (30, 37), (47, 74), side)
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("options", [{"encoder_attention": "spatial"}, {"cross_scale": CROSS}])
@pytest.mark.parametrize("name", ["lm-lte", "lm-ciaosr"])
def test_tiles_know_how_far_attention_reaches(small_model, name, options):
    model = small_model(name, **options)
    with torch.no_grad():
        if model.cross_scale is not None:
            model.cross_scale.out.weight.normal_()
    whole, tiled = whole_and_tiled(model, (60, 45), (80, 90), 16)
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)


def test_tiled_swinir_has_no_visible_seam(small_model):
    model = small_model("lm-lte", encoder="swinir-small")
    whole, tiled = whole_and_tiled(model, (90, 83), (135, 166), 16)
    difference = (tiled - whole).square().mean(dim=(1, 2, 3)).max()
    assert -10 * difference.log10() > 50


def test_memory_decides_the_tiles(small_model):
    model, image = small_model("lm-lte"), torch.rand(1, 3, 60, 70)
    plan = model.footprint(image, (90, 105))
    needed = [plan.needed(side) for side in plan.sides()]
    assert needed[:-1] == sorted(needed[:-1])  # the whole is not held twice
    whole = model.upscale(image, size=(90, 105), kernel="dense")
    assert (whole.tiles, whole.path, whole.saved) == (1, "dense", 0.0)
    for memory, least in ((needed[-1], 1), (needed[-1] - 1, 2), (needed[0], 9)):
        result = model.upscale(image, size=(90, 105), max_memory=memory)
        assert result.tiles >= least
        torch.testing.assert_close(result.rgb, whole.rgb, atol=1e-5, rtol=0)
    assert whole.overlap == 1
    spans = [cut_axis(n, plan.sides()[0], plan.reach) for n in (60, 70)]
    read = [sum(len(span.source) for span in axis) for axis in spans]
    assert result.overlap == pytest.approx(math.prod(read) / (60 * 70))
    assert result.overlap > 2
    with pytest.raises(InputError, match=f"max_memory .* need about {needed[0]:,} bytes"):
        model.upscale(image, size=(90, 105), max_memory=needed[0] - 1)


def test_model_that_reads_the_whole_image_is_not_cut(small_model):
    model, image = small_model("lm-lte", encoder_attention="channel"), torch.rand(1, 3, 60, 70)
    (needed,) = [model.footprint(image, (90, 105)).needed(side) for side in (70,)]
    assert model.upscale(image, size=(90, 105), max_memory=needed).tiles == 1
    with pytest.raises(InputError, match="this model, which reads it whole"):
        model.upscale(image, size=(90, 105), max_memory=needed - 1)


def full_above(model, monkeypatch, pixels, error=torch.OutOfMemoryError):
    """Let the encoder run out of memory for more than so many LR pixels; returns what it was given."""
    seen, encode = [], model.encoder.forward

    def forward(x, convolve):
        seen.append(x.shape[-2] * x.shape[-1])
        if seen[-1] > pixels:
            raise error("out of memory: tried to allocate")
        return encode(x, convolve)

    monkeypatch.setattr(model.encoder, "forward", forward)
    return seen


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_out_of_memory_halves_the_tile(small_model, monkeypatch, error):
    model, image = small_model("lm-lte"), torch.rand(1, 3, 64, 64)
    whole = model.upscale(image, scale=1.5).rgb
    seen = full_above(model, monkeypatch, 60 * 60, error)
    result = model.upscale(image, scale=1.5)
    assert seen[:2] == [64 * 64, (32 + 11) ** 2]
    assert result.tiles == len(seen) - 1 == 4
    torch.testing.assert_close(result.rgb, whole, atol=1e-5, rtol=0)


def test_out_of_memory_with_tiles_of_every_size_is_an_error(small_model, monkeypatch):
    model = small_model("lm-lte")
    seen = full_above(model, monkeypatch, 0)
    with pytest.raises(ResourceError, match="out of memory even with tiles of 16 LR pixels"):
        model.upscale(torch.rand(1, 3, 40, 300), scale=1)
    assert len(seen) == len({300, 150, 75, 37, 18, 16}), "each of them was tried"


def test_other_errors_of_torch_are_not_taken_for_a_full_memory(small_model, monkeypatch):
    model = small_model("lm-lte")

    def broken(x, convolve):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(model.encoder, "forward", broken)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        model.upscale(torch.rand(1, 3, 4, 4), scale=1)


def test_outputs_beyond_the_limit_are_refused_with_the_name_of_the_limit(small_model):
    model, image = small_model("lm-lte"), torch.rand(1, 3, 4, 4)
    with pytest.raises(InputError, match=r"400000x400000 is more than .*raise max_pixels"):
        model.upscale(image, scale=1e5)
    with pytest.raises(InputError, match=r"400000x400000 is more than .*raise max_pixels"):
        model(image, scale=1e5)
    for name in ("max_memory", "max_pixels"):
        with pytest.raises(InputError, match=f"{name} is nan: use a finite number"):
            model.upscale(image, scale=2, **{name: math.nan})
    with pytest.raises(InputError, match="raise max_pixels"):
        model.upscale(image, size=(10, 10), max_pixels=99)
    assert model.upscale(image, size=(10, 10), max_pixels=100).rgb.shape == (1, 3, 10, 10)
