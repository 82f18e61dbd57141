"""Image quality under named protocols, and what a model costs."""

from lmf.metrics.protocol import PROTOCOLS, Protocol, protocol_named
from lmf.metrics.quality import psnr, ssim

__all__ = ["PROTOCOLS", "Protocol", "protocol_named", "psnr", "ssim"]
