"""Where a set may come from besides the network, and what the machine may do meanwhile."""

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from misbehaving_server import Reply, Server
from places import IMPORTABLE
from small_sets import (
    COUNT,
    GOOD,
    HASTE,
    HR,
    LAID_OUT,
    MEMBERS,
    NOWHERE,
    Notes,
    assert_nothing_half_placed,
    assert_whole,
    entry_at,
    put,
)

from lmf.core.errors import DataError, ResourceError
from lmf.data import mirror as mirrors
from lmf.data.catalog import data_set
from lmf.data.entries import Bundled
from lmf.data.fetch import fetch, fetch_set
from lmf.data.sets import open_set, verify


@pytest.mark.parametrize("inside", ["some", "benchmark/Some", "SOME", "."])
def test_a_folder_of_a_mirror_is_found(inside, tmp_path):
    mirror = tmp_path / "some"  # named like the set, so that "." finds it too
    put(mirror / inside, LAID_OUT | {"HR/Thumbs.db": b"", "HR/.hidden.png": b""})
    record = fetch_set(entry_at(NOWHERE), tmp_path / "data", mirror)
    assert record.source == "mirror"
    assert_whole(tmp_path / "data")


def test_a_folder_of_a_mirror_that_may_not_be_read_is_left_alone(tmp_path, monkeypatch):
    put(tmp_path / "mirror/some", LAID_OUT)
    closed = tmp_path / "mirror/lost+found"
    closed.mkdir()
    children = mirrors._children

    def refuse(base):
        if base == closed:
            raise PermissionError(13, "Permission denied", str(base))
        return children(base)

    monkeypatch.setattr(mirrors, "_children", refuse)
    monkeypatch.setattr(mirrors.os, "access", lambda path, mode: path != closed)
    assert fetch_set(entry_at(NOWHERE), tmp_path / "data", tmp_path / "mirror").source == "mirror"


@pytest.mark.parametrize("inside", [".", "DIV2K"])
def test_an_unpacked_archive_in_a_mirror_is_found(inside, tmp_path):
    put(tmp_path / "mirror" / inside, MEMBERS)
    fetch_set(entry_at(NOWHERE), tmp_path / "data", tmp_path / "mirror")
    assert_whole(tmp_path / "data")


def test_other_folders_beside_the_lr_pictures_are_passed_over(tmp_path):
    extra = {f"LR_bicubic/{name}/0.png": b"no picture" for name in ("preview", "X2_old", "x2_0")}
    put(tmp_path / "mirror/some", LAID_OUT | extra)
    fetch_set(entry_at(NOWHERE), tmp_path / "data", tmp_path / "mirror")
    assert_whole(tmp_path / "data")


def test_a_mirror_may_lack_the_published_lr(tmp_path):
    put(tmp_path / "mirror" / "some", HR)
    fetch_set(entry_at(NOWHERE), tmp_path / "data", tmp_path / "mirror")
    found = open_set("some", tmp_path / "data")
    assert len(found.hr) == COUNT
    assert found.lr == {}


@pytest.mark.parametrize("place", ["mirror", "mirror/zips", "data/archives"])
def test_an_archive_at_hand_needs_no_network_and_stays(place, tmp_path):
    put(tmp_path / place, {"set.zip": GOOD})
    (tmp_path / "mirror").mkdir(exist_ok=True)
    fetch_set(entry_at(NOWHERE), tmp_path / "data", tmp_path / "mirror")
    assert_whole(tmp_path / "data")
    assert (tmp_path / place / "set.zip").read_bytes() == GOOD


def test_a_wrong_archive_at_hand_is_named_and_left_alone(tmp_path):
    put(tmp_path / "archives", {"set.zip": GOOD[:-1] + b"x"})
    with pytest.raises(DataError, match=r"archives/set\.zip has the SHA-256"):
        fetch_set(entry_at(NOWHERE), tmp_path)
    assert (tmp_path / "archives" / "set.zip").exists()
    assert_nothing_half_placed(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"HR/0.png": b"words"}, r"HR/0\.png is not a readable picture"),
        ({"HR/0.png": HR["0.png"][:-200]}, r"HR/0\.png is not a readable picture"),
        ({"HR/extra.png": HR["0.png"]}, "do not pair up"),
    ],
)
def test_a_bad_mirror_is_refused_by_name(change, said, tmp_path):
    put(tmp_path / "mirror" / "some", LAID_OUT | change)
    with pytest.raises(DataError, match=said) as caught:
        fetch_set(entry_at(NOWHERE), tmp_path / "data", tmp_path / "mirror")
    assert str(tmp_path / "mirror") in str(caught.value)
    assert_nothing_half_placed(tmp_path / "data")


def test_a_mirror_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere is no folder"):
        fetch_set(entry_at(NOWHERE), tmp_path, tmp_path / "nowhere")


def test_records_do_not_depend_on_the_machine_or_the_way(tmp_path):
    put(tmp_path / "mirror" / "some", LAID_OUT)
    put(tmp_path / "zips", {"set.zip": GOOD})
    records = [
        fetch_set(entry_at(NOWHERE), tmp_path / str(i), tmp_path / way)
        for i, way in enumerate(["mirror", "mirror", "zips"])
    ]
    assert records[0] == records[1] == replace(records[2], source="mirror")
    text = (tmp_path / "0/some/record.json").read_text()
    assert text == (tmp_path / "1/some/record.json").read_text()
    assert str(tmp_path) not in text
    assert json.loads(text)["images"] == COUNT


def test_pictures_put_in_place_by_hand_are_checked_and_recorded(tmp_path):
    put(tmp_path / "some", LAID_OUT)
    assert fetch_set(entry_at(NOWHERE), tmp_path).source == "manual"
    assert verify("some", tmp_path).source == "manual"


def test_too_few_pictures_put_in_place_by_hand_are_refused(tmp_path):
    put(tmp_path / "some", {"HR/0.png": HR["0.png"]})
    with pytest.raises(DataError, match="1 HR pictures instead of 6"):
        fetch_set(entry_at(NOWHERE), tmp_path)
    assert not (tmp_path / "some" / "record.json").exists()


def test_a_set_that_may_not_be_passed_on_says_where_it_goes(tmp_path):
    with pytest.raises(DataError, match=r"manga109\.org.*manga109/HR"):
        fetch("manga109", tmp_path)


@pytest.mark.parametrize("name", ["photos-train", "photos-test"])
def test_bundled_photos_are_the_wheels_own_bytes(name, tmp_path):
    skimage = pytest.importorskip("skimage")
    record = fetch(name, tmp_path)
    found = open_set(name, tmp_path)
    (source,) = data_set(name).sources
    assert isinstance(source, Bundled)
    assert record.tree_sha256 == source.tree_sha256
    assert [path.name for path in found.hr] == sorted(source.files)
    for path in found.hr:
        original = os.path.join(os.path.dirname(skimage.__file__), "data", path.name)
        with open(original, "rb") as file:
            assert path.read_bytes() == file.read()


def test_two_fetches_at_once_share_the_work(monkeypatch, tmp_path):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    notes, records = Notes(), []
    with Server(files={"/set.zip": GOOD}) as server:
        server.plan["/set.zip"] = [Reply(share=0.5, stall=0.2)]

        def run():
            records.append(fetch_set(entry_at(server.url), tmp_path, None, False, notes, HASTE))

        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.seen) == 2, "the cut download and its continuation, by one of the two"
    assert records[0] == records[1]
    assert sum("another fetch" in note for note in notes.notes) == 1
    assert_whole(tmp_path)


KILLED = """
import os, signal, sys
from pathlib import Path
from small_sets import HASTE, Notes, assert_whole, entry_at
from lmf.data.fetch import fetch_set

url, folder = sys.argv[1], Path(sys.argv[2])

def child(root, deadline):
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    events = iter(range(deadline, -1, -1))
    def act():
        if next(events, 1) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    fetch_set(entry_at(url), root, progress=Notes(act), transfer=HASTE)
    os._exit(0)

deadline = 0
while child(root := folder / str(deadline), deadline) == -signal.SIGKILL:
    if (root / "some").exists():
        assert_whole(root)
    assert child(root, 10**6) == 0, deadline
    assert_whole(root)
    assert not (root / ".partial" / "some").exists()
    assert not list(root.rglob("set.zip*")), deadline
    deadline += 1
print(deadline)
"""


def test_killed_at_any_moment_a_rerun_completes(monkeypatch, tmp_path):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server(files={"/set.zip": GOOD}) as server:
        done = subprocess.run(
            [sys.executable, "-c", KILLED, server.url, str(tmp_path)],
            env=os.environ | {"PYTHONPATH": IMPORTABLE},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > COUNT, "it should have been killed at many moments"


@pytest.mark.parametrize("size", [8, 40])
@pytest.mark.parametrize("pinned", [True, False], ids=["sizes known", "sizes unknown"])
def test_a_full_disk_is_reported_and_a_rerun_completes(
    size, pinned, small_disk, monkeypatch, tmp_path
):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server(files={"/set.zip": GOOD}) as server:
        server.plan["/set.zip"] = [] if pinned else [Reply(claims=0)]
        root = small_disk(size)
        with pytest.raises(ResourceError, match="make room"):
            fetch_set(entry_at(server.url, pinned=pinned), root, transfer=HASTE)
        assert_nothing_half_placed(root)
        small_disk(4000)
        fetch_set(entry_at(server.url, pinned=pinned), root, transfer=HASTE)
        assert_whole(root)
