"""All pictures of all test sets at all scales, scored: one row each."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import chain

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lmf.core.errors import DataError
from lmf.data.pictures import as_tensor
from lmf.data.sets import ImageSet
from lmf.metrics.quality import scores
from lmf.study.evaluate.journal import Facts, Journal, Key, Row
from lmf.study.evaluate.pair import Pair, make_pair
from lmf.study.evaluate.saved import NOTHING, Saved
from lmf.study.evaluate.subject import Upscaler
from lmf.study.evaluate.team import ALONE, Team
from lmf.study.tables.rows import COLUMNS

OnRow = Callable[[int, int], None]
"""Called with (rows done, of how many) by this process."""


@dataclass(frozen=True)
class Task:
    """A test set, the scales at which it is scored, and by which protocol."""

    pictures: ImageSet
    scales: tuple[float, ...]
    protocol: str


def evaluate(
    upscale: Upscaler,
    facts: Facts,
    tasks: Sequence[Task],
    *,
    journal: Journal,
    saved: Saved = NOTHING,
    device: torch.device | None = None,
    team: Team = ALONE,
    on_row: OnRow = lambda done, total: None,
) -> pd.DataFrame | None:
    """Score every picture of every task at every scale; the frame has one row each, with `facts`.

    journal: rows are appended there as they come, so that an interrupted evaluation goes on where
    it stopped; close it once the rows are written. saved: which SR pictures to keep. team: the
    processes that share the work; all but the first get None.
    """
    done = journal.open(facts, _files(tasks), team.rank)
    rows: list[Row] = []
    shares = _shares(tasks, team)
    for task, scale, index in shares:
        pictures = task.pictures
        key = Key(pictures.name, pictures.hr[index].stem, scale, task.protocol)
        row = done.get(key)
        if row is None or saved.wants(key):
            pair = make_pair(pictures, index, scale)
            sr = _upscale(upscale, pair, device)
            row = _score(sr, pair, task.protocol)
            saved.save(key, sr)
            journal.append(row)
        rows.append(row)
        on_row(len(rows), len(shares))
    everything = team.gather(rows)
    if everything is None:
        return None
    frame = pd.DataFrame([asdict(row) | asdict(facts) for row in everything])
    return frame[list(COLUMNS)]


def _files(tasks: Sequence[Task]) -> str:
    """A digest of all files by place, size and time of change: other pictures have another one."""
    sets = [task.pictures for task in tasks]
    paths = [path for one in sets for path in (*one.hr, *chain(*one.lr.values()))]
    stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return sha256(repr(stats).encode()).hexdigest()


def _shares(tasks: Sequence[Task], team: Team) -> list[tuple[Task, float, int]]:
    """The pictures and scales of this process: every `team.size`-th."""
    all_ = [
        (task, scale, index)
        for task in tasks
        for scale in task.scales
        for index in range(len(task.pictures.hr))
    ]
    return all_[team.rank :: team.size]


def _upscale(upscale: Upscaler, pair: Pair, device: torch.device | None) -> Tensor:
    height, width = pair.hr.shape[:2]
    with torch.no_grad():
        sr = upscale(as_tensor(pair.lr).to(device), (height, width)).cpu().numpy()
    if not np.isfinite(sr).all():
        raise DataError(f"{pair.set}/{pair.image} x{pair.scale:g}: the prediction is not finite")
    return torch.from_numpy(sr.clip(0, 1))


def _score(sr: Tensor, pair: Pair, protocol: str) -> Row:
    found = scores(sr, pair.hr, protocol, pair.scale)
    place = (pair.set, pair.image, pair.scale)
    return Row(*place, found.psnr, found.ssim, found.psnr_8bit, protocol, pair.lr_source)
