"""What an interrupted run needs to go on as if nothing had happened.

One safetensors file holds the weights, their average, Adam's moments and, as metadata, the step,
the log so far, the loss scaler and the run's description. Random streams need no state: see
`data.pairs`. The newest two files are kept.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.optim import Optimizer

from lmf.checkpoint import read_tensors
from lmf.core.errors import CheckpointError
from lmf.core.weights import load_strictly, write_tensors
from lmf.train.health import Health

KEPT = 2
"""Files kept: should the newest be damaged, deleting it goes back to the one before."""


@dataclass(frozen=True)
class Progress:
    """step: the number of steps done. rows: the log so far. scaler: of the fp16 loss, else empty.

    steepest: the largest norm of a gradient since the last row.
    """

    step: int
    rows: list[dict[str, Any]]
    health: Health = field(default_factory=Health)
    scaler: Mapping[str, float] = field(default_factory=dict)
    steepest: float = 0.0

    def plain(self) -> dict[str, Any]:
        """As the file holds it."""
        return asdict(self)

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """Inverse of `plain`."""
        return cls(**{**values, "health": Health(**values["health"])})


def latest(folder: Path) -> Path | None:
    """The newest state in `folder`, None if there is none."""
    return max(folder.glob("state-*.safetensors"), default=None)


def step_of(state: Path) -> int:
    """The number of steps that were done when this state was written."""
    return int(state.stem.removeprefix("state-"))


def save_state(
    folder: Path,
    run: Mapping[str, Any],
    progress: Progress,
    model: nn.Module,
    average: nn.Module,
    optimizer: Optimizer,
) -> None:
    """Write everything, atomically: a run killed here goes on from the state before."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.state_dict().items()}
    tensors |= {
        f"adam.{i}.{key}": torch.as_tensor(value)
        for i, moments in optimizer.state_dict()["state"].items()
        for key, value in moments.items()
    }
    about = {"run": run, "progress": progress.plain()}
    path = folder / f"state-{progress.step:09d}.safetensors"
    write_tensors(path, tensors, {"state": json.dumps(about)})
    for old in sorted(folder.glob("state-*.safetensors"))[:-KEPT]:
        old.unlink()


def load_state(
    path: Path,
    run: Mapping[str, Any],
    model: nn.Module,
    average: nn.Module,
    optimizer: Optimizer,
) -> Progress:
    """Restore `model`, `average` and `optimizer` from `path`; returns the run's progress.

    Raises:
        CheckpointError: the state is damaged, or of a run with another description; the differing
            fields are named and nothing is loaded.
    """
    try:
        tensors = read_tensors(path)
    except CheckpointError as error:
        raise CheckpointError(f"{error}; delete it to go on from the state before") from error
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["state"])
    now = json.loads(json.dumps(run))
    differing = _differences(about["run"], now)
    if differing:
        raise CheckpointError(
            f"{path}: the interrupted run differs in {', '.join(differing)}; "
            f"delete {path.parent} to start afresh, or restore the old values to go on"
        )
    try:
        load_strictly(model, _under("model.", tensors), str(path))
        load_strictly(average, _under("average.", tensors), str(path))
    except CheckpointError as error:  # of another version of this package
        raise CheckpointError(f"{error}; delete {path.parent} to start afresh") from error
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in _under("adam.", tensors).items():
        index, key = name.split(".", 1)
        moments.setdefault(int(index), {})[key] = value
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    moments = {i: _laid_out(kept, weights[i]) for i, kept in moments.items()}
    optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
    return Progress.read(about["progress"])


def _laid_out(kept: Mapping[str, Tensor], weight: Tensor) -> dict[str, Tensor]:
    """Adam's moments in the memory layout of their weight: where it differs, a GPU's Adam is slow.

    A file has no layout; the count of steps, a scalar, needs none.
    """
    return {
        key: value if key == "step" else torch.empty_like(weight).copy_(value)
        for key, value in kept.items()
    }


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _differences(old: object, new: object, where: str = "") -> list[str]:
    """Dotted names of the leaves at which two nested descriptions differ, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = sorted(old.keys() | new.keys())
        return [d for n in names for d in _differences(old.get(n), new.get(n), f"{where}.{n}")]
    return [] if old == new else [f"{where.lstrip('.')} ({old!r}, now {new!r})"]
