"""Files that appear whole or not at all."""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lmf.core.errors import DataError, ResourceError


def is_plain(name: str) -> bool:
    """Whether `name` is one component of a path, so that `folder / name` lies in `folder`."""
    return name not in ("", ".", "..") and Path(name).name == name


@contextmanager
def atomic_write(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it into place on success, remove it on failure.

    A reader therefore never sees half a file, and a failed or killed writer leaves the old one.

    Raises:
        ResourceError: the folder cannot be made or written, or the disk is full; `path` is a folder.
    """
    path = Path(path)
    temporary = _beside(path)
    name = str(temporary)
    try:
        yield temporary
        flush(temporary)
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is None or str(error.filename or name) != name:
            raise  # a library's refusal, or another file's trouble
        raise ResourceError(
            f"{path}: writing failed ({error.strerror}); free some space or choose another place"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_no_folder(path: Path) -> None:
    """ResourceError if the file to be written would have to replace a folder."""
    if path.is_dir():
        raise ResourceError(f"{path} is a folder; name a file")


def check_place(path: Path) -> None:
    """ResourceError if nothing can be written there: before the work, which would be in vain."""
    _beside(path).unlink()


def _beside(path: Path) -> Path:
    """A new empty file beside `path`."""
    try:
        check_no_folder(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        name = str(path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}"))
        handle = os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)  # less the umask
    except OSError as error:
        raise ResourceError(
            f"{path}: cannot write here ({error.strerror}); check the folder"
        ) from error
    os.close(handle)
    return Path(name)


def flush(path: Path) -> None:
    """Have the disk hold what was written; OSError if it cannot."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8 with \\n line ends, atomically."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(text.encode())


def write_json(path: Path | str, value: object) -> None:
    """Write JSON, atomically; raises DataError as `json_text` does, and nothing is written."""
    write_text(path, json_text(path, value))


def json_text(path: Path | str, value: object) -> str:
    """JSON for `path` with sorted keys, so that equal values give equal bytes.

    Raises:
        DataError: NaN or infinity in it, which JSON does not know.
    """
    try:
        text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise DataError(f"{path}: a value in it would be NaN or infinite; not written") from error
    return text + "\n"


def sha256(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
