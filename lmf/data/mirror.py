"""Find a set in a folder of data that somebody already has.

Upper and lower case, and _ and -, count as equal. A set is found as <mirror>/<set>,
<mirror>/<any>/<set> or the mirror itself, with its pictures in HR and LR_bicubic/X2 ... or
directly in it; or unpacked as its archives are, such as <mirror>/DIV2K/DIV2K_train_HR.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from lmf.core.errors import DataError
from lmf.data.entries import DataSet
from lmf.data.store import pictures_in

SCALE = re.compile(r"[Xx]\d+")
"""Name of a folder of LR pictures."""

Layout = dict[Path, str]  # folder on disk -> folder of the set


def find_set(entry: DataSet, mirror: Path) -> list[tuple[Path, str]]:
    """The set's picture files in `mirror`, each with its path in the set; empty if not there."""
    for layout in _layouts(entry, mirror):
        found = [(path, f"{to}/{path.name}") for part, to in layout.items()
                 for path in pictures_in(part)]  # fmt: skip
        if found:
            return found
    return []


def find_archive(name: str, mirror: Path) -> Path | None:
    """The archive file of that name in `mirror` or a folder directly in it."""
    found = (inside(base, name) for base in (mirror, *_folders(mirror)))
    return next((path for path in found if path and path.is_file()), None)


def inside(base: Path, path: str) -> Path | None:
    """`path` below `base`, whatever the spelling; None if it is not there."""
    for part in PurePosixPath(path).parts:
        match = [one for one in _children(base) if _plain(one.name) == _plain(part)]
        if not match:
            return None
        base = match[0]
    return base


def _layouts(entry: DataSet, mirror: Path) -> Iterator[Layout]:
    bases = (mirror, *_folders(mirror))
    named = [inside(base, entry.name) for base in bases]
    if _plain(mirror.name) == _plain(entry.name):
        named.append(mirror)
    for folder in named:
        if folder and (hr := inside(folder, "HR")):
            lr = inside(folder, "LR_bicubic")
            scales = [one for one in _folders(lr) if SCALE.fullmatch(one.name)] if lr else []
            yield {hr: "HR"} | {scale: f"LR_bicubic/{scale.name.upper()}" for scale in scales}
        elif folder:
            yield {folder: "HR"}
    for base in bases:
        members = [member for archive in entry.archives for member in archive.members]
        places = [(inside(base, member.folder), member.to) for member in members]
        layout = {place: to for place, to in places if place}
        if "HR" in layout.values():
            yield layout


def _folders(base: Path) -> list[Path]:
    """Those that may be read: a mirror can be a whole disk, with its lost+found."""
    return [
        path for path in _children(base) if path.is_dir() and os.access(path, os.R_OK | os.X_OK)
    ]


def _children(base: Path) -> list[Path]:
    if not base.is_dir():
        raise DataError(f"{base} is no folder: the mirror is a folder that holds data sets")
    return sorted(base.iterdir())


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
