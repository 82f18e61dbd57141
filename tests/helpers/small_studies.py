"""A study of seconds in a temporary folder, for tests of the train stage."""

import json
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image

from lmf.study.settings.profile import Profile, read_profile
from lmf.study.settings.workspace import Workspace
from lmf.study.stages.train import train_variant

VARIANT = "no-cross-scale"


def small_study(root: Path, validation=None, **changes) -> Workspace:
    """A workspace with four smooth pictures and the profile tests/helpers/tiny.yaml, with other settings.

    changes: of the profile's `train`. The sets are the folder data/own.
    """
    tiny = yaml.safe_load((Path(__file__).with_name("tiny.yaml")).read_text())
    tiny["train_set"] = "own"
    tiny["train"] |= changes
    tiny["validation"] |= {"set": "own"} | (validation or {})
    (root / "profiles").mkdir(parents=True, exist_ok=True)
    (root / "profiles/small.yaml").write_text(yaml.safe_dump(tiny))
    place = Workspace("small", root)
    (place.data / "own").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for index in range(4):
        pixels = rng.integers(0, 256, (12, 13, 3), dtype=np.uint8)
        picture = Image.fromarray(pixels).resize((52, 48), Image.Resampling.BICUBIC)
        picture.save(place.data / "own" / f"{index}.png")
    place.record("own").parent.mkdir(parents=True, exist_ok=True)
    record = {"set": "own", "images": 4, "tree_sha256": "0"}
    place.record("own").write_text(json.dumps(record))
    return place


def profile_of(place: Workspace) -> Profile:
    return read_profile(place.profile, place.root)


def train_small(place: Workspace, variant: str = VARIANT, **options) -> dict:
    """Train it; its card."""
    train_variant(profile_of(place), variant, place, torch.device("cpu"), **options)
    return json.loads(place.weights(variant).with_suffix(".json").read_text())
