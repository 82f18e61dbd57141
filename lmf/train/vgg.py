"""The file of VGG-19's weights: brought from its address where that is given, and verified."""

import dataclasses
import re
from pathlib import Path

from lmf.core.errors import CheckpointError, ConfigError
from lmf.core.files import sha256
from lmf.data.download import PATIENT, Transfer, download
from lmf.data.entries import Archive
from lmf.data.progress import QUIET, ProgressSink
from lmf.train.config import VGG_URL, PerceptualConfig

MEGABYTES = 575
"""Size of that file, about: torchvision states 548.1 MB of 2**20 bytes."""


def bring_weights(
    config: PerceptualConfig,
    folder: Path,
    progress: ProgressSink = QUIET,
    transfer: Transfer = PATIENT,
) -> PerceptualConfig:
    """`config` with a verified file in place of an address, and with the whole SHA-256 of it.

    An address is downloaded into `folder` once.

    Raises:
        ConfigError: an address of which no checksum is known.
        DataError: it serves nothing, or something else. CheckpointError: see `check_weights`.
    """
    if is_address(config.weights):
        expected = _expected(config)
        if expected is None:
            raise ConfigError(
                f"perceptual.weights is {config.weights}: say perceptual.sha256 of it, or use {VGG_URL}"
            )
        path = place_of(config, folder)
        if not path.is_file():
            archive = Archive(config.weights, "file", (), sha256=expected)
            download(archive, folder, progress, transfer)
        config = dataclasses.replace(config, weights=str(path), sha256=expected)
    return check_weights(config)


def check_weights(config: PerceptualConfig) -> PerceptualConfig:
    """`config` with the whole SHA-256 of its file.

    Raises:
        CheckpointError: the file is missing, or has another checksum than is known of it.
    """
    path, expected = Path(config.weights), _expected(config)
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no VGG-19 weights; bring them there from {VGG_URL}, or write that address in the "
            "file's place"
        )
    digest = sha256(path)
    if expected is None and path.suffix != ".safetensors":
        raise CheckpointError(f"{path}: say perceptual.sha256 of it, or take the file {VGG_URL}")
    if expected is not None and not digest.startswith(expected):
        raise CheckpointError(
            f"{path}: its SHA-256 {digest} is not the published, {expected}...; delete it and "
            f"download {VGG_URL}"
        )
    return dataclasses.replace(config, sha256=digest)


def place_of(config: PerceptualConfig, folder: Path) -> Path:
    """The file, or where in `folder` it lies once it is downloaded."""
    if is_address(config.weights):
        return folder / config.weights.rsplit("/", 1)[-1]
    return Path(config.weights)


def is_address(weights: str) -> bool:
    """Whether it is one, and not a file."""
    return weights.startswith(("https://", "http://"))


def _expected(config: PerceptualConfig) -> str | None:
    """What is known of the file's checksum: the config says, or the name of a .pth."""
    named = re.search(r"-([0-9a-f]{8,64})\.pth$", config.weights)
    return config.sha256 or (named[1] if named else None)
