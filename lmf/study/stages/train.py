"""The study's `train` stage: one variant of one profile, from pictures to weights with a card."""

import json
import shutil
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from lightning.fabric import Fabric

from lmf.checkpoint import save_model
from lmf.core.config import plain
from lmf.core.errors import DataError
from lmf.core.files import atomic_write, write_json
from lmf.data.degrade import resize_picture
from lmf.data.fetch import open_set
from lmf.data.pairs import load_pictures
from lmf.data.pictures import read_rgb
from lmf.metrics.cost import cpu_name
from lmf.metrics.quality import psnr
from lmf.model import Lmf
from lmf.study.profile import Profile, model_config
from lmf.study.workspace import Workspace
from lmf.train.engine import Run, Trained, train

WEIGHTS_LICENCE = "Apache-2.0; trained on pictures under the licences of the set named in `data`"


def train_variant(
    profile: Profile,
    variant: str,
    place: Workspace,
    device: torch.device,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """Train `variant`, or go on with it, and write its weights, card and curve.

    Raises:
        DataError: the training set is missing or differs from the record of `fetch`.
        InputError: a picture is smaller than the patch. CheckpointError: see `train.state`.
    """
    config = profile.train
    index = [0 if device.index is None else device.index]
    fabric = Fabric(
        accelerator=device.type,
        devices=1 if device.type == "cpu" else index,
        precision="bf16-mixed" if config.precision == "bf16" else "32-true",
    )
    record = read_record(place, profile.train_set)
    pictures = load_pictures(
        open_set(profile.train_set, place.data).hr,
        fabric.device,
        smallest=round(config.patch * config.scales[1]),
    )
    digest = str(record["tree_sha256"])
    run = Run(model_config(profile, variant), config, profile.seed, digest)
    folder = place.run(variant)
    start = time.perf_counter()
    trained = train(
        run,
        pictures,
        folder,
        fabric=fabric,
        validate=Validator(profile, place, fabric.device),
        on_step=on_step,
    )
    seconds = time.perf_counter() - start
    _write(profile, variant, place, run, record, trained, fabric.device, seconds)
    shutil.rmtree(folder, ignore_errors=True)


def read_record(place: Workspace, name: str) -> dict[str, object]:
    """What `fetch` recorded of a set for this profile; DataError if it did not run."""
    path = place.record(name)
    if not path.exists():
        raise DataError(
            f"{path} is missing: run `dvc repro`, or `lmf fetch {name} --profile {place.profile}`"
        )
    return json.loads(path.read_text(encoding="utf-8"))


class Validator:
    """PSNR of a model on central crops of the validation set, for watching a training."""

    def __init__(self, profile: Profile, place: Workspace, device: torch.device) -> None:
        self.protocol, self.scale = profile.protocol, profile.validation.scale
        self.pairs = []
        for path in open_set(profile.validation.set, place.data).hr:
            picture = read_rgb(path)
            side = round(
                round(min(profile.validation.crop, *picture.shape[:2]) / self.scale) * self.scale
            )
            top, left = ((n - side) // 2 for n in picture.shape[:2])
            hr = picture[top : top + side, left : left + side]
            lr = resize_picture(hr, (round(side / self.scale),) * 2)
            self.pairs.append((_tensor(lr, device), _tensor(hr, device)))

    def __call__(self, model: Lmf) -> float:
        """Mean PSNR in dB."""
        with torch.no_grad():
            values = [
                psnr(model(lr, size=hr.shape[-2:]), hr, self.protocol, self.scale)
                for lr, hr in self.pairs
            ]
        return float(np.mean(values))


def _tensor(picture: np.ndarray, device: torch.device) -> torch.Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(picture.copy()).to(device).permute(2, 0, 1)[None].float() / 255


def _write(
    profile: Profile,
    variant: str,
    place: Workspace,
    run: Run,
    record: dict[str, object],
    trained: Trained,
    device: torch.device,
    seconds: float,
) -> None:
    with atomic_write(place.curve(variant)) as temporary:
        pd.DataFrame(trained.rows).to_csv(temporary, index=False, lineterminator="\n")
    facts = {
        "name": variant,
        "profile": place.profile,
        "steps": profile.train.steps,
        "seed": profile.seed,
        "data": {key: record[key] for key in ("set", "images", "tree_sha256")},
        "train": plain(profile.train),
        "validation": plain(profile.validation),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name(),
        "metrics": {"psnr_validation": trained.rows[-1]["psnr_val"]},
        "licence": WEIGHTS_LICENCE,
    }
    save_model(trained.model, place.weights(variant), facts)
    write_json(place.results / "timing" / f"train-{variant}.json", {"seconds": round(seconds, 1)})
