"""Where the pictures of a set come from: the wheel, a mirror, or archives."""

import importlib.util
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from lmf.core.errors import DataError
from lmf.core.files import sha256, write_text
from lmf.data.archive import Listing, read_pictures, scan
from lmf.data.catalog import CATALOGUE
from lmf.data.download import Transfer, download, require_space, still_to_get, verify_archive
from lmf.data.entries import Archive, Bundled, DataSet, Manual
from lmf.data.mirror import find_archive, find_set
from lmf.data.progress import ProgressSink
from lmf.data.sets import Source
from lmf.data.store import PictureFile


@dataclass(frozen=True)
class Workplace:
    """Where a fetch works, and how."""

    root: Path
    mirror: Path | None
    progress: ProgressSink
    transfer: Transfer

    @property
    def partial(self) -> Path:
        """What is not finished."""
        return self.root / ".partial"

    @property
    def downloads(self) -> Path:
        """Archives, downloaded or half so."""
        return downloads(self.root)


@dataclass(frozen=True)
class Supply:
    """Pictures that were found. origin: for messages. size: bytes of the pictures."""

    source: Source
    origin: str
    count: int
    size: int
    pictures: Iterable[PictureFile]


def find_supply(entry: DataSet, place: Workplace) -> Supply:
    """The first way by which the set can be had; archives are downloaded here.

    Raises:
        DataError: there is none; for archives, the message says why, mirror by mirror.
    """
    for source in entry.sources:
        if isinstance(source, Bundled):
            return _from_files("bundled", "scikit-image", _bundled(source))
    if place.mirror:
        if found := find_set(entry, place.mirror):
            return _from_files("mirror", str(place.mirror), found)
        place.progress.note(f"{entry.name} is not in {place.mirror}")
    if not entry.archives:
        raise DataError("its licence does not allow a download")
    return _from_archives(entry, place)


def _from_files(source: Source, origin: str, found: list[tuple[Path, str]]) -> Supply:
    size = sum(path.stat().st_size for path, _ in found)
    pictures = (PictureFile(to, path.read_bytes()) for path, to in found)
    return Supply(source, origin, len(found), size, pictures)


def _bundled(source: Bundled) -> list[tuple[Path, str]]:
    package = importlib.util.find_spec("skimage")  # not imported: that would take a second
    if package is None or package.origin is None:
        raise DataError("scikit-image is not installed")
    folder = Path(package.origin).parent / "data"
    if missing := [name for name in source.files if not (folder / name).is_file()]:
        raise DataError(f"the installed scikit-image has no {missing[0]}")
    return [(folder / name, f"HR/{name}") for name in source.files]


def _from_archives(entry: DataSet, place: Workplace) -> Supply:
    paths = {archive: _at_hand(archive, place) for archive in entry.archives}
    missing = [archive for archive, path in paths.items() if path is None]
    size = sum(still_to_get(archive, place.downloads) for archive in missing)
    require_space(place.root, size + (entry.unpacked or 0), entry.name)
    for archive in missing:
        paths[archive] = download(archive, place.downloads, place.progress, place.transfer)
    found = [(path, archive) for archive, path in paths.items() if path]
    listings = [scan(path, archive) for path, archive in found]
    return Supply(
        source="archive",
        origin=", ".join(str(path) for path, _ in found),
        count=sum(len(listing.targets) for listing in listings),
        size=sum(listing.size for listing in listings),
        pictures=_unpacked(found, listings),
    )


def _unpacked(found: list[tuple[Path, Archive]], listings: list[Listing]) -> Iterator[PictureFile]:
    for (path, archive), listing in zip(found, listings, strict=True):
        yield from read_pictures(path, archive, listing)


def _at_hand(archive: Archive, place: Workplace) -> Path | None:
    """The archive as the user has it, or as an earlier fetch left it; verified."""
    own = [place.root / "archives" / archive.name]
    if place.mirror and (path := find_archive(archive.name, place.mirror)):
        own.append(path)
    for path in own:
        if path.is_file():
            verify_archive(path, archive)
            return path
    left = place.downloads / archive.name
    try:
        verify_archive(left, archive)
    except FileNotFoundError:
        return None
    except DataError:
        left.unlink()
        return None
    return left


def at_hand(archive: Archive, root: Path, mirror: Path | None) -> bool:
    """Whether a file of the archive's name is in a place where `fetch` looks; nothing is read."""
    places = [root / "archives" / archive.name, downloads(root) / archive.name]
    return any(path.is_file() for path in places) or bool(
        mirror and find_archive(archive.name, mirror)
    )


def pinned(entry: DataSet, root: Path) -> DataSet:
    """The entry with the checksums that were recorded where none is published."""

    def with_pin(source: Archive | Bundled | Manual) -> Archive | Bundled | Manual:
        if not isinstance(source, Archive) or source.sha256 is not None:
            return source
        pin = _pin(root, source)
        return replace(source, sha256=pin.read_text().split()[0]) if pin.is_file() else source

    return replace(entry, sources=tuple(with_pin(source) for source in entry.sources))


def pin_archives(entry: DataSet, place: Workplace) -> None:
    """Record the checksums of archives that have none, now that their pictures are known good."""
    for archive in entry.archives:
        if archive.sha256 is None and (path := _at_hand(archive, place)):
            digest = sha256(path)
            write_text(_pin(place.root, archive), f"{digest}  {archive.name}\n")
            place.progress.note(
                f"{archive.name}: no checksum is published; from now on it must be {digest}"
            )


def tidy_archives(entry: DataSet, root: Path, keep: bool, progress: ProgressSink) -> None:
    """Delete what was downloaded for the set, or keep it in `root`/archives.

    An archive that holds other sets too stays until all of them are in place.
    """
    for archive in entry.archives:
        path = downloads(root) / archive.name
        if not path.is_file():
            continue
        others = [name for name in _sharing(archive) if not (root / name / "record.json").is_file()]
        if keep:
            (root / "archives").mkdir(exist_ok=True)
            os.replace(path, root / "archives" / archive.name)
        elif others:
            progress.note(f"{path} stays until {', '.join(others)} are fetched; or delete it")
        else:
            path.unlink()


def downloads(root: Path) -> Path:
    """Where downloads are kept until they are unpacked."""
    return root / ".partial" / "downloads"


def _sharing(archive: Archive) -> list[str]:
    names = {name: {one.name for one in entry.archives} for name, entry in CATALOGUE.items()}
    return [name for name, archives in names.items() if archive.name in archives]


def _pin(root: Path, archive: Archive) -> Path:
    return root / "archives" / f"{archive.name}.sha256"
