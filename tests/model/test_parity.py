"""Every family equals a literal reading of the official decoders, on official weights, at any size."""

import pytest
import torch
from literal import decode
from official_files import ARGS, content, picture, write

from lmf.checkpoint import load_model

SIZES = [
    ((16, 24), (48, 72)),
    ((16, 24), (43, 65)),
    ((12, 12), (72, 72)),
    ((5, 7), (22, 31)),
    ((13, 9), (17, 40)),
    ((10, 8), (7, 20)),
    ((6, 6), (5, 5)),
    ((1, 1), (4, 4)),
    ((1, 9), (6, 31)),
    ((4, 5), (48, 61)),
    ((17, 23), (18, 24)),
]


def off_centre_lines(lr_size, size):
    """(H, W) mask without the lines where an HR pixel lies on the centre of a border LR pixel.

    There all four official areas are rounding noise, and so are the weights that they give.
    """
    axes = []
    for n, N in zip(lr_size, size, strict=True):
        position = (torch.arange(N).double() + 0.5) * n / N - 0.5
        axes.append((position.abs() > 1e-4) & ((position - (n - 1)).abs() > 1e-4))
    return axes[0][:, None] & axes[1]


@pytest.fixture(scope="module", params=ARGS)
def official(request, tmp_path_factory):
    """A family, its official state dict, and what we read of it."""
    entry = content(request.param)
    path = write(tmp_path_factory.mktemp("official") / "x.pth", entry)
    return request.param, entry["sd"], load_model(path)


@pytest.mark.parametrize(("lr_size", "size"), SIZES)
@torch.no_grad()
def test_output_is_the_literal_one(official, lr_size, size):
    name, sd, model = official
    image = picture(*lr_size)
    expected = decode(name, sd, model.encoder(2 * image - 1), image, size)
    found = model(image, size=size)
    inside = off_centre_lines(lr_size, size).expand_as(found)
    torch.testing.assert_close(found[inside], expected[inside], atol=1e-5, rtol=0)
    if size == (48, 72):  # its noise is large enough to say which neighbour is meant
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
