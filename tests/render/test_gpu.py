"""What only a GPU can show: both renderers there equal the reference, and can be recorded as a graph."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from lmf import reference
from lmf.core.bundle import Cells
from lmf.model import Lmf
from lmf.render.dense import dense_painter
from lmf.render.kernels import triton_painter
from lmf.render.window import Painter, Windows

DEVICE = torch.device("cuda")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
HAS_TRITON = find_spec("triton") is not None
KERNELS = [
    "dense",
    pytest.param(
        "triton", marks=pytest.mark.skipif(not HAS_TRITON, reason="Triton is not installed")
    ),
]
WITHIN = [(torch.float32, 5e-5), (torch.bfloat16, 0.02)]


def array(t: torch.Tensor) -> np.ndarray:
    return t.detach().double().cpu().numpy()


def by_reference(model: Lmf, image: torch.Tensor, size: tuple[int, int]) -> np.ndarray:
    """What the plain loops make of the features that the encoder has on the GPU."""
    layers = [
        [(array(one.weight), array(one.bias)) for one in mlp.linears]
        for mlp in (model.latent_mlp, model.render_mlp)
    ]
    if model.config.head == "liif":
        with torch.no_grad():
            centred = ((image - 0.5) / 0.5).contiguous(memory_format=torch.channels_last)
            feature = model.encoder(centred)[0]
        return reference.render_lm_liif(reference.LatentModulated(*layers), array(feature), size)
    with torch.no_grad():
        code = model.encode(image).code
    phases = (array(basis.phase.weight) for basis in (model.head.basis, model.head.render_basis))
    return reference.render_lm_lte(
        reference.LatentModulated(*layers, *phases),
        array(image[0]),
        array(code.coef[0].permute(2, 0, 1)),
        array(code.freq[0].flatten(2).permute(2, 0, 1)),
        size,
    )


@pytest.mark.parametrize(("dtype", "within"), WITHIN, ids=str)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", ["lm-lte", "lm-liif"])
@pytest.mark.parametrize("size", [(8, 10), (13, 9), (16, 21)], ids=str)
def test_equals_reference(small_model, name, kernel, size, dtype, within):
    model, image = small_model(name).to(DEVICE), torch.rand(1, 3, 4, 5, device=DEVICE)
    fast = model.upscale(image, size=size, kernel=kernel, dtype=dtype)
    assert fast.path == kernel
    np.testing.assert_allclose(array(fast.rgb[0]), by_reference(model, image, size), atol=within)


def painter(model: Lmf, kernel: str, dtype: torch.dtype) -> Painter:
    basis, mlp = model.head.render_basis, model.render_mlp
    if kernel == "dense":
        return dense_painter(basis, mlp, dtype=dtype)
    return triton_painter.painter(basis, mlp, dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("kernel", KERNELS)
def test_rendering_is_recorded_as_a_graph(small_model, kernel, dtype):
    model, image = small_model("lm-lte").to(DEVICE), torch.rand(1, 3, 6, 7, device=DEVICE)
    paint, size = painter(model, kernel, dtype), (17, 28)
    graph = torch.cuda.CUDAGraph()
    with torch.no_grad():
        latents = model.encode(image)
        first = model.render(latents, size, paint=paint).clone()  # compiles the kernel
        with torch.cuda.graph(graph):
            recorded = model.render(latents, size, paint=paint)
        latents.code.map(lambda t: t.mul_(0.5))
        graph.replay()
        again = model.render(latents, size, paint=paint)
    torch.testing.assert_close(recorded, again, atol=1e-6, rtol=0)
    assert (recorded - first).abs().max() > 1e-3


@pytest.mark.skipif(not HAS_TRITON, reason="Triton is not installed")
def test_addresses_have_64_bits(small_model):
    if torch.cuda.mem_get_info()[0] < 16e9:
        pytest.skip("less than 16 GB of memory free on the device")
    model, count = small_model("lm-lte").to(DEVICE), 300
    cell = torch.full((count, 2), 0.3, device=DEVICE)
    with torch.no_grad():
        latents = model.encode(torch.rand(1, 3, 1, count, device=DEVICE))
        cells: Cells = model.cells(latents, cell[:1]).map(lambda t: t.flatten(0, 2))
        y, x = (torch.linspace(-1, 1, n, device=DEVICE)[None] for n in (1 << 10, 3 << 10))
        paint = painter(model, "triton", torch.float32)
        painted = paint(Windows(cells, y, x, cell))
        last = paint(Windows(cells.map(lambda t: t[-1:].clone()), y, x, cell[-1:]))
    assert painted.numel() > 1 << 31
    assert torch.equal(painted[-1:], last)
