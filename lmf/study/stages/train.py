"""The study's `train` stage: one variant of one profile, from pictures to weights with a card."""

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric

from lmf.checkpoint import save_model
from lmf.core.config import plain
from lmf.core.errors import ResourceError
from lmf.core.files import atomic_write, write_json
from lmf.core.lock import alone
from lmf.data.catalog import CATALOGUE
from lmf.data.pairs import Pictures, load_pictures
from lmf.data.sets import verify
from lmf.metrics.cost import device_name
from lmf.study.progress import fetch_progress
from lmf.study.sets import open_fetched, read_known
from lmf.study.settings.profile import Profile, model_config, of_variant
from lmf.study.settings.workspace import Workspace
from lmf.study.stages.validate import Validator
from lmf.train.engine import NUMERICS, Run, Trained, train
from lmf.train.fabric import make_fabric
from lmf.train.health import DivergedError
from lmf.train.log import read_speed, write_learning
from lmf.train.memory import enough_memory
from lmf.train.observe import Watch
from lmf.train.vgg import bring_weights

log = logging.getLogger(__name__)

WEIGHTS_LICENCE = "Apache-2.0; trained on pictures under the licences of the set named in `data`"


def train_variant(
    profile: Profile,
    variant: str,
    place: Workspace,
    device: torch.device,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
    on_row: Callable[[Mapping[str, Any]], None] = lambda row: None,
) -> None:
    """Train `variant`, or go on with it, and write its weights, card, logs and validation pictures.

    Raises:
        ConfigError: the profile's recipe does not go together with the variant's.
        DataError: the training set is missing, or is not the one that was fetched.
        InputError: a picture is smaller than the patch. Others: see `train.engine`.
        ResourceError: another process trains this variant.
    """
    profile = of_variant(profile, variant)
    fabric = make_fabric(device, profile.train.precision)
    record = read_known(place, profile.train_set)
    profile = with_vgg(profile, place, fabric)
    run = training_run(profile, variant, record)
    folder = place.run(variant)
    with _alone(folder, fabric):
        with enough_memory(profile.train, fabric.device):
            pictures = training_pictures(profile, place, fabric.device)
            validator = Validator(profile, place, fabric.device, folder / "validation")
        logs = folder / "speed.csv", folder / "log.csv"
        trained = train(run, pictures, folder, fabric, Watch(validator, on_step, on_row, *logs))
        if fabric.is_global_zero:
            judged = _judge(trained, validator.bicubic, variant)
            _write(profile, variant, place, run, record, trained, fabric, judged)
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone(folder: Path, fabric: Fabric) -> Iterator[None]:
    """ResourceError, in every process, if others train in `folder`: the two would spoil each other."""
    lock = folder.with_name(f".{folder.name}.lock")
    with ExitStack() as held:
        free = True
        if fabric.is_global_zero:
            try:
                held.enter_context(alone(lock, _refuse))
            except BlockingIOError:
                free = False
        if not fabric.broadcast(free):
            raise ResourceError(
                f"another training is at work in {folder}: wait until it is done, or stop it"
            )
        yield


def _refuse() -> None:
    raise BlockingIOError


def is_trained(profile: Profile, variant: str, place: Workspace) -> bool:
    """Whether the variant's weights are there, of this very training."""
    card = place.card(variant)
    if not place.weights(variant).is_file() or not card.is_file():
        return False
    run = training_run(of_variant(profile, variant), variant, read_known(place, profile.train_set))
    wanted = {
        "profile": place.profile,
        "seed": run.seed,
        "architecture": plain(run.model),
        "train": _without_file(plain(run.train)),
        "validation": plain(profile.validation),
        "numerics": NUMERICS,
    }
    wanted = json.loads(json.dumps(wanted))  # tuples are lists on a card
    with suppress(ValueError, KeyError, TypeError):  # damaged, or of another version
        found = json.loads(card.read_text(encoding="utf-8"))
        found["train"] = _without_file(found["train"])
        same = all(found.get(name) == value for name, value in wanted.items())
        return bool(same and found["data"]["tree_sha256"] == run.data)
    return False


def _without_file(train: dict[str, Any]) -> dict[str, Any]:
    """A recipe, wherever the weights of its perceptual term lie."""
    term = train["perceptual"] or {}
    return train | {"perceptual": {key: term[key] for key in ("weight", "layers") if key in term}}


def with_vgg(profile: Profile, place: Workspace, fabric: Fabric) -> Profile:
    """The profile with a verified file of VGG-19's weights, if its loss has a perceptual term."""
    wanted = profile.train.perceptual
    if wanted is None:
        return profile
    with fabric.rank_zero_first(), fetch_progress() as progress:
        found = bring_weights(wanted, place.data, progress)
    return replace(profile, train=replace(profile.train, perceptual=found))


def training_pictures(profile: Profile, place: Workspace, device: torch.device) -> Pictures:
    """The training set on `device`.

    Raises:
        DataError: a picture of a catalogued set is not the one that was fetched.
        InputError: a picture is smaller than the largest patch; it is named.
    """
    smallest = round(profile.train.patch * profile.train.scales[1])
    pictures = open_fetched(profile.train_set, place)
    if profile.train_set in CATALOGUE:
        verify(profile.train_set, place.data)
    return load_pictures(pictures.hr, device, smallest)


def training_run(profile: Profile, variant: str, record: Mapping[str, object]) -> Run:
    """All that decides the variant's result."""
    model, digest = model_config(profile, variant), str(record["tree_sha256"])
    validation = plain(profile.validation) | {"protocol": profile.protocol}
    return Run(model, profile.train, profile.seed, digest, validation)


@dataclass(frozen=True)
class _Judgement:
    """Validation of bicubic, and the steps of the last quarter at which the model is below it."""

    bicubic: float
    below: list[int]


def _judge(trained: Trained, bicubic: float, variant: str) -> _Judgement:
    """A run that is below bicubic in its last quarter has learnt nothing of use, and says so.

    Raises:
        DivergedError: it is below at the end, and its last steps were not finite.
    """
    since = 0.75 * trained.rows[-1]["step"]
    late = [r for r in trained.rows if r["psnr_val"] is not None and r["step"] >= since]
    below = [row["step"] for row in late if not row["psnr_val"] >= bicubic]
    if below and below[-1] == trained.rows[-1]["step"] and trained.health.skipped_in_a_row:
        raise DivergedError(
            f"{variant} ends below bicubic, in steps that are not finite: {trained.last}; "
            f"{trained.health.skipped} steps skipped, nothing written: lower train.lr or check these "
            "pictures"
        )
    if below:
        log.warning(
            "%s IS BELOW BICUBIC (%.2f dB) on validation at step %s: do not use these weights",
            variant, bicubic, ", ".join(map(str, below)),
        )  # fmt: skip
    if trained.health.exploded:
        log.warning("%s: THE LOSS EXPLODED at %d steps", variant, trained.health.exploded)
    return _Judgement(round(bicubic, 4), below)


def _write(
    profile: Profile,
    variant: str,
    place: Workspace,
    run: Run,
    record: dict[str, object],
    trained: Trained,
    fabric: Fabric,
    judged: _Judgement,
) -> None:
    write_learning(place.curve(variant), trained.rows)
    facts = {
        "name": variant,
        "profile": place.profile,
        "steps": profile.train.steps,
        "skipped_steps": trained.health.skipped,
        "overflowed_steps": trained.health.overflowed,
        "exploded_steps": trained.health.exploded,
        "seed": profile.seed,
        "data": {key: record[key] for key in ("set", "images", "tree_sha256")},
        "train": plain(run.train),
        "validation": plain(profile.validation),
        "numerics": NUMERICS,
        "device": device_name(fabric.device),
        "processes": fabric.world_size,
        "metrics": {
            "psnr_validation": trained.rows[-1]["psnr_val"],
            "psnr_validation_bicubic": judged.bicubic,
            "below_bicubic_at_steps": judged.below,
        },
        "licence": WEIGHTS_LICENCE,
    }
    work = place.run(variant)
    shutil.rmtree(place.validation(variant), ignore_errors=True)
    for picture in sorted((work / "validation").glob("*.png")):
        _copy(picture, place.validation(variant) / picture.name)
    seconds = sum(row.seconds for row in read_speed(work / "speed.csv"))
    write_json(place.wall_time(variant), {"seconds": round(seconds, 1)})
    _copy(work / "speed.csv", place.speed(variant))
    save_model(trained.model, place.weights(variant), facts)  # last: they say that all is done


def _copy(source: Path, target: Path) -> None:
    """Atomically; unlike shutil's, its error names the file that could not be written."""
    with atomic_write(target) as temporary:
        temporary.write_bytes(source.read_bytes())
