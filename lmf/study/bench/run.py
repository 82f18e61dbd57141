"""A whole benchmark, in one go: ceilings, cases, ceilings again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from itertools import groupby
from typing import Literal

import torch

from lmf.core.errors import ResourceError
from lmf.core.memory import ran_out
from lmf.metrics.cost import cpu_name
from lmf.metrics.machine import Ceilings, best, measure_ceilings
from lmf.metrics.memory import peak_memory
from lmf.render.kernels import best_kernel
from lmf.study.bench.count import Saved, cost, saved_by_winograd
from lmf.study.bench.measure import Budget, Encoded, by_query, encode, render, seconds
from lmf.study.bench.plan import Case, Plan, Skipped, with_kernel
from lmf.study.bench.ratios import ratios
from lmf.study.bench.record import Bench, Memory, Provenance, Row, Seconds, Share
from lmf.study.bench.subject import Subject, make_subject, whole_run

PATIENCE = 5
"""A process that measures memory may take this many times the limit: it starts and warms up, too."""

START = 60.0
"""Seconds that such a process may take to start, on a busy machine."""

OnStep = Callable[[int, int, str], None]
"""Called with (steps done, of how many, what is done next)."""


def run_bench(
    plan: Plan, device: torch.device, on_step: OnStep = lambda done, total, what: None
) -> Bench:
    """Measure every case of the plan on the device; what does not fit the limit is named.

    Our renderer is measured in both its forms, by PyTorch and by the device's kernel.
    """
    kernel = best_kernel(device)
    plan = plan if kernel is None else with_kernel(plan, kernel)
    origin = provenance(plan, device)
    ceilings = measure_ceilings(device, plan.precision)
    work = _Work(plan, device, on_step, skipped=list(plan.left_out))
    for _, cases in groupby(plan.timed, lambda c: (c.model, c.encoder, c.input)):
        work.time(list(cases))
    for case in plan.memory:
        work.peak(case)
    ceilings = best(ceilings, measure_ceilings(device, plan.precision))
    rows = tuple(_row(one, ceilings) for one in work.timed)
    memory = tuple(work.memory)
    found = ratios(rows, memory, ceilings, plan.precision, gpu=origin.cuda)
    return Bench(origin, ceilings, rows, memory, tuple(work.skipped), found)


@dataclass(frozen=True)
class _Timed:
    case: Case
    seconds: Seconds
    runs: int
    queries: float


@dataclass
class _Work:
    """What is done and found so far."""

    plan: Plan
    device: torch.device
    on_step: OnStep
    skipped: list[Skipped]
    timed: list[_Timed] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    done: int = 0

    def time(self, cases: list[Case]) -> None:
        """Time cases that share model, encoder and input: these are encoded once, or once by a kernel."""
        plan = self.plan
        budget = Budget(plan.runs, plan.limit, plan.spend or plan.limit)
        subject = make_subject(cases[0], plan.precision, plan.seed, self.device)
        encoded: dict[bool, Encoded] = {}
        for case in cases:
            self._step(str(case))
            with self._or_skip(case, "time"):
                native = case.path == "native"
                if native not in encoded:
                    encoded[native] = encode(subject, case.path, budget)
                self.timed.append(_time(subject, encoded[native], case, budget))

    def peak(self, case: Case) -> None:
        """Measure the peak memory of a case."""
        plan = self.plan
        self._step(f"{case}, memory")
        prepare = partial(whole_run, case, plan.precision, plan.seed, self.device)
        with self._or_skip(case, "memory"):
            allowed = START + PATIENCE * plan.limit
            self.memory.append(Memory(case, peak_memory(prepare, self.device, allowed)))

    def _step(self, what: str) -> None:
        self.on_step(self.done, len(self.plan.timed) + len(self.plan.memory), what)
        self.done += 1

    @contextmanager
    def _or_skip(self, case: Case, what: Literal["time", "memory"]) -> Iterator[None]:
        """Note the case as skipped where limit or memory do not allow it."""
        try:
            yield
        except ResourceError as error:
            self.skipped.append(Skipped(case, what, str(error)))
        except (RuntimeError, MemoryError) as error:
            if not ran_out(error):
                raise
            self.skipped.append(Skipped(case, what, "memory ran out"))


def _time(subject: Subject, encoded: Encoded, case: Case, budget: Budget) -> _Timed:
    match case.path:
        case "gather" | "official" as way:
            decoded = by_query(way, subject, encoded.latents, case, budget)
        case _:
            decoded = render(subject, encoded.latents, case, budget)
    spread = seconds(encoded, decoded, latent=subject.model.latent_mlp is not None)
    return _Timed(case, spread, len(decoded.times), decoded.queries)


def _row(timed: _Timed, ceilings: Ceilings) -> Row:
    found, spread = cost(timed.case), timed.seconds
    native = timed.case.path == "native"
    saved = saved_by_winograd(timed.case) if native else Saved(0, 0)
    decoder = found.macs.head - saved.head + found.macs.latent + found.useful
    encoder = found.macs.encoder - saved.encoder
    share = Share(
        total=2 * (encoder + decoder) / spread.total.median / ceilings.matmul,
        decoder=2 * decoder / spread.decoder.median / ceilings.matmul,
        render=2 * found.useful / spread.render.median / ceilings.matmul,
    )
    return Row(
        timed.case, found.parameters, found.decoder_parameters, found.modulation,
        found.macs, found.check, spread, share, timed.runs, timed.queries,
    )  # fmt: skip


def provenance(plan: Plan, device: torch.device) -> Provenance:
    """Where, by what and how a benchmark of this plan is taken."""
    return Provenance(
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        cpu=cpu_name(),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        lmf=version("lmf"),
        float32_matmul=torch.get_float32_matmul_precision(),
        cudnn_tf32=torch.backends.cudnn.allow_tf32,
        precision=plan.precision,
        seed=plan.seed,
        runs=plan.runs,
        limit=plan.limit,
        weights="untrained",
        spend=plan.spend,
    )
