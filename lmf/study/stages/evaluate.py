"""The study's `evaluate` and `baseline` stages: one model of one profile on all its sets."""

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version

import pandas as pd
import torch

from lmf.checkpoint import load_model, read_card
from lmf.core.errors import ConfigError
from lmf.core.files import write_json
from lmf.data.fetch import open_set
from lmf.data.sets import ImageSet
from lmf.metrics.cost import LR_SIZE, SCALE, cpu_name, latency, multiply_adds, parameters
from lmf.model import Lmf
from lmf.study.evaluate import (
    Facts,
    Row,
    Upscaler,
    baseline,
    evaluate,
    save_reference_crops,
)
from lmf.study.profile import BASELINES, Profile
from lmf.study.rows import write_rows
from lmf.study.workspace import Workspace


@dataclass(frozen=True)
class _Subject:
    """What is evaluated: a trained variant or a baseline."""

    facts: Facts
    upscale: Upscaler
    model: Lmf | None


def evaluate_model(
    profile: Profile,
    name: str,
    place: Workspace,
    device: torch.device,
    on_row: Callable[[Row], None] = lambda row: None,
) -> pd.DataFrame:
    """Score the variant or baseline `name`; writes its rows, crops and timing and returns the rows."""
    subject = _subject(profile, name, place, device)
    sets = test_sets(profile, place)
    _check_crops(profile, sets)
    place.crops(name).mkdir(parents=True, exist_ok=True)  # also where a set of your own has none
    journal = place.run(name) / "evaluate.jsonl"
    frame = evaluate(
        subject.upscale,
        subject.facts,
        sets,
        profile.scales,
        journal=journal,
        crops=profile.crops,
        crop_folder=place.crops(name),
        device=device,
        on_row=on_row,
    )
    if name == BASELINES[0]:
        save_reference_crops(sets, profile.crops, place.crops(name))
    if subject.model is not None:
        timing = profile.timing
        timed = latency(subject.model, timing.input, timing.scale, device=device, runs=timing.runs)
        write_json(place.timing(name), {"model": name} | asdict(timed))
    write_rows(frame, place.rows(name))
    shutil.rmtree(journal.parent, ignore_errors=True)
    return frame


def test_sets(profile: Profile, place: Workspace) -> list[ImageSet]:
    """The profile's test sets, opened."""
    return [open_set(name, place.data) for name in profile.test_sets]


def _check_crops(profile: Profile, sets: list[ImageSet]) -> None:
    """ConfigError for a crop of a picture that is not there; pictures of one's own may change."""
    pictures = {(s.name, path.stem) for s in sets for path in s.hr}
    for crop in profile.crops:
        if crop.set != "custom" and (crop.set, crop.image) not in pictures:
            raise ConfigError(
                f"crops: no picture {crop.image!r} in {crop.set}, or no such test set"
            )


def _subject(profile: Profile, name: str, place: Workspace, device: torch.device) -> _Subject:
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()
    common = {
        "model": name,
        "profile": place.profile,
        "protocol": profile.protocol,
        "device": where,
        "torch": torch.__version__,
        "lmf": version("lmf"),
    }
    if name in BASELINES:
        facts = Facts(
            **common, seed=None, steps=None, weights_sha256=None, params=None, macs_g=None
        )
        return _Subject(facts, baseline(name), None)
    path = place.weights(name)
    card = read_card(path)
    model = load_model(path)
    facts = Facts(
        **common,
        seed=card["seed"],
        steps=card["steps"],
        weights_sha256=card["sha256"],
        params=parameters(model),
        macs_g=multiply_adds(model, LR_SIZE, SCALE) / 1e9,
    )
    model = model.to(device)
    return _Subject(facts, lambda image, size: model(image, size=size), model)
