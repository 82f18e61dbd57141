"""How fast `lmf fetch` brings an archive, beside curl, sha256sum and tar or unzip.

    python benchmarks/fetch.py

The archives of pictures are made here, served by an HTTP server on 127.0.0.1, and fetched by both in
turn, several times; the medians and their ratio are printed. Nothing is kept.
"""

import hashlib
import io
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from lmf.data.entries import Archive, DataSet, Member
from lmf.data.fetch import fetch_set

TOTAL = 500 * 10**6
"""Bytes of each archive."""

_OPTIONS: dict[str, dict[str, int]] = {"PNG": {}, "JPEG": {"quality": 92}}


@dataclass(frozen=True)
class Kind:
    """What an archive holds. size: (height, width). other: share of bytes that are no pictures."""

    picture: Literal["PNG", "JPEG"]
    archive: Literal["tar", "tgz", "zip"]
    size: tuple[int, int]
    other: float = 0.0


KINDS = {
    "PNG in zip, as DIV2K": Kind("PNG", "zip", (1356, 2040)),
    "PNG in tar, as the benchmarks": Kind("PNG", "tar", (512, 768)),
    "half JPEG in tgz, as BSDS500": Kind("JPEG", "tgz", (321, 481), other=0.5),
    "JPEG in tar, as no set of the catalogue": Kind("JPEG", "tar", (1024, 1536)),
}


def photo(size: tuple[int, int], seed: int) -> Image.Image:
    """A picture that compresses like a photograph: noise at all scales, the finest faint."""
    generator = np.random.default_rng(seed)
    height, width = size
    whole = np.zeros((height, width, 3))
    for power in range(8):
        grain = generator.normal(size=(height // 2**power + 1, width // 2**power + 1, 3))
        layer = [
            Image.fromarray(grain[..., c].astype(np.float32)).resize((width, height))
            for c in range(3)
        ]
        whole += np.stack([np.asarray(one) for one in layer], -1) * 3 * 1.45**power
    return Image.fromarray(np.clip(whole + 128, 0, 255).astype(np.uint8))


def make_archive(folder: Path, kind: Kind) -> tuple[Path, int]:
    """An archive of about TOTAL bytes, of a few different pictures over and over; and how many."""
    contents = []
    for seed in range(4):
        file = io.BytesIO()
        photo(kind.size, seed).save(file, kind.picture, **_OPTIONS[kind.picture])
        contents.append(file.getvalue())
    mean = int(np.mean([len(content) for content in contents]))
    count = int(TOTAL * (1 - kind.other)) // mean
    path = folder / f"set.{kind.archive}"
    with writer(path) as add:
        for i in range(count):
            add(f"top/HR/{i:04d}.{kind.picture.lower()}", contents[i % 4])
        for i in range(int(TOTAL * kind.other) // mean):
            add(f"top/other/{i:04d}.mat", random.Random(i).randbytes(mean))
    return path, count


@contextmanager
def writer(path: Path) -> Iterator[Callable[[str, bytes], None]]:
    """Create an archive; yields a function that adds a file to it."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as package:
            yield package.writestr
        return

    def add(name: str, content: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        package.addfile(info, io.BytesIO(content))

    with tarfile.open(path, "w:gz" if path.suffix == ".tgz" else "w") as package:
        yield add


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """An HTTP server in a process of its own; yields its URL."""
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        port = server.stdout.readline().split("port ")[1].split()[0]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def by_tools(url: str, place: Path, name: str) -> None:
    """What someone would do by hand."""
    unpack = "unzip -q" if name.endswith(".zip") else "tar xf"
    command = f"curl -sfO {url}/{name} && sha256sum -c --quiet sums && {unpack} {name} && rm {name}"
    subprocess.run(command, shell=True, cwd=place, check=True)


def seconds(work: Callable[[Path], None], scratch: Path) -> float:
    """Wall time of `work` in an empty folder."""
    place = scratch / "place"
    place.mkdir()
    start = time.perf_counter()
    work(place)
    taken = time.perf_counter() - start
    shutil.rmtree(place)
    return taken


def compare(kind: str, scratch: Path, runs: int = 3) -> str:
    """Fetch one archive both ways in turn; a line with medians and ratio."""
    folder = scratch / "site"
    folder.mkdir()
    path, count = make_archive(folder, KINDS[kind])
    size, digest = path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()
    taken: dict[str, list[float]] = {"tools": [], "lmf": []}
    with served(folder) as url:
        archive = Archive(
            f"{url}/{path.name}", KINDS[kind].archive, (Member("top/HR", "HR"),), (), size, digest
        )
        entry = DataSet("some", "Some", "train", count, "none", "nobody", (archive,))

        def tools(place: Path) -> None:
            (place / "sums").write_text(f"{digest}  {path.name}\n")
            by_tools(url, place, path.name)

        def ours(place: Path) -> None:
            fetch_set(entry, place)

        for _ in range(runs):
            taken["tools"].append(seconds(tools, scratch))
            taken["lmf"].append(seconds(ours, scratch))
    shutil.rmtree(folder)
    tools_s, lmf_s = (statistics.median(taken[name]) for name in ("tools", "lmf"))
    return (
        f"{kind}: {count} pictures, {size / 1e6:.0f} MB: tools {tools_s:.2f} s, lmf {lmf_s:.2f} s, "
        f"{100 * tools_s / lmf_s:.0f} % of the tools' rate (medians of {runs})"
    )


if __name__ == "__main__":
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as scratch:
            sys.stdout.write(compare(kind, Path(scratch)) + "\n")
            sys.stdout.flush()
