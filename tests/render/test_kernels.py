"""The GPU kernel paints what PyTorch paints. Without a GPU, Triton's interpreter runs it on the CPU."""

import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch
from places import ROOT

from lmf.core.errors import ConfigError
from lmf.model import Lmf, create_model
from lmf.render.kernels import triton_painter
from lmf.render.window import Windows, render_windows

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
NO_TRITON = "Triton is not installed"
MODELS = [
    ("lm-lte", {}),
    ("lm-lte", {"mod_scale": False, "depth": 3}),
    ("lm-lte", {"mod_shift": False, "depth": 3}),
    ("lm-lte", {"mod_scale": False, "mod_shift": False, "depth": 1}),
    ("lm-lte", {"cell": False, "depth": 2}),
    ("lm-lte", {"position": False, "depth": 2}),
    ("lm-liif", {}),
    ("lm-liif", {"cell": False, "mod_scale": False, "depth": 1}),
    ("lm-liif", {"position": False, "mod_input": False, "depth": 2}),
    ("lm-ciaosr", {"attention": [24], "depth": 2}),
]


@pytest.fixture
def device() -> torch.device:
    """Where the kernel runs: on a GPU, or on the CPU in Triton's interpreter."""
    if INTERPRETED:
        return torch.device("cpu")
    if find_spec("triton") is None:
        pytest.skip(NO_TRITON)
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device; see test_in_the_interpreter")
    return torch.device("cuda")


def windows(model: Lmf, ky: int, kx: int, *, alike: bool):
    """6 cells of two images, each with a (ky, kx) window."""
    weight = model.render_mlp.linears[0].weight
    image = torch.rand(2, 3, 1, 3).to(weight)
    cell = torch.tensor([[0.4, 0.3], [0.2, 0.25]]).to(weight)
    with torch.no_grad():
        cells = model.cells(model.encode(image), cell).map(lambda t: t.flatten(0, 2))
    n = 1 if alike else 6
    y = torch.linspace(-1, 1, ky).expand(n, -1) + 0.1 * torch.randn(n, 1)
    x = torch.linspace(-1, 1, kx)[None] + 0.1 * torch.randn(n, 1)
    y, x = y.to(weight.device), x.to(weight.device)
    return Windows(cells, y, x, cell.repeat_interleave(3, dim=0))


def paint(model: Lmf, given: Windows, dtype=None):
    with torch.no_grad():
        return triton_painter.painter(model.head.render_basis, model.render_mlp, dtype)(given)


def expected(model: Lmf, given: Windows):
    """What PyTorch paints, in float64 so that the error is the kernel's alone."""
    offsets = (t.double() for t in (given.y, given.x, given.cell))
    exact = Windows(given.cells.map(lambda t: t.double()), *offsets)
    with torch.no_grad():
        basis, mlp = model.head.render_basis.double(), model.render_mlp.double()
        painted = render_windows(exact, basis, mlp)
    model.float()
    assert painted.std() > 1e-2
    return painted.float()


@pytest.mark.gpu
@pytest.mark.parametrize(("name", "options"), MODELS, ids=str)
def test_paints_what_pytorch_paints(small_model, device, name, options):
    model = small_model(name, **options).to(device)
    for ky, kx, alike in ((1, 1, True), (4, 16, True), (7, 11, False)):
        given = windows(model, ky, kx, alike=alike)
        want = expected(model, given)
        torch.testing.assert_close(paint(model, given), want, atol=5e-6, rtol=0)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["lm-lte", "lm-liif"])
def test_bfloat16_products_are_near(small_model, device, name):
    model = small_model(name).to(device)
    given = windows(model, 5, 6, alike=False)
    want = expected(model, given)
    error = (paint(model, given, torch.bfloat16) - want).abs().max()
    assert 1e-5 < error < 0.02 * want.abs().max()


@pytest.mark.gpu
def test_paints_for_half_models(small_model, device):
    model = small_model("lm-lte").to(device)
    half = small_model("lm-lte").to(device)
    half.load_state_dict(model.state_dict())
    half.bfloat16()
    given = windows(half, 4, 5, alike=True)
    painted = paint(half, given)
    assert painted.dtype == torch.float32
    model.load_state_dict(half.state_dict())  # rounded alike
    want = expected(model, given)
    assert (painted - want).abs().max() < 0.02 * want.abs().max()
    assert half.render_mlp.linears[0].weight.dtype == torch.bfloat16


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["lm-lte", "lm-liif"])
@pytest.mark.parametrize("size", [(4, 6), (7, 8), (2, 3), (9, 13)], ids=str)
def test_whole_images_are_equal(small_model, device, name, size):
    model = small_model(name).to(device)
    image = torch.rand(2, 3, 2, 3, device=device)
    dense = model.upscale(image, size=size, kernel="dense")
    painted = model.upscale(image, size=size, kernel="triton")
    assert (dense.path, painted.path) == ("dense", "triton")
    torch.testing.assert_close(painted.rgb, dense.rgb, atol=5e-6, rtol=0)


@pytest.mark.gpu
@pytest.mark.parametrize("ensemble", [True, False])
@pytest.mark.parametrize("size", [(4, 6), (7, 8), (2, 3), (9, 13), (5, 600)], ids=str)
def test_lines_are_blended_as_pytorch_does(small_model, device, size, ensemble):
    """Also lines of more columns than a program blends."""
    model = small_model("lm-lte", ensemble=ensemble).to(device)
    paint = triton_painter.painter(model.head.render_basis, model.render_mlp)
    image = torch.rand(2, 3, 2, 3, device=device)
    with torch.no_grad():
        latents = model.encode(image)
        blended = model.render(latents, size, paint=paint)
        plain = model.render(latents, size, paint=lambda windows: paint(windows))  # paints only
    torch.testing.assert_close(blended, plain, atol=1e-6, rtol=0)


@pytest.mark.gpu
def test_one_pixel_is_enough(small_model, device):
    model, image = small_model("lm-lte").to(device), torch.rand(1, 3, 1, 1, device=device)
    dense = model.upscale(image, size=(5, 9), kernel="dense").rgb
    painted = model.upscale(image, size=(5, 9), kernel="triton").rgb
    torch.testing.assert_close(painted, dense, atol=5e-6, rtol=0)


@pytest.mark.gpu
def test_waves_of_many_turns_are_exact(small_model, device):
    model = small_model("lm-lte").to(device)
    given = windows(model, 4, 4, alike=True)
    code = replace(given.cells.code, freq=300 * torch.randn_like(given.cells.code.freq))
    given = replace(given, cells=replace(given.cells, code=code))
    painted = paint(model, given)
    # A float32 wave is as exact as its argument: 300 half turns have 24 bits, too.
    torch.testing.assert_close(painted, expected(model, given), atol=1e-3, rtol=0)


@pytest.mark.gpu
def test_what_is_no_number_stays_none(small_model, device):
    model = small_model("lm-lte").to(device)
    given = windows(model, 4, 4, alike=True)
    given.cells.modulation.shift[3, 2, 5] = float("nan")
    painted = paint(model, given)
    assert painted[3].isnan().all()
    assert painted[[0, 1, 2, 4]].isfinite().all()


@pytest.mark.gpu
def test_gradients_are_refused(small_model, device):
    model = small_model("lm-lte").to(device)
    paint = triton_painter.painter(model.head.render_basis, model.render_mlp)
    given = windows(model, 4, 4, alike=True)
    given.cells.map(lambda t: t.requires_grad_())
    with pytest.raises(ConfigError, match="no_grad"):
        paint(given)


@pytest.mark.skipif(find_spec("triton") is None, reason=NO_TRITON)
@pytest.mark.skipif(INTERPRETED, reason="this is the interpreter")
@pytest.mark.skipif(torch.cuda.is_available(), reason="the tests ran on the GPU")
@pytest.mark.timeout(600)
def test_in_the_interpreter():
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-m",
        "gpu",
        "-p",
        "no:cacheprovider",
        __file__,
    ]
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout[-4000:]
    assert " passed" in found.stdout


@pytest.mark.skipif(find_spec("triton") is None, reason=NO_TRITON)
@pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")
@pytest.mark.parametrize(("split", "waves"), [(True, True), (True, False), (False, True)])
def test_compiles_for_matrix_units_without_spilling(split, waves, monkeypatch, tmp_path):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from lmf.render.kernels.triton_kernel import paint

    flags = {"WAVES": waves, "SPLIT": split, "SCALED": True, "SHIFTED": True, "WIDENED": False}
    constants = flags | {"DEPTH": 8, "WIDTH": 16, "BLOCK": 64}
    floats = paint.arg_names[: paint.arg_names.index("out") + 1]
    types = dict.fromkeys(paint.arg_names, "i32") | dict.fromkeys(floats, "*fp32")
    types |= {"weight": "*bf16"} | dict.fromkeys(constants, "constexpr")
    source = ASTSource(paint, types, constexprs=constants)
    ptx = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 1})
    code = ptx.asm["ptx"]
    assert "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32" in code
    assert "tf32" not in code
    assert ".local" not in code  # memory off the chip, where registers are too few
    assert len(ptx.asm["cubin"]) > 0


def test_says_why_it_cannot_paint(small_model):
    cpu = torch.device("cpu")

    def reason(name, **options):
        model = small_model(name, **options)
        return triton_painter.why_not(model.head.render_basis, model.render_mlp, cpu)

    assert "attention" in reason("ciaosr", attention=[24])
    assert reason("lte") == "the hidden layers of the render MLP are not 16 wide"
    assert reason("lm-liif", width=24) == "the hidden layers of the render MLP are not 16 wide"
    assert reason("lm-lte", mod_input=False, fourier=32) == "the render MLP reads 32 waves, not 16"


def test_a_painter_that_cannot_paint_is_refused(small_model):
    model = small_model("lte")
    with pytest.raises(ConfigError, match="not 16 wide; use the dense renderer"):
        triton_painter.painter(model.head.render_basis, model.render_mlp)


@pytest.mark.skipif(INTERPRETED, reason="the interpreter paints anywhere")
def test_no_gpu_is_a_reason(small_model, monkeypatch):
    model = small_model("lm-lte")
    arguments = (model.head.render_basis, model.render_mlp, torch.device("cpu"))
    monkeypatch.setattr(triton_painter, "find_spec", lambda name: None)
    assert triton_painter.why_not(*arguments) == NO_TRITON
    monkeypatch.setattr(triton_painter, "find_spec", lambda name: name)
    assert triton_painter.why_not(*arguments) == "the device is cpu, not an NVIDIA GPU"


def test_triton_that_cannot_start_is_a_reason(monkeypatch):
    def fail(name):
        raise RuntimeError("Failed to find C compiler.\nPlease specify")

    monkeypatch.setattr(triton_painter, "import_module", fail)
    said = triton_painter._no_start.__wrapped__()
    assert said == "Triton cannot start (Failed to find C compiler. Please specify)"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("default")  # the compiler's own
def test_the_rest_can_be_compiled():
    model = create_model("lm-lte", encoder="edsr-small", options={"fourier": 16, "hidden": [24]})
    model.eval()
    images = [torch.rand(1, 3, h, w) for h, w in ((8, 9), (5, 12))]
    want = [model.upscale(image, scale=2.7).rgb for image in images]
    names = set(model.state_dict())
    model.encoder.compile()
    model.latent_mlp.compile()
    for image, rgb in zip(images, want, strict=True):
        torch.testing.assert_close(model.upscale(image, scale=2.7).rgb, rgb, atol=5e-6, rtol=0)
    assert set(model.state_dict()) == names
