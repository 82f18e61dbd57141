"""How large a tile may be, and what to do when it was too large after all."""

import logging
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lmf.core.errors import InputError, ResourceError
from lmf.core.memory import ran_out
from lmf.render.result import Rows
from lmf.render.tiles import Reach, widest

MAX_PIXELS = 1 << 28
"""Of an output, unless more are asked for: 268 megapixels, 3.2 GB in fp32."""

SMALLEST = 16
"""Side of the smallest tile, in LR pixels, before alignment: less would be all overlap."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Footprint:
    """Estimate of the bytes above the weights that enlarging an image takes.

    bytes = fixed + strip * held + source * worked, or, in one piece, fixed + h w max(held, worked)

    fixed: input, output unless it is streamed, and what the renderer holds. held: per LR pixel of
    two rows of tiles, their codes. worked: per LR pixel that the encoder reads for a tile. reach: of
    the model; None if it reads the whole image at once. whole: whether all codes are held, as
    attention needs them.
    """

    lr_size: tuple[int, int]
    reach: Reach | None
    fixed: int
    held: int
    worked: int
    whole: bool

    def needed(self, side: int) -> int:
        """Bytes with tiles of `side` LR pixels."""
        h, w = self.lr_size
        if self.reach is None or side >= max(h, w):
            return self.fixed + h * w * max(self.held, self.worked)
        strip = h * w if self.whole else min(h, 2 * side) * w
        source = widest(h, side, self.reach) * widest(w, side, self.reach)
        return self.fixed + strip * self.held + source * self.worked

    def sides(self) -> range:
        """Sides that a tile may have, the last one for the whole image."""
        longest = max(self.lr_size)
        if self.reach is None:
            return range(longest, longest + 1)
        step = self.reach.alignment
        smallest = -(-SMALLEST // step) * step
        return range(smallest, max(smallest, longest) + step, step)

    def largest_side(self, max_memory: int | None) -> int:
        """The largest tile that fits; InputError if none does, with the bytes of the smallest."""
        sides = self.sides()
        if max_memory is None or self.needed(sides[-1]) <= max_memory:
            return sides[-1]
        fitting = bisect_right(sides, max_memory, key=self.needed)
        if fitting == 0:
            h, w = self.lr_size
            least = min(self.needed(sides[0]), self.needed(sides[-1]))
            tile = "its smallest tile" if self.reach else "this model, which reads it whole,"
            raise InputError(
                f"max_memory {max_memory:,} is too small: a {w}x{h} image and {tile} need about "
                f"{least:,} bytes; raise it, or ask for a smaller output"
            )
        return sides[fitting - 1]


def check_output(size: tuple[int, int], max_pixels: int) -> None:
    """InputError if an output (H, W) is larger than what was agreed to, or that is no number of any."""
    if max_pixels < 1:
        raise InputError(f"max_pixels is {max_pixels}: use at least 1 (--max-pixels)")
    if size[0] * size[1] > max_pixels:
        raise InputError(
            f"an output of {size[1]}x{size[0]} is more than {max_pixels:,} pixels: "
            "ask for less, or raise max_pixels of `upscale` (--max-pixels)"
        )


def fit(
    rows: Callable[[int, int], Iterator[Rows]], footprint: Footprint, max_memory: int | None
) -> Iterator[Rows]:
    """`rows(side, first)`, all of them, with the largest tile that `max_memory` allows.

    Where memory runs out, the remaining rows are made with tiles of half the side.

    Raises:
        InputError: `max_memory` is too small for any. ResourceError: so is the device's memory.
    """
    return _retry(rows, footprint.sides(), footprint.largest_side(max_memory))


def _retry(rows: Callable[[int, int], Iterator[Rows]], sides: range, side: int) -> Iterator[Rows]:
    done = 0
    while True:
        try:
            for part in rows(side, done):
                done = part.stop
                yield part
            return
        except (RuntimeError, MemoryError) as error:
            if (reason := ran_out(error)) is None:
                raise
        if side == sides[0]:
            break
        _log.warning("out of memory with tiles of %d LR pixels: halved", side)
        side = max(sides[0], side // 2 // sides.step * sides.step)
    raise ResourceError(
        f"out of memory even with tiles of {side} LR pixels ({reason}); free some, use the CPU, or "
        "ask for a smaller output"
    )
