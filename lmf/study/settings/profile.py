"""Profiles: one YAML file decides what a run of the study is, from pictures to steps."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lmf.architecture import MODELS, ModelConfig, with_options
from lmf.core.config import Config, choose, parse, plain, require
from lmf.core.errors import ConfigError
from lmf.metrics.protocol import PROTOCOLS
from lmf.nets.cross_scale import CrossScaleConfig
from lmf.nets.encoders import ENCODERS
from lmf.study.settings.ablations import ABLATIONS, Ablation
from lmf.study.settings.repeats import Training
from lmf.study.settings.workspace import repository
from lmf.study.settings.yaml_files import read_yaml
from lmf.train.config import TrainConfig

BICUBIC = "bicubic"
"""The baseline that every model is held against."""

BASELINES = (BICUBIC, "bilinear")
"""Rows of every table that nobody trains: Pillow's interpolations."""


@dataclass(frozen=True)
class Validation(Config):
    """PSNR shown during training, on central crops of `crop` HR pixels; it selects nothing."""

    set: str
    scale: float
    crop: int

    def __post_init__(self) -> None:
        require(self.scale >= 1, "scale", self.scale, "at least 1")

    def check_crop(self, protocol: str) -> None:
        """ConfigError if the crop leaves nothing to score once `protocol` has shaved its border."""
        border = PROTOCOLS[protocol].border(self.scale)
        least = 2 * border + math.ceil(self.scale)
        valid = f"at least {least}, as {protocol} shaves {border} pixels a side at x{self.scale:g}"
        require(self.crop >= least, "validation.crop", self.crop, valid)


@dataclass(frozen=True)
class Timing(Config):
    """What the time per image is taken on: input (h, w) of the LR picture, and repetitions."""

    input: tuple[int, int]
    scale: float
    runs: int

    def __post_init__(self) -> None:
        require(min(self.input) >= 1, "input", self.input, "at least 1 pixel a side")
        require(self.scale >= 1, "scale", self.scale, "at least 1")
        require(self.runs >= 1, "runs", self.runs, "at least 1")


@dataclass(frozen=True)
class Efficiency(Config):
    """What the efficiency study times: models, encoders and scales on an LR picture `input` (h, w).

    more_encoders: timed with LM-LTE alone at one scale. runs: repetitions of each. limit, spend: seconds
    that one of them and that all of them may take, see `bench.plan.Plan`.
    """

    models: tuple[str, ...] = ("lte", "lm-lte")
    encoders: tuple[str, ...] = ("edsr-small",)
    more_encoders: tuple[str, ...] = ()
    input: tuple[int, int] = (48, 64)
    scales: tuple[float, ...] = (2.0, 4.0)
    runs: int = 3
    limit: float = 1.0
    spend: float | None = None

    def __post_init__(self) -> None:
        for model in self.models:
            choose("model", model, MODELS)
        for encoder in (*self.encoders, *self.more_encoders):
            choose("encoder", encoder, ENCODERS)
        require(bool(self.scales), "scales", self.scales, "at least one")
        require(min(self.scales) >= 1, "scales", self.scales, "numbers of at least 1")
        require(min(self.input) >= 1, "input", self.input, "at least 1 pixel a side")
        require(self.runs >= 1, "runs", self.runs, "at least 1")
        require(self.limit > 0, "limit", self.limit, "seconds above 0")


@dataclass(frozen=True)
class Crop(Config):
    """A detail that the report shows; box: (top, left, height, width) in HR pixels."""

    set: str
    image: str
    scale: float
    box: tuple[int, int, int, int]

    def __post_init__(self) -> None:
        top, left, height, width = self.box
        inside = min(top, left) >= 0 and min(height, width) >= 1
        require(
            inside, "box", self.box, "top, left of at least 0, then height, width of at least 1"
        )


@dataclass(frozen=True)
class Scoring(Config):
    """How one test set is scored; None: as `protocol` and `scales` of the profile say for all."""

    protocol: str | None = None
    scales: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Profile(Config):
    """A run of the study; see the comments in profiles/quick.yaml and profiles/paper.yaml.

    scope: what it is made for, and what not, as the report says it.
    """

    title: str
    scope: str
    seed: int
    protocol: str
    train_set: str
    test_sets: dict[str, Scoring]
    scales: tuple[float, ...]
    encoders: dict[str, str]
    base: str
    model: dict[str, Any]
    cross_scale: CrossScaleConfig
    train: TrainConfig
    validation: Validation
    timing: Timing
    crops: tuple[Crop, ...]
    efficiency: Efficiency = Efficiency()

    def __post_init__(self) -> None:
        require(0 <= self.seed < 2**32, "seed", self.seed, "0 to 4294967295")

    @property
    def sets(self) -> tuple[str, ...]:
        """All sets to fetch; `custom` is imported by DVC instead."""
        wanted = (self.train_set, self.validation.set, *self.test_sets)
        return tuple(dict.fromkeys(name for name in wanted if name != "custom"))

    def protocol_of(self, name: str) -> str:
        """The protocol that test set `name` is scored by."""
        return self.test_sets.get(name, Scoring()).protocol or self.protocol

    def scales_of(self, name: str) -> tuple[float, ...]:
        """The scales at which test set `name` is scored."""
        scales = self.test_sets.get(name, Scoring()).scales
        return self.scales if scales is None else scales


def read_profile(name: str, root: Path | None = None) -> Profile:
    """Profile `name` from profiles/<name>.yaml; ConfigError names whatever is wrong in it.

    root: of the repository, by default the one around the working directory.
    """
    folder = (repository() if root is None else root) / "profiles"
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; run from the repository's root")
    choose("profile", name, sorted(path.stem for path in folder.glob("*.yaml")))
    path = folder / f"{name}.yaml"
    raw = read_yaml(path)
    if isinstance(short := raw.get("test_sets"), list):  # all scored alike
        raw["test_sets"] = {str(one): {} for one in short}
    profile = parse(Profile, raw, str(path))
    try:
        _check(profile)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return profile


def _check(profile: Profile) -> None:
    """ConfigError if a value names something that is not there, or a scale is below 1."""
    for protocol in (profile.protocol, *map(profile.protocol_of, profile.test_sets)):
        choose("protocol", protocol, PROTOCOLS)
    profile.validation.check_crop(profile.protocol)
    choose("base", profile.base, profile.encoders)
    for encoder in profile.encoders.values():
        choose("encoder", encoder, ENCODERS)
    model_config(profile, profile.base)
    tested = [scale for name in profile.test_sets for scale in profile.scales_of(name)]
    for scale in (*profile.scales, *tested, *profile.train.scales, profile.validation.scale):
        if scale < 1:
            raise ConfigError(f"scale {scale:g} is below 1")
    for crop in profile.crops:
        choose("set of a crop", crop.set, profile.test_sets)
        if crop.scale not in profile.scales_of(crop.set):
            raise ConfigError(f"crop of {crop.image}: x{crop.scale:g} is none of the scales")


def model_config(profile: Profile, variant: str) -> ModelConfig:
    """Architecture of a variant: an encoder under the full LMLTE, or an ablation of the base."""
    variant = _known(profile, variant).variant
    encoder = profile.encoders.get(variant, profile.encoders[profile.base])
    full = {"max_scale": profile.train.scales[1]} | dict(profile.model)
    full |= {
        "encoder": encoder,
        "cross_scale": plain(profile.cross_scale),
    }
    return with_options(MODELS["lm-lte"], full | dict(_ablation(variant).model), "model")


def train_config(profile: Profile, variant: str) -> TrainConfig:
    """How a variant is trained: as the profile says, but for an ablation of the training itself.

    Raises:
        ConfigError: no such variant, or the profile's recipe and the ablation's do not go together.
    """
    variant = _known(profile, variant).variant
    changed = plain(profile.train) | dict(_ablation(variant).train)
    return parse(TrainConfig, changed, f"train of {variant}")


def of_variant(profile: Profile, variant: str) -> Profile:
    """The profile with the variant's recipe and seed in the place of everyone's.

    Raises:
        ConfigError: as `train_config`; or it is again the training under the profile's own seed.
    """
    again = _known(profile, variant)
    if again.seed == profile.seed:
        raise ConfigError(
            f"{variant}: {profile.seed} is the seed of {again.variant} itself; name another"
        )
    seed = profile.seed if again.seed is None else again.seed
    return replace(profile, train=train_config(profile, variant), seed=seed)


def _known(profile: Profile, name: str) -> Training:
    training = Training.named(name)
    choose("variant", training.variant, [*profile.encoders, *ABLATIONS])
    return training


def _ablation(variant: str) -> Ablation:
    """What is changed; nothing for the variants that compare encoders."""
    return ABLATIONS.get(variant, Ablation("the full model"))
