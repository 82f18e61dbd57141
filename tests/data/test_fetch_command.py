"""`lmf fetch` ends in one line, the right exit status, and a place where a person can help."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from misbehaving_server import Reply, Server
from places import IMPORTABLE, ROOT
from small_sets import GOOD, assert_nothing_half_placed, assert_whole

COMMAND = """
import sys
from small_sets import HASTE, entry_at
from lmf.cli import main
from lmf.data import catalog, fetch
catalog.CATALOGUE["some"] = entry_at(sys.argv.pop(1))
fetch.fetch_set.__kwdefaults__ = None
fetch.fetch_set.__defaults__ = (*fetch.fetch_set.__defaults__[:-1], HASTE)
main()
"""


@pytest.fixture
def place(tmp_path):
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def start(url: str, place: Path, *words: str) -> subprocess.Popen:
    """`lmf fetch some`, the catalogue's `some` being published at `url`."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, url, "fetch", "some", *words],
        cwd=place,
        env=os.environ | {"PYTHONPATH": IMPORTABLE, "NO_PROXY": "127.0.0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_failure_says_where_to_put_the_file_by_hand_and_a_rerun_completes(place):
    with Server(files={"/set.zip": GOOD}) as server:
        server.plan["/set.zip"] = [Reply(404)]
        process = start(server.url, place)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (1, "")
        last = err.splitlines()[-1]
        assert last.startswith("lmf: some: set.zip (")
        assert "set.zip answers HTTP 404" in last
        assert "By hand: put set.zip into data/archives, or the pictures into data/some/HR" in last
        assert_nothing_half_placed(place / "data")
        process = start(server.url, place)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, ""), err
        assert "Licence: free" in err
    assert_whole(place / "data")
    (place / "data/some/HR/0.png").write_bytes(b"changed")
    process = start("http://127.0.0.1:9", place)
    assert "is not what was fetched (HR/0.png changed" in process.communicate(timeout=60)[1]
    assert process.returncode == 1


def test_the_file_put_by_hand_is_taken(place):
    (place / "data/archives").mkdir(parents=True)
    (place / "data/archives/set.zip").write_bytes(GOOD)
    process = start("http://127.0.0.1:9", place)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert_whole(place / "data")


@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_interrupted_in_the_middle_a_rerun_resumes(place, how, status):
    with Server(files={"/set.zip": GOOD}) as server:
        server.plan["/set.zip"] = [Reply(share=0.5, stall=20)]
        process = start(server.url, place)
        part = place / "data/.partial/downloads/set.zip.part"
        deadline = time.monotonic() + 30
        while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(how)
        _, err = process.communicate(timeout=60)
        assert process.returncode == status, err
        assert err.splitlines()[-1].startswith("lmf: interrupted; run the same command again")
        assert_nothing_half_placed(place / "data")
        process = start(server.url, place)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert server.seen[-1][1].startswith("bytes="), "resumed, not begun again"
    assert_whole(place / "data")
