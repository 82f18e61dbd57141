"""`lmf doctor`: what this installation can do."""

import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lmf.core.errors import LmfError
from lmf.study.settings.workspace import repository

STUDY_PACKAGES = ("lightning", "dvc", "papermill", "jupyterlab", "pandas", "scikit-image")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    good: None for what is not as the study needs it, where nobody asked for the study.
    """

    subject: str
    good: bool | None
    text: str


def examine(root: Path | None = None) -> Iterator[Finding]:
    """Look at interpreter, packages, devices, disk and profile, one after the other."""
    root = repository() if root is None else root
    new = sys.version_info >= (3, 11)
    yield Finding("python", new, f"{platform.python_version()} ({sys.executable})")
    yield from _torch()
    for name in STUDY_PACKAGES:
        try:
            yield Finding(name, True, version(name))
        except PackageNotFoundError:
            text = "missing; only for the study: pip install -e '.[study]'"
            yield Finding(name, None, text)
    study = (root / "params.yaml").is_file()
    free = shutil.disk_usage(root).free / 1e9
    needed = "quick needs 1, paper about 20; upscaling none"
    yield Finding("disk", free > 1 or (False if study else None), f"{free:.0f} GB free; {needed}")
    if study:
        yield _profile(root)
    else:
        text = "none here; only for the study, which runs from the repository's root"
        yield Finding("profile", None, text)


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
        from lmf.study.settings.params import read_params
        from lmf.study.settings.profile import read_profile

        params = read_params(root)
        profile = read_profile(params.profile, root)
    except LmfError as error:
        return Finding("profile", False, str(error))
    return Finding("profile", True, f"{params.profile}: {profile.title}")
