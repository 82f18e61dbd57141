"""The rows of an evaluation that is under way, so that an interrupted one goes on where it stopped."""

import hashlib
import json
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import lmf
from lmf.core.files import write_text


@dataclass(frozen=True)
class Facts:
    """Provenance that stands in every row; None where it makes no sense, as for bicubic."""

    model: str
    profile: str
    seed: int | None
    steps: int | None
    weights_sha256: str | None
    params: int | None
    macs_g: float | None
    device: str
    torch: str
    lmf: str


class Key(NamedTuple):
    """What is scored once: a picture of a set, at a scale, by a protocol."""

    set: str
    image: str
    scale: float
    protocol: str


@dataclass(frozen=True)
class Row:
    """One picture at one scale: dB, structural similarity, dB after rounding to 8 bits."""

    set: str
    image: str
    scale: float
    psnr: float
    ssim: float
    psnr_8bit: float
    protocol: str
    lr_source: str

    @property
    def key(self) -> Key:
        """What the row is about."""
        return Key(self.set, self.image, self.scale, self.protocol)


@cache
def code_digest() -> str:
    """sha256 of this package's sources: rows of other code are not gone on with."""
    digest = hashlib.sha256()
    package = Path(lmf.__file__).parent
    for path in sorted(p for kind in ("*.py", "*.c") for p in package.rglob(kind)):
        digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


class Journal:
    """A folder with a file of rows per process; the first line of each says whose they are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._own = folder / "0.jsonl"

    def open(self, facts: Facts, pictures: str, rank: int) -> dict[Key, Row]:
        """Rows that an interrupted evaluation by the same facts left, in however many processes.

        pictures: says which files are scored. This process's file is started afresh if it belongs to
        other facts, pictures or code.
        """
        self._own = self.folder / f"{rank}.jsonl"
        self.folder.mkdir(parents=True, exist_ok=True)
        about = {"pictures": pictures, "code": code_digest()}
        head = json.dumps(asdict(facts) | about, sort_keys=True) + "\n"
        rows: dict[Key, Row] = {}
        for path in sorted({self._own, *self.folder.glob("*.jsonl")}):
            lines = _lines(path)
            if lines and lines[0] == head:
                rows |= {row.key: row for row in map(_row, lines[1:])}
            else:
                lines = [head]
            if path == self._own:
                write_text(path, "".join(lines))
        return rows

    def append(self, row: Row) -> None:
        """Note a row, at once."""
        with self._own.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(row)) + "\n")

    def close(self) -> None:
        """Remove the journal, and the folder around it if that is empty: the rows are safe."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):
            self.folder.parent.rmdir()


def _lines(path: Path) -> list[str]:
    """The whole lines of a file; a last one that a killed process left unfinished is dropped."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    return [line for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _row(line: str) -> Row:
    return Row(**json.loads(line))
