"""Picture files of a set: listing, checking, writing and hashing them."""

import hashlib
import io
import os
import re
import struct
import zlib
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from lmf.core.errors import DataError
from lmf.core.files import sha256
from lmf.data.pictures import SUFFIXES
from lmf.data.progress import ProgressSink, step

_JPEG_END = b"\xff\xd9"
_WORKERS = min(8, os.cpu_count() or 1)  # decoding and hashing release the interpreter lock
UNREADABLE = (  # what Pillow's decoders raise
    OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error,
    Image.DecompressionBombError,
)  # fmt: skip


@dataclass(frozen=True)
class PictureFile:
    """A picture on its way into a set. path: relative to the set, with slashes.

    known: it comes out of an archive with a published checksum.
    """

    path: str
    content: bytes
    known: bool = False


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


def check_picture(name: str, content: bytes, known: bool = False) -> None:
    """Decode a picture once, as far as that can fail.

    known: the bytes come out of an archive whose published checksum they met. Decoding all of them
    would take several times as long as fetching them, so then only what shows a picture that is
    damaged inside its archive is looked at: every checksum of a PNG, the end of a JPEG.

    Raises:
        DataError: it is damaged or no picture; the message starts with `name`.
    """
    try:
        with Image.open(io.BytesIO(content)) as picture:
            if picture.format == "PNG":
                picture.verify()  # the checksums of all chunks
                if not known:
                    _inflate(content)
            elif not (known and picture.format == "JPEG" and content.endswith(_JPEG_END)):
                picture.draft(picture.mode, (1, 1))  # JPEG: all is read, little is computed
                picture.load()
    except UnidentifiedImageError as error:
        raise DataError(f"{name} is not a readable picture (of no known format)") from error
    except UNREADABLE as error:
        raise DataError(f"{name} is not a readable picture ({error})") from error


def _inflate(png: bytes) -> None:
    """Unpack the pixels of a PNG; undoing its filters cannot fail and takes twice as long."""
    stream = zlib.decompressobj()
    at = 8
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        packed = png[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        while packed:
            stream.decompress(packed, 2**20)
            packed = stream.unconsumed_tail
        at += 12 + length
    if not stream.eof:
        raise ValueError("its pixels end early")


def store(
    pictures: Iterable[PictureFile], folder: Path, total: int | None, progress: ProgressSink
) -> list[FileSum]:
    """Write pictures below `folder`, each checked to be whole, see `check_picture`.

    Raises:
        DataError: a picture is damaged, or comes twice.
    """

    def store_one(picture: PictureFile) -> FileSum:
        check_picture(picture.path, picture.content, picture.known)
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
