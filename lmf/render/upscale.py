"""Enlarge an image in bounded memory: in tiles where it asks for them, row by row.

A stream is all there is: the whole image is a stream whose rows are put together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from lmf.core.bundle import Cells, Latents, LazyCells
from lmf.core.errors import ResourceError
from lmf.core.memory import ran_out
from lmf.heads.head import Head
from lmf.nets.convolution import Convolve, convolve
from lmf.nets.winograd import computes_some, fastest
from lmf.render.memory import Footprint, check_output, fit
from lmf.render.options import Options
from lmf.render.renderer import Renderer
from lmf.render.result import Rendering, Rows, Upscaled, assemble
from lmf.render.tiled import TiledCells


class Encoding(Protocol):
    """The part of a model that works on LR pixels; `lmf.model.Lmf` says what each means."""

    @property
    def head(self) -> Head[Any]: ...
    def encode(self, image: Tensor, *, convolve: Convolve | None = None) -> Latents: ...
    def cells(
        self, latents: Latents, cell: Tensor, rows: tuple[int, int] | None = None
    ) -> Cells: ...


class Model(Encoding, Protocol):
    """What upscaling asks of a model."""

    @property
    def encoder(self) -> nn.Module: ...
    def cell(self, image: Tensor, size: tuple[int, int]) -> Tensor: ...
    def footprint(
        self, image: Tensor, size: tuple[int, int], *, streamed: bool = False
    ) -> Footprint: ...
    @property
    def renderer(self) -> Renderer: ...


@dataclass(frozen=True)
class Half:
    """An `Encoding` whose products are computed in bfloat16; what it gives is as precise as the image.

    PyTorch computes them: the convolutions in C are float32's.
    """

    model: Encoding

    @property
    def head(self) -> Head[Any]:
        return self.model.head

    def encode(self, image: Tensor, *, convolve: Convolve | None = None) -> Latents:
        with torch.autocast(image.device.type, torch.bfloat16):
            code = self.model.encode(image, convolve=convolve).code
        return Latents(image, code.map(lambda t: t.to(image.dtype)))

    def cells(self, latents: Latents, cell: Tensor, rows: tuple[int, int] | None = None) -> Cells:
        with torch.autocast(cell.device.type, torch.bfloat16):
            cells = self.model.cells(latents, cell, rows)
        return cells.map(lambda t: t.to(cell.dtype))


class Stream(Iterator[Rows]):
    """The rows of an enlarged image from top to bottom, made as they are asked for.

    size: (H, W).
    """

    def __init__(
        self,
        model: Model,
        image: Tensor,
        size: tuple[int, int],
        options: Options,
        *,
        streamed: bool = True,
    ) -> None:
        check_output(size, options.max_pixels)
        if options.cmsr is not None:
            options.cmsr.check((image.shape[-2], image.shape[-1]), size)
        self.size = size
        self._model, self._image = model, image
        with torch.no_grad():
            self._painted = model.renderer.choose(options)
        half = options.dtype == torch.bfloat16
        self._encoding: Encoding = Half(model) if half else model
        self._may_use_c = options.kernel in ("auto", "native") and not half
        self._in_c = False
        self._plan = model.footprint(image, size, streamed=streamed)
        self._cells: LazyCells | TiledCells | None = None
        self._rows = fit(self._start, self._plan, options.max_memory)

    def __next__(self) -> Rows:
        with torch.no_grad():
            return next(self._rows)

    def assemble(self) -> Tensor:
        """All rows, (B, 3, H, W). Raises ResourceError if there is no memory for them."""
        try:
            return assemble(self, self.size[0])
        except (RuntimeError, MemoryError) as error:
            if (reason := ran_out(error)) is None:
                raise
            raise ResourceError(
                f"no memory for an output of {self.size[1]}x{self.size[0]} "
                f"({reason}); ask for less, or stream it"
            ) from error

    @property
    def rendering(self) -> Rendering:
        """How the rows so far were made."""
        tiles = 0 if self._cells is None else self._cells.tiles
        one = self._painted
        return Rendering(
            path=one.path,
            by=one.by,
            note=one.note,
            saved=one.saved,
            tiles=tiles,
            overlap=self._cells.overlap if isinstance(self._cells, TiledCells) else 1.0,
            convolutions="native" if self._in_c else "torch",
        )

    def _start(self, side: int, first: int) -> Iterator[Rows]:
        """The rows from `first` on, in tiles of `side`."""
        self._cells = None  # what a larger side has left
        model, image, size = self._model, self._image, self.size
        cell, paint = model.cell(image, size), self._painted.painter
        how = fastest(image) if self._may_use_c else convolve  # as it is where rows are made
        self._in_c = how is not convolve and computes_some(model.encoder, model.head)
        self._cells = encoded(self._encoding, image, cell, side, self._plan, how)
        yield from model.renderer.rows(self._cells, image, size, cell, paint=paint, first=first)


def whole(model: Model, image: Tensor, size: tuple[int, int], options: Options) -> Upscaled:
    """All rows of a stream, and how they were made."""
    stream = Stream(model, image, size, options, streamed=False)
    rgb, how = stream.assemble(), stream.rendering
    return Upscaled(rgb=rgb, **vars(how))


def encoded(
    model: Encoding, image: Tensor, cell: Tensor, side: int, plan: Footprint, convolve: Convolve
) -> LazyCells | TiledCells:
    """The cells of an image, whose features are made whole or in tiles of `side` LR pixels."""
    if plan.reach is None or side >= max(plan.lr_size):
        latents = model.encode(image, convolve=convolve)
        return LazyCells(
            plan.lr_size, lambda start, stop: model.cells(latents, cell, (start, stop))
        )
    return TiledCells(
        image,
        side,
        plan.reach,
        model.head.reach,
        lambda part: model.encode(part, convolve=convolve).code,
        lambda code, start, stop: model.cells(Latents(image, code), cell, (start, stop)),
    )
