"""What "PSNR on Set5" means: protocols by name. The name stands in every row of every result."""

import math
from dataclasses import dataclass
from typing import Literal

from lmf.core.config import choose
from lmf.core.errors import InputError


@dataclass(frozen=True)
class Protocol:
    """channel: "y" (luma of BT.601) or "rgb". extra: border pixels shaved beyond ceil(scale)."""

    name: str
    channel: Literal["y", "rgb"]
    shave: bool
    extra: int
    description: str

    def border(self, scale: float | None) -> int:
        """Pixels left out on each side; InputError if the scale is needed and makes no sense."""
        if not self.shave:
            return 0
        if scale is None or not math.isfinite(scale) or scale < 1:
            raise InputError(f"protocol {self.name} shaves by the scale: pass it, not {scale}")
        return math.ceil(scale) + self.extra


PROTOCOLS = {
    "benchmark_y": Protocol(
        "benchmark_y",
        "y",
        True,
        0,
        "Y of BT.601 on the float prediction clamped to [0, 1]; shave = scale",
    ),
    "div2k_rgb": Protocol(
        "div2k_rgb",
        "rgb",
        True,
        6,
        "RGB on the float prediction clamped to [0, 1]; shave = scale + 6",
    ),
    "raw_rgb": Protocol(
        "raw_rgb", "rgb", False, 0, "RGB on the float prediction clamped to [0, 1]; no shave"
    ),
}


def protocol_named(name: str) -> Protocol:
    """The protocol of that name; ConfigError lists the valid ones."""
    return PROTOCOLS[choose("protocol", name, PROTOCOLS)]
