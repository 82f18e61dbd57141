"""Cells of an image that is encoded tile by tile, so that features of the whole never exist at once."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from lmf.core.bundle import Cells, Code, join
from lmf.render.tiles import Reach, Span, around, cut_axis


@dataclass(frozen=True)
class _Strip:
    """Codes of full-width LR rows: (B, rows, w, ...)."""

    rows: range
    code: Code


@dataclass
class TiledCells:
    """A `CellSource` that encodes strips of an image as a renderer comes to them; it keeps one.

    image: (B, 3, h, w). side: of a tile, in LR pixels. reach: what a tile needs around it.
    margin: rows of codes above and below that the cells of a row depend on.
    encode: part of an image -> its codes, leading dimensions (B, h, w) of that part.
    to_cells: codes of some LR rows, the first and the last + 1 that are wanted of them -> cells.
    tiles: how many have been encoded so far. read, made: LR pixels that the encoder was given for
    them, and cells that came of it.
    """

    image: Tensor
    side: int
    reach: Reach
    margin: int
    encode: Callable[[Tensor], Code]
    to_cells: Callable[[Code, int, int], Cells]
    tiles: int = 0
    read: int = 0
    made: int = 0
    _strip: _Strip | None = field(default=None, repr=False)

    @property
    def lr_size(self) -> tuple[int, int]:
        """(h, w)."""
        return self.image.shape[-2], self.image.shape[-1]

    @property
    def overlap(self) -> float:
        """What the tiles so far cost the encoder, of what their cells would in one piece."""
        return self.read / self.made if self.made else 1.0

    def rows(self, start: int, stop: int) -> Cells:
        """The cells of LR rows `start` to `stop`."""
        top, bottom = max(0, start - self.margin), min(self.lr_size[0], stop + self.margin)
        if self._strip is None or not (top in self._strip.rows and bottom - 1 in self._strip.rows):
            self._strip = self._strip_from(top, bottom)
        first = self._strip.rows.start
        return self.to_cells(self._strip.code, start - first, stop - first)

    def _strip_from(self, top: int, bottom: int) -> _Strip:
        """Rows `top` to `bottom` at least: what the last strip has of them, and the next tiles."""
        old, self._strip = self._strip, None
        parts, first = [], top
        if old is not None and old.rows.start <= top < old.rows.stop:
            rest = slice(top - old.rows.start, None)
            parts, first = [old.code.map(lambda t: t[:, rest].clone())], old.rows.stop
        old = None  # its memory is needed
        while first < bottom:
            last = min(first + self.side, self.lr_size[0])
            parts.append(self._encode_rows(range(first, last)))
            first = last
        return _Strip(range(top, first), join(parts, dim=1))

    def _encode_rows(self, rows: range) -> Code:
        height, width = self.lr_size
        y = around(rows, height, self.reach)
        tiles = [self._encode_tile(y, x) for x in cut_axis(width, self.side, self.reach)]
        return join(tiles, dim=2)

    def _encode_tile(self, y: Span, x: Span) -> Code:
        self.tiles += 1
        self.read += len(y.source) * len(x.source)
        self.made += len(y.cells) * len(x.cells)
        here = self.image[..., y.source.start : y.source.stop, x.source.start : x.source.stop]
        return self.encode(here).map(lambda t: t[:, y.inner, x.inner].contiguous())
