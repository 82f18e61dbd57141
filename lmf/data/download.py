"""Download one archive: resumed after a cut, retried, verified, from whichever mirror has it."""

import hashlib
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from lmf.core.errors import DataError, ResourceError
from lmf.core.files import sha256
from lmf.data.archive import signature_fault
from lmf.data.entries import Archive
from lmf.data.progress import ProgressSink, step

_HEADERS = {"User-Agent": "lmf", "Accept-Encoding": "identity"}  # sizes are those of the file
_HEAD = 512  # bytes that tell what a file is
_BUSY = frozenset({408, 425, 429})
_HEADWAY = 2**20  # bytes after which a failed try counts as the first again
_SLOWEST = 1024  # B/s over `timeout` seconds; less counts as no answer


@dataclass(frozen=True)
class Transfer:
    """How patient a download is. tries: per mirror. backoff, timeout: seconds."""

    tries: int = 4
    backoff: float = 1.0
    timeout: float = 30.0


PATIENT = Transfer()


class _Refused(Exception):  # noqa: N818
    """This mirror will not serve the archive, however often it is asked."""


class _Interrupted(Exception):  # noqa: N818
    """Trying again may help."""


def download(
    archive: Archive, folder: Path, progress: ProgressSink, transfer: Transfer = PATIENT
) -> Path:
    """Download `archive` into `folder`; returns the verified file.

    A download that was cut or killed is resumed from <name>.part. Without a published checksum
    nothing tells whether two halves belong together, so then it starts afresh.

    Raises:
        DataError: no mirror served the right bytes; the message says why, mirror by mirror.
        ResourceError: the disk is too small.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = _part(archive, folder)
    if archive.sha256 is None:
        part.unlink(missing_ok=True)
    faults = []
    with httpx.Client(follow_redirects=True, timeout=transfer.timeout, headers=_HEADERS) as client:
        job = _Job(client, archive, part, progress, transfer)
        for url in (archive.url, *archive.mirrors):
            try:
                job.from_mirror(url)
            except _Refused as fault:
                faults.append(f"{url} {fault}")
                progress.note(faults[-1])
            else:
                os.replace(part, folder / archive.name)
                return folder / archive.name
    known = f"{archive.bytes} bytes, SHA-256 {archive.sha256}" if archive.sha256 else "no checksum"
    raise DataError(f"{archive.name} ({known}) could not be downloaded: {'; '.join(faults)}")


def still_to_get(archive: Archive, folder: Path) -> int:
    """Bytes that `download` will still ask for; 0 if the archive's size is not published."""
    return max(0, (archive.bytes or 0) - _size(_part(archive, folder)))


def verify_archive(path: Path, archive: Archive) -> None:
    """Compare a file with what the catalogue says of the archive.

    Raises:
        DataError: its size or checksum is another.
    """
    size = path.stat().st_size
    if archive.bytes not in (None, size):
        raise DataError(f"{path} has {size} bytes instead of {archive.bytes}")
    if not has_digest(archive, digest := sha256(path)):
        raise DataError(f"{path} has the SHA-256 {digest} instead of {archive.sha256}")


def has_digest(archive: Archive, digest: str) -> bool:
    """Whether a file with this SHA-256 may be `archive`."""
    return archive.sha256 is None or digest.startswith(archive.sha256)


def require_space(folder: Path, size: int, what: str) -> None:
    """Check that `size` bytes are free on the disk of `folder`.

    Raises:
        ResourceError: they are not.
    """
    free = shutil.disk_usage(folder).free
    if size > free:
        raise ResourceError(
            f"{what} needs {size / 1e6:.1f} MB in {folder}, {free / 1e6:.1f} MB are free: "
            "make room or choose another folder"
        )


@dataclass(frozen=True)
class _Job:
    client: httpx.Client
    archive: Archive
    part: Path
    progress: ProgressSink
    transfer: Transfer

    def from_mirror(self, url: str) -> None:
        """Leave the verified archive in `part`, after as many tries as allowed."""
        tried = 0
        while True:
            before = _size(self.part)
            try:
                return self._attempt(url)
            except httpx.TimeoutException:
                fault = f"sent nothing for {self.transfer.timeout:g} s"
            except (httpx.NetworkError, httpx.ProtocolError, _Interrupted) as error:
                fault = f"failed ({str(error) or type(error).__name__})"
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise _Refused(f"cannot be asked ({error})") from error
            tried = 1 if _size(self.part) - before >= _HEADWAY else tried + 1
            if tried >= self.transfer.tries:
                raise _Refused(f"{fault}, {tried} times")
            wait = min(self.transfer.backoff * 2 ** (tried - 1), 30)
            self.progress.note(f"{url} {fault}; trying again in {wait:g} s")
            time.sleep(wait)

    def _attempt(self, url: str) -> None:
        """Get the bytes that `part` lacks; afterwards it is the archive, or it is gone."""
        start = have = _size(self.part)
        if have == 0 or have != self.archive.bytes:  # else only the check is missing
            headers = {"Range": f"bytes={have}-"} if have else {}
            with self.client.stream("GET", url, headers=headers) as response:
                start = self._start(response, have)
                digest = self._receive(response, start)
        else:
            digest = sha256(self.part)
        if _size(self.part) < (self.archive.bytes or 0):
            raise _Interrupted(f"closed after {_size(self.part)} of {self.archive.bytes} bytes")
        if not has_digest(self.archive, digest):
            self.part.unlink()
            fault = f"sent other bytes: SHA-256 {digest} instead of {self.archive.sha256}"
            raise _Interrupted(fault) if start else _Refused(fault)  # the older part may be it

    def _start(self, response: httpx.Response, have: int) -> int:
        """Where the answer begins in the file: after what we have, or at 0."""
        code = response.status_code
        if code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            return have
        if code in (206, 416):  # another range, or none: what we have does not fit this file
            self.part.unlink(missing_ok=True)
            raise _Interrupted(f"HTTP {code} for the rest of the file")
        if code == 200:
            return 0
        if code in _BUSY or code >= 500:
            raise _Interrupted(f"HTTP {code}")
        raise _Refused(f"answers HTTP {code}")

    def _receive(self, response: httpx.Response, start: int) -> str:
        """Write the answer to `part` from byte `start` on; returns the SHA-256 of the whole."""
        total = self._total(response, start)
        require_space(self.part.parent, (total or start) - start, self.archive.name)
        digest = self._hash() if start else hashlib.sha256()
        watch, head = _Watch(self.transfer.timeout), b""
        with (
            step(self.progress, self.archive.name, total, "B", start),
            self.part.open("ab" if start else "wb") as file,
        ):
            for block in response.iter_raw():
                if not start and len(head) < _HEAD:
                    head += block[:_HEAD]
                    if fault := signature_fault(head, self.archive):
                        self.part.unlink()
                        raise _Refused(fault)
                file.write(block)
                digest.update(block)
                self.progress.advance(len(block))
                watch.saw(len(block))
        return digest.hexdigest()

    def _total(self, response: httpx.Response, start: int) -> int | None:
        if "Content-Length" not in response.headers:
            return self.archive.bytes
        total = start + int(response.headers["Content-Length"])
        if self.archive.bytes not in (None, total):
            raise _Refused(f"has {total} bytes instead of {self.archive.bytes}")
        return total

    def _hash(self) -> "hashlib._Hash":
        with self.part.open("rb") as file:
            return hashlib.file_digest(file, "sha256")


def _part(archive: Archive, folder: Path) -> Path:
    return folder / f"{archive.name}.part"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


class _Watch:
    """Notices a server that keeps the line open but sends next to nothing."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.since, self.seen = time.monotonic(), 0

    def saw(self, count: int) -> None:
        """Count received bytes; raises _Interrupted once they are too few per time."""
        self.seen += count
        if (now := time.monotonic()) - self.since > self.timeout:
            if self.seen < _SLOWEST * self.timeout:
                raise _Interrupted(f"sends less than {_SLOWEST} bytes per second")
            self.since, self.seen = now, 0
