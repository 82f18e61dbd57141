"""Official checkpoints of LIIF, LTE, LM-LIIF and LM-LTE: what they hold, and how it is named here.

A file is {"model": {"name": family, "args": {...}, "sd": state dict}}, in files that the official
training wrote beside "optimizer" and "epoch". An argument that a file leaves out has the official
code's default; one that this package cannot follow is refused by name.
"""

import json
import os
import pickle
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lmf.core.errors import CheckpointError, ConfigError
from lmf.core.weights import check_file, check_tensors
from lmf.model import MODELS, Lmf, ModelConfig, with_options
from lmf.nets.swinir import SwinBlock
from lmf.nets.window_attention import shift_mask

PREFIXES = {  # ours -> official; the first that fits
    "encoder.": "encoder.",
    "head.basis.phase.": "phase.",
    "head.render_basis.phase.": "imphase.",
    "head.": "",
    "latent_mlp.": "hypernet.",
    "render_mlp.": "imnet.",
}

FAMILIES = {"liif": "liif", "lte": "lte", "lmliif": "lm-liif", "lmlte": "lm-lte"}

OPTIONS = {  # official argument -> field of ModelConfig
    "hidden_dim": "fourier",
    "local_ensemble": "ensemble",
    "feat_unfold": "unfold",
    "cell_decode": "cell",
    "mod_input": "mod_input",
}

DEFAULTS: dict[str, dict[str, object]] = {  # the arguments a family has
    "liif": {"local_ensemble": True, "feat_unfold": True, "cell_decode": True},
    "lte": {"hidden_dim": 256},
    "lmliif": {
        "local_ensemble": True,
        "feat_unfold": True,
        "cell_decode": True,
        "mod_input": False,
    },
    "lmlte": {"hidden_dim": 128, "local_ensemble": True, "cell_decode": True, "mod_input": False},
}

RENDER = {
    "hidden_dim": "width",
    "hidden_depth": "depth",
    "mod_scale": "mod_scale",
    "mod_shift": "mod_shift",
}

ENCODERS: dict[str, dict[str, object]] = {  # the only values for which there is a preset
    "edsr-baseline": {"n_resblocks": 16, "n_feats": 64, "res_scale": 1, "no_upsampling": True},
    "edsr": {"n_resblocks": 32, "n_feats": 256, "res_scale": 0.1, "no_upsampling": True},
    "rdn": {"G0": 64, "RDNkSize": 3, "RDNconfig": "B", "no_upsampling": True},
    "swinir": {"no_upsampling": True},
}

TRAINING_SIZE = 48
"""Side of the LR crops, in pixels, for which official SwinIR files store their attention masks."""


def read_official(path: str | os.PathLike[str]) -> Lmf:
    """The model of an official .pth file, in evaluation mode, on the CPU; nothing is executed.

    Raises:
        CheckpointError: the file is missing, damaged, holds pickled code, is of a family, encoder or
            option that this package lacks, or holds other tensors than its arguments ask for.
    """
    path = Path(path)
    check_file(path)
    name, args, tensors = _entries(_unpickle(path), str(path))
    try:
        model = Lmf(official_config(name, args))
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from error
    check_tensors(tensors, official_state(model), str(path))
    for key, value in _constants(model).items():
        if not torch.equal(tensors[key].to(value), value):
            raise CheckpointError(
                f"{path}: {key} differs from the official constant; the file was altered"
            )
    model.load_state_dict({key: tensors[official_name(key)] for key in model.state_dict()})
    return model.eval()


def official_config(name: str, args: Mapping[str, Any]) -> ModelConfig:
    """Our config of the official model `name` with `args`; ConfigError names what is unsupported."""
    if name not in FAMILIES:
        raise ConfigError(f"model {name!r} is not supported; supported: {', '.join(FAMILIES)}")
    latent = name.startswith("lm")
    given = dict(_plain(args))
    encoder, encoder_args = _spec(given, "encoder_spec", ENCODERS)
    _choose("encoder_spec", encoder_args, (), ENCODERS[encoder], {"scale", "rgb_range"})
    if encoder != "swinir" and not encoder_args.get("no_upsampling"):
        raise ConfigError("encoder_spec: no_upsampling is not set; such an encoder has an image")
    fixed: dict[str, object] = {"out_dim": 3, "use_conv": False}
    options: dict[str, object] = {"encoder": encoder}
    _, mlp = _spec(given, "imnet_spec", ["lmmlp" if latent else "mlp"])
    if latent:
        render = _choose("imnet_spec", mlp, RENDER, fixed, {"mod_up_merge"})
        options |= {RENDER[key]: value for key, value in render.items()}
        # The official code computes the latent MLP's out_dim itself, whatever the file says.
        _, mlp = _spec(given, "hypernet_spec", ["mlp"])
        del fixed["out_dim"]
    ignored = {"out_dim"} if latent else set()
    hidden = _choose("hypernet_spec" if latent else "imnet_spec", mlp, ["hidden_list"], fixed, ignored)
    options["hidden"] = hidden["hidden_list"]
    known = DEFAULTS[name]
    rest = _choose(name, known | given, known, {"cmsr_spec": None} if latent else {})
    options |= {OPTIONS[key]: value for key, value in rest.items()}
    if name == "lmliif" and rest["feat_unfold"] and not rest["mod_input"]:
        raise ConfigError("mod_input=False is only supported with feat_unfold=False")
    return with_options(MODELS[FAMILIES[name]], options, f"args of {name}")


def official_name(name: str) -> str:
    """The official name of one of our parameters."""
    ours = next(prefix for prefix in PREFIXES if name.startswith(prefix))
    return PREFIXES[ours] + name.removeprefix(ours)


def official_state(model: Lmf) -> dict[str, Tensor]:
    """What an official file of `model` holds, by official names: parameters, buffers, unused ones."""
    state = {official_name(name): tensor for name, tensor in model.state_dict().items()}
    return state | _unused(model.config) | _constants(model)


def _unused(config: ModelConfig) -> dict[str, Tensor]:
    """The phases of LM-LTE, which its files hold even where no cell is decoded."""
    if config.head != "lte" or config.cell:
        return {}
    phases = {"phase.weight": torch.zeros(config.fourier // 2, 2)}
    if config.mod_input:
        phases["imphase.weight"] = torch.zeros(config.width // 2, 2)
    return phases


def _constants(model: Lmf) -> dict[str, Tensor]:
    """The buffers of SwinIR, which follow from its architecture."""
    found = {}
    for name, block in model.encoder.named_modules(prefix="encoder"):
        if isinstance(block, SwinBlock):
            index = block.attn.relative_position_index
            found[f"{name}.attn.relative_position_index"] = index
            if block.shift:
                sides = (TRAINING_SIZE, TRAINING_SIZE, block.window, block.shift)
                found[f"{name}.attn_mask"] = shift_mask(*sides, like=torch.zeros(()))
    return found


def _unpickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged file raises depends on where the damage is
        code = re.search(r"GLOBAL (\S+)", str(error))
        if isinstance(error, pickle.UnpicklingError) and code:
            raise CheckpointError(
                f"{path}: holds pickled code ({code[1]}), which was not run; get it elsewhere"
            ) from error
        reason = (str(error).splitlines() or [type(error).__name__])[0][:80]
        raise CheckpointError(f"{path}: damaged or no PyTorch file ({reason})") from error


def _entries(content: Any, where: str) -> tuple[str, Mapping[str, Any], Mapping[str, Tensor]]:
    """Name, arguments and tensors of the file's content, each of the right kind."""
    model = content.get("model") if isinstance(content, Mapping) else None
    if not isinstance(model, Mapping) or {*model} != {"name", "args", "sd"}:
        raise CheckpointError(f"{where}: no official checkpoint; these hold a model of name, args, sd")
    name, args, tensors = model["name"], model["args"], model["sd"]
    kinds = (("name", name, str), ("args", args, Mapping), ("sd", tensors, Mapping))
    for key, value, kind in kinds:
        if not isinstance(value, kind):
            raise CheckpointError(f"{where}: its {key} is a {type(value).__name__}; file is damaged")
    for key, value in tensors.items():
        if not isinstance(key, str) or not isinstance(value, Tensor) or value.is_meta:
            raise CheckpointError(f"{where}: sd entry {key!r} is no tensor; the file is damaged")
        if value.layout != torch.strided or value.is_complex():
            raise CheckpointError(f"{where}: sd entry {key!r} is no dense real tensor")
    return name, args, tensors


def _plain(args: Mapping[str, Any]) -> dict[str, Any]:
    """`args` if it holds plain values alone, as YAML and JSON do."""
    try:
        return json.loads(json.dumps(args))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"args hold more than plain values ({error})") from error


def _spec(given: dict[str, Any], key: str, valid: Collection[str]) -> tuple[str, dict[str, Any]]:
    """Take the official {"name", "args"} at `key` out of `given`."""
    spec = given.pop(key, None)
    if not isinstance(spec, dict) or {*spec} != {"name", "args"} or type(spec["args"]) is not dict:
        raise ConfigError(f"args lack {key} with name and args")
    if spec["name"] not in valid:
        raise ConfigError(
            f"{key} {spec['name']!r} is not supported; supported: {', '.join(valid)}"
        )
    return spec["name"], spec["args"]


def _choose(
    where: str,
    given: Mapping[str, Any],
    names: Collection[str],
    fixed: Mapping[str, object],
    ignored: Collection[str] = (),
) -> dict[str, Any]:
    """The entries `names` of `given`, all needed; others must have their `fixed` value or be `ignored`."""
    for key, value in given.items():
        if key in fixed and value != fixed[key]:
            raise ConfigError(f"{where}: {key}={value!r} is not supported, only {fixed[key]!r}")
        if key not in {*names, *fixed, *ignored}:
            raise ConfigError(f"{where}: unknown argument {key}; known: {', '.join(names)}")
    missing = [key for key in names if key not in given]
    if missing:
        raise ConfigError(f"{where}: {missing[0]} is missing")
    return {key: given[key] for key in names}
