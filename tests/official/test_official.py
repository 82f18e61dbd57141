"""Official checkpoints are read as their authors meant them, or refused by the official name."""

import hashlib

import numpy as np
import pytest
import torch
from official_files import ARGS, args_of, content, picture, render, write
from places import ROOT
from torch.testing import assert_close
from typer.testing import CliRunner

from lmf.checkpoint import convert, load_model, read_card
from lmf.cli import app
from lmf.core.errors import ConfigError
from lmf.core.files import sha256
from lmf.model import Lmf, create_model
from lmf.nets.edsr import EDSR_PRESETS, Edsr
from lmf.official import read_official
from lmf.official.arguments import official_config
from lmf.official.read import official_name, official_state

GOLDEN = ROOT / "tests" / "golden" / "official.npz"
"""Output of the official code for 16x24 -> 48x72; every second row and column of it.

The weight of each parameter is `official_files.weight` of its official name and shape.
"""

OFFICIAL = [
    # encoder, family, parameters, sha256 of the lines "name shape" of the official state dict
    ("edsr-baseline", "lmlte", 1_490_907, "bcaa00f40a6ad259"),
    ("edsr-baseline", "lmliif", 1_386_091, "8854cfda81d16c87"),
    ("edsr-baseline", "lte", 1_714_267, "0dc5ba0b6c93a38f"),
    ("edsr-baseline", "liif", 1_567_323, "8bcd6f46600265e0"),
    ("rdn", "lmlte", 22_244_419, "11a1e404311f515e"),
    ("swinir", "lmlte", 11_873_511, "c3647ee6bc0d1c77"),
]

FAST = {("lte", "edsr-baseline"), ("lmliif", "swinir")}
ALL = [
    pytest.param(f, e, marks=() if (f, e) in FAST else pytest.mark.slow)
    for f in ARGS
    for e in ("edsr-baseline", "rdn", "swinir")
]


@pytest.mark.parametrize(("encoder", "family", "parameters", "digest"), OFFICIAL)
def test_names_shapes_and_counts_are_official(encoder, family, parameters, digest):
    with torch.device("meta"):
        model = Lmf(official_config(family, args_of(family, encoder)))
        state = official_state(model)
    lines = "\n".join(sorted(f"{name} {list(t.shape)}" for name, t in state.items()))
    assert hashlib.sha256(lines.encode()).hexdigest()[:16] == digest
    assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize("name", ["lm-lte", "liif"])
def test_output_is_official(tmp_path, name):
    model = load_model(write(tmp_path / "x.pth", content(name.replace("-", ""))))
    with torch.no_grad():
        found = model(picture(16, 24), size=(48, 72))[0, :, ::2, ::2]
    expected = torch.from_numpy(np.load(GOLDEN)[name])
    assert_close(found, expected, rtol=0, atol=5e-5)
    # On the centre lines of the border cells, here row 46 and column 70, all four areas are rounding
    # noise and the official `area + 1e-9` decides the weights. Elsewhere only rounding differs.
    assert_close(found[:, :23, :35], expected[:, :23, :35], rtol=0, atol=5e-6)


@pytest.mark.parametrize(("family", "encoder"), ALL)
def test_converted_file_is_the_official_one(tmp_path, family, encoder):
    entry = content(family, encoder)
    source = write(tmp_path / "official.pth", entry)
    target = tmp_path / "converted.safetensors"
    assert convert(source, target) == read_card(target)
    model = load_model(target)
    assert model.config == create_model(family.replace("lm", "lm-"), encoder=encoder).config
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, entry["sd"][official_name(name)]), name


def test_command_converts_and_says_where_from(tmp_path):
    source = write(tmp_path / "official.pth", content("liif"))
    target = tmp_path / "converted.safetensors"
    said = CliRunner().invoke(app, ["convert", str(source), str(target)]).output
    card = read_card(target)
    assert said == f"{target}: 1567323 parameters, sha256 {sha256(target)}\n"
    assert (card["source"], card["source_sha256"]) == ("official.pth", sha256(source))
    assert "source file" in card["licence"]


def test_arguments_left_out_have_the_official_defaults():
    args = {key: args_of("lmliif")[key] for key in ("encoder_spec", "imnet_spec", "hypernet_spec")}
    given = args | {"feat_unfold": False}
    config = official_config("lmliif", given)
    assert config.ensemble
    assert config.cell
    assert not config.unfold
    assert not config.mod_input


def test_switches_reach_the_model(tmp_path):
    """Without the cell, LM-LTE's files still hold the phases, which nothing reads."""
    plain = render(5)
    plain["args"] |= {"mod_shift": False, "hidden_dim": 8}
    entry = content("lmlte", imnet_spec=plain, cell_decode=False, local_ensemble=False)
    assert entry["sd"]["phase.weight"].shape == (64, 2)
    assert entry["sd"]["imphase.weight"].shape == (4, 2)
    config = read_official(write(tmp_path / "x.pth", entry)).config
    assert (config.width, config.depth, config.mod_scale, config.mod_shift) == (8, 5, True, False)
    assert not config.cell
    assert not config.ensemble


def nested(family, spec, encoder="edsr-baseline", **changes):
    """Arguments of a family with some inside one of its specs changed."""
    args = args_of(family, encoder)
    return args | {spec: args[spec] | {"args": args[spec]["args"] | changes}}


@pytest.mark.parametrize(
    ("family", "args", "said"),
    [
        ("lmciaosr", {}, "model 'lmciaosr' is not supported; supported: liif, lte, lmliif, lmlte"),
        ("liif", {}, "args lack encoder_spec"),
        ("liif", args_of("liif", "rcan"), "encoder_spec 'rcan' is not supported"),
        ("liif", args_of("liif", imnet_spec=None), "args lack imnet_spec"),
        ("liif", args_of("liif", imnet_spec=render(6)), "imnet_spec 'lmmlp' is not supported"),
        ("liif", args_of("liif", mod_input=True), "liif: unknown argument mod_input"),
        ("lte", args_of("lte", cell_decode=False), "lte: unknown argument cell_decode"),
        ("lte", args_of("lte", hidden_dim=7), "fourier 7"),
        ("lte", args_of("lte", hidden_dim={1: torch.zeros(1)}), "more than plain values"),
        ("lmlte", args_of("lmlte", cmsr_spec={}), "cmsr_spec={} is not supported"),
        ("lmlte", args_of("lmlte", cell_decode="no"), "cell is 'no'"),
        ("lmliif", args_of("lmliif", mod_input=False), "only supported with feat_unfold=False"),
        ("lmlte", nested("lmlte", "imnet_spec", hidden_depth=0), "must be at least 1"),
        ("lmlte", nested("lmlte", "imnet_spec", use_conv=True), "use_conv=True is not supported"),
        ("lmlte", nested("lmlte", "hypernet_spec", hidden_list=[-1]), "must be at least 1"),
        ("liif", nested("liif", "imnet_spec", out_dim=1), "out_dim=1 is not supported, only 3"),
        (
            "liif",
            nested("liif", "encoder_spec", n_feats=32),
            "n_feats=32 is not supported, only 64",
        ),
        ("liif", nested("liif", "encoder_spec", "rdn", RDNconfig="A"), "RDNconfig='A'"),
        ("liif", nested("liif", "encoder_spec", no_upsampling=False), "no_upsampling=False"),
        ("liif", nested("liif", "encoder_spec", "swinir", embed=96), "unknown argument embed"),
    ],
)
def test_unsupported_arguments_are_refused_by_name(family, args, said):
    with pytest.raises(ConfigError) as caught:
        official_config(family, args)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_mean_shift_is_carried_but_never_applied():
    edsr = Edsr(EDSR_PRESETS["edsr-small"])
    frozen = [name for name, p in edsr.named_parameters() if not p.requires_grad]
    assert frozen == [f"{n}_mean.{kind}" for n in ("sub", "add") for kind in ("weight", "bias")]
    image = torch.rand(1, 3, 5, 4)
    before = edsr(image)
    with torch.no_grad():
        edsr.sub_mean.weight.fill_(torch.nan)
        edsr.add_mean.bias.fill_(torch.nan)
    assert torch.equal(edsr(image), before)
