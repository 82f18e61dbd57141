"""`lmf cmsr build`: measure on pictures how coarsely which cells may be rendered."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from lmf.checkpoint import load_model, write_cmsr
from lmf.core.errors import ConfigError
from lmf.core.inputs import target_size
from lmf.data.pictures import as_tensor
from lmf.data.sets import ImageSet, open_set
from lmf.model import Lmf
from lmf.render.cmsr import NO_SHIFT, CmsrTable, candidates
from lmf.render.cmsr_meter import CmsrMeter, fit_steps
from lmf.render.options import Options
from lmf.render.window import Painter
from lmf.study.evaluate.pair import make_pair

LARGEST_LR = 96
"""Side of the LR crop that is measured of a picture: enough cells, in seconds."""


def build_tables(
    weights: Path,
    scales: Sequence[float],
    mse: float,
    set_name: str,
    images: int,
    *,
    seed: int = 0,
    data: Path,
) -> list[CmsrTable]:
    """Measure one table per scale on pictures of a set in `data`, and write them into the card of `weights`.

    mse: see `lmf.render.cmsr_meter.fit_steps`. images: at most so many of the set, drawn by `seed`.

    Raises:
        ConfigError: a scale or mse that makes no sense, or a model without shift modulation.
        CheckpointError: the weights or their card cannot be used. DataError: the set is missing.
    """
    _check(scales, mse, images)
    model = load_model(weights)
    pictures = open_set(set_name, data)
    chosen = sorted(
        random.Random(seed).sample(range(len(pictures.hr)), min(images, len(pictures.hr)))
    )
    tables = []
    for scale in scales:
        table = CmsrTable(scale, mse, (), set_name, len(chosen), seed)
        meter = CmsrMeter(_painter(model), candidates(scale))
        for index in chosen:
            _measure(model, meter, pictures, index, scale)
        errors = {r: torch.cat(parts) for r, parts in meter.errors.items()}
        tables.append(replace(table, steps=fit_steps(torch.cat(meter.m), errors, mse)))
    write_cmsr(weights, tables)
    return tables


def _painter(model: Lmf) -> Painter:
    painter = model.renderer.choose(Options()).painter
    if painter is None:
        raise ConfigError(NO_SHIFT)
    return painter


def _check(scales: Sequence[float], mse: float, images: int) -> None:
    for scale in scales:
        if not candidates(scale):
            raise ConfigError(f"scale {scale:g} leaves nothing to render coarsely; give 2 or more")
    if not mse > 0 or images < 1:
        raise ConfigError(f"mse {mse:g} and images {images} must be more than 0")


def _measure(model: Lmf, meter: CmsrMeter, pictures: ImageSet, index: int, scale: float) -> None:
    """Render the middle of one picture; its LR picture is made as in evaluation, never a published one."""
    lr = as_tensor(make_pair(replace(pictures, lr={}), index, scale).lr)
    h, w = (min(n, LARGEST_LR) for n in lr.shape[-2:])
    top, left = (lr.shape[-2] - h) // 2, (lr.shape[-1] - w) // 2
    size = target_size((h, w), None, scale)
    with torch.no_grad():
        latents = model.encode(lr[..., top : top + h, left : left + w])
        model.render(latents, size, paint=meter)
