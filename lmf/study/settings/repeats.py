"""The same training under another seed, to see how far chance moves a row of the tables."""

import re
from dataclasses import dataclass
from typing import Self

_REPEAT = re.compile(r"(?P<variant>.+)-seed(?P<seed>\d+)")


@dataclass(frozen=True)
class Training:
    """What a name among the study's variants stands for: "rdn", or "rdn-seed1" for the same again.

    seed: None, the profile's, for a variant itself.
    """

    variant: str
    seed: int | None

    @classmethod
    def named(cls, name: str) -> Self:
        """Of any name; whether there is such a variant is another question."""
        found = _REPEAT.fullmatch(name)
        return cls(found["variant"], int(found["seed"])) if found else cls(name, None)
