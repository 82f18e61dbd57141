"""What "PSNR on Set5" means: protocols by name. The name stands in every row of every result."""

import math
from dataclasses import dataclass
from typing import Literal

from lmf.core.config import choose
from lmf.core.errors import InputError


@dataclass(frozen=True)
class Protocol:
    """Everything that two groups must agree on before they compare decibels.

    channel: "y" (luma of BT.601) or "rgb"; a grey picture is one of three equal channels.
    shave: whether ceil(scale) border pixels are left out, and `extra` more.
    lr: the set's own LR files where there are some (MATLAB's bicubic at x2, x3, x4), Pillow's
    antialiased bicubic elsewhere; each row says which it was.
    rounding: the prediction is scored as float, clamped to [0, 1]; PSNR after rounding to 8 bits
    stands beside it in each row.
    cell: a model is never told of HR pixels smaller than at its largest training scale, which is how
    LTE and LMF are evaluated; `Lmf` does so itself.
    """

    name: str
    channel: Literal["y", "rgb"]
    shave: bool
    extra: int = 0
    lr: Literal["published, else pillow-bicubic"] = "published, else pillow-bicubic"
    rounding: Literal["float"] = "float"
    cell: Literal["clipped to the training scales"] = "clipped to the training scales"

    def border(self, scale: float | None) -> int:
        """Pixels left out on each side; InputError if the scale is needed and makes no sense."""
        if not self.shave:
            return 0
        if scale is None or not math.isfinite(scale) or scale < 1:
            raise InputError(f"protocol {self.name} shaves by the scale: pass it, not {scale}")
        return math.ceil(scale) + self.extra

    @property
    def description(self) -> str:
        """The protocol in one sentence."""
        channel = {"y": "Y of BT.601", "rgb": "RGB"}[self.channel]
        shave = f"shave = scale{f' + {self.extra}' if self.extra else ''}"
        return (
            f"{channel} on the {self.rounding} prediction clamped to [0, 1]; "
            f"{shave if self.shave else 'no shave'}; LR {self.lr}; cell {self.cell}"
        )


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("benchmark_y", "y", shave=True),
        Protocol("div2k_rgb", "rgb", shave=True, extra=6),
        Protocol("raw_rgb", "rgb", shave=False),
    )
}


def protocol_named(name: str) -> Protocol:
    """The protocol of that name; ConfigError lists the valid ones."""
    return PROTOCOLS[choose("protocol", name, PROTOCOLS)]
