"""What rendering costs, counted and not timed: products, calls and bytes."""

import shutil
import weakref
from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from lmf.core import compiled
from lmf.model import create_model
from lmf.render import dense, plan, window
from lmf.render.kernels import native

WIDTH, DEPTH, WAVES = 16, 8, 16


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    options = {"fourier": 16, "hidden": [24]}
    return create_model("lm-lte", encoder="edsr-small", options=options).eval()


class Watch(TorchDispatchMode):
    """Counts ATen calls, and the bytes that tensors made inside hold together at their peak.

    A storage counts once, from its making until its last tensor is gone. What was there before counts
    nothing, nor does what a library takes and gives back within a call.
    """

    def __init__(self):
        super().__init__()
        self.calls, self.live, self.peak = Counter(), 0, 0
        self._known = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        for storage in storages((args, kwargs)):
            self._meet(storage, 0)
        result = function(*args, **(kwargs or {}))
        self.calls[str(function)] += 1
        for storage in storages(result):
            self._meet(storage, storage.nbytes())
        self.peak = max(self.peak, self.live)
        return result

    def _meet(self, storage, size):
        key = storage._cdata
        if key not in self._known:
            self._known[key] = size
            self.live += size
            weakref.finalize(storage, self._part, key)

    def _part(self, key):
        self.live -= self._known.pop(key)


def storages(tree):
    return [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def watch(model, lr_size, scale):
    """What rendering with PyTorch alone does; a kernel keeps away from such a mode."""
    size = (round(lr_size[0] * scale), round(lr_size[1] * scale))
    with torch.no_grad():
        latents = model.encode(torch.rand(1, 3, *lr_size))
        model.render(latents, size)  # windows are cached
        with Watch() as seen:
            model.render(latents, size)
    return seen


def output(lr_size, scale):
    """Bytes of an image of whole scale."""
    return 3 * 4 * lr_size[0] * lr_size[1] * scale**2


def test_watch_counts_what_lives_together():
    """Four kilobytes each: at most three at once, views and what is in place take none."""
    before = torch.zeros(1000)
    with Watch() as seen:
        one = before + 1
        two = one.view(10, 100)[:5].mul_(2)
        three = one * 2
        del one
        assert seen.live == 8000  # `two` keeps the first
        four = three + before
        del two, three, four
        before.add_(1)
    assert (seen.live, seen.peak) == (0, 12000)


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
    """The peak beside the output is a band's: modulations of the whole never exist."""
    w, scale = 64, 2
    beside = {h: watch(model, (h, w), scale).peak - output((h, w), scale) for h in (64, 128, 256)}
    rulers = 64 << 10  # which window of an axis each line belongs to
    assert max(beside.values()) < beside[64] + rulers
    assert beside[256] < 256 * w * (2 * DEPTH * WIDTH + 2 * WIDTH) * 4 / 2  # half the modulations


@pytest.mark.parametrize("family", ["liif", "lte", "ciaosr", "lm-liif", "lm-ciaosr"])
def test_the_originals_too_work_in_parts(family):
    """Rendered at once, as the definition has it, twice the rows would take twice the memory."""
    torch.manual_seed(0)
    model = create_model(family, encoder="edsr-small", options={"hidden": [24]}).eval()
    beside = [watch(model, (h, 64), 2).peak - output((h, 64), 2) for h in (64, 128)]
    assert beside[1] < beside[0] + (64 << 10)


@pytest.mark.parametrize(("scale", "megabytes"), [(2, 7.6), (4, 11.4), (8, 33.8)])
def test_peak_beside_the_image_stays_what_it_is(model, scale, megabytes):
    """A tenth more than it was: who needs more, says so here, and in `render.plan.RENDERER`."""
    seen = watch(model, (96, 64), scale)
    assert seen.live == 0
    beside = seen.peak - output((96, 64), scale)
    assert beside < 1e6 * megabytes
    assert beside < plan.RENDERER


@pytest.mark.parametrize("encoder", ["edsr-small", "rdn-small", "swinir-small"])
def test_encoding_keeps_to_the_estimate(encoder):
    """Tiles are as large as `Footprint.worked` lets them be; the whole peak lies below it."""
    torch.manual_seed(0)
    model = create_model("lm-lte", encoder=encoder, options={"fourier": 16, "hidden": [24]}).eval()
    image = torch.rand(1, 3, 48, 48)
    with torch.no_grad():
        model.encode(image)
        with Watch() as seen:
            model.encode(image)
    estimate = model.footprint(image, (96, 96)).worked * 48 * 48
    assert estimate / 4 < seen.peak < estimate


def test_no_index_is_as_large_as_the_queries(model):
    """Nothing is gathered per HR pixel: the only picks are whole lines and columns of windows."""
    calls = watch(model, (12, 12), 4).calls
    picks = {name for name in calls if any(k in name for k in ("gather", "index", "take"))}
    assert picks == {"aten.index_select.default"}
    assert calls["aten.index_select.default"] == 8  # two an axis: of windows, and of the LR image


def profiled(model, lr_size, scale, monkeypatch):
    """What rendering by the kernel in C does: ATen calls, which a profiler sees, and those of C."""
    size = (round(lr_size[0] * scale), round(lr_size[1] * scale))
    paints, paint = [], native._run
    with monkeypatch.context() as patch, torch.no_grad():
        patch.setattr(native, "_run", lambda *job: paints.append(1) or paint(*job))
        latents = model.encode(torch.rand(1, 3, *lr_size))
        model.render(latents, size)
        paints.clear()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
            model.render(latents, size)
    calls = sum(one.count for one in seen.key_averages() if one.key.startswith("aten::"))
    return calls, len(paints)


@pytest.mark.skipif(
    not any(map(shutil.which, compiled.COMPILERS)), reason="no C compiler on this machine"
)
def test_the_kernel_in_c_is_called_once_a_band(model, monkeypatch):
    """And PyTorch as often for each, whatever the size of the image within one."""
    small, large = (profiled(model, (4, w), 4, monkeypatch) for w in (4, 30))
    assert small == large
    calls, paints = small
    assert paints == 1
    assert calls < 370  # a tenth more than it was, those within others counted
    band_rows = native.NativePainter.bands * (dense.BAND // 40)
    more, paints = profiled(model, (3 * band_rows, 40), 4, monkeypatch)
    assert paints == 3
    assert more < 3 * calls


@pytest.mark.parametrize("scale", [4, 2.5])
def test_nothing_waits_for_a_number_from_the_device(model, scale):
    """Every index is known before: no value is read back, as CUDA graphs need it."""
    calls = watch(model, (70, 40), scale).calls
    waiting = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal")
    assert not [name for name in calls if name.split(".")[1] in waiting]
    assert "aten._to_copy.default" not in calls  # nor written from here
