"""Weights for others: a trained variant under a name of its own, with what it scores on its card."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from lmf.checkpoint import RELEASED, load_model, read_card, save_model
from lmf.core.errors import ConfigError
from lmf.study.evaluate import OnRow
from lmf.study.params import workspace
from lmf.study.profile import read_profile
from lmf.study.scoring import Request, score
from lmf.study.team import ALONE

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

    sets: of the profile's test sets, or none for all of them.

    Raises:
        ConfigError: an unusable name. CheckpointError: the variant was not trained.
        DataError: a test set was not fetched.
    """
    if not name.replace("-", "").isalnum():
        raise ConfigError(f"name {name!r}: use letters, digits and hyphens")
    place = workspace(profile)
    settings = read_profile(place.profile)
    source = place.weights(variant)
    facts = {k: v for k, v in read_card(source).items() if k not in COMPUTED}
    timing = pd.read_json(place.results / "timing" / f"train-{variant}.json", typ="series")
    facts |= {
        "name": name,
        "variant": variant,
        "dtype": "fp16",
        "wall_time_s": float(timing["seconds"]),
        "trained_with": {key: read_card(source)[key] for key in ("torch", "lmf")},
    }
    model, path = load_model(source), RELEASED / f"{name}.safetensors"
    save_model(model, path, facts, half=True)
    rows = path.parent.parent / "runs" / "release" / f"{name}.csv"
    request = Request(name, place.profile, sets, settings.scales, out=rows)
    score(request, device, ALONE, on_row)
    save_model(model, path, facts | {"results": _means(pd.read_csv(rows))}, half=True)
    return path


def _means(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """One entry per set and scale: PSNR (dB) and SSIM of the released file, rounded as printed."""
    groups = rows.groupby(["set", "scale", "protocol"], sort=False)
    means = groups.agg(psnr=("psnr", "mean"), ssim=("ssim", "mean"), images=("image", "count"))
    return means.round(4).reset_index().to_dict("records")
