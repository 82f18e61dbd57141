"""What a benchmark measures: the cases, and how long each of them may take."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from lmf.architecture import MODELS
from lmf.core.config import Config, choose
from lmf.core.errors import ConfigError
from lmf.metrics.cost import LR_SIZE
from lmf.nets.encoders import ENCODERS
from lmf.render.kernels import Kernel
from lmf.render.memory import MAX_PIXELS

SCALES = (2.0, 4.0, 8.0, 12.0, 18.0, 30.0)
"""The paper's: its curves go from 2 to 30."""

RenderPath = Literal["dense", "native", "triton", "gather", "official"]
"""Ways to a whole image: our renderer, by PyTorch or by a kernel; the original algorithm, which
gathers for every query, as `render.gather` does it and in the steps of the released code."""

Queried = Literal["gather", "official"]
"""The ways that take one query like another, so that some tell the time of all."""

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class Case(Config):
    """One model at one scale by one path. input: (h, w) of the LR image."""

    model: str
    encoder: str
    input: tuple[int, int]
    scale: float
    path: RenderPath

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the result."""
        return round(self.input[0] * self.scale), round(self.input[1] * self.scale)

    def __str__(self) -> str:
        h, w = self.input
        return f"{self.model} {self.encoder} {w}x{h} x{self.scale:g} {self.path}"


@dataclass(frozen=True)
class Skipped(Config):
    """A case that was not measured, and why. what: "time" or "memory"."""

    case: Case
    what: Literal["time", "memory"]
    reason: str


@dataclass(frozen=True)
class Plan:
    """A benchmark.

    timed, memory: cases whose seconds and whose peak memory are measured.
    runs: counted repetitions, after one that warms up. limit: seconds that a case may take; it is left
    out where a single run would take longer. spend: seconds within which it is repeated, by default as
    many. brief: whether peak memory is measured only by the device's kernel, where it has one.
    left_out: cases that a reader would look for, with the reason why they are not in the plan.
    """

    timed: tuple[Case, ...]
    memory: tuple[Case, ...]
    precision: Precision = "fp32"
    runs: int = 5
    limit: float = 20.0
    spend: float | None = None
    seed: int = 0
    brief: bool = False
    left_out: tuple[Skipped, ...] = ()

    def __post_init__(self) -> None:
        if self.runs < 1:
            raise ConfigError(f"{self.runs} runs measure nothing; use at least 1")
        if not (math.isfinite(self.limit) and self.limit > 0):
            raise ConfigError(f"limit is {self.limit:g}: use a finite number of seconds above 0")
        if self.spend is not None and not 0 < self.spend <= self.limit:
            raise ConfigError(f"spend is {self.spend:g}: use seconds above 0, at most the limit")
        for case in (*self.timed, *self.memory):
            check(case)


def check(case: Case) -> None:
    """ConfigError if a name, the input or the scale of the case makes no sense."""
    choose("model", case.model, MODELS)
    choose("encoder", case.encoder, ENCODERS)
    if min(case.input) < 1:
        raise ConfigError(f"{case}: the input has no pixels; use a size of at least 1x1")
    if not math.isfinite(case.scale) or case.scale < 1:
        raise ConfigError(f"scale is {case.scale}: use a finite number of at least 1")
    if math.prod(case.size) > MAX_PIXELS:
        limit = f"{MAX_PIXELS:,} pixels"
        raise ConfigError(f"{case}: the result has more than {limit}; lower --scale or --size")


def grid(
    models: Iterable[str],
    encoders: Iterable[str],
    scales: Iterable[float],
    lr_size: tuple[int, int] = LR_SIZE,
) -> tuple[Case, ...]:
    """Every model with every encoder at every scale, by each of its paths."""
    return tuple(
        Case(model, encoder, lr_size, float(scale), path)
        for model in models
        for encoder in encoders
        for scale in scales
        for path in paths(model)
    )


def paths(model: str) -> tuple[RenderPath, ...]:
    """Ways to an image without a kernel.

    CiaoSR's own decoder reads all neighbours of a query together: it gathers by our renderer, too.
    """
    return ("dense", "gather", "official") if model.startswith("lm-") else ("dense", "gather")


def make_plan(
    models: Iterable[str] | None = None,
    encoders: Iterable[str] | None = None,
    scales: Iterable[float] | None = None,
    size: tuple[int, int] | None = None,
    precision: str = "fp32",
    runs: int | None = None,
    limit: float | None = None,
    *,
    quick: bool = False,
) -> Plan:
    """The plan that options ask for: all of the paper's comparison, a part of it, or the quick one.

    size: (h, w) of the LR image, by default the paper's. Raises ConfigError for anything that makes no sense.
    """
    if precision not in ("fp32", "bf16"):
        raise ConfigError(f"unknown precision {precision!r}; valid: fp32, bf16")
    half: Precision = "bf16" if precision == "bf16" else "fp32"
    if quick:
        if models or encoders or scales or size:
            raise ConfigError(
                "--quick has cases of its own; leave out model, encoder, scale and size"
            )
        plan = quick_plan(half)
    else:
        encoders, lr_size = encoders or ("edsr-baseline",), size or LR_SIZE
        timed = grid(models or MODELS, encoders, scales or SCALES, lr_size)
        plan = Plan(timed, tuple(case for case in timed if case.path == "dense"), half)
    if limit is not None:  # what one asks for is for all of it
        plan = replace(plan, limit=limit, spend=None)
    return plan if runs is None else replace(plan, runs=runs)


def with_kernel(plan: Plan, kernel: Kernel) -> Plan:
    """The plan with every latent-modulated case of our renderer once more, by a kernel.

    The peak memory of a brief plan is measured by the kernel instead.
    """

    def both(cases: Iterable[Case]) -> tuple[Case, ...]:
        return tuple(one for case in cases for one in (case, *_by_kernel(case, kernel)))

    memory = both(plan.memory)
    if plan.brief:
        memory = tuple(next(iter(_by_kernel(case, kernel)), case) for case in plan.memory)
    return replace(plan, timed=both(plan.timed), memory=memory)


def _by_kernel(case: Case, kernel: Kernel) -> tuple[Case, ...]:
    ours = case.path == "dense" and case.model.startswith("lm-")
    return (replace(case, path=kernel),) if ours else ()


def quick_plan(precision: Precision = "fp32") -> Plan:
    """The ratios that matter most, in under a minute on two cores.

    Most of it is bounded by `spend`: the original algorithm takes all of that, however fast the
    machine. A case may take longer than that: it is run once then, not left out, as the steps of the
    released code are.
    """

    def case(model: str, lr_size: tuple[int, int], scale: float, path: RenderPath) -> Case:
        return Case(model, "edsr-baseline", lr_size, scale, path)

    timed = (
        case("lm-lte", LR_SIZE, 4, "dense"),
        case("lm-lte", LR_SIZE, 4, "gather"),
        case("lm-lte", LR_SIZE, 4, "official"),
        case("lte", LR_SIZE, 4, "gather"),
        case("lm-lte", (48, 64), 12, "dense"),
        case("lm-lte", (48, 64), 12, "gather"),
        case("lm-lte", (48, 64), 12, "official"),
    )
    large = case("lm-lte", (1024, 1024), 8, "dense")
    reason = "takes minutes; lmf bench --model lm-lte --size 1024x1024 --scale 8 --limit 600"
    return Plan(
        timed,
        (case("lm-lte", LR_SIZE, 12, "dense"),),
        precision,
        runs=3,
        limit=10.0,
        spend=3.0,
        brief=True,
        left_out=(Skipped(large, "memory", reason),),
    )
