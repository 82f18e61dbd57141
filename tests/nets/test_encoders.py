"""What all encoders promise: names, counts, attention, checkpointing, how far they look."""

import pytest
import torch
from torch import nn

from lmf.core.errors import ConfigError
from lmf.metrics.cost import parameters
from lmf.model import create_model
from lmf.nets.attention import ChannelAttention, SpatialAttention
from lmf.nets.encoders import ENCODERS, create_encoder, encoder_config

PARAMETERS = {  # the encoder's own
    "edsr-baseline": 1_220_440,
    "edsr": 38_362_392,
    "edsr-small": 84_152,
    "rdn": 21_973_952,
    "rdn-light": 1_962_688,
    "rdn-small": 92_624,
    "swinir": 11_603_044,
    "swinir-study": 2_300_848,
    "swinir-small": 73_992,
}
SMALL = ["edsr-small", "rdn-small", "swinir-small"]
CNNS = ["edsr-small", "rdn-small"]
KINDS = ["channel", "spatial", "channel+spatial"]


@pytest.mark.parametrize("name", ENCODERS)
def test_number_of_parameters(name):
    with torch.device("meta"):
        encoder = create_encoder(encoder_config(name))
    assert parameters(encoder) == PARAMETERS[name]


def gradients(encoder, image):
    encoder.zero_grad()
    encoder(image).square().mean().backward()
    return [p.grad.clone() for p in encoder.parameters() if p.requires_grad]


def calls_of(encoder, image):
    """How often a block runs in one forward and backward pass."""
    calls = []
    blocks = next(
        m for m in encoder.children() if isinstance(m, nn.Sequential | nn.ModuleList) and len(m) > 1
    )
    handle = blocks[0].register_forward_pre_hook(lambda *_: calls.append(1))
    gradients(encoder, image)
    handle.remove()
    return len(calls)


@pytest.mark.parametrize("name", SMALL)
def test_checkpointing_recomputes_and_changes_nothing(name):
    encoder, image = create_encoder(encoder_config(name)), torch.rand(1, 3, 9, 10)
    plain, once = gradients(encoder, image), calls_of(encoder, image)
    encoder.checkpointing = True
    thrifty, twice = gradients(encoder, image), calls_of(encoder, image)
    assert (once, twice) == (1, 2)
    for expected, found in zip(plain, thrifty, strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", CNNS)
@torch.no_grad()
def test_memory_layout_is_kept_and_changes_nothing(name):
    encoder, image = create_encoder(encoder_config(name)), torch.rand(2, 3, 9, 10)
    found = encoder(image.to(memory_format=torch.channels_last))
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, encoder(image))


@pytest.mark.parametrize("name", CNNS)
@pytest.mark.parametrize("kind", KINDS)
def test_attention_adds_its_own_parameters_and_reads_them(name, kind):
    model = create_model("lm-lte", encoder=name, options={"encoder_attention": kind})
    plain = create_model("lm-lte", encoder=name).state_dict()
    added = [key for key in model.state_dict() if key not in plain]
    assert added
    assert all(".attention." in key for key in added)
    gradients(model.encoder, torch.rand(1, 3, 5, 4))
    named = dict(model.named_parameters())
    assert all(named[key].grad is not None for key in added)


def test_channel_attention_is_squeeze_and_excitation():
    attention, x = ChannelAttention(32), torch.randn(2, 32, 3, 5)
    _, first, _, second, _ = attention.weigh
    squeezed = x.flatten(2).mean(-1)
    hidden = (squeezed @ first.weight[..., 0, 0].T + first.bias).relu()
    weight = (hidden @ second.weight[..., 0, 0].T + second.bias).sigmoid()
    torch.testing.assert_close(attention(x), x * weight[..., None, None])


def test_spatial_attention_weighs_pixels_alike_in_all_channels():
    attention, x = SpatialAttention(), torch.rand(2, 4, 9, 9) + 0.5
    weight = attention(x) / x
    torch.testing.assert_close(weight, weight[:, :1].expand_as(x))
    changed = x.clone()
    changed[:, :, 0, 0] += 1
    same = (attention(changed) / changed == weight).all(1)
    assert not same[:, :4, :4].all()
    assert same[:, 4:].all()
    assert same[:, :, 4:].all()


def test_encoder_without_such_attention_is_refused_by_name():
    with pytest.raises(
        ConfigError, match=r"encoder swinir-small has no encoder_attention='channel'"
    ):
        create_model("lm-lte", encoder="swinir-small", options={"encoder_attention": "channel"})
    with pytest.raises(ConfigError, match="encoder_attention is 'chanel'"):
        create_model("lm-lte", options={"encoder_attention": "chanel"})


@pytest.mark.parametrize(
    ("name", "kind"), [(n, "none") for n in SMALL] + [(n, "spatial") for n in CNNS]
)
def test_receptive_field_is_where_influence_ends(name, kind):
    """Exact for CNNs. SwinIR's depends on where its windows lie: it may end sooner, never later."""
    encoder = create_encoder(encoder_config(name, kind)).double()
    field, side = encoder.receptive_field, encoder.alignment
    n = (2 * field + 2 * side) // side * side + side
    image = torch.rand(1, 3, side, n, dtype=torch.double, requires_grad=True)
    encoder(image)[0, :, 0, n // 2].sum().backward()
    reached = image.grad.abs().sum((0, 1, 2)).nonzero().flatten() - n // 2
    assert reached.max() - reached.min() <= 2 * field
    assert max(reached.max(), -reached.min()) <= field
    if side == 1:
        assert reached.min() == -field
        assert reached.max() == field


@pytest.mark.parametrize("name", CNNS)
def test_channel_attention_reads_the_whole_image(name):
    encoder = create_encoder(encoder_config(name, "channel+spatial"))
    assert encoder.receptive_field is None
    assert encoder.overlap is None
