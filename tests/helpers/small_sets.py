"""A data set of six small pictures, as archives and on disk, for the tests of fetching."""

import hashlib
import io
import zipfile

import numpy as np
from PIL import Image

from lmf.data.download import Transfer
from lmf.data.entries import Archive, DataSet, Member
from lmf.data.sets import open_set, verify

NOWHERE = "http://127.0.0.1:9"
HASTE = Transfer(tries=3, backoff=0.01, timeout=0.3)
COUNT = 6


def picture(seed, suffix="PNG", size=(40, 30)):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, suffix)
    return file.getvalue()


HR = {f"{i}.png": picture(i) for i in range(COUNT)}
X2 = {f"{i}x2.png": picture(i, size=(20, 15)) for i in range(COUNT)}
MEMBERS = {f"top/HR/{name}": content for name, content in HR.items()}
MEMBERS |= {f"top/LR_bicubic/X2/{name}": content for name, content in X2.items()}
LAID_OUT = {f"HR/{name}": content for name, content in HR.items()}
LAID_OUT |= {f"LR_bicubic/X2/{name}": content for name, content in X2.items()}


def zipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        for name, content in members.items():
            package.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


GOOD = zipped(MEMBERS)
SHA256 = hashlib.sha256(GOOD).hexdigest()


def entry_at(url, mirrors=(), pinned=True, name="some"):
    archive = Archive(
        url=f"{url}/set.zip",
        format="zip",
        members=(Member("top/HR", "HR"), Member("top/LR_bicubic/X2", "LR_bicubic/X2")),
        mirrors=mirrors,
        bytes=len(GOOD) if pinned else None,
        sha256=SHA256 if pinned else None,
    )
    return DataSet(name, "Some", "test", COUNT, "free", "nobody", (archive,))


def encrypted(content):
    """The zip with every member marked as encrypted."""
    content = bytearray(content)
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(signature, at + 4)
    return bytes(content)


def put(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


class Notes:
    """A progress sink that remembers its notes; `act` is called at every event."""

    def __init__(self, act=lambda: None):
        self.notes, self.act = [], act

    def begin(self, label, total, unit, done=0):
        self.act()

    def advance(self, count):
        self.act()

    def end(self):
        self.act()

    def note(self, text):
        self.notes.append(text)
        self.act()


def assert_whole(root, name="some"):
    found = open_set(name, root)
    assert [path.read_bytes() for path in found.hr] == list(HR.values())
    assert [path.read_bytes() for path in found.lr[2]] == list(X2.values())
    assert verify(name, root).images == COUNT


def assert_nothing_half_placed(root, name="some"):
    assert not (root / name).exists()
    assert not (root / ".partial" / name).exists()
