"""Fixtures that several test files share."""

import shutil
import subprocess

import pytest
import torch

from lmf.model import Lmf, create_model


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def small_model():
    """A function of (name, **options) that makes a small model with lively random weights."""

    def make(name: str, cross_scale=False, encoder: str = "edsr-small", **options) -> Lmf:
        if "lte" in name:
            options.setdefault("fourier", 16)
        options.setdefault("hidden", [24])
        model = create_model(name, encoder=encoder, cross_scale=cross_scale, options=options)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
        return model.eval()

    return make


@pytest.fixture
def small_disk(tmp_path):
    """A function that mounts a disk of so many kB, or resizes it; skips where one may not mount."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = []

    def resize(size):
        options = f"size={size}k" + (",remount" if mounted else "")
        command = ["mount", "-t", "tmpfs", "-o", options, "lmf-test", str(disk)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("this user cannot mount a small disk")
        mounted.append(size)
        return disk

    yield resize
    if mounted:
        subprocess.run(["umount", str(disk)], check=True)
