"""Configuration is strict: what it does not know, it names, with what it knows instead."""

import datetime
from dataclasses import dataclass

import pytest

from lmf.core.config import Config, choose, parse, plain
from lmf.core.errors import ConfigError
from lmf.nets.cross_scale import CrossScaleConfig


@dataclass(frozen=True)
class Inner(Config):
    width: int
    rate: float = 0.5


@dataclass(frozen=True)
class Outer(Config):
    name: str
    sizes: tuple[int, ...]
    inner: Inner | None = None
    flag: bool = False


GOOD = {"name": "a", "sizes": [1, 2], "inner": {"width": 3}}


def refusal(**change) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(Outer, GOOD | change, "some.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_plain_and_parse_are_inverse():
    config = parse(Outer, GOOD, "here")
    assert config == Outer("a", (1, 2), Inner(3))
    assert parse(Outer, plain(config), "here") == config


def test_unknown_name_is_named_with_the_nearest_and_the_valid_ones_of_its_level():
    expected = "some.yaml: unknown name flga, did you mean flag? valid: name, sizes, inner, flag"
    assert refusal(flga=True) == expected
    expected = "unknown name inner.widht, did you mean width? valid: width, rate"
    assert expected in refusal(inner={"widht": 3})


def test_misspelt_required_name_is_reported_as_misspelt():
    with pytest.raises(ConfigError, match="unknown name nmae, did you mean name"):
        parse(Outer, {"nmae": "a", "sizes": []}, "here")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sizes": ["4"]}, "sizes.0 is '4'"),
        ({"sizes": [True]}, "sizes.0 is True"),
        ({"flag": 1}, "flag is 1"),
        ({"inner": {"width": 1, "rate": float("nan")}}, "inner.rate is nan"),
        ({"sizes": datetime.date(2024, 2, 1)}, "sizes is '2024-02-01'"),
        ({"inner": {}}, "inner.width is missing"),
    ],
)
def test_value_of_another_type_is_refused(change, said):
    assert refusal(**change).startswith(f"some.yaml: {said}")


def test_choose_names_offender_nearest_and_valid():
    assert choose("colour", "red", ["red", "blue"]) == "red"
    with pytest.raises(ConfigError, match="unknown colour 'bleu', did you mean blue"):
        choose("colour", "bleu", ["red", "blue"])


@pytest.mark.parametrize("change", [{"window": 50, "scales": (4,)}, {"scales": ()}, {"window": 0}])
def test_impossible_cross_scale_windows_are_refused(change):
    with pytest.raises(ConfigError, match="cross-scale"):
        CrossScaleConfig(**change)
