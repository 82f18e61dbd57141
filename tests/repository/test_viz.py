"""Figures show what they are given, however it is stored."""

import numpy as np
import pytest
import torch

from lmf import viz

GREY = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("lead", [(), (1,)])
def test_a_tensor_is_shown_as_the_array_is(dtype, lead):
    planes = torch.from_numpy(GREY).permute(2, 0, 1).expand(*lead, -1, -1, -1)
    given = planes if dtype == torch.uint8 else (planes.double() / 255).to(dtype)
    figure = viz.pictures({"array": GREY, "tensor": given})
    array, tensor = (axes.images[0].get_array() for axes in figure.axes)
    np.testing.assert_allclose(tensor, array, atol=4e-3 if dtype == torch.bfloat16 else 1e-6)
