"""Files of weights: written whole, and checked before they are believed."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from lmf.core.errors import CheckpointError
from lmf.core.files import atomic_write


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file, atomically; ResourceError if the disk is full or says no."""
    with atomic_write(path) as temporary:
        # safetensors' own writer hides the system's error; bytes written by Python do not.
        temporary.write_bytes(tensor_bytes(tensors, metadata))


def tensor_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """What a safetensors file of these tensors holds."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return save(plain, dict(metadata) if metadata else None)


def check_file(path: Path) -> None:
    """CheckpointError if `path` is missing, or plainly something else was saved under its name."""
    if not path.is_file():
        near = path.with_name(f"{path.name}.safetensors")
        hint = f"; {near.name} is there, give the suffix, too" if near.is_file() else ""
        raise CheckpointError(f"{path}: no such weights file{hint}")
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(b"version https://git-lfs"):
        raise CheckpointError(f"{path}: a Git LFS pointer, not the weights; run `git lfs pull`")
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise CheckpointError(f"{path}: an HTML page, not weights; download the file itself again")


def check_tensors(
    tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], where: str
) -> None:
    """CheckpointError names a missing, extra, misshapen or non-float tensor; values are not compared."""
    both = [(name, t, expected[name]) for name, t in tensors.items() if name in expected]
    problems = {
        "missing": sorted(expected.keys() - tensors.keys()),
        "unexpected": sorted(tensors.keys() - expected.keys()),
        "misshapen": [name for name, t, e in both if t.shape != e.shape],
        "non-float": [
            name for name, t, e in both if e.is_floating_point() and not t.is_floating_point()
        ],
    }
    for problem, names in problems.items():
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise CheckpointError(
                f"{where}: {problem} parameter {names[0]}{more}; the file belongs to another model"
            )


def load_strictly(model: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Copy `tensors` into `model`; raises CheckpointError as `check_tensors` does."""
    check_tensors(tensors, model.state_dict(), where)
    model.load_state_dict(dict(tensors))


def check_finite(tensors: Mapping[str, Tensor], where: str) -> None:
    """CheckpointError names a tensor with NaN or infinite values."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckpointError(
                f"{where}: parameter {name} holds NaN or infinite values; get the file again, or train "
                "again"
            )


def check_room(least: int, tensors: Mapping[str, Tensor], where: str) -> None:
    """CheckpointError if `tensors` hold fewer than `least` numbers, before memory is asked for them."""
    found = sum(tensor.numel() for tensor in tensors.values())
    if found < least:
        raise CheckpointError(
            f"{where}: holds {found:,} numbers, and its architecture at least {least:,}; the file "
            "belongs to another model"
        )
