"""Perceptual loss: L1 distance of VGG-19 features (Johnson et al. 2016; Simonyan & Zisserman 2015).

The network is built here; the weights are torchvision's `vgg19-dcbb9e9d.pth`, whose names the
layers carry, from a file of the user's.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from lmf.checkpoint import read_tensors
from lmf.core.errors import CheckpointError, ConfigError
from lmf.core.files import sha256
from lmf.core.unpickle import read_pth
from lmf.train.config import PerceptualConfig

URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
"""Where torchvision's weights are published; the name ends in the start of the file's SHA-256."""

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""VGG-19, configuration E: channels and convolutions of each block, max-pooling between blocks."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's RGB in [0, 1], which the network was trained on."""


class Vgg19Features(nn.Module):
    """Activated outputs of some of VGG-19's convolutions; `layers` counts them from 1 to 16."""

    mean: Tensor
    std: Tensor

    def __init__(self, layers: tuple[int, ...]) -> None:
        super().__init__()
        if not layers or min(layers) < 1 or max(layers) > 16:
            raise ConfigError(f"perceptual layers {list(layers)}: choose from 1 to 16")
        steps: list[nn.Module] = []
        inputs, convolutions = 3, 0
        self.taps: list[int] = []
        for channels, count in BLOCKS:
            for _ in range(count):
                steps += [nn.Conv2d(inputs, channels, 3, padding=1), nn.ReLU()]
                inputs, convolutions = channels, convolutions + 1
                if convolutions in layers:
                    self.taps.append(len(steps) - 1)
            steps.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*steps)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(STD)[:, None, None], persistent=False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [0, 1] -> one feature map per layer asked for."""
        x, found = (image - self.mean) / self.std, []
        for index, step in enumerate(list(self.features)[: self.taps[-1] + 1]):
            x = step(x)
            if index in self.taps:
                found.append(x)
        return found


class PerceptualLoss(nn.Module):
    """Sum over layers of the mean absolute difference of features; its weights never train."""

    def __init__(self, features: Vgg19Features) -> None:
        super().__init__()
        self.features = features.eval().requires_grad_(False)

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """Two image batches (B, 3, H, W) in [0, 1], at least 16 pixels a side -> scalar."""
        with torch.no_grad():
            wanted = self.features(hr)
        distances = [(a - b).abs().mean() for a, b in zip(self.features(sr), wanted, strict=True)]
        return torch.stack(distances).sum()


def perceptual_loss(config: PerceptualConfig) -> PerceptualLoss:
    """The loss with weights from `config.weights`.

    Raises:
        CheckpointError: the file is missing, altered, or holds other parameters than VGG-19's.
    """
    path = Path(config.weights)
    if not path.is_file():
        raise CheckpointError(f"{path}: no VGG-19 weights; bring them there from {URL}")
    network = Vgg19Features(config.layers)
    found = _read(path)
    wanted = network.features.state_dict(prefix="features.")
    for name, tensor in wanted.items():
        if name not in found or found[name].shape != tensor.shape:
            raise CheckpointError(f"{path}: {name} is missing or misshapen; download {URL} again")
    network.load_state_dict({name: found[name] for name in wanted})
    return PerceptualLoss(network)


def _read(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file, or of a .pth whose checksum its own name tells."""
    if path.suffix == ".safetensors":
        return read_tensors(path)
    digest = sha256(path)
    if not digest.startswith(path.stem.rpartition("-")[2]):
        raise CheckpointError(f"{path}: its SHA-256 {digest} is not the published; download {URL}")
    found = read_pth(path)
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: no weights by name; download {URL} again")
    return found
