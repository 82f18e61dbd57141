"""RDN and SwinIR: equal to the official encoders by name, by count and in value, at any size."""

import zlib
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from lmf.core.errors import ConfigError
from lmf.nets.rdn import RDN_PRESETS, Rdn, RdnConfig
from lmf.nets.swinir import SWINIR_PRESETS, SwinIr, SwinIrConfig, pad_to_windows
from lmf.nets.window_attention import (
    WindowAttention,
    attend,
    from_windows,
    shift_masks,
    to_windows,
    window_kinds,
)

SMALL = {
    "rdn-small": (Rdn, RDN_PRESETS["rdn-small"]),
    "swinir-small": (SwinIr, SWINIR_PRESETS["swinir-small"]),
}
SIZES = [(1, 1), (1, 9), (2, 3), (7, 5), (8, 16), (17, 23)]


def rdn_names() -> Iterator[str]:
    """Layer names of the official RDN-B, in its order."""
    yield from ("SFENet1", "SFENet2")
    for block in range(16):
        yield from (f"RDBs.{block}.convs.{layer}.conv.0" for layer in range(8))
        yield f"RDBs.{block}.LFF"
    yield from ("GFF.0", "GFF.1")


def swinir_names() -> Iterator[str]:
    """Layer names of the official SwinIR, in its order, without the bias tables and buffers."""
    yield from ("conv_first", "patch_embed.norm")
    for layer in range(6):
        for block in range(6):
            for name in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2"):
                yield f"layers.{layer}.residual_group.blocks.{block}.{name}"
        yield f"layers.{layer}.conv"
    yield from ("norm", "conv_after_body", "conv_before_upsample.0")


def deterministic(encoder: nn.Module) -> nn.Module:
    """Fill the parameters with values that depend on name and shape alone."""
    for name, parameter in encoder.named_parameters():
        random = np.random.Generator(np.random.PCG64(zlib.crc32(f"encoder.{name}".encode())))
        value = random.standard_normal(tuple(parameter.shape)).astype(np.float32)
        fan_in = parameter[0].numel() if parameter.ndim > 1 else 0
        value = value * np.float32(0.8 / np.sqrt(fan_in)) if fan_in else value * np.float32(0.05)
        offset = name.endswith(("norm.weight", "norm1.weight", "norm2.weight"))
        parameter.data.copy_(torch.from_numpy(value + np.float32(offset)))
    return encoder


def wave(h: int, w: int) -> Tensor:
    """(1, 3, h, w) in [-1, 1]."""
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    return torch.stack([torch.sin(x / 3 + c) * torch.cos(y / 4 - c) for c in range(3)])[None]


def test_rdn_b_is_official_by_name_and_count() -> None:
    state = Rdn(RDN_PRESETS["rdn"]).state_dict()
    assert list(state) == [f"{n}.{kind}" for n in rdn_names() for kind in ("weight", "bias")]
    assert sum(p.numel() for p in state.values()) == 21_973_952  # + LM-LTE head = 22,244,419


def test_swinir_is_official_by_name_and_count() -> None:
    state = SwinIr(SWINIR_PRESETS["swinir"]).state_dict()
    tables = [name for name in state if name.endswith("attn.relative_position_bias_table")]
    names = [f"{n}.{kind}" for n in swinir_names() for kind in ("weight", "bias")]
    assert [name for name in state if name not in tables] == names
    assert {name: state[name].shape for name in tables} == dict.fromkeys(tables, (225, 6))
    assert len(tables) == 36
    assert sum(p.numel() for p in state.values()) == 11_603_044  # + LM-LTE head = 11,873,511


@pytest.mark.parametrize(
    ("kind", "config", "expected"),
    [  # calculated by a separate, literal transcription of the official forward pass
        (Rdn, RDN_PRESETS["rdn"], [0.277490, 0.445820, -0.133558, 0.603160]),
        (SwinIr, SWINIR_PRESETS["swinir"], [-0.004712, -0.009317, 0.611268, 0.029742]),
    ],
    ids=["rdn", "swinir"],
)
@torch.no_grad()
def test_values_are_official(
    kind: type[nn.Module], config: RdnConfig | SwinIrConfig, expected: list[float]
) -> None:
    feature = deterministic(kind(config).eval())(wave(13, 14))
    torch.testing.assert_close(feature[0, :4, 9, 13], torch.tensor(expected), atol=5e-5, rtol=0)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_feature_size_is_input_size_whatever_the_batch(name: str, size: tuple[int, int]) -> None:
    kind, config = SMALL[name]
    encoder = kind(config).eval()
    images = torch.rand(3, 3, *size) * 2 - 1
    features = encoder(images)
    assert features.shape == (3, encoder.out_channels, *size)
    alone = torch.cat([encoder(image[None]) for image in images])
    torch.testing.assert_close(features, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", SMALL)
def test_dtype_follows_and_every_parameter_learns(name: str) -> None:
    kind, config = SMALL[name]
    encoder = kind(config).double()
    feature = encoder(wave(9, 10).double())
    assert feature.dtype == torch.float64
    feature.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())


@pytest.mark.parametrize("shift", [0, 2])
@torch.no_grad()
def test_windows_equal_global_attention_within_groups(shift: int) -> None:
    """Shifting, masking and cutting = all pairs of pixels whose shifted window is the same."""
    side, h, w, channels = 4, 8, 12, 6
    attention = WindowAttention(channels, heads=2, side=side)
    nn.init.normal_(attention.relative_position_bias_table)
    x = torch.randn(2, h, w, channels)
    kinds = window_kinds(h // side, w // side, x.device)
    mask = shift_masks(side, shift)[kinds] if shift else None
    windows = attention(to_windows(x.roll((-shift, -shift), (1, 2)), side), mask)
    found = from_windows(windows, side, h, w).roll((shift, shift), (1, 2))

    row = torch.arange(h).repeat_interleave(w)
    column = torch.arange(w).repeat(h)
    group = (row - shift) // side * w + (column - shift) // side  # // rounds down: -1 // side = -1
    dy, dx = row[:, None] - row, column[:, None] - column
    offset = (dy + side - 1) * (2 * side - 1) + dx + side - 1
    together = group[:, None] == group
    bias = attention.relative_position_bias_table[offset.where(together, 0)].permute(2, 0, 1)
    q, k, v = attention.qkv(x.flatten(1, 2)).unflatten(-1, (3, 2, 3)).permute(2, 0, 3, 1, 4)
    logits = (q @ k.mT / 3**0.5 + bias).masked_fill(~together, -torch.inf)
    expected = attention.proj((logits.softmax(-1) @ v).transpose(1, 2).flatten(2)).view_as(x)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(8, 16), (5, 7), (9, 31)])
def test_padding_is_torch_reflection_where_that_exists(size: tuple[int, int]) -> None:
    x = torch.rand(1, 3, *size)
    bottom, right = (-size[0]) % 8, (-size[1]) % 8
    assert torch.equal(
        pad_to_windows(x, 8), functional.pad(x, (0, right, 0, bottom), mode="reflect")
    )


def test_padding_of_tiny_images_goes_to_and_fro() -> None:
    padded = pad_to_windows(torch.arange(3.0).view(1, 1, 1, 3), 8)
    assert torch.equal(padded[0, 0], torch.tensor([0.0, 1, 2, 1, 0, 1, 2, 1]).expand(8, 8))


def test_heads_must_share_the_width() -> None:
    with pytest.raises(ConfigError, match="embed 30 is not a multiple of heads 4"):
        SwinIrConfig(embed=30, depths=(2,), heads=4)


def test_attention_is_the_same_with_and_without_gradients() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 4, 2, 64, 8)
    bias = torch.randn(2, 64, 64)
    learning = attend(query, key, value, bias)
    with torch.no_grad():
        fused = attend(query, key, value, bias)
    torch.testing.assert_close(learning, fused, atol=1e-6, rtol=1e-5)
