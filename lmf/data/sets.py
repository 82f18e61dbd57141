"""Data sets on disk: what was recorded of them, whether it still holds, and how to open them.

data/<set>/HR/*.png, LR_bicubic/X2/<stem>x2.png   pictures
data/<set>/SHA256SUMS                             a line per picture, as `sha256sum -c` reads it
data/<set>/record.json                            a Record
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from PIL import Image

from lmf.core.errors import ConfigError, DataError
from lmf.core.files import is_plain, write_json, write_text
from lmf.data.catalog import CATALOGUE, data_set
from lmf.data.entries import DataSet
from lmf.data.pictures import UNREADABLE
from lmf.data.store import FileSum, checksums, picture_paths, pictures_in

Source = Literal["bundled", "mirror", "archive", "manual"]


@dataclass(frozen=True)
class Record:
    """What a set holds and how it came; equal files by equal ways give equal records anywhere.

    images: HR pictures. bytes: of all pictures. tree_sha256: SHA-256 of SHA256SUMS, so of all
    names and contents. source: bundled with scikit-image, a folder of a local mirror, the
    published archive (from wherever), or pictures put in place by hand.
    """

    set: str
    images: int
    bytes: int
    tree_sha256: str
    source: Source
    licence: str


@dataclass(frozen=True)
class ImageSet:
    """HR pictures in the order of their names; lr[s]: their published LR pictures at scale s."""

    name: str
    hr: tuple[Path, ...]
    lr: dict[int, tuple[Path, ...]]


def seal(entry: DataSet, folder: Path, sums: Iterable[FileSum], source: Source) -> Record:
    """Check that the set in `folder` is complete, then write its SHA256SUMS and its record.

    Raises:
        DataError: pictures are missing or too many, or LR and HR pictures do not pair up.
    """
    sums = sorted(sums, key=lambda one: one.path)
    hr, _ = _pair(entry.name, [one.path for one in sums])
    _check_count(entry, entry.name, len(hr))
    text = _sums_text(sums)
    total = sum(one.size for one in sums)
    record = Record(entry.name, len(hr), total, _sha256(text), source, entry.licence)
    write_text(folder / "SHA256SUMS", text)
    write_json(folder / "record.json", asdict(record))
    return record


def verify(name: str, root: Path = Path("data")) -> Record:
    """Hash the set's pictures again and compare them with its record.

    Raises:
        DataError: there is no record, or a picture was changed, removed or added; it is named.
    """
    folder = root / name
    record = read_record(folder)
    text = _sums_text(checksums(folder))
    if _sha256(text) != record.tree_sha256:
        known = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
        odd = sorted({line[66:] for line in set(known) ^ set(text.splitlines())})
        raise DataError(
            f"{folder} is not what was fetched ({', '.join(odd[:3])}"
            f"{' ...' if len(odd) > 3 else ''} changed, missing or added); "
            f"move the folder away and run `lmf fetch {name}`"
        )
    return record


def open_set(name: str, root: Path = Path("data")) -> ImageSet:
    """The pictures of a catalogued set, or of a folder of your own such as data/custom.

    An own folder holds its pictures directly or in HR; each of them is opened, since nothing
    checked them before. Files that are no pictures by their suffix are passed over.

    Raises:
        ConfigError: the name is neither catalogued nor a folder in `root`, or a path.
        DataError: the set is missing, empty or incomplete, or a picture cannot be read.
    """
    if not is_plain(name):
        raise ConfigError(
            f"set {name!r} is no name: put or link the folder of pictures as {root / 'NAME'}, and "
            "give NAME"
        )
    folder = root / name
    own = name == "custom" or (name not in CATALOGUE and folder.is_dir())
    entry = None if own else data_set(name)
    if not folder.is_dir():
        custom = (
            "`dvc repro data.dvc` brings it, from samples/ or where `lmf use-images` pointed it"
        )
        remedy = f"run `lmf fetch {name}`" if entry else custom
        raise DataError(f"{folder} is missing: {remedy}")
    paths = picture_paths(folder)
    hr, lr = _pair(name, paths)
    if entry:
        _check_count(entry, str(folder), len(hr))
    else:
        hr = hr or [path.name for path in pictures_in(folder)]
        check_stems(folder, hr)
        _check_readable(folder, hr)
    return ImageSet(
        name,
        tuple(folder / path for path in hr),
        {scale: tuple(folder / path for path in found) for scale, found in lr.items()},
    )


def check_stems(folder: Path, names: Iterable[str]) -> None:
    """DataError for two pictures that differ in their suffix alone: rows are named by the stem."""
    seen: dict[str, str] = {}
    for name in names:
        if (other := seen.setdefault(Path(name).stem, name)) != name:
            raise DataError(f"{folder}: {other} and {name} have one name; rename one of them")


def _check_count(entry: DataSet, where: str, found: int) -> None:
    if found != entry.images and (entry.images is not None or found == 0):
        raise DataError(f"{where} holds {found} HR pictures instead of {entry.images or 'some'}")


def _check_readable(folder: Path, paths: list[str]) -> None:
    if not paths:
        raise DataError(f"{folder} holds no pictures: put some there (.png, .jpg, .tif, .webp)")
    unreadable = []
    for path in paths:
        try:
            with Image.open(folder / path) as picture:
                picture.verify()
        except UNREADABLE:
            unreadable.append(path)
    if unreadable:
        raise DataError(f"{folder}: cannot be read: {', '.join(unreadable)}; remove or mend them")


def _pair(name: str, paths: Iterable[str]) -> tuple[list[str], dict[int, list[str]]]:
    """HR paths, and for each scale the LR paths in the same order."""
    folders: dict[str, list[str]] = {}
    for path in sorted(paths):
        folders.setdefault(str(PurePosixPath(path).parent), []).append(path)
    hr = folders.pop("HR", [])
    lr = {}
    for folder, found in folders.items():
        scale = int(folder.rpartition("X")[2])
        by_stem = {PurePosixPath(path).stem: path for path in found}
        stems = [f"{PurePosixPath(path).stem}x{scale}" for path in hr]
        if odd := sorted(by_stem.keys() ^ set(stems)):
            raise DataError(f"{name}: {folder} and HR do not pair up: look for {odd[0]}")
        lr[scale] = [by_stem[stem] for stem in stems]
    return hr, lr


def read_record(folder: Path) -> Record:
    """What was recorded of the set in `folder`; DataError if that is missing or damaged."""
    path = folder / "record.json"
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise DataError(f"{path} is missing: run `lmf fetch {folder.name}`") from None
    except (ValueError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}): delete it and fetch again") from error


def _sums_text(sums: Iterable[FileSum]) -> str:
    return "".join(f"{one.sha256}  {one.path}\n" for one in sorted(sums, key=lambda s: s.path))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
