"""Options that several commands share."""

import pytest

from lmf.cli.options import parse_size
from lmf.core.errors import InputError


@pytest.mark.parametrize(
    "text", ["20", "x", "axb", "-2x3", "2.5x3", "²x3", "2x3x4", "9" * 5000 + "x1"]
)
def test_size_is_width_x_height(text):
    assert parse_size("1920X1080") == (1080, 1920)
    with pytest.raises(InputError, match="write WIDTHxHEIGHT"):
        parse_size(text)
    for none in ("0x3", "3x00"):
        with pytest.raises(InputError, match=f"--size {none} has no pixels: use at least 1x1"):
            parse_size(none)
