"""The learning log on TensorBoard, for those who watch there."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lmf.core.errors import ConfigError


def tensorboard(folder: Path) -> Callable[[Mapping[str, Any]], None]:
    """A function of a row of the log that writes it under `folder`.

    Raises:
        ConfigError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        raise ConfigError("TensorBoard is not installed: pip install tensorboard") from error
    writer = SummaryWriter(str(folder))

    def write(row: Mapping[str, Any]) -> None:
        for name, value in row.items():
            if name != "step" and value is not None:
                writer.add_scalar(name, value, row["step"])
        writer.flush()

    return write
