"""The study's `evaluate` and `baseline` stages: one model of one profile on all its sets."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from lmf.checkpoint import released_names
from lmf.core.config import choose
from lmf.core.errors import ConfigError
from lmf.core.files import write_json
from lmf.data.pictures import as_tensor
from lmf.data.sets import ImageSet, open_set
from lmf.metrics.cost import latency
from lmf.model import Lmf
from lmf.study.evaluate.journal import Journal
from lmf.study.evaluate.pair import Pair, make_pair
from lmf.study.evaluate.run import OnRow, Task, evaluate
from lmf.study.evaluate.saved import Crops, save_crop
from lmf.study.evaluate.subject import baseline_subject, model_subject
from lmf.study.evaluate.team import ALONE, Team
from lmf.study.sets import open_fetched
from lmf.study.settings.ablations import ABLATIONS
from lmf.study.settings.params import workspace
from lmf.study.settings.profile import BASELINES, BICUBIC, Crop, Profile, read_profile
from lmf.study.settings.repeats import Training
from lmf.study.settings.workspace import Workspace
from lmf.study.tables.rows import write_rows
from lmf.study.weights import trained

SIDE = 96
"""Pixels of a detail, where the profile does not say which."""


def evaluate_model(
    profile: Profile,
    name: str,
    place: Workspace,
    device: torch.device,
    *,
    team: Team = ALONE,
    on_row: OnRow = lambda done, total: None,
) -> pd.DataFrame | None:
    """Score the variant or baseline `name`; writes its rows, crops and timing and returns the rows.

    team: processes that share the work; all but the first get None.
    """
    if name in BASELINES:
        subject = baseline_subject(name, place.profile)
    else:
        subject = model_subject(trained(name, profile, place), device, name, place.profile)
    tasks = test_tasks(profile, place, profile.test_sets)
    _check_crops(profile, tasks)
    place.crops(name).mkdir(parents=True, exist_ok=True)  # also where a set of your own has none
    journal = Journal(place.run(name) / "evaluate")
    frame = evaluate(
        subject.upscale,
        subject.facts,
        tasks,
        journal=journal,
        saved=Crops(profile.crops, place.crops(name)),
        device=device,
        team=team,
        on_row=on_row,
    )
    if frame is None:
        return None
    if name == BICUBIC:
        _save_references(profile, tasks, place)
    if subject.model is not None:
        _time(subject.model, profile, name, place, device)
    write_rows(frame, place.rows(name))
    write_json(place.means(name), _means(frame))
    journal.close()
    return frame


def score_stage(
    name: str, profile: str | None, device: torch.device, team: Team, on_row: OnRow
) -> str:
    """The profile's own evaluation of a variant or baseline; returns the means as text."""
    place = workspace(profile)
    settings = read_profile(place.profile)
    variant = Training.named(name).variant
    choose("model", variant, [*BASELINES, *settings.encoders, *ABLATIONS, *released_names()])
    frame = evaluate_model(settings, name, place, device, team=team, on_row=on_row)
    if frame is None:
        return ""
    means = frame.groupby(["set", "scale", "protocol"], sort=False)[["psnr", "ssim"]].mean()
    return str(means.round(4).to_string())


def test_tasks(profile: Profile, place: Workspace, names: Iterable[str]) -> list[Task]:
    """Test sets, opened, each with the scales and the protocol that the profile has for it."""
    return [
        Task(open_fetched(name, place), profile.scales_of(name), profile.protocol_of(name))
        for name in names
    ]


def _means(frame: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Mean PSNR (dB) and SSIM by set and scale, such as {"set5": {"x2": {"psnr": 37.5, ...}}}."""
    means: dict[str, dict[str, dict[str, float]]] = {}
    groups = frame.groupby(["set", "scale"], sort=False)[["psnr", "ssim"]].mean().round(4)
    for row in groups.reset_index().itertuples():
        means.setdefault(row.set, {})[f"x{row.scale:g}"] = {"psnr": row.psnr, "ssim": row.ssim}
    return means


def _time(model: Lmf, profile: Profile, name: str, place: Workspace, device: torch.device) -> None:
    timing = profile.timing
    timed = latency(model, timing.input, timing.scale, device=device, runs=timing.runs)
    ran = model.upscale(torch.rand(1, 3, *timing.input, device=device), scale=timing.scale)
    how = {"renderer": ran.path, "convolutions": ran.convolutions}
    write_json(place.timing(name), {"model": name} | how | asdict(timed))


def _check_crops(profile: Profile, tasks: list[Task]) -> None:
    """ConfigError for a crop of a picture that is not there, and one that lies outside of it.

    Pictures of one's own may change.
    """
    sets = {task.pictures.name: task.pictures for task in tasks}
    for crop in profile.crops:
        pair = _pair_of(crop, sets[crop.set]) if crop.set in sets else None
        if pair is None:
            if crop.set == "custom":
                continue
            raise ConfigError(
                f"crops: no picture {crop.image!r} in {crop.set}, or no such test set"
            )
        (top, left, height, width), (rows, columns) = crop.box, pair.hr.shape[:2]
        if top + height > rows or left + width > columns:
            raise ConfigError(
                f"crops: box {list(crop.box)} leaves {crop.set}/{crop.image}, which has {rows} rows of "
                f"{columns} pixels at x{crop.scale:g}"
            )


def detail(profile: Profile, data: Path) -> tuple[Pair, Crop]:
    """A picture to show and where to look: the first of the profile's crops whose picture is there.

    Otherwise the middle of the first picture of the first set. Raises what `open_set` does.
    """
    for crop in profile.crops:
        if pair := _pair_of(crop, open_set(crop.set, data)):
            return pair, crop
    first = next(iter(profile.test_sets))
    pair = make_pair(open_set(first, data), 0, profile.scales_of(first)[0])
    height, width = pair.hr.shape[:2]
    box = (max(0, height - SIDE) // 2, max(0, width - SIDE) // 2, SIDE, SIDE)
    return pair, Crop(first, pair.image, pair.scale, box)


def _pair_of(crop: Crop, pictures: ImageSet) -> Pair | None:
    """The picture that the crop is cut from; None if it is not there."""
    stems = [path.stem for path in pictures.hr]
    if crop.image not in stems:
        return None
    return make_pair(pictures, stems.index(crop.image), crop.scale)


def _save_references(profile: Profile, tasks: list[Task], place: Workspace) -> None:
    """Crops of the original (`hr`) and of the LR picture enlarged pixel by pixel (`lr`)."""
    folder = place.crops(BICUBIC)
    for crop in profile.crops:
        for pictures in (task.pictures for task in tasks if task.pictures.name == crop.set):
            pair = _pair_of(crop, pictures)
            if pair is None:
                continue
            size = (pair.hr.shape[1], pair.hr.shape[0])
            lr = Image.fromarray(pair.lr).resize(size, Image.Resampling.NEAREST)
            save_crop(as_tensor(pair.hr), crop, folder / "hr")
            save_crop(as_tensor(np.asarray(lr)), crop, folder / "lr")
