"""What the catalogue says of a data set: where it is published, on what terms, what it holds."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Member:
    """A folder inside an archive, and the set's folder that its pictures go to."""

    folder: str
    to: str


@dataclass(frozen=True)
class Archive:
    """A published archive, or a single file; `mirrors` serve the same bytes. None: not published.

    sha256: in hexadecimal; its first digits, at least 8, where only these are published.
    """

    url: str
    format: Literal["zip", "tar", "tgz", "file"]
    members: tuple[Member, ...]
    mirrors: tuple[str, ...] = ()
    bytes: int | None = None
    sha256: str | None = None

    @property
    def name(self) -> str:
        """File name, as published."""
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Bundled:
    """Pictures that scikit-image's wheel contains; copied byte for byte, no network needed."""

    files: tuple[str, ...]
    tree_sha256: str


@dataclass(frozen=True)
class Manual:
    """A set that may not be passed on: `how` tells the user where to get and put it."""

    how: str


@dataclass(frozen=True)
class DataSet:
    """One set; every source gives a part of it.

    images: HR pictures, None if not fixed. unpacked: bytes on disk, roughly; None if not known.
    protocol: by which the literature scores it, see `metrics.protocol`.
    """

    name: str
    title: str
    split: Literal["train", "validation", "test"]
    images: int | None
    licence: str
    citation: str
    sources: tuple[Archive | Bundled | Manual, ...]
    unpacked: int | None = None
    protocol: str = "benchmark_y"

    @property
    def archives(self) -> tuple[Archive, ...]:
        """Those sources that are archives."""
        return tuple(source for source in self.sources if isinstance(source, Archive))
