"""The four official decoders by their published equations, read literally and by official names.

Neighbours come from nearest-neighbour sampling at shifted coordinates, weights from clamped areas, as
in LIIF, LTE and LMF; nothing of lmf is imported. Slow, and exact about what happens at borders.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

EPSILON = 1e-6  # by which coordinates are shifted and kept inside the image


def grid(h: int, w: int) -> Tensor:
    """(h, w, 2) pixel centres (y, x) on [-1, 1]."""
    axes = [-1 + 1 / n + 2 / n * torch.arange(n).float() for n in (h, w)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def sample(x: Tensor, coord: Tensor, **how: str) -> Tensor:
    """(B, C, h, w) at (B, Q, 2) -> (B, Q, C)."""
    found = functional.grid_sample(x, coord.flip(-1)[:, None], align_corners=False, **how)
    return found[:, :, 0].transpose(1, 2)


def mlp(sd: dict[str, Tensor], name: str, x: Tensor, modulations: list[tuple] = ()) -> Tensor:
    """Linear layers with ReLU; modulations: (scale, shift) of each hidden layer."""
    keys = [key for key in sd if key.startswith(f"{name}.layers.") and key.endswith(".weight")]
    for i, key in enumerate(sorted(keys, key=lambda key: int(key.split(".")[2]))):
        x = functional.linear(x, sd[key], sd[key.replace("weight", "bias")])
        if i == len(keys) - 1:
            return x
        if modulations:
            scale, shift = modulations[i]
            x = x * (1 + scale) + shift
        x = x.relu()
    raise AssertionError(name)


def waves(coef: Tensor, freq: Tensor, offset: Tensor, phase: Tensor) -> Tensor:
    """coef * [cos, sin](pi (<freq, offset> + phase)), frequencies interleaved (y, x)."""
    z = (freq.unflatten(-1, (-1, 2)) * offset[..., None, :]).sum(-1) + phase
    return coef * torch.cat((torch.cos(math.pi * z), torch.sin(math.pi * z)), dim=-1)


def decode(name: str, sd: dict[str, Tensor], feature: Tensor, image: Tensor, size) -> Tensor:
    """Features and LR image in [0, 1] -> (B, 3, H, W); name: liif, lte, lmliif or lmlte."""
    batch, _, h, w = feature.shape
    coord = grid(*size).view(1, -1, 2).expand(batch, -1, -1)
    cell = [2 / N * n * max(N / n / 4, 1) for N, n in zip(size, (h, w), strict=True)]
    cell = torch.tensor(cell).expand_as(coord)
    code = _code(name, sd, feature)
    modulation = None
    if name.startswith("lm"):
        hyper = _latent_input(name, sd, code, cell[:, :1, None].expand(-1, h, w, -1))
        raw = mlp(sd, "hypernet", hyper).permute(0, 3, 1, 2)
        length = 32 if name == "lmlte" else 16
        modulation, code = raw[:, :-length], raw[:, -length:]
    predictions, areas = [], []
    for y, x in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        at = coord + torch.tensor([y / h, x / w]) + EPSILON
        at = at.clamp(-1 + EPSILON, 1 - EPSILON)
        centre = sample(grid(h, w).permute(2, 0, 1).expand(batch, -1, -1, -1), at, mode="nearest")
        offset = (coord - centre) * torch.tensor([h, w])
        areas.append((offset[..., 0] * offset[..., 1]).abs() + 1e-9)
        near = sample(code, at, mode="nearest")
        layers = _layers(sample(modulation, at, mode="nearest")) if modulation is not None else ()
        predictions.append(mlp(sd, "imnet", _basis(name, sd, near, offset, cell), layers))
    weights = torch.stack(areas[::-1]) / sum(areas)  # of the opposite rectangle
    blended = (torch.stack(predictions) * weights[..., None]).sum(0)
    if name.endswith("lte"):
        blended = blended + sample(2 * image - 1, coord, mode="bilinear", padding_mode="border")
    return (0.5 * blended + 0.5).transpose(1, 2).unflatten(-1, size)


def _code(name: str, sd: dict[str, Tensor], feature: Tensor) -> Tensor:
    if name.endswith("liif"):
        return functional.unfold(feature, 3, padding=1).unflatten(-1, feature.shape[-2:])
    maps = [functional.conv2d(feature, sd[f"{k}.weight"], sd[f"{k}.bias"], padding=1)
            for k in ("coef", "freq")]  # fmt: skip
    return torch.cat(maps, dim=1)


def _latent_input(name: str, sd: dict[str, Tensor], code: Tensor, cell: Tensor) -> Tensor:
    code = code.permute(0, 2, 3, 1)
    if name == "lmliif":
        return torch.cat((code, cell), dim=-1)
    return waves(*code.chunk(2, dim=-1), torch.ones(2), cell @ sd["phase.weight"].T)


def _basis(name: str, sd: dict[str, Tensor], code: Tensor, offset: Tensor, cell: Tensor) -> Tensor:
    if name.endswith("liif"):
        return torch.cat((code, offset, cell), dim=-1)
    phase = sd["imphase.weight" if name == "lmlte" else "phase.weight"]
    return waves(*code.chunk(2, dim=-1), offset, cell @ phase.T)


def _layers(modulation: Tensor) -> list[tuple]:
    """All scales come before all shifts."""
    scale, shift = modulation.unflatten(-1, (2, -1, 16)).unbind(-3)
    return list(zip(scale.unbind(-2), shift.unbind(-2), strict=True))
