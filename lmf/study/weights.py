"""Which file a model's name stands for."""

from pathlib import Path

from lmf.checkpoint import released_names, weights_file
from lmf.core.config import choose
from lmf.core.errors import ConfigError
from lmf.study.settings.ablations import ABLATIONS
from lmf.study.settings.params import workspace
from lmf.study.settings.profile import Profile
from lmf.study.settings.repeats import Training
from lmf.study.settings.workspace import Workspace, repository


def weights_of(model: str, profile: str | None) -> Path:
    """Weights file: a .safetensors or .pth path, a released name, or a variant of the profile."""
    if model.endswith((".safetensors", ".pth")) or model in released_names():
        if profile is not None:
            workspace(profile)  # a name that is none is not passed over
        return weights_file(model)
    if profile is None and not (repository() / "params.yaml").is_file():  # in no study: no variants
        raise ConfigError(
            f"unknown model {model!r}: name a .safetensors or .pth file, or a released one: "
            f"{', '.join(released_names()) or 'none are installed'}; for a variant, run from the "
            "repository's root"
        )
    place = workspace(profile)
    path = place.weights(model)
    if not path.is_file():
        trained = sorted(p.stem for p in path.parent.glob("*.safetensors"))
        found = ", ".join(trained) or "none yet; train them with `dvc repro`"
        raise ConfigError(
            f"no trained model {model!r} in profile {place.profile}; trained: {found}; "
            f"released: {', '.join(released_names()) or 'none'}; or name a .safetensors or .pth file"
        )
    return path


def trained(variant: str, settings: Profile, place: Workspace) -> Path:
    """Weights file of a variant. ConfigError if there is no such variant, or it was not trained."""
    choose("model", Training.named(variant).variant, [*settings.encoders, *ABLATIONS])
    path = place.weights(variant)
    if not path.is_file():
        raise ConfigError(
            f"{variant} is not trained in profile {place.profile}: run `lmf train {variant} --profile "
            f"{place.profile}`, or `dvc repro` under that profile"
        )
    return path
