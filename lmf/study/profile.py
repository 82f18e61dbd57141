"""Profiles: one YAML file decides what a run of the study is, from pictures to steps."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lmf.architecture import MODELS, ModelConfig, with_options
from lmf.core.config import Config, choose, parse, plain
from lmf.core.errors import ConfigError
from lmf.metrics.protocol import PROTOCOLS
from lmf.nets.cross_scale import CrossScaleConfig
from lmf.nets.encoders import ENCODERS
from lmf.train.config import TrainConfig

ABLATIONS: Mapping[str, Mapping[str, Any]] = {
    "no-cross-scale": {"cross_scale": None},
    "no-modulation": {"mod_scale": False, "mod_shift": False},
    "no-position": {"position": False},
}
"""The ablations of the full model; each changes one thing in its `ModelConfig`."""

BASELINES = ("bicubic", "bilinear")


@dataclass(frozen=True)
class Validation(Config):
    """PSNR shown during training, on central crops of `crop` HR pixels; it selects nothing."""

    set: str
    scale: float
    crop: int


@dataclass(frozen=True)
class Timing(Config):
    """What the time per image is taken on: input (h, w) of the LR picture, and repetitions."""

    input: tuple[int, int]
    scale: float
    runs: int


@dataclass(frozen=True)
class Crop(Config):
    """A detail that the report shows; box: (top, left, height, width) in HR pixels."""

    set: str
    image: str
    scale: float
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Profile(Config):
    """A run of the study; see the comments in profiles/quick.yaml."""

    title: str
    seed: int
    protocol: str
    train_set: str
    test_sets: tuple[str, ...]
    scales: tuple[float, ...]
    encoders: dict[str, str]
    base: str
    model: dict[str, Any]
    cross_scale: CrossScaleConfig
    train: TrainConfig
    validation: Validation
    timing: Timing
    crops: tuple[Crop, ...]

    @property
    def sets(self) -> tuple[str, ...]:
        """All sets to fetch; `custom` is imported by DVC instead."""
        return (self.train_set, *(s for s in self.test_sets if s != "custom"))


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping; ConfigError otherwise."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; run from the repository's root") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected names and values")
    return raw


def read_profile(name: str, root: Path = Path()) -> Profile:
    """Profile `name` from profiles/<name>.yaml; ConfigError names whatever is wrong in it."""
    folder = root / "profiles"
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; run from the repository's root")
    choose("profile", name, sorted(path.stem for path in folder.glob("*.yaml")))
    path = folder / f"{name}.yaml"
    profile = parse(Profile, read_yaml(path), str(path))
    try:
        _check(profile)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return profile


def _check(profile: Profile) -> None:
    """ConfigError if a value names something that is not there, or a scale is below 1."""
    choose("protocol", profile.protocol, PROTOCOLS)
    choose("base", profile.base, profile.encoders)
    for encoder in profile.encoders.values():
        choose("encoder", encoder, ENCODERS)
    model_config(profile, profile.base)
    for scale in (*profile.scales, *profile.train.scales, profile.validation.scale):
        if scale < 1:
            raise ConfigError(f"scale {scale:g} is below 1")
    for crop in profile.crops:
        choose("set of a crop", crop.set, profile.test_sets)
        if crop.scale not in profile.scales:
            raise ConfigError(f"crop of {crop.image}: x{crop.scale:g} is none of the scales")


def model_config(profile: Profile, variant: str) -> ModelConfig:
    """Architecture of a variant: an encoder under the full LMLTE, or an ablation of the base."""
    choose("variant", variant, [*profile.encoders, *ABLATIONS])
    encoder = profile.encoders.get(variant, profile.encoders[profile.base])
    full = dict(profile.model) | {
        "encoder": encoder,
        "cross_scale": plain(profile.cross_scale),
    }
    return with_options(MODELS["lm-lte"], full | dict(ABLATIONS.get(variant, {})), "model")
