"""A damaged or foreign file under a weights file's name is recognised; none is unpickled."""

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from saved_weights import FACTS, refusal, rewrite_card

from lmf.checkpoint import load_model, read_tensors, save_model
from lmf.core.errors import CheckpointError
from lmf.core.files import sha256


@pytest.fixture
def saved(small_model, tmp_path) -> Path:
    path = tmp_path / "small.safetensors"
    save_model(small_model("lm-lte"), path, FACTS)
    return path


def test_file_altered_since_its_card_is_refused(saved):
    content = bytearray(saved.read_bytes())
    content[-1] ^= 1
    saved.write_bytes(content)
    assert "differs from the sha256 on its card" in refusal(saved)


@pytest.mark.parametrize("keep", [0, 5, 300, -1])
def test_truncated_file_is_refused(saved, keep):
    saved.write_bytes(saved.read_bytes()[:keep])
    assert "sha256" in refusal(saved)
    rewrite_card(saved, sha256=sha256(saved))
    assert "damaged or no safetensors file" in refusal(saved)
    with pytest.raises(CheckpointError, match="damaged"):
        read_tensors(saved)


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><title>Quota exceeded</title>", "an HTML page"),
        (b"\n <HTML lang='en'><head>", "an HTML page"),
        (b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", "an HTML page"),
    ],
)
def test_placeholder_under_the_files_name_is_recognised(saved, start, said):
    saved.write_bytes(start)
    assert said in refusal(saved)


def test_header_that_starts_like_a_page_is_weights_all_the_same(saved):
    """A header of 0x3C20 bytes starts with " <", as a page might."""
    tensors = load_file(saved)
    content = saved.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length].ljust(0x3C20)
    saved.write_bytes((0x3C20).to_bytes(8, "little") + header + content[8 + length :])
    rewrite_card(saved, sha256=sha256(saved))
    assert load_model(saved).state_dict().keys() == tensors.keys()


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("dump", [torch.save, lambda o, path: path.write_bytes(pickle.dumps(o))])
def test_pickle_under_the_files_name_is_not_executed(saved, tmp_path, dump):
    marker = tmp_path / "executed"
    dump(Bomb(marker), saved)
    rewrite_card(saved, sha256=sha256(saved))
    assert "no safetensors file" in refusal(saved)
    other = saved.with_suffix(".pt")
    dump(Bomb(marker), other)
    assert "weights come as .safetensors" in refusal(other)
    assert not marker.exists()
