"""Which device to run on: asked for by name, never switched silently."""

import torch

from lmf.core.errors import ConfigError, ResourceError


def choose_device(name: str = "auto") -> torch.device:
    """ "auto" is CUDA where there is one, else MPS, else the CPU; or "cpu", "cuda", "cuda:1", "mps".

    Raises:
        ConfigError: no such name. ResourceError: the device asked for is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    there = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }
    try:
        device = torch.device(name)
        found = there[device.type]  # torch knows more kinds than this package has tried
    except (RuntimeError, KeyError) as error:
        valid = "auto, cpu, cuda, cuda:N, mps"
        raise ConfigError(f"unknown device {name!r}; valid: {valid}") from error
    if (device.index or 0) >= found:
        counted = f"{found} found" if found else "none of its kind found"
        raise ResourceError(f"device {name} is not there ({counted}); use --device cpu")
    return device
