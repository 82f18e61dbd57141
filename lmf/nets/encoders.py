"""Every encoder by name."""

from dataclasses import replace

from lmf.core.config import choose
from lmf.core.errors import ConfigError
from lmf.nets.attention import AttentionKind
from lmf.nets.edsr import EDSR_PRESETS, Edsr, EdsrConfig
from lmf.nets.encoder import Encoder
from lmf.nets.rdn import RDN_PRESETS, Rdn, RdnConfig
from lmf.nets.swinir import SWINIR_PRESETS, SwinIr, SwinIrConfig

EncoderConfig = EdsrConfig | RdnConfig | SwinIrConfig
ENCODERS: dict[str, EncoderConfig] = {**EDSR_PRESETS, **RDN_PRESETS, **SWINIR_PRESETS}


def encoder_config(name: str, attention: AttentionKind = "none") -> EncoderConfig:
    """The preset `name`, with attention in its residual blocks if asked for.

    Raises:
        ConfigError: no such encoder, or one whose blocks have no such attention.
    """
    config = ENCODERS[choose("encoder", name, ENCODERS)]
    if attention == "none":
        return config
    if isinstance(config, SwinIrConfig):
        able = ", ".join([*EDSR_PRESETS, *RDN_PRESETS])
        raise ConfigError(
            f"encoder {name} has no encoder_attention={attention!r}; use none, or one of: {able}"
        )
    return replace(config, attention=attention)


def create_encoder(config: EncoderConfig) -> Encoder:
    """An untrained encoder of the given architecture."""
    match config:
        case EdsrConfig():
            return Edsr(config)
        case RdnConfig():
            return Rdn(config)
        case SwinIrConfig():
            return SwinIr(config)
