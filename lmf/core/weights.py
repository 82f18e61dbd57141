"""Files of weights: written whole, and checked before they are believed."""

from collections.abc import Mapping
from pathlib import Path

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
        raise CheckpointError(f"{path}: no such weights file")
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(b"version https://git-lfs"):
        raise CheckpointError(f"{path}: a Git LFS pointer, not the weights; run `git lfs pull`")
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise CheckpointError(f"{path}: an HTML page, not weights; download the file itself again")


def check_tensors(
    tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], where: str
) -> None:
    """CheckpointError names a missing, extra or misshapen tensor; values are not compared."""
    missing = sorted(expected.keys() - tensors.keys())
    extra = sorted(tensors.keys() - expected.keys())
    wrong = [n for n, t in tensors.items() if n in expected and t.shape != expected[n].shape]
    for problem, names in (("missing", missing), ("unexpected", extra), ("misshapen", wrong)):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise CheckpointError(
                f"{where}: {problem} parameter {names[0]}{more}; the file belongs to another model"
            )


def load_strictly(model: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Copy `tensors` into `model`; CheckpointError names a missing, extra or misshapen one."""
    check_tensors(tensors, model.state_dict(), where)
    model.load_state_dict(dict(tensors))
