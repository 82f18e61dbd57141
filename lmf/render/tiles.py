"""Where to cut an LR image that is too large to encode at once: geometry alone.

The image is cut into strips of rows, and these into tiles. Each LR pixel belongs to one tile; for
the codes of its `cells` the encoder reads the larger `source`, so that they are what they would be
in the whole image. Nothing is blended. At the image's border the source ends, too.

    source    |<- overlap ->|<-------- cells -------->|<- overlap ->|
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reach:
    """What a tile needs around it, in LR pixels.

    overlap: from a cell to the furthest pixel that its code depends on. alignment: sources start and
    stop at multiples of it, or at the image's end; for encoders that see the image in windows.
    """

    overlap: int
    alignment: int = 1


@dataclass(frozen=True)
class Span:
    """One axis of a tile: LR cells whose codes it makes, and LR pixels that it makes them of."""

    cells: range
    source: range

    @property
    def inner(self) -> slice:
        """The cells within the source."""
        start = self.cells.start - self.source.start
        return slice(start, start + len(self.cells))


def cut_axis(n: int, side: int, reach: Reach) -> list[Span]:
    """Spans of at most `side` of the `n` LR pixels of an axis."""
    return [around(range(start, min(start + side, n)), n, reach) for start in range(0, n, side)]


def around(cells: range, n: int, reach: Reach) -> Span:
    """The span of some cells of an axis of `n` LR pixels."""
    step = reach.alignment
    start = max(0, cells.start - reach.overlap) // step * step
    stop = -(-(cells.stop + reach.overlap) // step) * step
    return Span(cells, range(start, min(n, stop)))


def widest(n: int, side: int, reach: Reach) -> int:
    """LR pixels that a source on an axis of `n` has at most."""
    return min(n, side + 2 * (reach.overlap + reach.alignment - 1))
