"""Perceptual loss: L1 distance of VGG-19 features (Johnson et al. 2016; Simonyan & Zisserman 2015).

The network is built here; the weights are torchvision's `vgg19-dcbb9e9d.pth`, whose names the
layers carry, from a file or from where it is published; see `train.vgg`.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from lmf.checkpoint import read_tensors
from lmf.core.errors import CheckpointError, ConfigError
from lmf.core.unpickle import read_pth
from lmf.train.config import VGG_URL, PerceptualConfig

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
    """Sum over layers of the mean absolute difference of features; its weights never train.

    In float32 whatever the model computes in: bfloat16 would round pictures by half a grey level.
    """

    def __init__(self, features: Vgg19Features) -> None:
        super().__init__()
        self.features = features.eval().requires_grad_(False)

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """Two image batches (B, 3, H, W) in [0, 1], at least 16 pixels a side -> scalar."""
        with torch.autocast(sr.device.type, enabled=False):
            with torch.no_grad():
                wanted = self.features(hr)
            found = self.features(sr.float())
        return torch.stack([(a - b).abs().mean() for a, b in zip(found, wanted, strict=True)]).sum()


def perceptual_loss(config: PerceptualConfig) -> PerceptualLoss:
    """The loss with weights from the file `config.weights`, as `vgg.bring_weights` found it.

    Raises:
        CheckpointError: the file is missing, damaged, or holds other parameters than VGG-19's.
    """
    path = Path(config.weights)
    network = Vgg19Features(config.layers)
    found = read_tensors(path) if path.suffix == ".safetensors" else read_pth(path)
    wanted = network.features.state_dict(prefix="features.")
    for name, tensor in wanted.items():
        if not isinstance(found, dict) or getattr(found.get(name), "shape", None) != tensor.shape:
            raise CheckpointError(
                f"{path}: {name} is missing or misshapen; download {VGG_URL} again"
            )
    network.load_state_dict({name: found[name] for name in wanted})
    return PerceptualLoss(network)
