"""Repetitions within a time limit, and the seconds of each stage.

A case is tried on a small corner of its input first. That wakes threads and chooses kernels, and it
tells how long the whole will take: as much per LR pixel. The first whole run warms up, and tells how
many more there is time for.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np

from lmf.core.errors import ResourceError
from lmf.core.inputs import target_size
from lmf.metrics.stopwatch import Stopwatch
from lmf.model import Latents
from lmf.study.bench.official import PASS
from lmf.study.bench.plan import Case, Queried, RenderPath
from lmf.study.bench.record import Seconds, Spread
from lmf.study.bench.subject import PROBE, QUERIES, Subject

TELLING = 10
"""A corner that takes this part of the limit tells how long the whole will take."""

HOPELESS = 10
"""Times that a case may seem to exceed the limit on a busy machine, and be tried on."""

Times = list[dict[str, float]]
"""Seconds by name, for each run."""


@dataclass(frozen=True)
class Budget:
    """At most `runs` repetitions, in about `spend` seconds for all of them; none beyond `limit`."""

    runs: int
    limit: float
    spend: float

    def more(self, first: float) -> int:
        """Runs that there is time for after a first that took so many seconds."""
        return min(self.runs, int((self.spend - first) / first))


@dataclass(frozen=True)
class Encoded:
    """What all scales of a model share: its latents, and what they took."""

    latents: Latents
    times: Times


@dataclass(frozen=True)
class Decoded:
    """What rendering took. queries: share of the HR pixels that were rendered."""

    times: Times
    queries: float


def encode(subject: Subject, path: RenderPath, budget: Budget) -> Encoded:
    """Time the encoder and what makes codes of its features; raises ResourceError as `render` does."""
    watch = Stopwatch(subject.device)
    latents: list[Latents] = []

    def run() -> None:
        latents[:] = [subject.encode(watch, path)]

    def corner(side: int) -> None:
        subject.corner(side).encode(watch, path)

    check_limit(subject, corner, watch, "encode", budget.limit, PROBE)
    times = _repeat(run, watch, "encode", budget)
    return Encoded(latents[0], times)


def render(subject: Subject, latents: Latents, case: Case, budget: Budget) -> Decoded:
    """Time our renderer, by the case's path.

    Raises:
        ResourceError: one run would take longer than the limit, as far as a small input tells; the
            kernel cannot run.
    """
    watch = Stopwatch(subject.device)

    def corner(side: int) -> None:
        small = subject.corner(side)
        there = small.encode(Stopwatch(subject.device))
        small.render(case.path, there, target_size(small.lr_size, None, case.scale), watch)

    check_limit(subject, corner, watch, "decode", budget.limit, probe(case.scale))
    times = _repeat(
        lambda: subject.render(case.path, latents, case.size, watch), watch, "decode", budget
    )
    return Decoded(times, 1.0)


def probe(scale: float) -> int:
    """LR pixels a side of the first corner, which has no more HR pixels than one at x8 has."""
    return min(PROBE, max(4, round(PROBE * 8 / scale)))


def by_query(
    way: Queried, subject: Subject, latents: Latents, case: Case, budget: Budget
) -> Decoded:
    """Time the original algorithm on as many chunks of queries as the budget allows, at least one.

    Every chunk costs the same, so the render stage of all of them follows from some. The latent MLP
    is run for the whole image in any case. The official way's chunks are as large as its passes; where
    one would exceed the limit, less of it tells what the whole takes at least.
    """
    watch = Stopwatch(subject.device)
    total = case.size[0] * case.size[1]
    few = min(QUERIES if way == "official" else QUERIES // 8, total)  # a tiny pass is too fast
    for _ in range(2):  # the first wakes threads, the second tells the time
        subject.by_query(way, latents, case.size, watch, few)
        probe = watch.read()
    latent = probe.get("latent", 0.0)
    per_query = (probe["decode"] - latent) / few
    chunk = min(PASS if way == "official" else QUERIES, total)
    if per_query * chunk > budget.limit:
        chunk = min(QUERIES, total)
    allowed = budget.spend / (budget.runs + 1) - latent
    queries = min(total, chunk * max(1, int(allowed / (per_query * chunk))))
    times = _repeat(
        lambda: subject.by_query(way, latents, case.size, watch, queries), watch, "decode", budget
    )
    share = queries / total
    return Decoded([_scaled(one, share) for one in times], share)


def seconds(encoded: Encoded, decoded: Decoded, latent: bool) -> Seconds:
    """Spreads by stage. Runs of the two are paired in order; the shorter list begins again."""
    count = max(len(encoded.times), len(decoded.times))
    pairs = list(islice(zip(cycle(encoded.times), cycle(decoded.times), strict=True), count))
    encoder = np.array([e["encoder"] for e, _ in pairs])
    encode = np.array([e["encode"] for e, _ in pairs])
    decode = np.array([d["decode"] for _, d in pairs])
    latents = np.array([d.get("latent", 0.0) for _, d in pairs])
    return Seconds(
        total=_spread(encode + decode),
        encoder=_spread(encoder),
        head=_spread(encode - encoder),
        latent=_spread(latents) if latent else None,
        render=_spread(decode - latents),
        decoder=_spread(encode - encoder + decode),
    )


def _scaled(times: dict[str, float], share: float) -> dict[str, float]:
    latent = times.get("latent", 0.0)
    return times | {"decode": latent + (times["decode"] - latent) / share}


def _repeat(run: Callable[[], object], watch: Stopwatch, name: str, budget: Budget) -> Times:
    """Seconds of the runs that count: those after the first, or it alone where time is short."""
    run()
    first = watch.read()
    times = []
    for _ in range(budget.more(first[name])):
        run()
        times.append(watch.read())
    return times or [first]


def check_limit(
    subject: Subject,
    corner: Callable[[int], object],
    watch: Stopwatch,
    name: str,
    limit: float,
    side: int,
) -> None:
    """ResourceError if the whole will take longer than the limit.

    A corner that is through in no time says little on a busy machine: while it tells of too much, it
    grows from `side` until it takes a good part of the limit itself, or tells of far too much.
    """
    while True:
        corner(side)
        watch.read()
        corner(side)
        spent = watch.read()[name]
        share = math.prod(subject.corner(side).lr_size) / math.prod(subject.lr_size)
        if spent / share <= limit:
            return
        if share == 1 or spent > min(limit / TELLING, share * HOPELESS * limit):
            raise ResourceError(
                f"it would take about {spent / share:.0f} s a run, the limit is {limit:g} s"
            )
        side *= 2


def _spread(values: np.ndarray) -> Spread:
    best, q25, median, q75 = map(float, np.percentile(values, (0, 25, 50, 75)))
    return Spread(median, q25, q75, best)
