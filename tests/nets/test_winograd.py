"""Winograd's convolutions equal PyTorch's, fused steps and all, and say why where they cannot run."""

import shutil

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lmf.core import compiled
from lmf.core.errors import ConfigError
from lmf.model import create_model
from lmf.nets.convolution import convolve, new_image
from lmf.nets.encoders import create_encoder, encoder_config
from lmf.nets.winograd import _both_axes, computes_some, fastest, fits, why_not, winograd

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, compiled.COMPILERS)), reason="no C compiler on this machine"
)

SHAPES = [
    (1, 64, 64, 24, 33),
    (2, 64, 128, 13, 7),
    (1, 96, 64, 5, 40),
    (1, 256, 256, 9, 9),
    (3, 32, 32, 1, 1),
    (1, 16, 64, 3, 100),
]
"""Images, channels before and after, height, width."""


def make(shape, seed=0):
    """A convolution, its input and something to add its output to."""
    torch.manual_seed(seed)
    images, inputs, outputs, height, width = shape
    layer = nn.Conv2d(inputs, outputs, 3, padding=1).requires_grad_(False)
    return (
        layer,
        torch.randn(images, inputs, height, width),
        torch.randn(images, outputs, height, width),
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("scale", [None, 0.3])
@torch.no_grad()
def test_equals_pytorch(shape, relu, scale):
    layer, x, add = make(shape)
    after = {"relu": relu} if scale is None else {"relu": relu, "add": add, "scale": scale}
    expected = convolve(layer.double(), x.double(), **after)
    found = winograd(layer.float(), x, **after)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 2e-5
    assert (found - expected).square().mean().sqrt() < 1e-6


@torch.no_grad()
def test_rounding_is_a_few_times_that_of_the_definition():
    layer, x, _ = make((1, 64, 64, 60, 60))
    exact = layer.double()(x.double())
    layer.float()
    error = [(y - exact).square().mean().sqrt() for y in (winograd(layer, x), layer(x))]
    assert error[0] < 8 * error[1]


@torch.no_grad()
def test_threads_and_batch_change_no_bit(monkeypatch):
    layer, x, _ = make((3, 32, 64, 45, 50))
    alone = winograd(layer, x)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert torch.equal(winograd(layer, x), alone)
    assert torch.equal(torch.cat([winograd(layer, one[None]) for one in x]), alone)


@torch.no_grad()
def test_a_tile_does_not_know_where_it_is():
    layer, x, _ = make((1, 32, 32, 24, 24))
    part = winograd(layer, x[:, :, 4:, 8:])
    assert torch.equal(part[:, :, 1:, 1:], winograd(layer, x)[:, :, 5:, 9:])


@torch.no_grad()
def test_layout_of_the_input_does_not_matter():
    layer, x, add = make((2, 32, 32, 11, 6))
    wide = torch.randn(2, 48, 11, 6)
    wide[:, 16:] = x
    expected = winograd(layer, x, add=add)
    last = torch.channels_last
    assert torch.equal(winograd(layer, x.to(memory_format=last), add=add), expected)
    assert torch.equal(winograd(layer, wide[:, 16:], add=add.to(memory_format=last)), expected)
    assert torch.equal(winograd(layer, wide.to(memory_format=last)[:, 16:], add=add), expected)


@pytest.mark.parametrize("compute", [winograd, convolve])
@torch.no_grad()
def test_the_result_may_be_written_beside_the_input(compute):
    layer, x, _ = make((2, 32, 64, 11, 6))
    image = new_image(x, 112).fill_(7)
    image[:, 16:48] = x
    found = compute(layer, image[:, 16:48], relu=True, out=image[:, 48:])
    assert found.data_ptr() == image[:, 48:].data_ptr()
    torch.testing.assert_close(image[:, 48:], compute(layer, x, relu=True))
    assert torch.equal(image[:, 16:48], x)
    assert (image[:, :16] == 7).all()


@pytest.mark.parametrize("shape", [(1, 32, 5, 1), (1, 32, 1, 5), (3, 32, 1, 1), (2, 32, 4, 1)])
@torch.no_grad()
def test_images_of_one_row_or_column(shape):
    layer = nn.Conv2d(32, 32, 3, padding=1)
    wide = torch.randn(shape[0], 64, *shape[2:]).to(memory_format=torch.channels_last)
    torch.testing.assert_close(winograd(layer, wide[:, 32:]), layer(wide[:, 32:]))


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(3, 32, 3, padding=1),
        nn.Conv2d(32, 24, 3, padding=1),
        nn.Conv2d(32, 32, 3),
        nn.Conv2d(32, 32, 3, padding=1, stride=2),
        nn.Conv2d(32, 32, 3, padding=1, groups=2),
        nn.Conv2d(32, 32, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(32, 32, 3, padding=2, dilation=2),
        nn.Conv2d(32, 32, 1),
    ],
    ids=str,
)
@torch.no_grad()
def test_other_convolutions_are_left_to_pytorch(layer):
    x = torch.randn(1, layer.in_channels, 9, 9)
    assert not fits(layer)
    assert torch.equal(winograd(layer, x, relu=True), layer(x).relu())


@torch.no_grad()
def test_images_that_are_not_the_layers_are_left_to_pytorch():
    """C would read or write beside them."""
    layer, x, other = make((1, 32, 32, 9, 9))
    with pytest.raises(RuntimeError, match="to have 32 channels, but got 64"):
        winograd(layer, torch.randn(1, 64, 9, 9))
    with pytest.raises(RuntimeError, match="must match"):
        winograd(layer, x, add=other[..., :4])
    one = other[:, :1]
    assert torch.equal(winograd(layer, x, add=one), one + layer(x))
    assert torch.equal(winograd(layer, x, add=other.double()), other.double() + layer(x))
    by_channel = torch.zeros(1, 32, 9, 9)
    winograd(layer, x, out=by_channel)
    assert torch.equal(by_channel, layer(x))
    pruned = make((1, 32, 32, 9, 9))[0]
    pruned.weight = nn.Parameter(pruned.weight[:, :16].clone())
    assert not fits(pruned)


@torch.no_grad()
def test_what_is_kept_is_on_the_cpu_whatever_the_default_is():
    _both_axes.cache_clear()
    layer, x, _ = make((1, 32, 32, 9, 9))
    with torch.device("meta"):
        found = winograd(layer, x)
    torch.testing.assert_close(found, layer(x))


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace:DeprecationWarning")
@torch.no_grad()
def test_a_trace_is_of_pytorch():
    """Of C it would keep the numbers of the one picture that it was made with."""
    said = []
    torch.jit.trace(lambda x: said.append(why_not(x)) or x + 1, torch.rand(1, 32, 4, 4))
    assert "watches" in said[0]


@torch.no_grad()
def test_a_stream_is_made_as_its_rows_are_asked_for():
    torch.manual_seed(0)
    model = create_model("lm-lte", encoder="edsr-baseline").eval()
    image = torch.rand(1, 3, 9, 9)
    stream = model.stream(image, scale=2)
    with FlopCounterMode(display=False):
        rows = torch.cat([part.rgb for part in stream], dim=2)
    assert stream.rendering.convolutions == "torch"
    torch.testing.assert_close(
        rows, model.upscale(image, scale=2, kernel="dense").rgb, atol=5e-5, rtol=0
    )


@pytest.mark.parametrize("name", ["edsr-baseline", "rdn-light", "swinir-small"])
@torch.no_grad()
def test_encoders_are_the_same(name):
    torch.manual_seed(0)
    encoder = create_encoder(encoder_config(name)).eval()
    x = 2 * torch.rand(2, 3, 21, 30) - 1
    found, expected = encoder(x, winograd), encoder(x)
    assert (found - expected).abs().max() < 1e-5
    assert not torch.equal(found, expected)  # or nothing was compared


@torch.no_grad()
def test_attention_in_blocks_is_kept():
    torch.manual_seed(0)
    encoder = create_encoder(encoder_config("edsr-small", "channel+spatial")).eval()
    x = 2 * torch.rand(1, 3, 12, 12) - 1
    assert (encoder(x, winograd) - encoder(x)).abs().max() < 1e-5


def test_an_upscaled_image_is_the_same():
    torch.manual_seed(0)
    model = create_model("lm-lte", encoder="edsr-baseline").eval()
    image = torch.rand(1, 3, 20, 25)
    fast, plain = (model.upscale(image, scale=3, kernel=kernel) for kernel in ("native", "dense"))
    assert (fast.rgb - plain.rgb).abs().max() < 5e-5
    assert (fast.convolutions, plain.convolutions) == ("native", "torch")


def test_an_image_without_any_such_convolution_says_so():
    """SwinIR's 180 channels are no multiple of what registers hold, and LIIF's head has none."""
    model = create_model("lm-liif", encoder="swinir").eval()
    assert model.upscale(torch.rand(1, 3, 8, 8), scale=2).convolutions == "torch"


def test_what_a_compiler_keeps_is_not_counted():
    encoder = create_encoder(encoder_config("edsr-small"))
    assert computes_some(encoder)
    for part in encoder.modules():
        if isinstance(part, nn.Conv2d):
            part._compiled_call_impl = part._call_impl  # as `compile()` does, without its work
    assert not computes_some(encoder)


def test_where_it_cannot_run():
    x = torch.rand(1, 32, 4, 4)
    assert why_not(x) == "gradients are recorded"
    layer = nn.Conv2d(32, 32, 3, padding=1)
    with pytest.raises(ConfigError, match="gradients are recorded; use PyTorch's"):
        winograd(layer, x)
    with torch.no_grad():
        assert why_not(x) is None
        assert fastest(x) is winograd
        assert "float64" in why_not(x.double())
        assert fastest(x.double()) is convolve
        with torch.autocast("cpu", torch.bfloat16):
            assert "bfloat16" in why_not(x)
        with FlopCounterMode(display=False):
            assert "counter" in why_not(x)
        assert "meta" in why_not(x.to("meta"))


@torch.no_grad()
def test_who_watches_a_layer_is_called():
    layer, x, _ = make((1, 32, 32, 4, 4))
    seen = []
    layer.register_forward_hook(lambda module, given, result: seen.append(result))
    assert torch.equal(winograd(layer, x), seen[0])


@torch.no_grad()
def test_who_takes_the_place_of_a_layer_is_called():
    layer, x, _ = make((1, 32, 32, 4, 4))
    layer.forward = lambda image: image * 0
    assert not winograd(layer, x).any()


@torch.no_grad()
def test_without_a_compiler_the_reason_is_said(monkeypatch):
    monkeypatch.setattr(compiled, "attempt", lambda *names: "there is no C compiler")
    layer, x, _ = make((1, 32, 32, 4, 4))
    assert fastest(x) is convolve
    with pytest.raises(ConfigError, match="there is no C compiler; use PyTorch's"):
        winograd(layer, x)


def test_counters_still_count_the_encoder():
    model = create_model("lm-lte", encoder="edsr-small").eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.encode(torch.rand(1, 3, 8, 8))
    assert counter.get_total_flops() > 8 * 8 * 2 * 9 * 32 * 32
