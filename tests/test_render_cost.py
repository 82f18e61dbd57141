"""What rendering costs, counted and not timed: products, calls and bytes."""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from lmf.model import create_model
from lmf.render import dense, window

WIDTH, DEPTH, WAVES = 16, 8, 16


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    options = {"fourier": 16, "hidden": [24]}
    return create_model("lm-lte", encoder="edsr-small", options=options).eval()


class Watch(TorchDispatchMode):
    """Counts ATen calls, and keeps the largest tensor that any of them returned, in bytes."""

    def __init__(self):
        super().__init__()
        self.calls, self.largest = Counter(), 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.calls[str(function)] += 1
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self.largest = max(self.largest, leaf.untyped_storage().nbytes())
        return result


def watch(model, lr_size, scale):
    size = (round(lr_size[0] * scale), round(lr_size[1] * scale))
    with torch.no_grad():
        latents = model.encode(torch.rand(1, 3, *lr_size))
        model.render(latents, size)  # windows are cached
        with Watch() as seen:
            model.render(latents, size)
    return seen


@pytest.mark.parametrize(("scale", "positions"), [(2, 16), (3, 32), (4, 64), (2.5, 32), (8, 256)])
def test_products_are_those_of_the_windows_alone(model, scale, positions):
    """Whole cells: one folded MLP per window position; the latent MLP and the folding per cell."""
    h, w = 6, 10
    with torch.no_grad():
        latents = model.encode(torch.rand(1, 3, h, w))
        with FlopCounterMode(display=False) as counter:
            model.render(latents, (round(h * scale), round(w * scale)))
    position = 3 * WIDTH // 2 + DEPTH * WIDTH**2 + 3 * WIDTH  # waves, layers, colours
    once = 6 * WIDTH**2 + 3 * WIDTH + WIDTH  # biases through the layers, colours, phase
    latent = 16 + 16 * 24 + 24 * (2 * DEPTH * WIDTH + 2 * WIDTH)
    assert counter.get_total_flops() == 2 * h * w * (positions * position + once + latent)


def test_calls_do_not_depend_on_the_image_within_a_band(model):
    small, large = (watch(model, (4, w), 4).calls for w in (4, 30))
    assert small == large
    assert small.total() < 240


def test_products_are_called_once_a_layer_and_chunk(model):
    """Each chunk costs as many calls, however many chunks and bands an image has."""
    lr_size = (24, 40)
    chunk_cells = window.CHUNK // (DEPTH * WIDTH**2)
    band_rows = dense.BAND // lr_size[1]
    chunks = sum(
        -(-min(band_rows, lr_size[0] - start) * lr_size[1] // chunk_cells)
        for start in range(0, lr_size[0], band_rows)
    )
    assert watch(model, lr_size, 4).calls["aten.bmm.default"] == chunks * (DEPTH + 1)


def test_only_the_image_grows_with_the_image(model):
    """Beside the output, nothing larger than a band: modulations of the whole never exist."""
    w, scale = 64, 2
    largest = {h: watch(model, (h, w), scale).largest for h in (64, 128, 256)}
    output = {h: 3 * h * scale * w * scale * 4 for h in largest}
    modulations = {h: h * w * (2 * DEPTH * WIDTH + 2 * WIDTH) * 4 for h in largest}
    for h in (128, 256):
        assert largest[h] <= max(output[h], largest[64])
        assert largest[h] < modulations[h] / 2


def test_no_index_is_as_large_as_the_queries(model):
    """Nothing is gathered per HR pixel: the only picks are whole lines and columns of windows."""
    calls = watch(model, (12, 12), 4).calls
    picks = {name for name in calls if any(k in name for k in ("gather", "index", "take"))}
    assert picks == {"aten.index_select.default"}
    assert calls["aten.index_select.default"] == 8  # two an axis: of windows, and of the LR image


@pytest.mark.parametrize("scale", [4, 2.5])
def test_nothing_waits_for_a_number_from_the_device(model, scale):
    """Every index is known before: no value is read back, as CUDA graphs need it."""
    calls = watch(model, (70, 40), scale).calls
    waiting = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal")
    assert not [name for name in calls if name.split(".")[1] in waiting]
    assert "aten._to_copy.default" not in calls  # nor written from here
