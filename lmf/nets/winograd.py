"""3x3 convolutions on a CPU with a quarter of the products, and what follows them, written in C.

See `winograd.c`. It is compiled when it is first needed, for the very processor. Results differ from
PyTorch's by rounding alone; a number that is not finite spoils the 4x4 pixels that it is computed with.
"""

import ctypes
from collections.abc import Iterator
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.modules import module

from lmf.core import compiled
from lmf.core.errors import ConfigError
from lmf.nets.convolution import Convolve, convolve, new_image

SOURCES = ("lmf.nets", "winograd.c")
"""See `core.compiled`."""

TILE = 4
"""Pixels a side that one tile results in."""

LANES = 16
"""Input channels are read in groups of so many."""

_POINTER, _LONG = ctypes.c_void_p, ctypes.c_long


class _Pixels(ctypes.Structure):
    _fields_ = [("first", _POINTER), ("step", _LONG)]


class _Job(ctypes.Structure):
    """`job` of winograd.c."""

    _fields_ = [
        *((name, _LONG) for name in ("height", "width", "inputs", "outputs")),
        ("input", _Pixels),
        *((name, _POINTER) for name in ("filter", "bias")),
        ("relu", _LONG),
        ("add", _Pixels),
        ("scale", ctypes.c_float),
        ("out", _POINTER),
        ("out_step", _LONG),
    ]


def why_not(like: Tensor) -> str | None:
    """One line that says why convolutions of such a tensor are left to PyTorch; None if they are not."""
    if torch.is_grad_enabled():
        return "gradients are recorded"
    kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else like.dtype
    return compiled.why_not(like.device, (like.dtype, kind), *SOURCES)


def fastest(like: Tensor) -> Convolve:
    """How to compute convolutions of such a tensor, now."""
    return convolve if why_not(like) else winograd


def computes_some(*modules: nn.Module) -> bool:
    """Whether C computes any convolution of modules that are called with `winograd`."""
    return any(
        type(layer) is nn.Conv2d and fits(layer) and not _is_watched(layer)
        for part in modules
        for layer in _not_compiled(part)
    )


def _not_compiled(part: nn.Module) -> Iterator[nn.Module]:
    """A module and those in it that no compiler keeps."""
    if part._compiled_call_impl is None:
        yield part
        for child in part.children():
            yield from _not_compiled(child)


def winograd(
    layer: nn.Module,
    x: Tensor,
    *,
    relu: bool = False,
    add: Tensor | None = None,
    scale: float = 1.0,
    out: Tensor | None = None,
) -> Tensor:
    """See `nets.convolution.Convolve`.

    Convolutions of another form, such as the first one of three colours, it leaves to PyTorch; and
    all of them to a compiler that reads along.

    Raises:
        ConfigError: C cannot do it here, see `why_not`. MemoryError: it does not suffice.
    """
    if torch.compiler.is_compiling() or type(layer) is not nn.Conv2d or _is_watched(layer):
        return convolve(layer, x, relu=relu, add=add, scale=scale, out=out)
    if reason := why_not(x):
        raise ConfigError(f"no Winograd convolution: {reason}; use PyTorch's")
    if not fits(layer) or not _agree(layer, x, add, out):
        return convolve(layer, x, relu=relu, add=add, scale=scale, out=out)
    batch, inputs, height, width = x.shape
    if out is None:
        out = new_image(x, layer.out_channels)
    x, step = _by_pixel(x)
    add, add_step = (None, 0) if add is None else _by_pixel(add)
    out, out_step = _by_pixel(out)
    filters = transformed(layer.weight)
    bias = x.new_zeros(layer.out_channels) if layer.bias is None else layer.bias
    job = _Job(
        height, width, inputs, layer.out_channels,
        _Pixels(x.data_ptr(), step),
        filters.data_ptr(), bias.data_ptr(), relu,
        _Pixels(None if add is None else add.data_ptr(), add_step), scale,
        out.data_ptr(), out_step,
    )  # fmt: skip
    tiles = batch * -(-height // TILE) * -(-width // TILE)
    run = compiled.library(*SOURCES).lmf_convolve
    if run(ctypes.byref(job), _LONG(tiles), torch.get_num_threads()):
        raise MemoryError("no memory for a block of tiles")
    return out


def _is_watched(layer: nn.Module) -> bool:
    """Whether something asked to be called with the layer, or instead of it: PyTorch's own call does."""
    hooks = layer._forward_hooks or layer._forward_pre_hooks
    everywhere = module._global_forward_hooks or module._global_forward_pre_hooks
    compiled_call = layer._compiled_call_impl is not None
    return bool(hooks or everywhere or compiled_call or "forward" in vars(layer))


def fits(layer: nn.Conv2d) -> bool:
    """Whether a layer is a 3x3 convolution of a zero-padded image whose channels fill registers."""
    return (
        (layer.kernel_size, layer.stride, layer.dilation) == ((3, 3), (1, 1), (1, 1))
        and (layer.padding, layer.padding_mode, layer.groups) == ((1, 1), "zeros", 1)
        and layer.in_channels % LANES == 0
        and layer.out_channels % _wide() == 0
        and layer.weight.shape == (layer.out_channels, layer.in_channels, 3, 3)
        and (layer.bias is None or layer.bias.dtype == layer.weight.dtype == torch.float32)
    )


def _agree(layer: nn.Conv2d, x: Tensor, add: Tensor | None, out: Tensor | None) -> bool:
    """Whether the images are those of the layer; PyTorch says what is wrong, or makes do with them."""
    expected = (len(x), layer.out_channels, *x.shape[2:])
    return (
        x.shape[1] == layer.in_channels
        and all(t is None or (t.shape, t.dtype) == (expected, x.dtype) for t in (add, out))
        and (out is None or _by_pixel(out)[0] is out)
    )


def transformed(weight: Tensor) -> Tensor:
    """G g G' of filters (O, I, 3, 3) -> (36, O / wide, I, wide), as winograd.c reads them."""
    outputs, inputs = weight.shape[:2]
    groups = weight.detach().view(outputs // _wide(), _wide(), inputs, 9).permute(3, 0, 2, 1)
    return (_both_axes() @ groups.reshape(9, -1)).view(36, *groups.shape[1:])


@cache
def _both_axes() -> Tensor:
    """G for the rows of a filter times G for its columns: (36, 9), for the points of winograd.c."""
    a, b = 0.5**0.5, 2**0.5
    third, sixth = -2 / 3, 1 / 6
    g = torch.tensor(
        [
            [1, 0, 0],
            *([third, third * s * a, third * a * a] for s in (1, -1)),
            *([sixth, sixth * s * b, sixth * b * b] for s in (1, -1)),
            [0, 0, 1],
        ],
        dtype=torch.float64,
        device="cpu",  # whatever the default is: it is kept
    )
    return torch.kron(g, g).float()


@cache
def _wide() -> int:
    return int(compiled.library(*SOURCES).lmf_wide())


def _by_pixel(image: Tensor) -> tuple[Tensor, int]:
    """The image with a pixel's channels side by side, and the floats from a pixel to the next.

    It is copied unless it lies so, as some of the channels of a wider image do, too.
    """
    batch, channels, height, width = image.shape
    by_image, by_channel, by_row, by_column = image.stride()
    step = by_column if width > 1 else by_row if height > 1 else by_image
    if (
        by_channel == 1
        and (height == 1 or by_row == width * step)
        and (batch == 1 or by_image == height * width * step)
    ):
        return image, step
    return image.contiguous(memory_format=torch.channels_last), channels
