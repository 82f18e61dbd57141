"""`lmf plan` as people read it: three tables and a line of totals."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Group
from rich.table import Table

from lmf.study.plan.needs import UNKNOWN, Plan, SetPlan, TrainingPlan


def show(plan: Plan) -> Group:
    """The plan, for a rich console."""
    return Group(
        f"profile {plan.profile}: {plan.title}",
        _stages(plan),
        _sets(plan.sets),
        _trainings(plan.trainings),
        *_totals(plan),
    )


def _stages(plan: Plan) -> Table:
    used = {one.entry.name for one in plan.sets}
    table = Table("stage", "to run", "which", title="Stages of `dvc repro`", title_justify="left")
    for group, members in groupby(plan.stages, key=lambda stage: stage.group):
        all_ = list(members)
        lacking = [stage.name.partition("@")[2] or stage.name for stage in all_ if stage.lacking]
        which = ", ".join(name for name in lacking if group != "fetch" or name in used) or "-"
        if idle := [name for name in lacking if group == "fetch" and name not in used]:
            which += f" (the profile uses no {', '.join(idle)}: nothing to do there)"
        table.add_row(group, f"{len(lacking)} of {len(all_)}", which)
    return table


def _sets(sets: Sequence[SetPlan]) -> Table:
    table = Table(
        "set", "pictures", "state", "download", "on disk", "licence",
        title="Data", title_justify="left",
    )  # fmt: skip
    for one in sets:
        download = f"with {one.shared}" if one.shared and not one.bytes else _size(one.bytes)
        table.add_row(
            one.entry.name,
            str(one.entry.images),
            one.state,
            download if one.state == "download" else "-",
            "unknown" if one.unpacked is None else f"about {_size(one.unpacked)}",
            one.entry.licence,
        )
    return table


def _trainings(trainings: Sequence[TrainingPlan]) -> Table:
    table = Table(
        "variant", "encoder", "steps", "to do", "steps/s", "time", "device", "known from",
        title="Training", title_justify="left",
    )  # fmt: skip
    for one in trainings:
        speed = one.speed
        table.add_row(
            one.variant,
            one.encoder,
            f"{one.steps:,}",
            f"{one.left:,}",
            f"{speed.steps_per_s:.2f}" if speed else "-",
            _time(one.seconds) if speed else UNKNOWN,
            speed.device if speed else "-",
            speed.source if speed else "-",
        )
    return table


def _totals(plan: Plan) -> Iterator[str]:
    vgg = f" (VGG-19's weights {_size(plan.vgg)} of it)" if plan.vgg else ""
    yield (
        f"download {_size(plan.download)}{vgg}; disk for data at most {_size(plan.disk)}, "
        f"{_size(plan.free)} are free"
    )
    seconds = [one.seconds for one in plan.trainings]
    known = sum(one for one in seconds if one is not None)
    rest = seconds.count(None)
    time = f"{_time(known)} of training" if rest < len(seconds) else f"training time {UNKNOWN}"
    yield time + (
        f" and {rest} variants whose time is {UNKNOWN}" if 0 < rest < len(seconds) else ""
    )
    yield (
        "Stages whose outputs are there may still be out of date: `dvc status` says so. The time "
        "is that of the training steps alone: add validation, evaluation and the report."
    )


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return UNKNOWN
    for limit, unit, name in ((172_800, 86_400, "days"), (5400, 3600, "h"), (90, 60, "min")):
        if seconds >= limit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s"
