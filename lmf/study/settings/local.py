"""local.yaml: what is true of one machine only. Git ignores it.

No number depends on it but by one way, which the rows name: a mirror without published LR pictures.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from lmf.core.config import Config, parse
from lmf.study.settings.workspace import repository
from lmf.study.settings.yaml_files import read_yaml


@dataclass(frozen=True)
class Local(Config):
    """mirror: folder of data sets or archives that `fetch` looks into before the network."""

    mirror: str | None = None


def mirror_of(root: Path | None = None) -> Path | None:
    """The machine's local mirror, if the variable LMF_MIRROR or local.yaml names one.

    root: of the repository, by default the one around the working directory.
    """
    if named := os.environ.get("LMF_MIRROR"):
        return Path(named).expanduser()
    path = (repository() if root is None else root) / "local.yaml"
    if not path.exists():
        return None
    local = parse(Local, read_yaml(path), str(path))
    return Path(local.mirror).expanduser() if local.mirror else None
