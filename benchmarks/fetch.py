"""How fast `lmf fetch` brings an archive, beside curl, sha256sum and tar or unzip.

    python benchmarks/fetch.py

The archives of pictures are made here, served by an HTTP server on 127.0.0.1, and fetched by both in
turn, several times; the medians and their ratio are printed. Nothing is kept.
"""

import hashlib
import io
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
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from lmf.data.entries import Archive, DataSet, Member
from lmf.data.fetch import fetch_set

TOTAL = 500 * 10**6
"""Bytes of each archive."""

KINDS: dict[str, tuple[str, Literal["tar", "zip"], tuple[int, int], int]] = {
    "PNG in zip, as DIV2K": ("PNG", "zip", (1356, 2040), 0),
    "PNG in tar, as the benchmarks": ("PNG", "tar", (512, 768), 0),
    "JPEG in tar": ("JPEG", "tar", (1024, 1536), 92),
}
"""Picture format, archive format, (height, width), JPEG quality."""


def photo(size: tuple[int, int], seed: int) -> Image.Image:
    """A picture that compresses like a photograph: noise at all scales, the finest faint."""
    random = np.random.default_rng(seed)
    height, width = size
    whole = np.zeros((height, width, 3))
    for power in range(8):
        grain = random.normal(size=(height // 2**power + 1, width // 2**power + 1, 3))
        layer = [
            Image.fromarray(grain[..., c].astype(np.float32)).resize((width, height))
            for c in range(3)
        ]
        whole += np.stack([np.asarray(one) for one in layer], -1) * 3 * 1.45**power
    return Image.fromarray(np.clip(whole + 128, 0, 255).astype(np.uint8))


def make_archive(folder: Path, kind: str) -> tuple[Path, int]:
    """An archive of about TOTAL bytes, of a few different pictures over and over; and how many."""
    picture, archive, size, quality = KINDS[kind]
    contents = []
    for seed in range(4):
        file = io.BytesIO()
        photo(size, seed).save(file, picture, **({"quality": quality} if quality else {}))
        contents.append(file.getvalue())
    count = TOTAL // int(np.mean([len(content) for content in contents]))
    suffix = ".jpg" if picture == "JPEG" else ".png"
    members = ((f"top/HR/{i:04d}{suffix}", contents[i % 4]) for i in range(count))
    path = folder / f"set.{archive}"
    if archive == "zip":
        with zipfile.ZipFile(path, "w") as package:
            for name, content in members:
                package.writestr(name, content)
    else:
        with tarfile.open(path, "w") as package:
            for name, content in members:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                package.addfile(info, io.BytesIO(content))
    return path, count


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


def by_tools(url: str, place: Path, name: str, kind: str) -> None:
    """What someone would do by hand."""
    unpack = "unzip -q" if kind == "zip" else "tar xf"
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
    path, count = make_archive(folder, kind)
    size, digest = path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()
    format_ = KINDS[kind][1]
    taken: dict[str, list[float]] = {"tools": [], "lmf": []}
    with served(folder) as url:
        archive = Archive(
            f"{url}/{path.name}", format_, (Member("top/HR", "HR"),), (), size, digest
        )
        entry = DataSet("some", "Some", "train", count, "none", "nobody", (archive,))

        def tools(place: Path) -> None:
            (place / "sums").write_text(f"{digest}  {path.name}\n")
            by_tools(url, place, path.name, format_)

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
