"""Encoder + head + renderer = a continuous image: any size may be asked of it.

encode   LR image -> Latents          once per image
cells    Latents  -> Cells            once per image and scale (latent MLP, LMF Eq. 2)
render   Cells    -> whole image      dense renderer
query    Cells    -> scattered RGB    gather renderer, by the definition
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from lmf.architecture import MODELS, ModelConfig
from lmf.core.bundle import Bundle, Cells, Code, Modulation
from lmf.core.config import choose, parse, plain
from lmf.core.coords import cell_of
from lmf.core.inputs import check_image, target_size
from lmf.heads.ciaosr import CiaoSrHead
from lmf.heads.head import Head
from lmf.heads.liif import LiifHead
from lmf.heads.lte import LteHead
from lmf.nets.cross_scale import CrossScaleAttention
from lmf.nets.encoders import ENCODERS, create_encoder
from lmf.nets.mlp import Mlp
from lmf.nets.modulated_mlp import ModulatedMlp
from lmf.render.dense import render_image
from lmf.render.gather import render_queries, sample_bilinear


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
    raw = plain(base) | dict(options or {}) | {"encoder": encoder}
    if cross_scale is False:
        raw["cross_scale"] = None
    elif cross_scale is not None:
        raw["cross_scale"] = {} if cross_scale is True else dict(cross_scale)
    return Lmf(parse(ModelConfig, raw, f"model {name}"))


@dataclass(frozen=True)
class Latents(Bundle):
    """An encoded image, independent of scale: the LR image (B, 3, h, w) and the head's code."""

    image: Tensor
    code: Code


class Lmf(nn.Module):
    """A continuous image model; `config` says which. See the module's docstring for the stages."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = create_encoder(ENCODERS[choose("encoder", config.encoder, ENCODERS)])
        channels = self.encoder.out_channels
        self.cross_scale = (
            CrossScaleAttention(channels, config.cross_scale) if config.cross_scale else None
        )
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
        self,
        image: Tensor,
        size: tuple[int, int] | None = None,
        scale: float | None = None,
    ) -> Tensor:
        """Enlarge (B, 3, h, w) in [0, 1] to `size` (H, W), or by `scale` to (round(h s), round(w s)).

        Returns (B, 3, H, W), not clamped. Raises InputError on anything else.
        """
        return self.render(self.encode(image), target_size(check_image(image), size, scale))

    def encode(self, image: Tensor) -> Latents:
        """Encoder and head: (B, 3, h, w) in [0, 1] -> Latents. Needed once per image."""
        check_image(image)
        feature = self.encoder((image - 0.5) / 0.5)
        context = feature if self.cross_scale is None else self.cross_scale(feature)
        return Latents(image, self.head.code(feature, context))

    def cells(self, latents: Latents, cell: Tensor) -> Cells:
        """Latent MLP, run once per LR pixel: Latents, cell (B, 2) in half LR pixels -> Cells."""
        if self.latent_mlp is None:
            return Cells(latents.code, None)
        grid = latents.code.grid
        raw = self.latent_mlp(
            self.head.latent_input(latents.code, cell[:, None, None].expand(*grid, 2))
        )
        config = self.config
        layers = (config.depth, config.width)
        one = config.depth * config.width
        parts = raw.split(
            [one * config.mod_scale, one * config.mod_shift, self.head.render_code], dim=-1
        )
        scale = parts[0].unflatten(-1, layers) if config.mod_scale else None
        shift = parts[1].unflatten(-1, layers) if config.mod_shift else None
        modulation = Modulation(scale, shift) if config.mod_scale or config.mod_shift else None
        return Cells(self.head.to_render_code(latents.code, parts[2]), modulation)

    def render(self, latents: Latents, size: tuple[int, int]) -> Tensor:
        """The whole image at `size` (H, W) -> (B, 3, H, W), not clamped."""
        batch, _, h, w = latents.image.shape
        extent = cell_of(size, (h, w), self.config.max_scale)
        cell = latents.image.new_tensor([[extent[0] * h, extent[1] * w]]).expand(batch, 2)
        rgb = render_image(
            self.cells(latents, cell),
            self.head.render_basis,
            self.render_mlp,
            size,
            cell,
            ensemble=self.config.ensemble,
        )
        rgb = 0.5 * rgb + (0.0 if self.head.lr_skip else 0.5)
        if self.head.lr_skip:
            rgb = rgb + functional.interpolate(
                latents.image, size, mode="bilinear", align_corners=False
            )
        return rgb

    def query(
        self, latents: Latents, coord: Tensor, cell: Tensor, chunk: int | None = None
    ) -> Tensor:
        """Scattered queries: coord, cell (B, Q, 2) on [-1, 1], (y, x) -> (B, Q, 3), not clamped.

        The latent MLP reads the first query's cell of each image; all should be equal.
        """
        h, w = latents.image.shape[-2:]
        relative = cell * cell.new_tensor([h, w])
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
        rgb = 0.5 * rgb + (0.0 if self.head.lr_skip else 0.5)
        return rgb + sample_bilinear(latents.image, coord) if self.head.lr_skip else rgb


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
