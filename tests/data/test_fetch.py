"""A published data set arrives whole or not at all, whatever the network and the archive do."""

import hashlib
import io
import stat
import tarfile
import zipfile
from dataclasses import replace

import pytest
from damaged_pictures import JPEG_END, with_pixels
from misbehaving_server import Reply, Server
from small_sets import (
    GOOD,
    HASTE,
    HR,
    MEMBERS,
    SHA256,
    Notes,
    assert_nothing_half_placed,
    assert_whole,
    encrypted,
    entry_at,
    picture,
    zipped,
)

from lmf.core.errors import DataError
from lmf.data import download, supply
from lmf.data.download import Transfer
from lmf.data.fetch import fetch_set


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server(files={"/set.zip": GOOD}) as running:
        yield running


def test_a_set_arrives_and_a_second_fetch_asks_nobody(server, tmp_path):
    first = fetch_set(entry_at(server.url), tmp_path)
    second = fetch_set(entry_at(server.url), tmp_path)
    assert first == second
    assert first.source == "archive"
    assert first.bytes == sum(map(len, MEMBERS.values()))
    assert len(server.seen) == 1
    assert_whole(tmp_path)
    assert not list(tmp_path.rglob("*.zip")), "the archive should be gone"


def test_kept_archive_is_used_again(server, tmp_path):
    first = fetch_set(entry_at(server.url), tmp_path, keep_archives=True)
    (tmp_path / "some").rename(tmp_path / "elsewhere")
    assert fetch_set(entry_at(server.url), tmp_path) == first
    assert len(server.seen) == 1
    assert (tmp_path / "archives" / "set.zip").read_bytes() == GOOD


def test_a_shared_archive_stays_until_all_its_sets_are_in_place(server, tmp_path, monkeypatch):
    both = {name: entry_at(server.url, name=name) for name in ("one", "two")}
    monkeypatch.setattr(supply, "CATALOGUE", both)
    for entry in both.values():
        fetch_set(entry, tmp_path)
    assert len(server.seen) == 1
    assert not list(tmp_path.rglob("*.zip"))


CUT = Reply(share=0.5)
HALF = int(len(GOOD) * 0.5)
OTHER = GOOD[:50] + bytes([GOOD[50] ^ 1]) + GOOD[51:]


@pytest.mark.parametrize(
    ("plan", "ranges"),
    [
        pytest.param([CUT], ["", f"bytes={HALF}-"], id="cut at half, resumed"),
        pytest.param(
            [CUT, Reply(ranges=False)], ["", f"bytes={HALF}-"], id="no range support: all again"
        ),
        pytest.param([Reply(share=0, stall=0.5)], ["", ""], id="silent, then well"),
        pytest.param(
            [Reply(share=0.5, stall=0.5)], ["", f"bytes={HALF}-"], id="silent half-way, resumed"
        ),
        pytest.param([Reply(503), Reply(503)], ["", "", ""], id="503 twice, then well"),
        pytest.param([Reply(429)], ["", ""], id="too many requests, then well"),
        pytest.param(
            [Reply(share=0.5, claims=0)], ["", f"bytes={HALF}-"], id="ends early without a length"
        ),
        pytest.param(
            [Reply(body=OTHER, share=0.5)],
            ["", f"bytes={HALF}-", ""],
            id="half of another file, resumed, seen by its checksum, all again",
        ),
    ],
)
def test_a_passing_fault_is_survived(plan, ranges, server, tmp_path):
    server.plan["/set.zip"] = list(plan)
    fetch_set(entry_at(server.url), tmp_path, transfer=HASTE)
    assert [wanted for _, wanted in server.seen] == ranges
    assert_whole(tmp_path)


LASTING = {
    "404": (Reply(404), "HTTP 404"),
    "503": (Reply(503), "HTTP 503.*3 times"),
    "silent": (Reply(share=0, stall=0.5), "nothing for 0.3 s, 3 times"),
    "dripping": (Reply(drip=0.1), "less than 1024 bytes per second.*3 times"),
    "web page": (Reply(body=b"<html>login" + b" " * (len(GOOD) - 11)), "web page"),
    "short web page": (Reply(body=b"<!doctype html>", claims=0), "web page"),
    "LFS pointer": (Reply(body=b"version https://git-lfs.github.com", claims=0), "Git LFS pointer"),
    "wrong length": (Reply(body=GOOD[:-7]), f"{len(GOOD) - 7} bytes instead of {len(GOOD)}"),
    "too long": (Reply(body=GOOD + b"more", claims=0), "other bytes"),
    "wrong bytes": (Reply(body=OTHER), "other bytes"),
    "always cut": (Reply(share=0.0), "3 times"),
}


@pytest.mark.parametrize(("reply", "said"), LASTING.values(), ids=LASTING)
def test_a_lasting_fault_leads_to_the_next_mirror(reply, said, server, tmp_path):
    server.plan["/set.zip"] = [reply] * 10
    server.files["/mirror/set.zip"] = GOOD
    notes = Notes()
    entry = entry_at(server.url, (f"{server.url}/mirror/set.zip",))
    fetch_set(entry, tmp_path, progress=notes, transfer=HASTE)
    assert server.seen[-1][0] == "/mirror/set.zip"
    assert any(f"{server.url}/set.zip" in note for note in notes.notes)
    assert_whole(tmp_path)


@pytest.mark.parametrize(("reply", "said"), LASTING.values(), ids=LASTING)
def test_when_no_mirror_is_left_the_message_helps_and_a_rerun_completes(
    reply, said, server, tmp_path
):
    server.plan["/set.zip"] = [reply] * 3
    with pytest.raises(DataError, match=said) as caught:
        fetch_set(entry_at(server.url), tmp_path, transfer=HASTE)
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        f"{server.url}/set.zip",
        str(tmp_path / "archives"),
        str(tmp_path / "some"),
        SHA256,
    ):
        assert part in message
    assert_nothing_half_placed(tmp_path)
    assert not list(tmp_path.rglob("set.zip")), "wrong bytes should be deleted"
    server.plan.clear()
    fetch_set(entry_at(server.url), tmp_path, transfer=HASTE)
    assert_whole(tmp_path)


def test_waits_between_tries_grow_and_end(server, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(download.time, "sleep", waits.append)
    server.plan["/set.zip"] = [Reply(503)] * 8
    with pytest.raises(DataError, match=r"HTTP 503.*8 times"):
        fetch_set(entry_at(server.url), tmp_path, transfer=Transfer(tries=8))
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    assert len(server.seen) == 8


def test_nobody_listens(tmp_path):
    with pytest.raises(DataError, match="3 times"):
        fetch_set(entry_at("http://127.0.0.1:9"), tmp_path, transfer=HASTE)
    assert_nothing_half_placed(tmp_path)


def test_without_a_published_checksum_the_first_one_counts(server, tmp_path):
    entry = entry_at(server.url, pinned=False)
    notes = Notes()
    fetch_set(entry, tmp_path, progress=notes)
    assert any(SHA256 in note for note in notes.notes)
    (tmp_path / "some").rename(tmp_path / "elsewhere")
    server.files["/set.zip"] = OTHER
    with pytest.raises(DataError, match="other bytes"):
        fetch_set(entry, tmp_path, transfer=HASTE)


def linked():
    file = io.BytesIO(GOOD)
    info = zipfile.ZipInfo("top/HR/9.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(file, "a") as package:
        package.writestr(info, "/etc/passwd")
    return file.getvalue()


def packed(kind, members):
    if kind == "zip":
        return zipped(members)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz" if kind == "tgz" else "w") as package:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            package.addfile(info, io.BytesIO(content))
    return file.getvalue()


DAMAGED = picture(0)[:-400]
BAD_CHECKSUMS = picture(0)[:90] + b"\x00" + picture(0)[91:]
ARCHIVES = {
    "truncated": (GOOD[: len(GOOD) // 2], "truncated or damaged"),
    "encrypted": (encrypted(GOOD), "encrypted"),
    "nested": (zipped({"set/inner.zip": GOOD}), "only another archive"),
    "escapes": (zipped(MEMBERS | {"../../escaped.png": HR["0.png"]}), "points outside"),
    "absolute": (zipped(MEMBERS | {"/tmp/escaped.png": HR["0.png"]}), "points outside"),
    "link": (linked(), "link or a device"),
    "damaged": (zipped(MEMBERS | {"top/HR/3.png": DAMAGED}), r"HR/3\.png is not a readable"),
    "flipped": (zipped(MEMBERS | {"top/HR/3.png": BAD_CHECKSUMS}), r"HR/3\.png is not a readable"),
    "no picture": (zipped(MEMBERS | {"top/HR/3.png": b"words"}), r"HR/3\.png is not a readable"),
    "one missing": (
        zipped({k: v for k, v in MEMBERS.items() if "5" not in k}),
        "5 HR pictures instead of 6",
    ),
    "one unpaired": (
        zipped({k: v for k, v in MEMBERS.items() if "5x2" not in k}),
        "do not pair up: look for 5x2",
    ),
}


@pytest.mark.parametrize(("content", "said"), ARCHIVES.values(), ids=ARCHIVES)
def test_a_bad_archive_is_refused_and_a_rerun_completes(content, said, server, tmp_path):
    server.files["/set.zip"] = content
    root = tmp_path / "deep" / "data"
    with pytest.raises(DataError, match=said) as caught:
        fetch_set(entry_at(server.url, pinned=False), root, transfer=HASTE)
    assert str(root / "archives") in str(caught.value)
    assert_nothing_half_placed(root)
    assert not list(tmp_path.rglob("escaped.png"))
    server.files["/set.zip"] = GOOD
    fetch_set(entry_at(server.url, pinned=False), root, transfer=HASTE)
    assert_whole(root)


BAD_PICTURES = {
    "PNG, truncated": (DAMAGED, "png"),
    "PNG, checksums of chunks wrong": (BAD_CHECKSUMS, "png"),
    "PNG, pixels damaged before the checksums were made": (
        with_pixels(picture(0), lambda packed: packed[:900] + bytes(8) + packed[908:]), "png",
    ),
    "JPEG, truncated": (picture(0, "JPEG", (300, 300))[:-2000], "jpg"),
    "JPEG, cut in the middle, with an end marker": (
        picture(0, "JPEG", (300, 300))[:30_000] + JPEG_END, "jpg",
    ),
    "no picture": (b"words", "png"),
}  # fmt: skip


@pytest.mark.parametrize(("bad", "suffix"), BAD_PICTURES.values(), ids=BAD_PICTURES)
@pytest.mark.parametrize("kind", ["zip", "tar", "tgz"])
def test_one_bad_picture_among_many_is_named_even_if_the_archive_is_as_published(
    kind, bad, suffix, server, tmp_path
):
    name = f"3.{suffix}"
    members = {k: v for k, v in MEMBERS.items() if not k.endswith("/3.png")}
    content = packed(kind, members | {f"top/HR/{name}": bad})
    server.files[f"/set.{kind}"] = content
    good = entry_at(server.url)
    archive = replace(
        good.archives[0],
        url=f"{server.url}/set.{kind}",
        format=kind,
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    with pytest.raises(DataError, match=rf"HR/{name} is not a readable picture \("):
        fetch_set(replace(good, sources=(archive,)), tmp_path)
    assert_nothing_half_placed(tmp_path)


def test_a_damaged_jpeg_is_noticed(tmp_path):
    folder = tmp_path / "mirror" / "some" / "HR"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(picture(1, "JPEG", (300, 300))[:-2000])
    entry = replace(entry_at("http://127.0.0.1:9"), images=1)
    with pytest.raises(DataError, match=r"HR/a\.jpg is not a readable picture \(Premature end"):
        fetch_set(entry, tmp_path / "data", tmp_path / "mirror")
