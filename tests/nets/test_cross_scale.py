"""Cross-scale attention equals its equation, in one piece and in windows, at every size."""

import pytest
import torch
from torch.nn import functional

from lmf.nets.cross_scale import CrossScaleAttention, CrossScaleConfig

SIZES = [(1, 1), (1, 7), (3, 50), (50, 3), (16, 16), (17, 31), (33, 49)]


def attention(channels: int = 6, **options) -> CrossScaleAttention:
    """A module with lively weights; its W_o too."""
    module = CrossScaleAttention(channels, CrossScaleConfig(channels=5, **options)).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.5 * torch.randn_like(parameter))
    return module


def by_the_equation(module, feature, keys_of):
    """Y(p) pixel by pixel; keys_of(p, s): the rows and columns of X_s that p may look at."""
    config, out = module.config, feature.clone()
    query = module.query(feature)[0]
    for y in range(feature.shape[2]):
        for x in range(feature.shape[3]):
            found = 0
            for s in config.scales:
                small = average(feature, s)
                rows, columns = keys_of((y, x), s)
                some = small[..., rows, columns]
                key = module.key(some)[0].flatten(1)
                value = module.value(some)[0].flatten(1)
                logits = config.softmax_scale * query[:, y, x] @ key / config.channels**0.5
                found = found + value @ logits.softmax(0)
            out[0, :, y, x] += module.out(found[None, :, None, None])[0, :, 0, 0]
    return out


def average(feature, s):
    """X_s by the definition: the mean of each s x s block, smaller ones at the lower right."""
    h, w = feature.shape[2:]
    rows = [
        torch.stack([feature[..., y : y + s, x : x + s].mean((2, 3)) for x in range(0, w, s)], -1)
        for y in range(0, h, s)
    ]
    return torch.stack(rows, -2)


def near(window):
    """The keys of the pixel's window and a margin of half a window."""

    def keys_of(pixel, s):
        parts = []
        for at in pixel:
            first = at // window * window
            parts.append(slice(max(0, (first - window // 2) // s), (first + 3 * window // 2) // s))
        return tuple(parts)

    return keys_of


@pytest.mark.parametrize("size", [(1, 1), (3, 10), (9, 7)])
def test_global_attention_is_the_equation(size):
    module, feature = (
        attention(scales=(2, 3), window=12, softmax_scale=1.7),
        torch.randn(1, 6, *size),
    )
    with torch.no_grad():
        expected = by_the_equation(module, feature, lambda pixel, s: (slice(None),) * 2)
        torch.testing.assert_close(module(feature), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("size", [(9, 8), (17, 5), (3, 21), (13, 9)])
@pytest.mark.parametrize("scales", [(2,), (1, 4)])
def test_windowed_attention_is_the_equation_over_each_window_and_its_margin(size, scales):
    module, feature = attention(scales=scales, window=8), torch.randn(1, 6, *size)
    with torch.no_grad():
        expected = by_the_equation(module, feature, near(8))
        torch.testing.assert_close(module(feature), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 23), (23, 3), (24, 24), (13, 17)])
def test_one_window_that_covers_the_map_is_global_attention(size):
    module, feature = attention(window=24), torch.randn(2, 6, *size)
    with torch.no_grad():
        small = functional.avg_pool2d(feature, 2, ceil_mode=True, count_include_pad=False)
        parts = module.query(feature), module.key(small), module.value(small)
        windowed = module._attend_windows(*parts, 2)
        torch.testing.assert_close(windowed, module._attend(*parts, 2), atol=1e-5, rtol=1e-4)


def test_pixels_beyond_a_windows_margin_change_nothing_in_it():
    module, feature = attention(window=8), torch.randn(1, 6, 8, 40)
    other = feature.clone()
    other[..., 12:] = torch.randn(1, 6, 8, 28)
    with torch.no_grad():
        torch.testing.assert_close(module(feature)[..., :8], module(other)[..., :8])
        assert not torch.allclose(module(feature)[..., 8:12], module(other)[..., 8:12])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("window", [8, 48])
def test_untrained_attention_changes_nothing(size, window):
    feature = torch.randn(2, 6, *size)
    module = CrossScaleAttention(6, CrossScaleConfig(window=window))
    assert torch.equal(module(feature), feature)


def test_gradients_are_finite_through_masked_windows():
    module, feature = attention(window=8), torch.randn(1, 6, 9, 17, requires_grad=True)
    module(feature).square().sum().backward()
    for tensor in (feature, *module.parameters()):
        assert torch.isfinite(tensor.grad).all()


def test_number_of_scores_grows_linearly_with_the_pixels(monkeypatch):
    """Each pixel is compared with (2 x window / s)^2 keys, whatever the map's size."""
    seen = []
    attend = functional.scaled_dot_product_attention

    def count(query, key, value, **options):
        seen.append(query.shape[0] * query.shape[-2] * key.shape[-2])
        return attend(query, key, value, **options)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", count)
    module = attention(window=8)
    for side in (32, 64):
        module(torch.randn(1, 6, side, side))
    assert seen == [32 * 32 * 64, 64 * 64 * 64]
