"""results/<profile>/evaluate/*.csv: one row per picture and scale, with its provenance."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pandas as pd

from lmf.core.errors import DataError
from lmf.core.files import atomic_write
from lmf.study.settings.workspace import Workspace

FACTS = (
    "protocol", "lr_source", "profile", "seed", "steps", "weights_sha256", "params", "macs_g",
    "device", "torch", "lmf",
)  # fmt: skip
COLUMNS = ("model", "set", "image", "scale", "psnr", "ssim", "psnr_8bit", *FACTS)
NUMBERS = ("scale", "psnr", "ssim", "psnr_8bit", "seed", "steps", "params", "macs_g")


def write_rows(frame: pd.DataFrame, path: Path) -> None:
    """CSV whose bytes depend on the rows alone: four decimals, \\n, no index."""
    text = frame[list(COLUMNS)].copy()
    for column in ("psnr", "ssim", "psnr_8bit", "macs_g"):
        text[column] = [None if pd.isna(v) else f"{v:.4f}" for v in frame[column]]
    for column in ("seed", "steps", "params"):
        text[column] = frame[column].astype("Int64")
    text["scale"] = [f"{scale:g}" for scale in frame["scale"]]
    with atomic_write(path) as temporary:
        text.to_csv(temporary, index=False, lineterminator="\n")


def read_rows(place: Workspace, models: Sequence[str]) -> pd.DataFrame:
    """Evaluation rows of `models`, one below the other.

    Raises:
        DataError: a file is missing or damaged; the message names it and the command to run.
    """
    frames = [read_csv(place.rows(model), COLUMNS, NUMBERS) for model in models]
    return pd.concat(frames, ignore_index=True)


def read_csv(path: Path, columns: Sequence[str], numbers: Sequence[str]) -> pd.DataFrame:
    """Text as written, `numbers` as floats with NaN for an empty cell. Raises as `read_rows`."""
    frame = pd.read_csv(BytesIO(read_bytes(path)), dtype=str, keep_default_na=False)
    for name in columns:
        if name not in frame:
            raise DataError(f"{path}: no column {name}; remove it and run `dvc repro`")
    try:
        return frame.assign(**{n: frame[n].mask(frame[n] == "").astype(float) for n in numbers})
    except ValueError as error:
        raise DataError(f"{path}: {error}; remove it and run `dvc repro`") from error


def read_bytes(path: Path) -> bytes:
    """A result's bytes; DataError if a stage has not produced it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: {error.strerror}; make it with `dvc repro`, its profile in params.yaml"
        ) from error
