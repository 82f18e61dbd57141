"""The stages of dvc.yaml for one profile, and what of their outputs is there; DVC is not started."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lmf.study.settings.workspace import Workspace
from lmf.study.settings.yaml_files import read_yaml


@dataclass(frozen=True)
class Stage:
    """A stage by its name in `dvc repro`, such as train@rdn; lacking: outputs that are not there."""

    name: str
    lacking: tuple[str, ...]

    @property
    def group(self) -> str:
        """The name without the part that the matrix adds."""
        return self.name.partition("@")[0]


def stages(place: Workspace) -> list[Stage]:
    """All stages, in dvc.yaml's order. Raises ConfigError if dvc.yaml or params.yaml is missing."""
    values = read_yaml(place.root / "params.yaml") | {"profile": place.profile}
    found = []
    for name, spec in read_yaml(place.root / "dvc.yaml")["stages"].items():
        for suffix, item in _matrix(spec, values):
            outs = [_fill(out, values | item) for out in _outputs(spec)]
            lacking = tuple(out for out in outs if not (place.root / out).exists())
            found.append(Stage(name + suffix, lacking))
    return found


def _matrix(
    spec: Mapping[str, Any], values: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Suffix of the name and values of `item.*`, for each of a stage's instances."""
    if "matrix" not in spec:
        yield "", {}
        return
    ((key, over),) = spec["matrix"].items()
    for value in values[over.strip("${}")] if isinstance(over, str) else over:
        yield f"@{value}", {f"item.{key}": value}


def _outputs(spec: Mapping[str, Any]) -> Iterator[str]:
    for kind in ("outs", "metrics", "plots"):
        for out in spec.get(kind, ()):
            yield out if isinstance(out, str) else next(iter(out))


def _fill(text: str, values: Mapping[str, Any]) -> str:
    return re.sub(r"\$\{([\w.]+)\}", lambda found: str(values[found[1]]), text)
