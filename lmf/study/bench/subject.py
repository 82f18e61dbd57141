"""One untrained model with an input: its stages, and its ways to a whole image.

Weights do not matter here: the arithmetic is the same for every value.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lmf.core.coords import cell_of, pixel_centres
from lmf.core.errors import ResourceError
from lmf.core.inputs import target_size
from lmf.heads.local_attention import LocalAttention
from lmf.metrics.machine import DTYPES
from lmf.metrics.stopwatch import Stopwatch
from lmf.model import Latents, Lmf, create_model
from lmf.nets.convolution import convolve
from lmf.nets.winograd import fastest
from lmf.render.dense import dense_painter
from lmf.render.kernels import Kernel, kernel_painter, why_not
from lmf.render.window import Painter
from lmf.study.bench.official import render_maps, to_maps
from lmf.study.bench.plan import Case, Precision, Queried, RenderPath

QUERIES = 30_000
"""Queries gathered at a time, as the released code evaluates the original decoders."""

PROBE = 16
"""LR pixels a side of the small input that says how long the whole will take, about."""


@dataclass(frozen=True)
class Subject:
    """A model on its device and an image of noise."""

    model: Lmf
    image: Tensor
    precision: Precision

    @property
    def device(self) -> torch.device:
        """Where both are."""
        return self.image.device

    @property
    def lr_size(self) -> tuple[int, int]:
        """(h, w) of the image."""
        return self.image.shape[-2], self.image.shape[-1]

    @contextmanager
    def mode(self) -> Iterator[None]:
        """Without gradients, and in half precision where that is asked for."""
        with torch.no_grad():
            if self.precision == "fp32":
                yield
                return
            with torch.autocast(self.device.type, torch.bfloat16):
                yield

    def encode(self, watch: Stopwatch, path: RenderPath = "dense") -> Latents:
        """Times "encode", and in it "encoder". The CPU's kernel has convolutions of its own."""
        encoder = watch.around(self.model.encoder, "forward", "encoder")
        with self.mode(), encoder, watch.span("encode"):
            way = fastest(self.image) if path == "native" else convolve
            return self.model.encode(self.image, convolve=way)

    def render(
        self, path: RenderPath, latents: Latents, size: tuple[int, int], watch: Stopwatch
    ) -> Tensor:
        """By one of the ways: (B, 3, H, W), or (B, Q, 3) of those by query."""
        match path:
            case "dense":
                return self.dense(latents, size, watch)
            case "gather" | "official" as way:
                return self.by_query(way, latents, size, watch)
            case kernel:
                return self.by_kernel(kernel, latents, size, watch)

    def dense(self, latents: Latents, size: tuple[int, int], watch: Stopwatch) -> Tensor:
        """Our renderer with PyTorch alone -> (B, 3, H, W). Times "decode", and in it "latent"."""
        return self._render(latents, size, watch, self._dense)

    def by_kernel(
        self, kernel: Kernel, latents: Latents, size: tuple[int, int], watch: Stopwatch
    ) -> Tensor:
        """The same, painted by a kernel; ResourceError where that cannot run."""
        return self._render(latents, size, watch, lambda: self._kernel(kernel))

    def _render(
        self,
        latents: Latents,
        size: tuple[int, int],
        watch: Stopwatch,
        painter: Callable[[], Painter | None],
    ) -> Tensor:
        with self.mode():
            paint = painter()  # its weights are laid out once, for however many images
            with watch.around(self.model, "cells", "latent"), watch.span("decode"):
                return self.model.render(latents, size, paint=paint)

    def _dense(self) -> Painter | None:
        """Painted by PyTorch, though the kernel might be the default; CiaoSR's pixels by no painter."""
        basis = self.model.head.render_basis
        if isinstance(basis, LocalAttention):
            return None
        return dense_painter(basis, self.model.render_mlp)

    def _kernel(self, kernel: Kernel) -> Painter:
        basis, mlp = self.model.head.render_basis, self.model.render_mlp
        dtype = DTYPES[self.precision]
        reason = why_not(kernel, basis, mlp, self.device, dtype)
        if reason is not None:
            raise ResourceError(reason)
        return kernel_painter(kernel, basis, mlp, dtype)

    def by_query(
        self,
        way: Queried,
        latents: Latents,
        size: tuple[int, int],
        watch: Stopwatch,
        queries: int | None = None,
    ) -> Tensor:
        """The original algorithm -> (B, Q, 3) of the `queries` in the middle, by default of all.

        Every query gathers the modulations of its neighbours. Times as `dense` does. The "official"
        way leaves out the LR image, which the others add.
        """
        coord, cell = self.queries(size, queries)
        with self.mode(), watch.around(self.model, "cells", "latent"), watch.span("decode"):
            if way == "gather":
                return self.model.query(latents, coord, cell, chunk=QUERIES)
            relative = cell * cell.new_tensor(self.lr_size)
            cells = self.model.cells(latents, relative[:, 0])
            with watch.span("latent"):
                maps = to_maps(cells)
            basis: Any = self.model.head.render_basis  # none that attends has a modulation
            return render_maps(maps, basis, self.model.render_mlp, coord, relative)

    def queries(self, size: tuple[int, int], count: int | None = None) -> tuple[Tensor, Tensor]:
        """Coordinates and cells (1, Q, 2) of `count` consecutive HR pixels in the middle, or of all."""
        coord = pixel_centres(*size, self.device)[None]
        start = (coord.shape[1] - (count or coord.shape[1])) // 2
        coord = coord[:, start : start + (count or coord.shape[1])]
        cell = coord.new_tensor(cell_of(size, self.lr_size, self.model.config.max_scale))
        return coord, cell.expand_as(coord)

    def corner(self, side: int) -> "Subject":
        """The same model with a corner of the image, `side` pixels wide and high at most."""
        return Subject(self.model, self.image[..., :side, :side], self.precision)


def make_subject(case: Case, precision: Precision, seed: int, device: torch.device) -> Subject:
    """An untrained model of that name and noise of that size, both from `seed`."""
    torch.manual_seed(seed)
    model = create_model(case.model, encoder=case.encoder).eval().to(device)
    noise = torch.rand(1, 3, *case.input, generator=torch.Generator().manual_seed(seed))
    return Subject(model, noise.to(device), precision)


def whole_run(case: Case, precision: Precision, seed: int, device: torch.device) -> "Whole":
    """The whole way of a case to its image, when a first small run is behind it."""
    subject = make_subject(case, precision, seed, device)
    Whole(case, subject.corner(PROBE))()
    return Whole(case, subject)


@dataclass(frozen=True)
class Whole:
    """Encode and render once. The result is that of the `Subject`'s method."""

    case: Case
    subject: Subject

    def __call__(self) -> Tensor:
        subject, case = self.subject, self.case
        watch = Stopwatch(subject.device)
        size = target_size(subject.lr_size, None, case.scale)
        latents = subject.encode(watch, case.path)
        return subject.render(case.path, latents, size, watch)
