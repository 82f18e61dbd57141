"""Parameters and multiply-adds of one case; the same on every machine."""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

from torch import nn

from lmf.core.config import Config
from lmf.core.inputs import target_size
from lmf.deploy.macs import Macs, count_macs
from lmf.metrics.cost import counted, parameters
from lmf.metrics.stopwatch import Stopwatch
from lmf.model import Latents, Lmf, create_model
from lmf.nets.winograd import TILE, fits
from lmf.study.bench.plan import Case
from lmf.study.bench.record import Check, Count
from lmf.study.bench.subject import Subject

CHECKED = (4, 8)
"""Input (h, w) for which torch counts, too: it walks through every operation, so it takes its time."""


@dataclass(frozen=True)
class Cost(Config):
    """Parameters (of all, of all but the encoder), `Row.modulation`, and counts of multiply-adds.

    useful: those of the render stage by the definition, or as executed where that is fewer.
    """

    parameters: int
    decoder_parameters: int
    modulation: int
    macs: Count
    useful: int
    check: Check


def cost(case: Case) -> Cost:
    """What a case costs, counted on shapes alone; its path changes nothing."""
    model = _shapes(case.model, case.encoder)
    by_formula = count_macs(model.config, case.input, case.size)
    total = parameters(model)
    return Cost(
        total,
        total - parameters(model.encoder),
        0 if model.latent_mlp is None else model.latent_mlp.linears[-1].out_features,
        _definition(by_formula),
        min(by_formula.render, by_formula.render_by_query),
        _check(case.model, case.encoder, case.scale),
    )


@dataclass(frozen=True)
class Saved:
    """Multiply-adds of the definition that Winograd's convolutions do without."""

    encoder: int
    head: int


def saved_by_winograd(case: Case) -> Saved:
    """What convolutions in C save, as the "native" path has them, on this very processor."""
    model, (h, w) = _shapes(case.model, case.encoder), case.input
    tiles = ceil(h / TILE) * ceil(w / TILE)

    def saved(part: nn.Module) -> int:
        layers = [one for one in part.modules() if type(one) is nn.Conv2d and fits(one)]
        each = max(0, 9 * h * w - (TILE + 2) ** 2 * tiles)  # small images gain nothing
        return sum(one.in_channels * one.out_channels * each for one in layers)

    return Saved(saved(model.encoder), saved(model.head))


def _definition(macs: Macs) -> Count:
    return Count(macs.encoder, macs.head, macs.latent, macs.render_by_query)


@lru_cache(maxsize=8)
def _shapes(model: str, encoder: str) -> Lmf:
    """The model without its numbers."""
    return create_model(model, encoder=encoder).to("meta")


@lru_cache(maxsize=8)
def _encoded(model: str, encoder: str) -> tuple[Subject, Latents, int]:
    """The model with a small input, its latents, and the multiply-adds that they took."""
    shapes = _shapes(model, encoder)
    subject = Subject(shapes, next(shapes.parameters()).new_zeros(1, 3, *CHECKED), "fp32")
    macs = counted(lambda: subject.encode(Stopwatch(subject.device)))
    return subject, subject.encode(Stopwatch(subject.device)), macs


@lru_cache(maxsize=256)
def _check(model: str, encoder: str, scale: float) -> Check:
    subject, latents, before = _encoded(model, encoder)
    watch, size = Stopwatch(subject.device), target_size(CHECKED, None, scale)
    return Check(
        CHECKED,
        formula=_definition(count_macs(subject.model.config, CHECKED, size)).total,
        gather=before + counted(lambda: subject.by_query("gather", latents, size, watch)),
        dense=before + counted(lambda: subject.dense(latents, size, watch)),
    )
