"""Who paints windows, in which precision; what cannot is replaced, and the result says so."""

import pytest
import torch

from lmf.checkpoint import load_model
from lmf.core.errors import ConfigError
from lmf.render import options as render_options
from lmf.render.cmsr import CmsrStep, CmsrTable
from lmf.render.dense import dense_painter

TABLE = CmsrTable(4, 2e-5, (CmsrStep(1, 0.03),), "photos-train", 1, 0)


def image():
    return torch.rand(1, 3, 5, 6)


@pytest.fixture
def kernel(monkeypatch):
    """A kernel that runs anywhere: the dense painter, which notes the dtypes it was made for."""
    made = []

    def painter(kernel, basis, mlp, dtype=None):
        made.append((kernel, dtype))
        return dense_painter(basis, mlp, dtype=dtype)

    monkeypatch.setattr(render_options, "kernel_painter", painter)
    monkeypatch.setattr(render_options, "why_not", lambda *arguments: None)
    return made


def test_kernel_that_can_run_does_where_it_is_asked_for(small_model, kernel):
    model, lr = small_model("lm-lte"), image()
    assert model.upscale(lr, scale=2).path == "native"  # the one for CPUs
    found = model.upscale(lr, scale=2, kernel="triton")
    assert (found.path, found.note) == ("triton", None)
    torch.testing.assert_close(found.rgb, model.upscale(lr, scale=2, kernel="dense").rgb)
    model.upscale(lr, scale=2, kernel="triton", dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        model.upscale(lr, scale=2, kernel="triton")
    assert kernel == [
        ("native", None),
        ("triton", None),
        ("triton", torch.bfloat16),
        ("triton", torch.bfloat16),
    ]


@pytest.mark.parametrize(
    ("name", "options", "path", "said"),
    [
        ("lte", {}, "dense", "no layer of the render MLP is modulated"),
        ("ciaosr", {}, "gather", "no layer of the render MLP is modulated"),
    ],
)
def test_model_that_no_kernel_renders_says_why(small_model, kernel, name, options, path, said):
    found = small_model(name).upscale(image(), scale=4, kernel="triton", **options)
    assert (found.path, found.note) == (path, said)


def test_device_without_the_kernels_requirements_falls_back_and_says_why(small_model, monkeypatch):
    monkeypatch.setattr(
        render_options,
        "why_not",
        lambda kernel, basis, mlp, device, dtype: f"{kernel}: not on {device}",
    )
    model, lr = small_model("lm-lte"), image()
    found, dense = (model.upscale(lr, scale=2, kernel=name) for name in ("triton", "dense"))
    assert (found.path, found.note) == ("dense", "triton: not on cpu")
    assert (dense.path, dense.note) == ("dense", None)
    assert torch.equal(found.rgb, dense.rgb)


def test_cmsr_says_which_painter_it_takes(small_model, kernel):
    model, lr = small_model("lm-lte"), image()
    for name, by in (("auto", "native"), ("triton", "triton"), ("dense", "dense")):
        found = model.upscale(lr, scale=4, cmsr=TABLE, kernel=name)
        assert (found.path, found.by, found.note) == ("cmsr", by, None)


def test_unknown_kernel_and_dtype_are_refused(small_model):
    model = small_model("lm-lte")
    with pytest.raises(ConfigError, match="kernel 'cuda' is unknown; choose one of: auto, dense"):
        model.upscale(image(), scale=2, kernel="cuda")
    with pytest.raises(ConfigError, match=r"torch.int8 are not offered; choose one of: bfloat16"):
        model.upscale(image(), scale=2, dtype=torch.int8)


@pytest.mark.parametrize(("name", "options"), [
    ("lte", {}), ("ciaosr", {}), ("lm-lte", {"mod_scale": False, "mod_shift": False}),
])  # fmt: skip
def test_dtype_without_modulated_layers_is_refused(small_model, name, options):
    with pytest.raises(ConfigError, match="this model has none; leave it out"):
        small_model(name, **options).upscale(image(), scale=2, dtype=torch.bfloat16)


@pytest.mark.parametrize("options", [{}, {"cmsr": TABLE}])
def test_dtype_reaches_the_products(small_model, options):
    model, lr = small_model("lm-lte"), image()
    full, same, half = (
        model.upscale(lr, scale=4, dtype=dtype, **options).rgb
        for dtype in (None, torch.float32, torch.bfloat16)
    )
    assert torch.equal(full, same)
    assert full.dtype == half.dtype
    assert 0 < (full - half).abs().max() < 0.02


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_bf16_of_the_released_model_is_more_than_65_db_from_fp32(scale):
    """Encoder, head, latent MLP and renderer together; alone, the renderer is 73 dB away."""
    import skimage.data

    lr = (
        torch.from_numpy(skimage.data.chelsea()[100:164, 150:214].copy()).permute(2, 0, 1)[None]
        / 255
    )
    model = load_model("lm-lte-edsr-baseline")
    full, half = (
        model.upscale(lr, scale=scale, dtype=dtype).rgb for dtype in (None, torch.bfloat16)
    )
    psnr = -10 * (full - half).square().mean().log10()
    assert 65 < psnr < 90


@pytest.mark.parametrize(("name", "tiled"), [
    ("lm-lte", False), ("lm-lte", True), ("lm-liif", False), ("lm-ciaosr", False),
])  # fmt: skip
def test_dtype_reaches_encoder_and_latent_mlp(small_model, name, tiled):
    """Both compute in bfloat16, PyTorch convolves, and what comes out is float32."""
    model, lr = small_model(name), torch.rand(1, 3, 24, 160 if tiled else 24)
    seen = {"encoder": set(), "latent": set()}
    layers = [layer for layer in model.encoder.modules() if isinstance(layer, torch.nn.Conv2d)]
    for where, module in (("latent", model.latent_mlp), *(("encoder", one) for one in layers)):
        module.register_forward_hook(lambda m, i, result, to=seen[where]: to.add(result.dtype))
    exact = model.upscale(lr, scale=2, kernel="dense")
    assert seen == {"encoder": {torch.float32}, "latent": {torch.float32}}
    for kinds in seen.values():
        kinds.clear()
    memory = model.footprint(lr, tuple(exact.rgb.shape[-2:])).needed(16) if tiled else None
    half = model.upscale(lr, scale=2, dtype=torch.bfloat16, max_memory=memory)
    assert seen == {"encoder": {torch.bfloat16}, "latent": {torch.bfloat16}}
    assert (half.tiles > 1, half.convolutions) == (tiled, "torch")
    assert half.rgb.dtype == torch.float32
    assert 0 < (half.rgb - exact.rgb).abs().max() < 0.05
