"""The C renderer equals the dense one, and says why where it cannot run."""

import shutil
from pathlib import Path

import pytest
import torch
from torch.nn.utils import prune
from whole_image import render_image

from lmf.core import compiled
from lmf.core.compiled import CompilationError
from lmf.core.errors import ConfigError
from lmf.model import create_model
from lmf.render.kernels import native
from lmf.render.window import Windows

CPU = torch.device("cpu")
SMALL = {"hidden": [24]}

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, compiled.COMPILERS)), reason="no C compiler on this machine"
)


def small_model(name="lm-lte", **options):
    """A model whose every part matters: no weight is zero, modulations are of the size of 1."""
    torch.manual_seed(0)
    model = create_model(
        name, encoder="edsr-small", cross_scale=False, options=SMALL | options
    ).eval()
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter) / 20)
    return model


@torch.no_grad()
def both(model, image, size, threads=1):
    """The image rendered by C and by PyTorch, without the LR image."""
    latents, cell = model.encode(image), model.cell(image, size)
    basis, mlp = model.head.render_basis, model.render_mlp
    cells = model.cells(latents, cell)

    class Source:
        lr_size = image.shape[-2:]

        @staticmethod
        def rows(start, stop):
            return cells.map(lambda t: t[:, start:stop])

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return [
            render_image(
                Source, basis, mlp, size, cell, ensemble=model.config.ensemble, paint=paint
            )
            for paint in (native.painter(basis, mlp), None)
        ]
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["lm-lte", "lm-liif", "lm-ciaosr"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mod_scale": False},
        {"mod_shift": False},
        {"position": False},
        {"cell": False},
        {"ensemble": False},
        {"depth": 1},
        {"depth": 2},
        {"depth": 3},
    ],
    ids=str,
)
def test_equals_the_dense_renderer(name, options):
    model = small_model(name, **options)
    found, expected = both(model, torch.rand(2, 3, 6, 9), (17, 31))
    torch.testing.assert_close(found, expected, atol=5e-5, rtol=1e-5)
    assert expected.std() > 0.01  # there is something to differ in


@pytest.mark.parametrize(
    "size", [(24, 36), (3, 4), (6, 9), (7, 500), (500, 10), (100, 1), (1, 1)], ids=str
)
def test_any_size(size):
    found, expected = both(small_model(), torch.rand(1, 3, 6, 9), size)
    torch.testing.assert_close(found, expected, atol=5e-5, rtol=1e-5)


def test_threads_change_nothing():
    image = torch.rand(1, 3, 20, 23)
    one, _ = both(small_model(), image, (61, 70), threads=1)
    three, _ = both(small_model(), image, (61, 70), threads=3)
    assert torch.equal(one, three)


def test_a_nan_is_not_hidden():
    model = small_model()
    model.render_mlp.linears[3].bias.data[5] = torch.nan
    found, expected = both(model, torch.rand(1, 3, 4, 4), (8, 8))
    assert expected.isnan().any()
    assert torch.equal(found.isnan(), expected.isnan())


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float64])
def test_the_process_wide_type_changes_nothing(kind):
    model, image = small_model(), torch.rand(1, 3, 6, 9)
    with torch.no_grad():
        expected = model(image, scale=2.5)
        torch.set_default_dtype(kind)
        try:
            assert torch.equal(model(image, scale=2.5), expected)
        finally:
            torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("ciaosr", {}, "attention"),
        ("lm-lte", {"width": 8}, "not 16 wide"),
        ("lm-lte", {"mod_input": False}, "128 waves, not 16"),
    ],
)
def test_other_models_are_refused(name, options, reason):
    model = small_model(name, **options)
    assert reason in (native.why_not(model.head.render_basis, model.render_mlp, CPU) or "")
    with pytest.raises(ConfigError, match="dense"):
        native.painter(model.head.render_basis, model.render_mlp)


def test_other_devices_and_types_are_refused():
    model = small_model()
    basis, mlp = model.head.render_basis, model.render_mlp
    assert "cuda" in (native.why_not(basis, mlp, torch.device("cuda")) or "")
    assert "float64" in (native.why_not(basis, mlp.double(), CPU) or "")


def test_gradients_are_refused():
    model = small_model()
    image, size = torch.rand(1, 3, 4, 4), (8, 8)
    cells = model.cells(model.encode(image), model.cell(image, size)).map(lambda t: t.flatten(0, 2))
    paint = native.painter(model.head.render_basis, model.render_mlp)
    offset = torch.linspace(-1, 1, 4)[None]
    with pytest.raises(ConfigError, match="gradients"):
        paint(Windows(cells, offset, offset, torch.ones(16, 2)))


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """Nothing compiled yet."""
    compiled.attempt.cache_clear()
    monkeypatch.setattr(compiled, "user_cache_path", lambda name: tmp_path / name)
    yield tmp_path / "lmf"
    compiled.attempt.cache_clear()


def test_compiled_once(fresh, monkeypatch):
    assert native.renderer().lmf_paint
    (path,) = fresh.iterdir()
    before = path.stat()
    compiled.attempt.cache_clear()
    assert native.renderer().lmf_paint
    assert path.stat() == before or path.stat().st_mtime_ns == before.st_mtime_ns


def test_compiled_again_when_an_included_file_changes(fresh, monkeypatch, tmp_path):
    for name in ("cell.c", "native.c"):
        shutil.copy(Path(native.__file__).with_name(name), tmp_path)
    monkeypatch.setattr(compiled, "files", lambda package: tmp_path)
    native.renderer()
    with (tmp_path / "cell.c").open("a") as included:
        included.write("/* other */\n")
    compiled.attempt.cache_clear()
    native.renderer()
    assert len(list(fresh.iterdir())) == 2


def test_no_compiler_is_a_reason(fresh, monkeypatch):
    monkeypatch.setenv("PATH", str(fresh))
    model = small_model()
    reason = native.why_not(model.head.render_basis, model.render_mlp, CPU)
    assert reason == "there is no C compiler (cc, gcc, clang)"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo no such flag >&2; exit 3", "fails: no such flag"),
        ("exit 0", "file too short|invalid"),
    ],
)
def test_a_broken_compiler_is_a_reason(fresh, monkeypatch, tmp_path, script, reason):
    compiler = tmp_path / "bin" / "cc"
    compiler.parent.mkdir()
    compiler.write_text(f"#!/bin/sh\n{script}\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{compiler.parent}:/bin:/usr/bin")
    with pytest.raises(CompilationError, match=reason):
        native.renderer()


def test_a_damaged_library_is_made_again(fresh, monkeypatch, tmp_path):
    native.renderer()
    (made,) = fresh.iterdir()
    compiled.attempt.cache_clear()
    monkeypatch.setattr(compiled, "user_cache_path", lambda name: tmp_path)
    damaged = tmp_path / made.name
    damaged.write_bytes(b"")
    assert native.renderer().lmf_paint
    assert damaged.stat().st_size > 0


def test_a_user_without_a_home_is_a_reason(fresh, monkeypatch):
    def homeless(name):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(compiled, "user_cache_path", homeless)
    with pytest.raises(CompilationError, match="no folder for what is compiled: Could not"):
        native.renderer()


def test_a_missing_source_is_a_reason(fresh):
    with pytest.raises(CompilationError, match="no_such_file"):
        compiled.library("lmf.nets", "no_such_file.c")


def test_a_full_disk_is_a_reason(fresh, monkeypatch):
    fresh.parent.joinpath("lmf").write_text("a file where the folder should be")
    with pytest.raises(CompilationError, match="cannot write"):
        native.renderer()
    fresh.unlink()


@pytest.mark.parametrize("name", ["lm-lte", "lm-liif"])
def test_weights_that_are_computed_are_painted_with(small_model, name):
    """Pruning by masks leaves a layer whose weight is no leaf, which `deepcopy` refuses."""
    model, image = small_model(name), torch.rand(1, 3, 6, 5)
    before = model.upscale(image, scale=2).rgb
    prune.l1_unstructured(model.render_mlp.linears[0], "weight", 0.5)
    fast, plain = (model.upscale(image, scale=2, kernel=kernel) for kernel in ("native", "dense"))
    assert fast.path == "native"
    torch.testing.assert_close(fast.rgb, plain.rgb, atol=5e-5, rtol=0)
    assert not torch.equal(fast.rgb, before)
