"""Errors that a user can act on. Each message is one line: what is wrong, where, and what to do."""


class LmfError(Exception):
    """Base of every error that the package raises on purpose; the CLI prints its message and exits 1."""


class InputError(LmfError, ValueError):
    """An image, tensor, size or scale that cannot be processed."""


class ConfigError(LmfError, ValueError):
    """An unknown or ill-typed option, profile, parameter or model name."""


class DataError(LmfError):
    """A data set that is missing, incomplete or not what its record says."""


class CheckpointError(LmfError):
    """A weights or checkpoint file that is damaged, foreign or of another architecture."""


class ResourceError(LmfError):
    """The machine says no: disk full, no permission, out of memory, no such device."""
