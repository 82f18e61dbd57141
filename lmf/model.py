"""Encoder + head + renderer = a continuous image: any size may be asked of it.

encode   LR image -> Latents          once per image
cells    Latents  -> Cells            once per image and scale (latent MLP, LMF Eq. 2)
render   Cells    -> whole image      dense renderer
query    Cells    -> scattered RGB    gather renderer, by the definition
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lmf.architecture import MODELS, ModelConfig
from lmf.core.bundle import Cells, Latents, LazyCells, Modulation
from lmf.core.config import choose, parse, plain
from lmf.core.coords import cell_of
from lmf.core.errors import ConfigError
from lmf.core.inputs import check_chunk, check_image, check_kind, check_queries, target_size
from lmf.heads.ciaosr import CiaoSrHead
from lmf.heads.head import Head
from lmf.heads.liif import LiifHead
from lmf.heads.lte import LteHead
from lmf.nets.convolution import Convolve
from lmf.nets.cross_scale import CrossScaleAttention
from lmf.nets.encoders import create_encoder, encoder_config
from lmf.nets.mlp import Mlp
from lmf.nets.modulated_mlp import ModulatedMlp
from lmf.nets.winograd import fastest
from lmf.render.cmsr import CmsrTable
from lmf.render.gather import render_queries, sample_bilinear
from lmf.render.memory import MAX_PIXELS, Footprint, check_output
from lmf.render.options import Kernel, Options
from lmf.render.plan import footprint
from lmf.render.renderer import Renderer
from lmf.render.result import Upscaled, assemble
from lmf.render.upscale import Stream, whole
from lmf.render.window import Painter

__all__ = ["Latents", "Lmf", "create_model"]


def create_model(
    name: str,
    *,
    encoder: str = "edsr-baseline",
    cross_scale: bool | Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> "Lmf":
    """An untrained model by name.

    name: "liif", "lte", "ciaosr" (original decoders), or one after "lm-" (latent modulated).
    encoder: for instance "edsr-baseline", "rdn", "swinir"; see `lmf.nets.encoders.ENCODERS`.
    cross_scale: True for cross-scale attention with its defaults, or its options, or False for
        none; by default the families of CiaoSR have it.
    options: further fields of `ModelConfig`, for instance {"mod_scale": False}.

    Raises:
        ConfigError: an unknown name, encoder or option, with the valid ones.
    """
    base = MODELS[choose("model", name, MODELS)]
    if "encoder" in (options or {}):
        raise ConfigError("options: encoder: pass it as an argument of its own")
    raw = plain(base) | dict(options or {}) | {"encoder": encoder}
    if cross_scale is False:
        raw["cross_scale"] = None
    elif cross_scale is not None:
        raw["cross_scale"] = {} if cross_scale is True else cross_scale
    return Lmf(parse(ModelConfig, raw, f"model {name}"))


class Lmf(nn.Module):
    """A continuous image model; `config` says which. See the module's docstring for the stages."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = create_encoder(encoder_config(config.encoder, config.encoder_attention))
        channels = self.encoder.out_channels
        across = config.cross_scale
        self.cross_scale = CrossScaleAttention(channels, across) if across else None
        self.head = _create_head(config, channels)
        self.latent_mlp: Mlp | None = None
        if config.latent:
            layers = config.depth * config.width * (config.mod_scale + config.mod_shift)
            outputs = layers + self.head.render_code
            self.latent_mlp = Mlp(self.head.latent_inputs, config.hidden, outputs)
            inputs = self.head.render_basis.outputs
            self.render_mlp = ModulatedMlp(inputs, (config.width,) * config.depth)
        else:
            self.render_mlp = ModulatedMlp(self.head.basis.outputs, config.hidden)

    def forward(
        self, image: Tensor, size: tuple[int, int] | None = None, scale: float | None = None
    ) -> Tensor:
        """Enlarge (B, 3, h, w) in [0, 1] to `size` (H, W), or by `scale` to (round(h s), round(w s)).

        Returns (B, 3, H, W), not clamped; under `torch.no_grad()`, or every step is kept for gradients, as
        `upscale` does not. Raises InputError on anything else.
        """
        return self.render(self.encode(image), target_size(check_image(image), size, scale))

    def encode(self, image: Tensor, *, convolve: Convolve | None = None) -> Latents:
        """Encoder and head: (B, 3, h, w) in [0, 1] -> Latents. Needed once per image.

        convolve: computes 3x3 convolutions, by default the fastest way there is.
        """
        weight = next(self.parameters())
        check_image(image, values=not (weight.is_cuda and torch.is_grad_enabled()))  # or it waits
        check_kind(image, weight)
        x = (image - 0.5) / 0.5
        # Convolutions are faster with a pixel's channels together; a GPU's training says what it wants.
        if x.device.type == "cpu" or (x.is_cuda and not torch.is_grad_enabled()):
            x = x.contiguous(memory_format=torch.channels_last)
        convolve = convolve or fastest(x)
        feature = self.encoder(x, convolve)
        context = feature if self.cross_scale is None else self.cross_scale(feature)
        return Latents(image, self.head.code(feature, context, convolve))

    def cells(self, latents: Latents, cell: Tensor, rows: tuple[int, int] | None = None) -> Cells:
        """Latent MLP, run once per LR pixel: Latents, cell (B, 2) in half LR pixels -> Cells.

        rows: first and last + 1 of the LR rows that are wanted, by default all.
        """
        start, stop = rows or (0, latents.code.grid[1])
        code = latents.code.map(lambda t: t[:, start:stop])
        if self.latent_mlp is None:
            return Cells(code, None)
        raw = self.latent_mlp(self.head.latent_input(latents.code, cell, slice(start, stop)))
        config = self.config
        layers = (config.depth, config.width)
        one = config.depth * config.width
        sizes = [one * config.mod_scale, one * config.mod_shift, self.head.render_code]
        parts = raw.split(sizes, dim=-1)
        scale = parts[0].unflatten(-1, layers) if config.mod_scale else None
        shift = parts[1].unflatten(-1, layers) if config.mod_shift else None
        modulation = Modulation(scale, shift) if config.mod_scale or config.mod_shift else None
        return Cells(self.head.to_render_code(code, parts[2]), modulation)

    def render(
        self, latents: Latents, size: tuple[int, int], *, paint: Painter | None = None
    ) -> Tensor:
        """The whole image at `size` (H, W) -> (B, 3, H, W), not clamped.

        Beyond the scale `ModelConfig.max_scale` the cell is held at that scale's, see `core.coords.cell_of`.
        paint: paints the windows of cells, by default the fastest painter there is. Raises InputError
        for a size of no pixels, or of more than `upscale` makes by default.
        """
        lr_size = (latents.image.shape[-2], latents.image.shape[-1])
        size = target_size(lr_size, size, None)
        check_output(size, MAX_PIXELS)
        cell = self.cell(latents.image, size)
        cells = LazyCells(lr_size, lambda start, stop: self.cells(latents, cell, (start, stop)))
        if paint is None and not torch.is_grad_enabled():
            paint = self.renderer.choose(Options()).painter
        return assemble(self.renderer.rows(cells, latents.image, size, cell, paint=paint), size[0])

    def upscale(
        self,
        image: Tensor,
        size: tuple[int, int] | None = None,
        scale: float | None = None,
        *,
        max_memory: int | None = None,
        max_pixels: int = MAX_PIXELS,
        cmsr: CmsrTable | None = None,
        dtype: torch.dtype | None = None,
        kernel: Kernel = "auto",
    ) -> Upscaled:
        """What calling the model gives, without gradients, in tiles where memory asks for them.

        max_memory: bytes above the weights, by an estimate, see `render.memory.Footprint`; by default all
        there is. max_pixels: of the output. Tiles of CNN encoders give the same image; those of SwinIR,
        which looks further than is worth its while, nearly so. cmsr: render smooth cells coarsely, as
        this table for the very scale allows, see `render.cmsr`. dtype: bfloat16 for the products of all
        layers, the encoder's too, for devices that have units for it; what goes from stage to stage stays
        float32, and the released model's images are more than 60 dB from those in float32. kernel: who
        paints windows, see `render.options`; one that cannot run is replaced, and the result says why.

        Raises:
            ConfigError: a table for another scale, or for a model without shift modulation; an unknown
                kernel or dtype, or a dtype for a model without modulated layers.
            InputError: as the model does; a larger output than `max_pixels`; a `max_memory` too small
                for the smallest tile, or for the whole where channel attention needs that.
            ResourceError: the device's memory does not suffice for small tiles either.
        """
        target = self._target(image, size, scale)
        return whole(self, image, target, Options(max_memory, max_pixels, cmsr, dtype, kernel))

    def stream(
        self,
        image: Tensor,
        size: tuple[int, int] | None = None,
        scale: float | None = None,
        *,
        max_memory: int | None = None,
        max_pixels: int = MAX_PIXELS,
        cmsr: CmsrTable | None = None,
        dtype: torch.dtype | None = None,
        kernel: Kernel = "auto",
    ) -> Stream:
        """The rows of what `upscale` gives, some at a time: the whole need not exist.

        They are equal to the bit where both cut the image into the same tiles. `max_memory` has no output
        to allow for here, so that the same limit may make larger ones. Arguments and errors are those of
        `upscale`; a full memory shows when a row is asked for.
        """
        target = self._target(image, size, scale)
        return Stream(self, image, target, Options(max_memory, max_pixels, cmsr, dtype, kernel))

    def _target(
        self, image: Tensor, size: tuple[int, int] | None, scale: float | None
    ) -> tuple[int, int]:
        target = target_size(check_image(image), size, scale)
        check_kind(image, next(self.parameters()))
        return target

    def footprint(
        self, image: Tensor, size: tuple[int, int], *, streamed: bool = False
    ) -> Footprint:
        """The bytes above the weights that enlarging `image` to `size` (H, W) is thought to take.

        streamed: without those of the output.
        """
        config = self.config.cross_scale
        return footprint(self.encoder, config, self.head, image, size, streamed=streamed)

    @property
    def renderer(self) -> Renderer:
        """All that comes after the latent MLP."""
        head, config = self.head, self.config
        modulated = config.latent and (config.mod_scale or config.mod_shift)
        return Renderer(
            head.render_basis, self.render_mlp, modulated, config.ensemble, head.lr_skip
        )

    def cell(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, 2) extent of a pixel of an (H, W) image, in half pixels of the LR image (B, 3, h, w)."""
        batch, _, h, w = image.shape
        y, x = cell_of(size, (h, w), self.config.max_scale)
        # Filled, not copied from here to a device, which would have to wait for it.
        return torch.stack(
            (image.new_full((batch,), y * h), image.new_full((batch,), x * w)), dim=1
        )

    def query(
        self, latents: Latents, coord: Tensor, cell: Tensor, chunk: int | None = None
    ) -> Tensor:
        """Scattered queries: coord, cell (B, Q, 2) on [-1, 1], (y, x) -> (B, Q, 3), not clamped.

        coord and cell are float32, also for a model in half precision; float64 for one in float64.
        A latent MLP makes an image's modulations for one cell: those of its queries must be equal, and
        where gradients are wanted the first is taken unseen. Other models read each query's own. A cell is
        taken as given, also where `render` would hold it. chunk: queries at a time, to bound memory.

        Raises:
            InputError: other shapes, types or devices; NaN; cells that differ.
        """
        check_queries(latents.image, coord, cell, one_cell=self.latent_mlp is not None)
        check_chunk(chunk)
        h, w = latents.image.shape[-2:]
        halves = cell[..., 0] * h, cell[..., 1] * w
        relative = torch.stack(halves, dim=-1).to(latents.image.dtype)
        rgb = render_queries(
            self.cells(latents, relative[:, 0]),
            self.head.render_basis,
            self.render_mlp,
            (h, w),
            coord,
            relative,
            ensemble=self.config.ensemble,
            chunk=chunk,
        )
        rgb = 0.5 * rgb + (sample_bilinear(latents.image, coord) if self.head.lr_skip else 0.5)
        return rgb.to(latents.image.dtype)


def _create_head(config: ModelConfig, channels: int) -> Head[Any]:
    compressed = config.width if config.latent and config.mod_input else 0
    cell, position, unfold = config.cell, config.position, config.unfold
    match config.head:
        case "lte":
            return LteHead(channels, config.fourier, compressed, cell=cell, position=position)
        case "liif":
            return LiifHead(channels, compressed, cell=cell, position=position, unfold=unfold)
        case "ciaosr":
            return CiaoSrHead(
                channels,
                compressed,
                config.attention,
                non_local=config.cross_scale is not None,
                local_size=config.local_size,
                softmax_scale=config.softmax_scale,
                cell=cell,
                position=position,
                unfold=unfold,
            )
