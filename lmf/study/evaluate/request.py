"""`lmf evaluate` beyond the study's stages: any model, any sets, any scales."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from lmf.checkpoint import OFFICIAL, released_names
from lmf.core.errors import ConfigError
from lmf.core.files import check_place
from lmf.data.catalog import protocol_of
from lmf.data.sets import open_set
from lmf.metrics.protocol import protocol_named
from lmf.study.evaluate.journal import Journal
from lmf.study.evaluate.run import OnRow, Task, evaluate
from lmf.study.evaluate.saved import NOTHING, Whole
from lmf.study.evaluate.subject import Subject, baseline_subject, model_subject
from lmf.study.evaluate.summary import summary
from lmf.study.evaluate.team import Team
from lmf.study.settings.params import workspace
from lmf.study.settings.profile import BASELINES, BICUBIC, read_profile
from lmf.study.tables.rows import write_rows
from lmf.study.weights import weights_of

SCALES = (2.0, 3.0, 4.0)


@dataclass(frozen=True)
class Request:
    """What to score; see the options of `lmf evaluate`. Empty: sets of the profile, `SCALES`.

    protocol: None takes the one by which the literature scores each set.
    """

    model: str
    profile: str | None = None
    sets: Sequence[str] = ()
    scales: Sequence[float] = ()
    protocol: str | None = None
    out: Path | None = None
    images: Path | None = None


def score(
    request: Request,
    device: torch.device,
    team: Team,
    on_row: OnRow = lambda done, total: None,
) -> str:
    """Score a model, and bicubic beside it; returns the means as text, the first process does.

    Raises:
        ConfigError: an unknown model, set or protocol, or a scale below 1. DataError: a set that
            was not fetched. CheckpointError: the weights cannot be used.
    """
    place = workspace(request.profile)
    tasks = _tasks(request, read_profile(place.profile).test_sets, place.data)
    subject = _subject(request.model, request.profile, device)
    name = subject.facts.model
    saved = Whole(request.images, name) if request.images else NOTHING
    out = _csv(request.out or place.root / "runs" / "evaluate" / f"{name}.csv")
    journals = {one: Journal(out.with_name(f".{out.name}.{one}")) for one in (BICUBIC, name)}
    frames: list[pd.DataFrame] = []
    for one in dict.fromkeys([name, BICUBIC]):
        this = subject if one == name else baseline_subject(BICUBIC, "")
        frame = evaluate(
            this.upscale,
            this.facts,
            tasks,
            journal=journals[one],
            saved=saved if one == name else NOTHING,
            device=device,
            team=team,
            on_row=on_row,
        )
        if frame is not None:
            frames.insert(0, frame)
    if not frames:
        return ""
    write_rows(frames[-1], out)
    for journal in journals.values():
        journal.close()
    config = subject.model.config if subject.model else None
    return f"{summary(pd.concat(frames, ignore_index=True), config)}\nrows: {out}"


def is_stage(request: Request) -> bool:
    """Whether nothing but a variant or baseline is asked for: the study's own evaluation."""
    elsewhere = request.model.endswith((OFFICIAL, ".safetensors"))
    released = request.model in released_names()
    return request == Request(request.model, request.profile) and not elsewhere and not released


def _tasks(request: Request, default: Iterable[str], data: Path) -> list[Task]:
    scales = tuple(dict.fromkeys(request.scales or SCALES))
    for scale in scales:
        if not math.isfinite(scale) or scale < 1:
            raise ConfigError(f"scale {scale:g}: use finite numbers of at least 1")
    if request.protocol:
        protocol_named(request.protocol)
    return [
        Task(open_set(name, data), scales, request.protocol or protocol_of(name))
        for name in dict.fromkeys(request.sets or default)
    ]


def _csv(out: Path) -> Path:
    """`out`, if rows can be written there: the journal beside it would fail under a name of its own."""
    if out.is_dir() or out.suffix.lower() != ".csv":
        kind = " is a folder" if out.is_dir() else ": rows are written as CSV"
        raise ConfigError(f"{out}{kind}; name a .csv file")
    check_place(out)
    return out


def _subject(model: str, profile: str | None, device: torch.device) -> Subject:
    if model in BASELINES:
        return baseline_subject(model, "")
    path = weights_of(model, profile)
    if path.stem in BASELINES:
        raise ConfigError(
            f"{path}: its rows would be taken for those of {path.stem}; rename the file"
        )
    return model_subject(path, device)
