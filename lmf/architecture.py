"""What a model is made of: the typed options, and the named models of the literature."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, Literal

from lmf.core.config import Config, parse, plain
from lmf.core.errors import ConfigError
from lmf.nets.attention import AttentionKind
from lmf.nets.cross_scale import CrossScaleConfig


@dataclass(frozen=True)
class ModelConfig(Config):
    """Architecture of a model; every ablation of the study is one field.

    head: family. latent: modulated 16-wide render MLP (LMF) or the family's original MLP.
    encoder: a name of `nets.encoders.ENCODERS`. fourier: waves of the LTE head (x 2).
    hidden: widths of the latent MLP, or of the original MLP where `latent` is false.
    width, depth: of the render MLP. mod_scale, mod_shift: which modulations it gets.
    mod_input: render from a compressed code. cell: condition on the HR pixel's size.
    ensemble: blend the four nearest cells. unfold: 3x3 features (LIIF and CiaoSR heads).
    attention, local_size, softmax_scale: of the CiaoSR head, see `heads.local_attention`.
    position: relative coordinates in the render MLP's input. cross_scale: see `nets.cross_scale`.
    max_scale: largest scale of training, at which the cell is held beyond it.
    encoder_attention: inside the residual blocks of a CNN encoder, see `nets.attention`.
    """

    head: Literal["liif", "lte", "ciaosr"]
    latent: bool
    encoder: str
    fourier: int
    hidden: tuple[int, ...]
    width: int = 16
    depth: int = 8
    mod_scale: bool = True
    mod_shift: bool = True
    mod_input: bool = True
    cell: bool = True
    ensemble: bool = True
    unfold: bool = True
    position: bool = True
    cross_scale: CrossScaleConfig | None = None
    max_scale: float = 4.0
    attention: tuple[int, ...] = ()
    local_size: int = 2
    softmax_scale: float = 1.0
    encoder_attention: AttentionKind = "none"

    def __post_init__(self) -> None:
        if min(self.width, self.depth, self.local_size, *self.hidden, *self.attention) < 1:
            raise ConfigError("hidden, attention, width, depth and local_size must be at least 1")
        if self.max_scale < 1:
            raise ConfigError(f"max_scale {self.max_scale} is below 1")
        for field in fields(self):
            if field.name in _unread(self) and getattr(self, field.name) != field.default:
                family = f"{'lm-' if self.latent else ''}{self.head}"
                raise ConfigError(f"{family} has no {field.name}: leave it out")
        if self.head == "lte":
            self._check_waves()
        elif self.fourier:
            raise ConfigError(f"head {self.head} has no waves: set fourier to 0")
        if self.head == "ciaosr":
            if not self.attention:
                raise ConfigError("head ciaosr needs attention, for instance [256]")
            if self.latent and not self.mod_input:
                raise ConfigError("head ciaosr has no mod_input=False: it renders compressed codes")

    def _check_waves(self) -> None:
        if self.fourier < 2 or self.fourier % 2:
            raise ConfigError(f"fourier {self.fourier} is no even number of at least 2")
        if self.latent and self.mod_input and self.width % 2:
            raise ConfigError(f"width {self.width} is odd: the compressed code is pairs of waves")


def _unread(config: ModelConfig) -> set[str]:
    """Options that a family does not read; a value other than the default would be ignored."""
    unread = set()
    if not config.latent:
        unread |= {"width", "depth", "mod_scale", "mod_shift", "mod_input"}
    if config.head != "ciaosr":
        unread |= {"attention", "local_size", "softmax_scale"}
    elif not config.latent:  # local_size takes its place
        unread |= {"ensemble"}
    if config.head == "lte":  # its convolutions read 3x3 features
        unread |= {"unfold"}
    return unread


def least_parameters(config: ModelConfig) -> int:
    """A number that the parameters of any model of `config` exceed, without building one."""
    found = 2 * 9 * config.fourier
    for widths in (config.hidden, config.attention):
        found += sum(before * after for before, after in pairwise((1, *widths)))
    if config.latent:
        modulations = config.mod_scale + config.mod_shift
        found += (1, *config.hidden)[-1] * config.depth * config.width * modulations
        found += (config.depth - 1) * config.width**2
    if config.cross_scale is not None:
        found += config.cross_scale.channels
    return found


_WIDE = (256, 256, 256, 256)
MODELS = {
    "liif": ModelConfig("liif", False, "edsr-baseline", 0, _WIDE),
    "lte": ModelConfig("lte", False, "edsr-baseline", 256, (256, 256, 256)),
    "ciaosr": ModelConfig(
        "ciaosr", False, "edsr-baseline", 0, _WIDE, attention=_WIDE, cross_scale=CrossScaleConfig()
    ),
    "lm-liif": ModelConfig("liif", True, "edsr-baseline", 0, (208,), depth=6),
    "lm-lte": ModelConfig("lte", True, "edsr-baseline", 128, (288,)),
    "lm-ciaosr": ModelConfig(
        "ciaosr", True, "edsr-baseline", 0, (288,), attention=(256,), cross_scale=CrossScaleConfig()
    ),
}


def with_options(config: ModelConfig, options: Mapping[str, Any], where: str) -> ModelConfig:
    """`config` with some fields replaced, checked as strictly as `create_model` does."""
    return parse(ModelConfig, plain(config) | dict(options), where)
