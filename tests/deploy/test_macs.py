"""Multiply-adds by formula equal those that torch counts in a run."""

import pytest
import torch

from lmf.architecture import MODELS
from lmf.deploy.macs import count_macs
from lmf.metrics.cost import counted, multiply_adds
from lmf.model import create_model

SMALL = ["edsr-small", "rdn-small", "swinir-small"]
OPTIONS = [
    ("lm-lte", {"mod_scale": False}),
    ("lm-lte", {"mod_scale": False, "mod_shift": False}),
    ("lm-lte", {"mod_input": False, "cell": False}),
    ("lm-lte", {"ensemble": False, "width": 8, "depth": 3}),
    ("lm-liif", {"mod_input": False, "position": False}),
    ("lm-liif", {"unfold": False, "cell": False, "mod_shift": False}),
    ("liif", {"unfold": False, "ensemble": False}),
    ("lte", {"cell": False, "hidden": [20, 30]}),
    ("ciaosr", {"local_size": 3, "position": False, "attention": [24]}),
    ("ciaosr", {"cross_scale": None, "unfold": False, "cell": False}),
    ("lm-ciaosr", {"local_size": 1, "position": False, "cross_scale": None}),
    ("lm-ciaosr", {"unfold": False, "attention": [24, 40], "cell": False}),
]


def assert_equal(model, lr_size, scale):
    size = (round(lr_size[0] * scale), round(lr_size[1] * scale))
    assert count_macs(model.config, lr_size, size).total == multiply_adds(model, lr_size, scale)


@pytest.mark.parametrize("scale", [1, 2.7, 4, 12])
@pytest.mark.parametrize("encoder", SMALL)
@pytest.mark.parametrize("name", MODELS)
def test_formula_equals_count(name, encoder, scale):
    assert_equal(create_model(name, encoder=encoder), (5, 11), scale)


@pytest.mark.parametrize("encoder", ["edsr-baseline", "rdn", "swinir", "swinir-study"])
def test_formula_equals_count_for_large_encoders(encoder):
    assert_equal(create_model("lm-lte", encoder=encoder), (17, 9), 3)


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=str)
def test_formula_knows_every_option(name, options):
    assert_equal(create_model(name, encoder="edsr-small", options=options), (6, 5), 2.5)


@pytest.mark.parametrize("kind", ["channel", "spatial", "channel+spatial"])
@pytest.mark.parametrize("encoder", ["edsr-small", "rdn-small"])
def test_formula_knows_the_encoders_attention(encoder, kind):
    model = create_model("lm-lte", encoder=encoder, options={"encoder_attention": kind})
    assert_equal(model, (4, 7), 2)


@pytest.mark.parametrize("lr_size", [(12, 12), (7, 12), (13, 5), (30, 25)])
def test_formula_knows_cross_scale_attention_in_one_piece_and_in_windows(lr_size):
    attention = {"scales": [2, 3], "window": 12, "channels": 5}
    model = create_model("lm-liif", encoder="edsr-small", cross_scale=attention)
    assert_equal(model, lr_size, 2)


@pytest.mark.parametrize("name", ["lm-lte", "lm-ciaosr", "liif"])
def test_stages_are_told_apart(name):
    model = create_model(name, encoder="edsr-small")
    macs = count_macs(model.config, (6, 9), (13, 20))
    latents = model.encode(torch.rand(1, 3, 6, 9))
    encoder = counted(lambda: model.encoder(torch.rand(1, 3, 6, 9)))
    assert encoder == macs.encoder
    assert counted(lambda: model.encode(torch.rand(1, 3, 6, 9))) == macs.encoder + macs.head
    assert counted(lambda: model.render(latents, (13, 20))) == macs.latent + macs.render


def test_the_papers_count_is_per_query_and_neighbour():
    """LM-LTE's render MLP: 16 numbers from 16, 8 layers, then 3 colours; the phase of each input."""
    config = MODELS["lm-lte"]
    macs = count_macs(config, (180, 320), (720, 1280))
    one = 16 + 8 * 16 * 16 + 16 * 3
    assert macs.render_by_query == 720 * 1280 * 4 * one
    assert count_macs(MODELS["liif"], (180, 320), (720, 1280)).latent == 0
