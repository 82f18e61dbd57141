"""`lmf doctor`: what this installation can do."""

import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lmf.core.errors import LmfError

STUDY_PACKAGES = ("lightning", "dvc", "papermill", "jupyterlab", "pandas", "scikit-image")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    good: bool
    text: str


def examine(root: Path = Path()) -> Iterator[Finding]:
    """Look at interpreter, packages, devices, disk and profile, one after the other."""
    new = sys.version_info >= (3, 11)
    yield Finding("python", new, f"{platform.python_version()} ({sys.executable})")
    yield from _torch()
    for name in STUDY_PACKAGES:
        try:
            yield Finding(name, True, version(name))
        except PackageNotFoundError:
            yield Finding(name, False, "missing; pip install -e '.[study]'")
    free = shutil.disk_usage(root).free / 1e9
    yield Finding("disk", free > 2, f"{free:.0f} GB free; quick needs 1, paper about 20")
    yield _profile(root)


def _torch() -> Iterator[Finding]:
    import torch

    from lmf.nets.winograd import why_not

    enough = tuple(int(n) for n in torch.__version__.split(".")[:2]) >= (2, 10)
    yield Finding("torch", enough, f"{torch.__version__}, {torch.get_num_threads()} threads")
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    yield Finding("gpu", True, ", ".join(names) or "none; everything runs on the CPU")
    with torch.no_grad():
        reason = why_not(torch.empty(0))
    yield Finding("kernels in C", True, f"left to PyTorch: {reason}" if reason else "compiled")


def _profile(root: Path) -> Finding:
    try:
        from lmf.study.params import read_params
        from lmf.study.profile import read_profile

        params = read_params(root)
        profile = read_profile(params.profile, root)
    except LmfError as error:
        return Finding("profile", False, str(error))
    return Finding("profile", True, f"{params.profile}: {profile.title}")
