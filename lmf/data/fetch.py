"""Put a data set in its place.

In this order: the set is there already and still as recorded; scikit-image's wheel; a local
mirror; an archive put into <root>/archives; the published archive over HTTP. Everything is built
in <root>/.partial and moved into place in one step, so a set is there whole or not at all;
whatever a killed run left is resumed or cleared away by the next one.
"""

import os
import shutil
from pathlib import Path

from lmf.core.errors import DataError, ResourceError
from lmf.core.lock import alone
from lmf.data.catalog import data_set
from lmf.data.download import PATIENT, Transfer, require_space
from lmf.data.entries import Bundled, DataSet, Manual
from lmf.data.progress import QUIET, ProgressSink
from lmf.data.sets import Record, seal, verify
from lmf.data.store import examine, picture_paths, store
from lmf.data.supply import Workplace, find_supply, pin_archives, pinned, tidy_archives


def fetch(
    name: str,
    root: Path = Path("data"),
    mirror: Path | None = None,
    keep_archives: bool = False,
    progress: ProgressSink = QUIET,
) -> Record:
    """Put the catalogued set `name` into `root`/<name>; see `fetch_set`."""
    return fetch_set(data_set(name), root, mirror, keep_archives, progress)


def fetch_set(
    entry: DataSet,
    root: Path,
    mirror: Path | None = None,
    keep_archives: bool = False,
    progress: ProgressSink = QUIET,
    transfer: Transfer = PATIENT,
) -> Record:
    """Put a set into `root`/<name>, complete, with every picture decoded: see `check_picture`.

    mirror: a folder of sets or archives that is looked into before the network. keep_archives:
    keep what was downloaded in `root`/archives instead of deleting it.

    Raises:
        DataError: the set cannot be had, is damaged or incomplete, or differs from its record;
            the message says what to put where by hand.
        ResourceError: the disk is full, or a file cannot be read or written.
    """
    place = Workplace(root, mirror, progress, transfer)
    try:
        record = _present(entry, root, progress)
        if record is None:
            waiting = f"another fetch is working in {root}; waiting until it is done"
            with alone(root / ".partial" / "lock", lambda: progress.note(waiting)):
                record = _present(entry, root, progress) or _build(entry, place)
        tidy_archives(entry, root, keep_archives, progress)
    except OSError as error:
        raise ResourceError(
            f"{error.filename or root}: {error.strerror or error}: make room or check the "
            f"permissions, then run `lmf fetch {entry.name}` again"
        ) from error
    return record


def _present(entry: DataSet, root: Path, progress: ProgressSink) -> Record | None:
    """The record of a set that is in place; pictures put there by hand are recorded first."""
    folder = root / entry.name
    if (folder / "record.json").is_file():
        return verify(entry.name, root)
    if not picture_paths(folder):
        return None
    try:
        return seal(entry, folder, examine(folder, progress), "manual")
    except DataError as error:
        raise DataError(f"{error}; complete {folder} or move it away") from error


def _build(entry: DataSet, place: Workplace) -> Record:
    entry = pinned(entry, place.root)
    build = place.partial / entry.name
    shutil.rmtree(build, ignore_errors=True)
    origin = ""
    try:
        supply = find_supply(entry, place)
        origin = f" from {supply.origin}"
        require_space(place.root, supply.size, entry.name)
        place.progress.note(f"{entry.name}{origin}. Licence: {entry.licence}")
        sums = store(supply.pictures, build, supply.count, place.progress)
        record = seal(entry, build, sums, supply.source)
        _check_bundled(entry, record)
        pin_archives(entry, place)
        _move(build, place.root / entry.name)
    except DataError as error:
        for archive in entry.archives:
            if archive.sha256 is None:  # perhaps the download is what is wrong
                (place.downloads / archive.name).unlink(missing_ok=True)
        raise DataError(f"{entry.name}{origin}: {error}. {_by_hand(entry, place.root)}") from error
    finally:
        shutil.rmtree(build, ignore_errors=True)
    return record


def _check_bundled(entry: DataSet, record: Record) -> None:
    for source in entry.sources:
        if isinstance(source, Bundled) and source.tree_sha256 != record.tree_sha256:
            raise DataError("the installed scikit-image has other pictures than the study's")


def _move(build: Path, target: Path) -> None:
    if target.exists():
        if any(path.is_file() for path in target.rglob("*")):
            raise DataError(f"{target} is in the way: it holds files, but no pictures in HR")
        shutil.rmtree(target)
    os.replace(build, target)


def _by_hand(entry: DataSet, root: Path) -> str:
    """What a user can do where the program cannot."""
    for source in entry.sources:
        if isinstance(source, Bundled):
            return "By hand: install scikit-image as constraints.txt pins it"
        if isinstance(source, Manual):
            return f"By hand: {source.how} into {root / entry.name / 'HR'}, then fetch again"
    names = ", ".join(archive.name for archive in entry.archives)
    return (
        f"By hand: put {names} into {root / 'archives'}, or the pictures into "
        f"{root / entry.name / 'HR'}, then run `lmf fetch {entry.name}` again"
    )
