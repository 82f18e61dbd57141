"""The package as others install it: a wheel, without the repository around it."""

import shutil
import subprocess
import sys

import pytest
from places import ROOT

NEEDED = ("lmf", "weights", "pyproject.toml", "README.md", "LICENSE", "NOTICE")

ENLARGE = """
import lmf, sys, torch
from lmf.checkpoint import released_names
assert lmf.__file__.startswith(sys.argv[1]), lmf.__file__
print(*released_names())
with torch.no_grad():
    print(*lmf.load_model("lm-lte-edsr-baseline")(torch.rand(1, 3, 8, 9), scale=2).shape)
"""


def run(*command: str, **options) -> str:
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_wheel_brings_the_released_weights(tmp_path):
    """Built from a copy, as building leaves its traces; wants the package index, for setuptools."""
    for name in NEEDED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / "source" / name)
    pip = (sys.executable, "-m", "pip", "--quiet")
    run(*pip, "wheel", "--no-deps", "-w", str(tmp_path), str(tmp_path / "source"))
    (wheel,) = tmp_path.glob("*.whl")
    run(
        *pip,
        "install",
        "--no-deps",
        "--ignore-installed",
        "--prefix",
        str(tmp_path / "env"),
        str(wheel),
    )
    (lib,) = tmp_path.glob("env/lib/python*/site-packages")
    said = run(sys.executable, "-c", ENLARGE, str(lib), cwd=tmp_path, env={"PYTHONPATH": str(lib)})
    names = sorted(path.stem for path in (ROOT / "weights").glob("*.json"))
    assert said.splitlines() == [" ".join(names), "1 3 16 18"]
