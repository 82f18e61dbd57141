"""The learning log on TensorBoard or DVCLive, for those who watch there.

Both are in the extra `boards`. A board is opened at the first row, and rows come to the first process
alone: of several processes, the others leave no files.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lmf.core.errors import ConfigError
from lmf.core.files import write_text

Row = Mapping[str, Any]
"""Of the learning log, see `train.log.learning_row`."""


def tensorboard(folder: Path) -> Callable[[Row], None]:
    """A function of a row of the log that writes it under `folder`.

    What an interrupted run wrote of steps that are taken again is hidden.

    Raises:
        ConfigError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        raise _lacking("TensorBoard") from error
    opened: list[SummaryWriter] = []

    def write(row: Row) -> None:
        if not opened:
            opened.append(SummaryWriter(str(folder), purge_step=row["step"]))
        for name, value in _numbers(row):
            opened[0].add_scalar(name, value, row["step"])
        opened[0].flush()

    return write


def dvclive(folder: Path) -> Callable[[Row], None]:
    """A function of a row of the log that writes it under `folder`, as `dvc plots` reads it.

    It makes no DVC experiment of it: whether there is one is the user's choice. What an interrupted
    run wrote of steps that are taken again is dropped.

    Raises:
        ConfigError: DVCLive is not installed.
    """
    try:
        from dvclive import Live
    except ModuleNotFoundError as error:
        raise _lacking("DVCLive") from error
    opened: list[Live] = []

    def write(row: Row) -> None:
        if not opened:
            _forget(folder, row["step"])
            opened.append(Live(str(folder), resume=True, save_dvc_exp=False, dvcyaml=None))
        opened[0].step = row["step"]
        for name, value in _numbers(row):
            if math.isfinite(value):  # its summary is JSON
                opened[0].log_metric(name, value)
        opened[0].make_summary()

    return write


def _forget(folder: Path, step: int) -> None:
    """Take from DVCLive's files what an interrupted run wrote of `step` and later."""
    for path in (folder / "plots" / "metrics").glob("*.tsv"):
        header, *lines = path.read_text(encoding="utf-8").splitlines(keepends=True) or ["step\n"]
        column = header.strip().split("\t").index("step")
        kept = [line for line in lines if int(line.split("\t")[column]) < step]
        write_text(path, "".join([header, *kept]))


def all_of(*writers: Callable[[Row], None]) -> Callable[[Row], None]:
    """One function that writes a row by each of `writers`, of which there may be none."""

    def write(row: Row) -> None:
        for one in writers:
            one(row)

    return write


def _numbers(row: Row) -> Iterator[tuple[str, float]]:
    return ((name, value) for name, value in row.items() if name != "step" and value is not None)


def _lacking(what: str) -> ConfigError:
    return ConfigError(f"{what} is not installed: pip install -e '.[boards]'")
