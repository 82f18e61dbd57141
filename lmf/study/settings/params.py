"""params.yaml: the study's switch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lmf.core.config import Config, choose, parse
from lmf.study.settings.ablations import ABLATIONS
from lmf.study.settings.profile import Profile, read_profile
from lmf.study.settings.repeats import Training
from lmf.study.settings.workspace import Workspace, repository
from lmf.study.settings.yaml_files import read_yaml


@dataclass(frozen=True)
class Params(Config):
    """profile: which one stages run. sets, variants: what the stages iterate over."""

    profile: str
    sets: tuple[str, ...]
    variants: tuple[str, ...]

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
        """All of them. Raises ConfigError for a name that is none, and for a repeat of none of them."""
        compared = [*self.encoders(profile), *self.ablations()]
        for name in self.variants:
            again = Training.named(name).variant
            choose("variant", again, [*profile.encoders, *ABLATIONS])
            choose(f"variant that {name} repeats:", again, compared)
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
