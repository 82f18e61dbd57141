"""What the enhancer cannot enlarge it refuses by name, before any work."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from lmf.core.errors import ConfigError, InputError, ResourceError
from lmf.deploy.device import choose_device
from lmf.deploy.enhancer import Enhancer


@pytest.fixture
def enhancer(small_model):
    return Enhancer(small_model("lm-lte"), "cpu")


REFUSED = [
    (Image.new("CMYK", (4, 4)), "this is a CMYK picture; save it as RGB"),
    (Image.new("I", (4, 4)), "this is a 32-bit picture; save it as 16-bit grey"),
    (Image.new("F", (4, 4)), "this is a 32-bit picture; save it as 16"),
    (np.zeros((4, 4), np.int32), "array holds int32"),
    (np.zeros((4, 4), bool), "array holds bool"),
    (np.zeros((4, 4, 3), complex), "array holds complex128"),
    (np.zeros(4), r"shape \(4,\)"),
    (np.zeros((4, 4, 5)), r"shape \(4, 4, 5\)"),
    (np.zeros((2, 4, 4, 3)), r"shape \(2, 4, 4, 3\)"),
    (np.zeros((0, 4, 3)), r"shape \(0, 4, 3\)"),
    (np.full((4, 4), 255.0), r"outside \[0, 1\]"),
    (-np.ones((4, 4)), r"outside \[0, 1\]"),
    (np.full((4, 4), np.nan), r"outside \[0, 1\]"),
    (torch.zeros(3, 4, 4, dtype=torch.uint8), "torch.uint8"),
    (torch.zeros(4, 4), r"shape \(1, 4, 4\)"),
    (torch.zeros(1, 4, 4), r"shape \(1, 1, 4, 4\)"),
    (torch.full((3, 4, 4), math.nan), "NaN"),
    ("picture.png", "a str is no picture"),
    ([[0.5]], "a list is no picture"),
]


@pytest.mark.parametrize(("picture", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_other_pictures_are_refused_by_name(enhancer, picture, said):
    with pytest.raises(InputError, match=said):
        enhancer.enhance(picture, scale=2)


@pytest.mark.parametrize("picture", ["in.png", [[0.5]], torch.zeros(3, 4, 4)])
def test_what_cannot_be_streamed_is_refused_by_name(enhancer, picture):
    with pytest.raises(
        InputError, match=r"a (str|list|Tensor) is no picture: pass a PIL image or ar"
    ):
        enhancer.stream(picture, scale=2)


def test_something_else_than_a_model_is_refused():
    with pytest.raises(ConfigError, match=r"a str is no model: pass one, see lmf\.load_model"):
        Enhancer("lm-lte-edsr-baseline", "cpu")


@pytest.mark.parametrize("scale", [0.99, 0, -2, math.nan, math.inf])
@pytest.mark.parametrize(
    "picture", [Image.new("L", (4, 4)), np.zeros((4, 4)), torch.zeros(3, 4, 4)]
)
def test_impossible_scales_are_refused(enhancer, picture, scale):
    with pytest.raises(InputError, match=f"scale is {scale}"):
        enhancer.enhance(picture, scale=scale)
    with pytest.raises(InputError, match="not both and not neither"):
        enhancer.enhance(picture)


@pytest.mark.parametrize("name", ["cuda:7", "cpu:3"])
def test_device_that_is_not_there_is_an_error(small_model, name):
    with pytest.raises(ResourceError, match=f"device {name} is not there"):
        Enhancer(small_model("lm-lte"), name)


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "", "cuda:-1", "meta", "xpu", "hpu:1"])
def test_unknown_device_lists_the_valid_ones(name):
    with pytest.raises(ConfigError, match=r"unknown device .*valid: auto, cpu, cuda"):
        choose_device(name)


def test_out_of_memory_is_one_clear_line(enhancer, monkeypatch):
    def full(*args, **options):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(enhancer.model.encoder, "forward", full)
    with pytest.raises(ResourceError, match=r"out of memory even with .*DefaultCPUAllocator"):
        enhancer.enhance(np.zeros((3, 4), np.uint8), scale=10)
