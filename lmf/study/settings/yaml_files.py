"""Settings as people write them."""

from pathlib import Path
from typing import Any

import yaml

from lmf.core.errors import ConfigError


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping; ConfigError otherwise."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; run from the repository's root") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected names and values")
    return raw
