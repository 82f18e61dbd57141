"""Picture files of a set: listing, writing and hashing them, each decoded on its way in."""

import hashlib
import os
import re
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lmf.core.errors import DataError
from lmf.core.files import sha256
from lmf.data.decode import check_picture
from lmf.data.pictures import SUFFIXES
from lmf.data.progress import ProgressSink, step

_WORKERS = min(8, os.cpu_count() or 1)  # decoding and hashing release the interpreter lock


@dataclass(frozen=True)
class PictureFile:
    """A picture on its way into a set. path: relative to the set, with slashes."""

    path: str
    content: bytes


@dataclass(frozen=True)
class FileSum:
    """Size and checksum of one picture of a set."""

    path: str
    size: int
    sha256: str


def pictures_in(folder: Path) -> tuple[Path, ...]:
    """The picture files directly in `folder`, by name; other and hidden files are passed over."""
    if not folder.is_dir():
        return ()
    found = (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    return tuple(sorted(path for path in found if path.name[0] != "." and path.is_file()))


def picture_paths(folder: Path) -> list[str]:
    """Paths, relative to `folder`, of all pictures of the set in it."""
    scales = [part for part in folder.glob("LR_bicubic/X*") if re.fullmatch(r"X\d+", part.name)]
    return [
        path.relative_to(folder).as_posix()
        for part in (folder / "HR", *sorted(scales))
        for path in pictures_in(part)
    ]


def store(
    pictures: Iterable[PictureFile], folder: Path, total: int | None, progress: ProgressSink
) -> list[FileSum]:
    """Write pictures below `folder`, each decoded once, see `check_picture`.

    Raises:
        DataError: a picture is damaged, or comes twice.
    """

    def store_one(picture: PictureFile) -> FileSum:
        check_picture(picture.path, picture.content)
        path = folder / picture.path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as file:
                file.write(picture.content)
        except FileExistsError:
            raise DataError(f"{picture.path} is there twice") from None
        return _sum_of(picture)

    pending: deque[Future[FileSum]] = deque()
    sums = []
    with step(progress, "checking", total, "images"), ThreadPoolExecutor(_WORKERS) as pool:
        for picture in pictures:
            pending.append(pool.submit(store_one, picture))
            while len(pending) > 2 * _WORKERS:  # bounds the pictures held in memory
                sums.append(pending.popleft().result())
                progress.advance(1)
        for future in pending:
            sums.append(future.result())
            progress.advance(1)
    return sums


def examine(folder: Path, progress: ProgressSink) -> list[FileSum]:
    """Decode and hash the pictures that somebody put into `folder` by hand.

    Raises:
        DataError: a picture is damaged.
    """

    def examine_one(path: str) -> FileSum:
        picture = PictureFile(path, (folder / path).read_bytes())
        check_picture(str(folder / path), picture.content)
        return _sum_of(picture)

    paths = picture_paths(folder)
    sums = []
    with step(progress, "checking", len(paths), "images"), ThreadPoolExecutor(_WORKERS) as pool:
        for one in pool.map(examine_one, paths):
            sums.append(one)
            progress.advance(1)
    return sums


def checksums(folder: Path) -> list[FileSum]:
    """Hash all pictures of the set in `folder`."""
    with ThreadPoolExecutor(_WORKERS) as pool:
        return list(pool.map(lambda path: _hash(folder, path), picture_paths(folder)))


def _sum_of(picture: PictureFile) -> FileSum:
    digest = hashlib.sha256(picture.content).hexdigest()
    return FileSum(picture.path, len(picture.content), digest)


def _hash(folder: Path, path: str) -> FileSum:
    return FileSum(path, (folder / path).stat().st_size, sha256(folder / path))
