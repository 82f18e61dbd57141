"""The arguments of an official checkpoint as a `ModelConfig`.

What a file leaves out has the official code's default. What this package cannot follow is refused
by its official name.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

from lmf.architecture import MODELS, ModelConfig, with_options
from lmf.core.errors import ConfigError

FAMILIES = {"liif": "liif", "lte": "lte", "lmliif": "lm-liif", "lmlte": "lm-lte"}
"""Official name of a family -> ours."""

FIELDS = {
    "hidden_dim": "fourier",
    "local_ensemble": "ensemble",
    "feat_unfold": "unfold",
    "cell_decode": "cell",
    "mod_input": "mod_input",
}
"""Official argument of a family -> field of `ModelConfig`."""

DEFAULTS: dict[str, dict[str, Any]] = {
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
"""The arguments that each family has."""

RENDER_FIELDS = {
    "hidden_dim": "width",
    "hidden_depth": "depth",
    "mod_scale": "mod_scale",
    "mod_shift": "mod_shift",
}
"""Official argument of the render MLP -> field of `ModelConfig`."""

ENCODERS: dict[str, dict[str, Any]] = {
    "edsr-baseline": {"n_resblocks": 16, "n_feats": 64, "res_scale": 1, "no_upsampling": True},
    "edsr": {"n_resblocks": 32, "n_feats": 256, "res_scale": 0.1, "no_upsampling": True},
    "rdn": {"G0": 64, "RDNkSize": 3, "RDNconfig": "B", "no_upsampling": True},
    "swinir": {"no_upsampling": True},
}
"""Encoders, named as here, with the values of their arguments that our presets have."""


def official_config(name: str, args: Mapping[str, Any]) -> ModelConfig:
    """Our config of the official model `name` with `args`; ConfigError names what is unsupported."""
    if name not in FAMILIES:
        raise ConfigError(f"model {name!r} is not supported; supported: {', '.join(FAMILIES)}")
    latent = name.startswith("lm")
    given = _plain(args)
    options = _encoder(given) | (_latent_mlps(given) if latent else _mlp(given))
    known = DEFAULTS[name]
    rest = _choose(name, known | given, known, {"cmsr_spec": None} if latent else {})
    if name == "lmliif" and rest["feat_unfold"] and not rest["mod_input"]:
        raise ConfigError(f"{name}: mod_input=False is only supported with feat_unfold=False")
    options |= {FIELDS[key]: value for key, value in rest.items()}
    return with_options(MODELS[FAMILIES[name]], options, f"args of {name}")


def _encoder(given: dict[str, Any]) -> dict[str, Any]:
    name, args = _spec(given, "encoder_spec", ENCODERS)
    # By default EDSR and RDN, but not SwinIR, end in an up-sampler.
    needed = [] if name == "swinir" else ["no_upsampling"]
    _choose("encoder_spec", args, needed, ENCODERS[name], ignored=("scale", "rgb_range"))
    return {"encoder": name}


def _mlp(given: dict[str, Any]) -> dict[str, Any]:
    """The original decoder's MLP."""
    _, args = _spec(given, "imnet_spec", ["mlp"])
    fixed = {"out_dim": 3, "use_conv": False}
    return {"hidden": _choose("imnet_spec", args, ["hidden_list"], fixed)["hidden_list"]}


def _latent_mlps(given: dict[str, Any]) -> dict[str, Any]:
    """Render MLP and latent MLP; the official code computes the latter's out_dim and ignores its own."""
    _, args = _spec(given, "imnet_spec", ["lmmlp"])
    fixed = {"out_dim": 3, "use_conv": False}
    render = _choose("imnet_spec", args, RENDER_FIELDS, fixed, ignored=("mod_up_merge",))
    _, args = _spec(given, "hypernet_spec", ["mlp"])
    fixed = {"use_conv": False}
    latent = _choose("hypernet_spec", args, ["hidden_list"], fixed, ignored=("out_dim",))
    options = {RENDER_FIELDS[key]: value for key, value in render.items()}
    return options | {"hidden": latent["hidden_list"]}


def _plain(args: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `args`, which hold what JSON and YAML can and nothing else."""
    try:
        return json.loads(json.dumps(args))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"args hold more than plain values ({error})") from error


def _spec(given: dict[str, Any], key: str, valid: Collection[str]) -> tuple[str, dict[str, Any]]:
    """Take the official {"name": ..., "args": {...}} at `key` out of `given`."""
    spec = given.pop(key, None)
    if (
        not isinstance(spec, dict)
        or {*spec} != {"name", "args"}
        or not isinstance(spec["args"], dict)
    ):
        raise ConfigError(f"args lack {key} with its name and args")
    if spec["name"] not in [*valid]:
        raise ConfigError(f"{key} {spec['name']!r} is not supported; supported: {', '.join(valid)}")
    return spec["name"], spec["args"]


def _choose(
    where: str,
    given: Mapping[str, Any],
    names: Collection[str],
    fixed: Mapping[str, Any],
    ignored: Collection[str] = (),
) -> dict[str, Any]:
    """The entries `names` of `given`, all needed; any other is `ignored` or has its `fixed` value."""
    for key, value in given.items():
        if key not in {*names, *fixed, *ignored}:
            raise ConfigError(f"{where}: unknown argument {key}; known: {', '.join(names)}")
        if key in fixed and value != fixed[key]:
            raise ConfigError(f"{where}: {key}={value!r} is not supported, only {fixed[key]!r}")
    for key in names:
        if key not in given:
            raise ConfigError(f"{where}: {key} is missing")
    return {key: given[key] for key in names}
