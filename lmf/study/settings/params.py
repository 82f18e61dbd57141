"""params.yaml: the study's switch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lmf.checkpoint import released_names, weights_file
from lmf.core.config import Config, parse
from lmf.core.errors import ConfigError
from lmf.study.settings.ablations import ABLATIONS
from lmf.study.settings.profile import Profile, read_profile, read_yaml
from lmf.study.settings.repeats import Training
from lmf.study.settings.workspace import Workspace, repository


@dataclass(frozen=True)
class Params(Config):
    """profile: which one stages run. sets, variants, baselines: what the stages iterate over."""

    profile: str
    sets: tuple[str, ...]
    variants: tuple[str, ...]
    baselines: tuple[str, ...]

    def encoders(self, profile: Profile) -> list[str]:
        """The variants that compare encoders."""
        return [variant for variant in self.variants if variant in profile.encoders]

    def ablations(self) -> list[str]:
        """The variants that change one thing of the full model."""
        return [variant for variant in self.variants if variant in ABLATIONS]

    def repeats(self, profile: Profile) -> list[str]:
        """The variants that are one of these under another seed."""
        compared = {*self.encoders(profile), *self.ablations()}
        return [one for one in self.variants if Training.named(one).variant in compared - {one}]

    def trainings(self, profile: Profile) -> list[str]:
        """All of them."""
        return [*self.encoders(profile), *self.ablations(), *self.repeats(profile)]


def read_params(root: Path | None = None) -> Params:
    """params.yaml, strictly; ConfigError names an unknown or missing entry.

    root: of the repository, by default the one around the working directory.
    """
    path = (repository() if root is None else root) / "params.yaml"
    raw: Mapping[str, object] = read_yaml(path)
    return parse(Params, raw, str(path))


def workspace(profile: str | None, root: Path | None = None) -> Workspace:
    """Paths of `profile`, or of the one in params.yaml; ConfigError if there is no such profile.

    root: of the repository, by default the one around the working directory.
    """
    root = repository() if root is None else root
    name = read_params(root).profile if profile is None else profile
    read_profile(name, root)
    return Workspace(name, root)


def weights_of(model: str, profile: str | None) -> Path:
    """Weights file: a .safetensors or .pth path, a released name, or a variant of the profile."""
    if model.endswith((".safetensors", ".pth")) or model in released_names():
        return weights_file(model)
    if (
        profile is None and not (repository() / "params.yaml").is_file()
    ):  # not in a study: no variants here
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
            f"released: {', '.join(released_names()) or 'none'}"
        )
    return path
