"""Weights for others: a trained variant under a name of its own, with what it scores on its card."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from lmf.checkpoint import RELEASED, load_model, read_card, save_model
from lmf.core.errors import ConfigError
from lmf.study.evaluate.journal import Journal
from lmf.study.evaluate.run import OnRow, evaluate
from lmf.study.evaluate.subject import model_subject
from lmf.study.settings.ablations import ABLATIONS
from lmf.study.settings.params import workspace
from lmf.study.settings.profile import BASELINES, read_profile
from lmf.study.settings.repeats import Training
from lmf.study.settings.workspace import Workspace
from lmf.study.stages.evaluate import test_tasks
from lmf.study.weights import trained

COMPUTED = ("architecture", "parameters", "sha256", "torch", "lmf", "name")
"""Entries of a card that saving writes anew."""


def release(
    variant: str,
    name: str,
    profile: str | None,
    sets: Sequence[str],
    device: torch.device,
    on_row: OnRow,
) -> Path:
    """Write weights/<name>.safetensors (fp16) and its card, with what it scores on `sets`.

    sets: by default those of the profile, but for `custom`, which others do not have; each is scored
    by the profile's protocol and scales. Nothing is in weights/ before it is scored.

    Raises:
        ConfigError: an unusable name, no such variant, or it was not trained.
        DataError: a test set was not fetched.
    """
    if not name.replace("-", "").isalnum():
        raise ConfigError(f"name {name!r}: use letters, digits and hyphens")
    place = workspace(profile)
    settings = read_profile(place.profile)
    if Training.named(name).variant in (*BASELINES, *ABLATIONS, *settings.encoders):
        raise ConfigError(f"name {name!r} is that of a variant: choose another, such as my-{name}")
    source = trained(variant, settings, place)
    facts = {k: v for k, v in read_card(source).items() if k not in COMPUTED}
    facts |= {
        "name": name,
        "variant": variant,
        "dtype": "fp16",
        "wall_time_s": _wall_time(place, variant),
        "trained_with": {key: read_card(source)[key] for key in ("torch", "lmf")},
        "source_sha256": read_card(source)["sha256"],
    }
    folder = place.root / "runs" / "release" / name  # its own: another may be under way
    model, work = load_model(source), folder / f"{name}.safetensors"
    save_model(model, work, facts, half=True)
    tested = sets or [one for one in settings.test_sets if one != "custom"]
    tasks, subject = test_tasks(settings, place, tested), model_subject(work, device)
    journal = Journal(folder / "evaluate")
    rows = evaluate(
        subject.upscale, subject.facts, tasks, journal=journal, device=device, on_row=on_row
    )
    path = RELEASED / work.name
    save_model(model, path, facts | {"results": _means(rows)}, half=True)
    shutil.rmtree(folder)
    return path


def _wall_time(place: Workspace, variant: str) -> float | None:
    """Seconds that its training took; None where that was not kept."""
    path = place.wall_time(variant)
    return (
        float(json.loads(path.read_text(encoding="utf-8"))["seconds"]) if path.is_file() else None
    )


def _means(rows: pd.DataFrame | None) -> list[dict[str, Any]]:
    """One entry per set and scale: PSNR (dB) and SSIM of the released file, rounded as printed."""
    assert rows is not None  # a process alone has them all
    groups = rows.groupby(["set", "scale", "protocol", "lr_source"], sort=False)
    means = groups.agg(psnr=("psnr", "mean"), ssim=("ssim", "mean"), images=("image", "count"))
    return means.round(4).reset_index().to_dict("records")
