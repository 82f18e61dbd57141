"""Strict typed configuration: an unknown name or a wrong type is an error that names both."""

import dataclasses
import difflib
import json
import reprlib
import typing
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from lmf.core.errors import ConfigError


class Config:
    """Base of frozen dataclasses that are read from YAML or JSON; unknown names are refused."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = {
        "extra": "forbid",
        "allow_inf_nan": False,
    }


T = TypeVar("T", bound=Config)


def parse(cls: type[T], raw: Mapping[str, Any], where: str) -> T:
    """Build the config dataclass `cls` from plain values, as read from YAML or JSON.

    where: named in the message, for instance a file.

    Raises:
        ConfigError: a name that `cls` lacks, a missing one, or a value of the wrong type; an
            infinite number or NaN is one.
    """
    from pydantic import TypeAdapter, ValidationError  # slow to import, and not always needed

    try:
        # By way of JSON, strictly: "4" is no number and 1 no truth value, but a list is a tuple.
        # What JSON lacks, such as YAML's dates, is text there.
        return TypeAdapter(cls).validate_json(json.dumps(raw, default=str), strict=True)
    except ValidationError as error:
        # A misspelt name is also a missing one: the misspelling says more.
        first = min(error.errors(), key=lambda one: one["type"] not in _UNKNOWN)
        raise ConfigError(f"{where}: {_explain(cls, first)}") from error


def plain(config: Config) -> dict[str, Any]:
    """The values of a config dataclass as JSON would hold them; inverse of `parse`."""
    return json.loads(json.dumps(dataclasses.asdict(config)))  # type: ignore[call-overload]


_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")


def _explain(cls: type, error: Mapping[str, Any]) -> str:
    path = ".".join(str(part) for part in error["loc"])
    if error["type"] in _UNKNOWN:
        valid = _names(cls, error["loc"][:-1])
        return _unknown("name", path, str(error["loc"][-1]), valid)
    if error["type"] in ("missing", "missing_argument"):
        return f"{path} is missing"
    if error["type"] == "value_error":  # raised by the dataclass itself
        return f"{path + ': ' if path else ''}{error['ctx']['error']}"
    value = reprlib.repr(error["input"])
    return f"{path + ' is ' if path else ''}{value}: {error['msg'].lower()}"


def _names(cls: type, path: Iterable[object]) -> list[str]:
    """Field names of the config dataclass that `path` leads to from `cls`."""
    for part in path:
        hint = typing.get_type_hints(cls).get(str(part))
        options = [hint, *typing.get_args(hint)]
        inner = [o for o in options if dataclasses.is_dataclass(o)]
        if inner:
            cls = typing.cast(type, inner[0])
    return [field.name for field in dataclasses.fields(cls)]


def require(holds: bool, name: str, value: object, valid: str) -> None:
    """ConfigError that names a setting, its value and what it may be, unless the latter `holds`."""
    if not holds:
        raise ConfigError(f"{name} is {value}: use {valid}")


def choose(kind: str, name: str, valid: Iterable[str]) -> str:
    """`name` if it is one of `valid`; otherwise a ConfigError that lists them and the nearest."""
    names = list(valid)
    if name not in names:
        raise ConfigError(_unknown(kind, repr(name), name, names))
    return name


def _unknown(kind: str, shown: str, name: str, valid: list[str]) -> str:
    near = difflib.get_close_matches(name, valid, n=1)
    hint = f", did you mean {near[0]}?" if near else ";"
    return f"unknown {kind} {shown}{hint} valid: {', '.join(valid)}"
