"""Take pictures out of a zip or tar archive without trusting it.

Nothing is unpacked by name: `scan` first looks at every member and refuses the archive if one is
unsafe; `read_pictures` then hands out the contents of those that the catalogue asks for.
"""

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from lmf.core.errors import DataError
from lmf.data.entries import Archive
from lmf.data.pictures import SUFFIXES
from lmf.data.store import PictureFile

_DAMAGED = (
    zipfile.BadZipFile, NotImplementedError, tarfile.TarError, EOFError, zlib.error, OSError,
)  # fmt: skip
_SIGNATURES = {"zip": b"PK\x03\x04", "tgz": b"\x1f\x8b"}
_TAR_MODES: dict[str, Literal["r:", "r:gz"]] = {"tar": "r:", "tgz": "r:gz"}
_NESTED = (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar")


@dataclass(frozen=True)
class Limits:
    """More than this is a bomb, not a picture archive. Sizes in bytes, unpacked."""

    members: int = 100_000
    total: int = 32 * 2**30
    picture: int = 2**28


@dataclass(frozen=True)
class Listing:
    """The wanted members. targets: member name -> path in the set. size: bytes unpacked."""

    targets: dict[str, str]
    size: int


@dataclass(frozen=True)
class _Entry:
    name: str
    size: int
    is_file: bool
    fault: str | None


def signature_fault(head: bytes, archive: Archive) -> str | None:
    """What is wrong with the first bytes of a file that should be `archive`; None if nothing.

    Old tar files have no signature, so for a tar only known other contents count; and a single file
    may be anything but a page that came in its place.
    """
    start = head.lstrip()[:64].lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "is a web page, not the archive"
    if start.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the archive"
    if archive.format == "file":
        return None
    expected = _SIGNATURES.get(archive.format, b"")
    others = tuple(_SIGNATURES.values())
    begun = head[: len(expected)]  # of a slow server, the first byte alone
    if not expected.startswith(begun) or (not expected and head.startswith(others)):
        return f"is not a {archive.format} file"
    return None


def scan(path: Path, archive: Archive, limits: Limits = Limits()) -> Listing:
    """Look at all members of the archive at `path`.

    Raises:
        DataError: it is damaged, encrypted, too large, holds none of the wanted folders, or has
            an absolute path, "..", or a link or device where a picture should be.
    """
    with _named_faults(path):
        with path.open("rb") as file:
            fault = signature_fault(file.read(512), archive)
        if fault:
            raise DataError(f"{path.name} {fault}")
        return _select(path.name, _entries(path, archive), archive, limits)


def _select(name: str, entries: Iterable[_Entry], archive: Archive, limits: Limits) -> Listing:
    folders = {PurePosixPath(member.folder): member.to for member in archive.members}
    targets: dict[str, str] = {}
    nested = []
    count = total = size = 0
    for entry in entries:
        count, total = count + 1, total + entry.size
        if count > limits.members or total > limits.total:
            most = f"{limits.members} files or {limits.total} bytes"
            raise DataError(f"{name} unpacks to more than {most}; refused")
        place = PurePosixPath(entry.name.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts or ":" in (place.parts or ("",))[0]:
            raise DataError(f"{name}: member {entry.name!r} points outside; refused")
        if entry.fault and any(_overlap(place, folder) for folder in folders):
            raise DataError(f"{name}: member {entry.name!r} {entry.fault}; refused")
        if place.suffix.lower() in _NESTED:
            nested.append(entry.name)
        if not entry.is_file or not _is_picture(place) or place.parent not in folders:
            continue
        if entry.size > limits.picture:
            raise DataError(f"{name}: member {entry.name!r} has {entry.size} bytes; refused")
        targets[entry.name] = f"{folders[place.parent]}/{place.name}"
        size += entry.size
    if not targets:
        inner = f"only another archive ({nested[0]}): unpack that" if nested else "no pictures"
        raise DataError(f"{name} holds {inner} where {archive.members[0].folder} should be")
    return Listing(targets, size)


def _is_picture(place: PurePosixPath) -> bool:
    return place.suffix.lower() in SUFFIXES and not place.name.startswith(".")


def _overlap(place: PurePosixPath, folder: PurePosixPath) -> bool:
    return place.is_relative_to(folder) or folder.is_relative_to(place)


def read_pictures(path: Path, archive: Archive, listing: Listing) -> Iterator[PictureFile]:
    """The listed pictures, in the order in which the archive holds them.

    Raises:
        DataError: the archive is damaged.
    """
    with _named_faults(path):
        if archive.format == "zip":
            with zipfile.ZipFile(path) as package:
                for name, target in listing.targets.items():
                    yield PictureFile(target, package.read(name))
            return
        with tarfile.open(path, _TAR_MODES[archive.format]) as package:
            for member in package:
                if member.name in listing.targets and (file := package.extractfile(member)):
                    yield PictureFile(listing.targets[member.name], file.read())


def _entries(path: Path, archive: Archive) -> Iterator[_Entry]:
    if archive.format == "zip":
        with zipfile.ZipFile(path) as package:
            yield from map(_zip_entry, package.infolist())
        return
    with tarfile.open(path, _TAR_MODES[archive.format]) as package:
        yield from map(_tar_entry, package)


def _zip_entry(info: zipfile.ZipInfo) -> _Entry:
    kind = stat.S_IFMT(info.external_attr >> 16)
    fault = None
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        fault = "is a link or a device"
    elif info.flag_bits & 1:
        fault = "is encrypted"
    return _Entry(info.filename, info.file_size, not info.is_dir(), fault)


def _tar_entry(info: tarfile.TarInfo) -> _Entry:
    fault = None if info.isreg() or info.isdir() else "is a link or a device"
    return _Entry(info.name, info.size, info.isreg(), fault)


@contextmanager
def _named_faults(path: Path) -> Iterator[None]:
    """Say which archive is damaged; an OSError with a number is the machine's, not the file's."""
    try:
        yield
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(f"{path.name} is truncated or damaged ({error})") from error
