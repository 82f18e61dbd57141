"""Sets, stages, trainings and disk that a profile will ask for."""

import json
import shutil
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lmf.data.catalog import data_set
from lmf.data.download import still_to_get
from lmf.data.entries import Bundled, DataSet
from lmf.data.mirror import find_set
from lmf.data.store import picture_paths
from lmf.data.supply import at_hand, downloads
from lmf.study.plan.stages import Stage, stages
from lmf.study.settings.params import read_params
from lmf.study.settings.profile import Profile, model_config, of_variant, train_config
from lmf.study.settings.workspace import Workspace
from lmf.train.state import latest, step_of
from lmf.train.vgg import MEGABYTES, is_address, place_of

UNKNOWN = "unknown: run with --measure"


@dataclass(frozen=True)
class SetPlan:
    """state: "there", "mirror", "bundled", "by hand" or "download". bytes: to download for it.

    shared: the set above whose archive holds this one, too. unpacked: bytes on disk, None: unknown.
    """

    entry: DataSet
    state: str
    bytes: int
    unpacked: int | None
    shared: str = ""


@dataclass(frozen=True)
class Speed:
    """Training steps per second, on which device, and how that is known."""

    steps_per_s: float
    device: str
    source: str


@dataclass(frozen=True)
class TrainingPlan:
    """A variant to train; left: steps that no weights are there for. speed: None if not known."""

    variant: str
    encoder: str
    steps: int
    left: int
    speed: Speed | None

    @property
    def seconds(self) -> float | None:
        """How long the steps that are left will take; None if unknown."""
        return self.left / self.speed.steps_per_s if self.speed else None


@dataclass(frozen=True)
class Plan:
    """vgg: bytes of VGG-19's weights to download, about. free: bytes on the disk of the study."""

    profile: str
    title: str
    stages: Sequence[Stage]
    sets: Sequence[SetPlan]
    trainings: Sequence[TrainingPlan]
    vgg: int
    free: int

    @property
    def download(self) -> int:
        """Bytes over the network."""
        return self.vgg + sum(one.bytes for one in self.sets)

    @property
    def disk(self) -> int:
        """Bytes that the sets and VGG-19 need at most: an archive lies there until it is unpacked."""
        missing = [one for one in self.sets if one.state != "there"]
        return self.download + sum(one.unpacked or 0 for one in missing)


def make_plan(
    profile: Profile, place: Workspace, mirror: Path | None, measured: dict[str, Speed]
) -> Plan:
    """The plan of a profile. mirror: as `fetch` would use it. measured: speeds, by variant.

    Raises:
        ConfigError: a file of the study is missing. DataError: the mirror is no folder.
    """
    params = read_params(place.root)
    variants = params.trainings(profile)
    return Plan(
        place.profile,
        profile.title,
        stages(place),
        list(_sets(profile, place.data, mirror)),
        [_training(profile, variant, place, measured.get(variant)) for variant in variants],
        _vgg(profile, variants, place.data),
        shutil.disk_usage(place.root).free,
    )


def _vgg(profile: Profile, variants: Sequence[str], data: Path) -> int:
    terms = (train_config(profile, variant).perceptual for variant in variants)
    lacking = {
        t.weights for t in terms if t and is_address(t.weights) and not place_of(t, data).is_file()
    }
    return len(lacking) * MEGABYTES * 10**6


def _sets(profile: Profile, data: Path, mirror: Path | None) -> Iterator[SetPlan]:
    holders: dict[str, str] = {}  # URLs of archives to download: the first set that needs them
    for name in dict.fromkeys(profile.sets):
        entry = data_set(name)
        state = _state(entry, data, mirror)
        archives = entry.archives if state == "download" else ()
        lacking = [one for one in archives if not at_hand(one, data, mirror)]
        new = [archive for archive in lacking if archive.url not in holders]
        size = sum(still_to_get(archive, downloads(data)) for archive in new)
        shared = next((holders[one.url] for one in lacking if one not in new), "")
        holders |= {archive.url: name for archive in new}
        state = "archive at hand" if archives and not lacking else state
        yield SetPlan(entry, state, size, entry.unpacked, shared)


def _state(entry: DataSet, data: Path, mirror: Path | None) -> str:
    if picture_paths(data / entry.name):
        return "there"
    if any(isinstance(source, Bundled) for source in entry.sources):
        return "bundled"
    if mirror and find_set(entry, mirror):
        return "mirror"
    return "download" if entry.archives else "by hand"


def _training(
    profile: Profile, variant: str, place: Workspace, measured: Speed | None
) -> TrainingPlan:
    steps, state = profile.train.steps, latest(place.run(variant))
    left = steps - (step_of(state) if state else 0)
    left = 0 if place.weights(variant).is_file() else left
    encoder = model_config(of_variant(profile, variant), variant).encoder
    return TrainingPlan(variant, encoder, steps, left, measured or recorded(variant, place))


def recorded(variant: str, place: Workspace) -> Speed | None:
    """The median speed of an earlier training of the profile's variant; None if there was none."""
    log, card = place.speed(variant), place.card(variant)
    if not log.is_file() or not card.is_file():
        return None
    device = json.loads(card.read_text(encoding="utf-8"))["device"]
    rate = statistics.median(pd.read_csv(log)["steps_per_s"])
    return Speed(float(rate), str(device), f"recorded, {log}")
