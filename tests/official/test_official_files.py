"""A damaged, foreign or hostile file under an official name is recognised; none is executed."""

import os
import pickle
from collections import OrderedDict

import pytest
import torch
from official_files import content, write
from saved_weights import refusal

from lmf.checkpoint import convert
from lmf.core.errors import CheckpointError


@pytest.fixture(scope="module")
def entry():
    return content("liif")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "official.pth"


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("keep", [0, 5, 300, 70_000, -1])
def test_truncated_file_is_refused(path, entry, keep, legacy):
    write(path, entry)
    if legacy:
        whole = torch.load(path, weights_only=True)
        torch.save(whole, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:keep])
    assert f"{path}: damaged, or not weights alone" in refusal(path)


def test_file_of_an_older_torch_is_read(path, entry):
    torch.save({"model": entry}, path, _use_new_zipfile_serialization=False)
    target = path.with_suffix(".safetensors")
    assert convert(path, target)["parameters"] == 1_567_323


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><title>Quota exceeded</title>", "an HTML page"),
        (b'{"error": "not found"}', "damaged, or not weights alone"),
        (b"hello world\n", "damaged, or not weights alone"),
    ],
)
def test_other_content_is_recognised(path, start, said):
    path.write_bytes(start)
    assert said in refusal(path)


def test_missing_file_is_named(path):
    assert refusal(path) == f"{path}: no such weights file"


class Bomb:
    """Creates a folder when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("dump", [torch.save, lambda o, path: path.write_bytes(pickle.dumps(o, 2))])
@pytest.mark.parametrize("wrap", [lambda bomb: bomb, lambda bomb: {"model": {}, "epoch": bomb}])
def test_pickled_code_is_named_and_not_executed(path, tmp_path, dump, wrap):
    marker = tmp_path / "executed"
    dump(wrap(Bomb(marker)), path)
    assert "holds pickled code (posix.mkdir); nothing in it was run" in refusal(path)
    path.write_bytes(pickle.dumps(wrap(Bomb(marker))))  # a protocol that torch does not use
    assert "not weights alone; nothing in it was run" in refusal(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([1, 2], "no official checkpoint"),
        (torch.zeros(3), "no official checkpoint"),
        ({"state_dict": {}}, "no official checkpoint"),
        ({"model": [1]}, "no official checkpoint"),
        ({"model": {"name": "liif", "args": {}}}, "no official checkpoint"),
        ({"model": {"name": "liif", "args": {}, "sd": 7}}, "its sd is of type int"),
        ({"model": {"name": "liif", "args": None, "sd": {}}}, "its args is of type NoneType"),
        ({"model": {"name": 4, "args": {}, "sd": {}}}, "its name is of type int"),
        (
            {"model": {"name": "lmciaosr", "args": {}, "sd": {}}},
            "model 'lmciaosr' is not supported",
        ),
        ({"model": {"name": "liif", "args": {}, "sd": {"a": "b"}}}, "sd entry 'a' is no tensor"),
    ],
)
def test_content_of_another_kind_is_refused(path, value, said):
    torch.save(value, path)
    assert said in refusal(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda sd: sd.pop("imnet.layers.2.weight"), "missing parameter imnet.layers.2.weight;"),
        (lambda sd: sd.pop("encoder.sub_mean.bias"), "missing parameter encoder.sub_mean.bias;"),
        (lambda sd: sd.update(surplus=torch.zeros(1)), "unexpected parameter surplus;"),
        (
            lambda sd: sd.update({"imnet.layers.0.weight": torch.zeros(256, 578)}),
            "misshapen parameter imnet.layers.0.weight;",
        ),
        (
            lambda sd: sd.update({"imnet.layers.0.bias": torch.zeros(256, dtype=torch.cfloat)}),
            "sd entry 'imnet.layers.0.bias' is no tensor of numbers",
        ),
        (
            lambda sd: sd.update({"imnet.layers.0.bias": torch.zeros(256, dtype=torch.int64)}),
            "non-float parameter imnet.layers.0.bias;",
        ),
        (
            lambda sd: sd.update({"imnet.layers.0.bias": torch.full((256,), torch.nan)}),
            "parameter imnet.layers.0.bias holds NaN or infinite values",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named(path, entry, change, said):
    sd = OrderedDict(entry["sd"])
    change(sd)
    assert said in refusal(write(path, entry | {"sd": sd}))


def test_arguments_of_a_far_larger_model_ask_for_no_memory(path):
    deep = content("lmlte")
    deep["args"]["imnet_spec"] = {"name": "lmmlp", "args": dict(deep["args"]["imnet_spec"]["args"])}
    deep["args"]["imnet_spec"]["args"]["hidden_depth"] = 10**6
    assert "and its architecture at least " in refusal(write(path, deep))


def test_weights_under_the_arguments_of_another_model_are_refused(path, entry):
    other = content("lmliif")
    assert "missing parameter hypernet" in refusal(write(path, other | {"sd": entry["sd"]}))


@pytest.mark.parametrize("buffer", ["attn.relative_position_index", "attn_mask"])
def test_altered_buffer_of_swinir_is_refused(path, buffer):
    entry = content("lte", "swinir")
    name = f"encoder.layers.0.residual_group.blocks.1.{buffer}"
    entry["sd"][name] = entry["sd"][name] + 1
    assert f"buffer {name} is not what" in refusal(write(path, entry))


@pytest.mark.parametrize(("source", "target"), [("x.pt", "y.safetensors"), ("x.pth", "y.pth")])
def test_convert_refuses_other_suffixes(tmp_path, source, target):
    with pytest.raises(CheckpointError, match=r"convert reads \.pth and writes \.safetensors"):
        convert(tmp_path / source, tmp_path / target)


def test_refused_file_leaves_nothing_behind(path, entry):
    write(path, entry | {"name": "lte"})
    with pytest.raises(CheckpointError):
        convert(path, path.with_suffix(".safetensors"))
    assert [p.name for p in path.parent.iterdir()] == [path.name]
