"""Every encoder by name."""

from typing import cast

from torch import Tensor, nn

from lmf.nets.edsr import EDSR_PRESETS, Edsr, EdsrConfig
from lmf.nets.rdn import RDN_PRESETS, Rdn, RdnConfig
from lmf.nets.swinir import SWINIR_PRESETS, SwinIr, SwinIrConfig

EncoderConfig = EdsrConfig | RdnConfig | SwinIrConfig
ENCODERS: dict[str, EncoderConfig] = {**EDSR_PRESETS, **RDN_PRESETS, **SWINIR_PRESETS}


class Encoder(nn.Module):
    """What every encoder offers: `out_channels`, and features of the input's own height and width."""

    out_channels: int

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) in [-1, 1] -> (B, out_channels, h, w)."""
        raise NotImplementedError


def create_encoder(config: EncoderConfig) -> Encoder:
    """An untrained encoder of the given architecture."""
    match config:
        case EdsrConfig():
            encoder: nn.Module = Edsr(config)
        case RdnConfig():
            encoder = Rdn(config)
        case SwinIrConfig():
            encoder = SwinIr(config)
    return cast(Encoder, encoder)
