"""Rows of an image as they are finished: those of the whole, to the bit, in bounded memory."""

import logging
import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from lmf.core.errors import InputError, ResourceError
from lmf.metrics.memory import peak_memory
from lmf.model import create_model
from lmf.render.bilinear import enlarge_rows
from lmf.render.cmsr import CmsrStep, CmsrTable

FAMILIES = ["liif", "lte", "ciaosr", "lm-liif", "lm-lte", "lm-ciaosr"]


def rows_of(stream):
    """All parts, checked to follow each other."""
    parts, first = list(stream), 0
    for part in parts:
        assert part.first == first
        assert part.rgb.shape[2] > 0
        first = part.stop
    assert first == stream.size[0]
    return parts


@pytest.mark.parametrize("size", [(36, 28), (31, 23), (9, 70), (5, 3), (1, 1)])
@pytest.mark.parametrize("name", FAMILIES)
def test_streamed_rows_are_those_of_the_whole(small_model, monkeypatch, name, size):
    monkeypatch.setattr("lmf.render.dense.BAND", 20)
    monkeypatch.setattr("lmf.render.gather.CHUNK", 20_000)
    model, image = small_model(name), torch.rand(2, 3, 9, 7)
    whole = model.upscale(image, size=size)
    stream = model.stream(image, size=size)
    parts = rows_of(stream)
    assert torch.equal(torch.cat([part.rgb for part in parts], dim=2), whole.rgb)
    assert stream.rendering.path == whole.path
    with torch.no_grad():
        assert torch.equal(model(image, size=size), whole.rgb)
    if size[0] > 20:
        assert len(parts) > 2


def test_tiles_and_cmsr_stream_too(small_model):
    model, image = small_model("lm-lte"), torch.rand(1, 3, 60, 70)
    table = CmsrTable(3, 2e-5, (CmsrStep(1, 1.0),), "photos-train", 1, 0)
    limit = model.footprint(image, (180, 210)).needed(16)
    whole = model.upscale(image, scale=3, cmsr=table, max_memory=limit)
    least = model.footprint(image, (180, 210), streamed=True).needed(16)
    assert limit - least == 3 * 180 * 210 * 4
    stream = model.stream(image, scale=3, cmsr=table, max_memory=least)
    assert torch.equal(torch.cat([part.rgb for part in rows_of(stream)], dim=2), whole.rgb)
    how = stream.rendering
    assert (how.path, how.saved, how.tiles) == ("cmsr", whole.saved, whole.tiles)
    assert how.tiles > 1
    assert how.saved > 0


def test_rows_carry_no_gradient_and_leave_the_callers_mode_alone(small_model):
    for part in small_model("lm-lte").stream(torch.rand(1, 3, 5, 4), scale=2):
        assert torch.is_grad_enabled()
        assert not part.rgb.requires_grad


@settings(deadline=None)
@given(
    lr=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    cut=st.integers(1, 7),
)
def test_rows_are_interpolated_like_the_whole(lr, size, cut):
    image = torch.rand(2, 3, *lr)
    rows = [
        enlarge_rows(image, size, range(i, min(i + cut, size[0]))) for i in range(0, size[0], cut)
    ]
    expected = functional.interpolate(image, size, mode="bilinear", align_corners=False)
    found = torch.cat(rows, dim=2)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert torch.equal(found, enlarge_rows(image, size, range(size[0])))


def test_memory_that_runs_out_on_the_way_shrinks_the_remaining_tiles(
    small_model, monkeypatch, caplog
):
    model, image = small_model("lm-lte"), torch.rand(1, 3, 160, 20)
    whole, encode, calls = model.upscale(image, scale=2).rgb, model.encoder.forward, []

    def forward(x, convolve):
        calls.append(x.shape[-2])
        if len(calls) == 2:
            raise torch.OutOfMemoryError("out of memory")
        return encode(x, convolve)

    monkeypatch.setattr(model.encoder, "forward", forward)
    limit = model.footprint(image, (320, 40), streamed=True).needed(64)
    with caplog.at_level(logging.WARNING):
        parts = rows_of(model.stream(image, scale=2, max_memory=limit))
    assert len({calls[0], calls[2]}) == 2
    assert "halved" in caplog.text
    found = torch.cat([part.rgb for part in parts], dim=2)
    torch.testing.assert_close(found, whole, atol=1e-5, rtol=0)


def test_whole_output_without_memory_is_an_error_that_says_so(small_model, monkeypatch):
    def full(*args):
        raise torch.OutOfMemoryError("no 3 GB\nof memory")

    model = small_model("lm-lte")
    monkeypatch.setattr("lmf.render.upscale.assemble", full)
    with pytest.raises(ResourceError, match=r"output of 8x8 \(no 3 GB\); ask for less, or stream"):
        model.upscale(torch.rand(1, 3, 4, 4), scale=2)


@pytest.mark.parametrize("shape", [(17, 5), (5, 40_000)])
def test_limit_too_small_for_one_row_says_how_much_it_takes(small_model, shape):
    model, image = small_model("lm-lte"), torch.rand(1, 3, *shape)
    size = (shape[0] * 8, shape[1] * 8)
    plan = model.footprint(image, size, streamed=True)
    least = min(plan.needed(side) for side in plan.sides())
    if shape[1] == 40_000:
        windows = shape[1] * 3 * 16 * 16 * image.element_size()  # of one LR row
        assert least > windows
    with pytest.raises(InputError, match=f"is too small: .* need about {least:,} bytes") as caught:
        model.stream(image, size=size, max_memory=least - 1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("chunk", [0, -5, 2.5, math.nan])
def test_chunk_that_holds_nothing_is_refused(small_model, chunk):
    model, image = small_model("lm-lte"), torch.rand(1, 3, 4, 4)
    queries = torch.zeros(1, 3, 2)
    with pytest.raises(InputError, match=r"chunk .* use a whole number of at least 1"):
        model.query(model.encode(image), queries, queries + 0.1, chunk=chunk)


SIDE, SCALE = 100, 30


def stream_everything(limit):
    """For a process of its own: warm up, then stream an output larger than `limit`."""
    torch.manual_seed(0)
    options = {"fourier": 16, "hidden": [16], "depth": 1, "width": 4}
    model = create_model("lm-lte", encoder="edsr-small", options=options).eval()
    list(model.stream(torch.rand(1, 3, 8, 8), scale=SCALE))
    image = torch.rand(1, 3, SIDE, SIDE)
    return partial(_drain, model, image, limit)


def _drain(model, image, limit):
    for part in model.stream(image, scale=SCALE, max_memory=limit):
        assert part.rgb.isfinite().all()


def test_memory_stays_bounded_however_large_the_output():
    limit = 50_000_000
    output = 3 * (SIDE * SCALE) ** 2 * 4
    assert output > 2 * limit
    assert peak_memory(partial(stream_everything, limit), torch.device("cpu"), 100) < limit
