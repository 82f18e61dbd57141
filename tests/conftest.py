"""Fixtures that several test files share."""

import pytest
import torch

from lmf.model import Lmf, create_model


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def small_model():
    """A function of (name, **options) that makes a small model with lively random weights."""

    def make(name: str, cross_scale=False, encoder: str = "edsr-small", **options) -> Lmf:
        if "lte" in name:
            options.setdefault("fourier", 16)
        options.setdefault("hidden", [24])
        model = create_model(name, encoder=encoder, cross_scale=cross_scale, options=options)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
        return model.eval()

    return make
