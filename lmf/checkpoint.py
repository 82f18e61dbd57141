"""Weights as data: safetensors beside a JSON card. No code in a file is ever run.

<name>.safetensors   the tensors; fp32 or fp16
<name>.json          the card: architecture, data, steps, seed, versions, sha256, licence
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, files, version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lmf.architecture import ModelConfig, least_parameters
from lmf.core.config import parse, plain
from lmf.core.errors import CheckpointError, ConfigError
from lmf.core.files import atomic_write, flush, json_text, sha256, write_json
from lmf.core.weights import check_file, check_finite, check_room, load_strictly, tensor_bytes
from lmf.model import Lmf
from lmf.official import read_official
from lmf.render.cmsr import CmsrTable

OFFICIAL = ".pth"
"""Suffix of the files that the authors of LIIF, LTE and LMF publish."""


def _released() -> Path:
    """weights/ of the repository, or where its wheel put them."""
    checkout = Path(__file__).parents[1]
    if (checkout / "pyproject.toml").is_file():
        return checkout / "weights"
    with suppress(PackageNotFoundError):  # a copied folder has none
        for file in files("lmf") or ():
            if file.match("share/lmf/weights/*.json"):
                return Path(str(file.locate())).resolve().parent
    return checkout / "weights"


RELEASED = _released()
"""Weights that come with the package, each with its card."""


def save_model(
    model: Lmf, path: Path, facts: Mapping[str, Any], *, half: bool = False
) -> dict[str, Any]:
    """Write `path` (.safetensors) and its card beside it; returns the card.

    The card is on the disk before the weights take their place, and follows at once: a full disk
    leaves the old pair as it was.

    facts: what the card says beyond the architecture: name, profile, steps, seed, data and so on.
    half: store fp16, which takes half the space; loading makes fp32 of it again.

    Raises:
        CheckpointError: a weight is NaN, or infinite, in fp16 perhaps; nothing is written.
    """
    tensors = model.state_dict()
    if half:
        tensors = {name: tensor.half() for name, tensor in tensors.items()}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path}: {name} holds NaN or infinite weights; not written")
    beside, data = path.with_suffix(".json"), tensor_bytes(tensors)
    card = dict(facts) | {
        "architecture": plain(model.config),
        "parameters": sum(p.numel() for p in model.parameters()),
        "sha256": hashlib.sha256(data).hexdigest(),
        "torch": torch.__version__,
        "lmf": version("lmf"),
    }
    with atomic_write(beside) as new_card:
        new_card.write_bytes(json_text(beside, card).encode())
        flush(new_card)
        with atomic_write(path) as new_weights:
            new_weights.write_bytes(data)
    return card


def read_card(path: Path) -> dict[str, Any]:
    """The card beside a .safetensors file. Raises CheckpointError if either is missing or foreign."""
    check_file(path)
    if path.suffix != ".safetensors":
        raise CheckpointError(
            f"{path}: weights come as .safetensors files with a card beside, or as official .pth"
        )
    card = path.with_suffix(".json")
    try:
        values = json.loads(card.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{card}: no such card; weights and card belong together, restore it beside {path.name}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{card}: not a JSON card ({error})") from error
    for name in ("architecture", "sha256"):
        if not isinstance(values, dict) or name not in values:
            raise CheckpointError(f"{card}: the card names no {name}; restore it from its source")
    return values


def weights_file(name_or_path: str | os.PathLike[str]) -> Path:
    """The file that is meant: a path ending in .safetensors or .pth, or a released name.

    Raises:
        CheckpointError: no released weights have that name; those that there are are listed.
    """
    path = Path(name_or_path)
    if path.suffix or path.name != str(path):
        return path
    released = RELEASED / f"{path}.safetensors"
    if not released.is_file():
        names = ", ".join(released_names()) or "none here"
        raise CheckpointError(
            f"{path}: no released weights of that name; released: {names}; "
            "or give a .safetensors or .pth file"
        )
    return released


def released_names() -> list[str]:
    """Names of the weights that come with the package."""
    return sorted(path.stem for path in RELEASED.glob("*.safetensors"))


def load_model(name_or_path: str | os.PathLike[str]) -> Lmf:
    """A trained model, in evaluation mode, on the CPU.

    name_or_path: a name in weights/, such as "lm-lte-edsr-baseline"; a .safetensors file with its
    card; or an official .pth file, see `lmf.official`.

    Raises:
        CheckpointError: the file is missing, damaged, altered since its card was written, or holds
            other parameters than its architecture has, or NaN; nothing is partly loaded.
    """
    path = weights_file(name_or_path)
    if path.suffix == OFFICIAL:
        return read_official(path)
    card = read_card(path)
    if card["sha256"] != sha256(path):
        raise CheckpointError(f"{path}: differs from the sha256 on its card; restore either file")
    tensors = read_tensors(path)
    try:
        config = parse(ModelConfig, card["architecture"], "its architecture")
        check_room(least_parameters(config), tensors, str(path))
        model = Lmf(config)
    except ConfigError as error:
        raise CheckpointError(f"{path.with_suffix('.json')}: {error}") from error
    load_strictly(model, tensors, str(path))
    check_finite(model.state_dict(), str(path))
    return model.eval()


def read_cmsr(path: Path, scale: float) -> CmsrTable:
    """The card's CMSR table for a target scale. Raises CheckpointError if it has none, or a bad one."""
    if path.suffix == OFFICIAL:
        raise CheckpointError(f"{path}: has no card for CMSR tables; rewrite it with `lmf convert`")
    card, key = path.with_suffix(".json"), f"{scale:g}"
    tables = _cmsr_tables(read_card(path), card)
    if key not in tables:
        has = ", ".join(f"x{one}" for one in tables) or "none"
        raise CheckpointError(
            f"{card}: no CMSR table for x{key} (there: {has}); run `lmf cmsr build {path} --scale {key}`"
        )
    try:
        return parse(CmsrTable, tables[key], f"cmsr {key}")
    except ConfigError as error:
        raise CheckpointError(f"{card}: {error}; run `lmf cmsr build` again") from error


def write_cmsr(path: Path, tables: Iterable[CmsrTable]) -> None:
    """Add CMSR tables to the card of `path`, each in place of any for its scale.

    Raises:
        CheckpointError: there is no such card, or its tables are none.
    """
    card, place = read_card(path), path.with_suffix(".json")
    added = {f"{table.scale:g}": plain(table) for table in tables}
    write_json(place, card | {"cmsr": _cmsr_tables(card, place) | added})


def _cmsr_tables(card: Mapping[str, Any], place: Path) -> dict[str, Any]:
    tables = card.get("cmsr", {})
    if not isinstance(tables, dict):
        raise CheckpointError(
            f"{place}: its cmsr holds no tables; remove that entry and run `lmf cmsr build`"
        )
    return tables


def convert(source: Path, target: Path) -> dict[str, Any]:
    """Write the model of an official .pth file as `target` (.safetensors) with a card; returns that.

    Raises:
        CheckpointError: `source` is no usable official file, or a suffix is another; nothing is
            written.
    """
    for path, suffix in ((source, OFFICIAL), (target, ".safetensors")):
        if path.suffix != suffix:
            raise CheckpointError(f"{path}: convert reads .pth and writes .safetensors files")
    model = read_official(source)
    facts = {
        "name": target.stem,
        "source": source.name,
        "source_sha256": sha256(source),
        "licence": "that of the source file; its publisher says which",
    }
    return save_model(model, target, facts)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file. Raises CheckpointError if it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged or no safetensors file ({error})") from error
