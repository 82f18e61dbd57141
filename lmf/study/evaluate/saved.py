"""What an evaluation keeps of the pictures themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from lmf.core.errors import ConfigError
from lmf.core.files import is_plain
from lmf.data.pictures import write_png
from lmf.study.evaluate.journal import Key
from lmf.study.settings.profile import Crop


class Saved:
    """Keeps nothing; see `Crops` and `Whole`."""

    def wants(self, key: Key) -> bool:
        """Whether the picture is needed even though its row is known."""
        return False

    def save(self, key: Key, sr: Tensor) -> None:
        """Write what is wanted of sr (1, 3, H, W) in [0, 1]."""


NOTHING = Saved()


@dataclass(frozen=True)
class Crops(Saved):
    """The details that the report shows, as <folder>/<set>-<image>-x<scale>.png."""

    crops: Sequence[Crop]
    folder: Path

    def wants(self, key: Key) -> bool:
        """Whether one of the crops lies in that picture."""
        return bool(self._inside(key))

    def save(self, key: Key, sr: Tensor) -> None:
        """Cut the crops out of that picture."""
        for crop in self._inside(key):
            save_crop(sr, crop, self.folder)

    def _inside(self, key: Key) -> list[Crop]:
        return [c for c in self.crops if (c.set, c.image, c.scale) == key[:3]]


@dataclass(frozen=True)
class Whole(Saved):
    """Every picture, as <folder>/<model>/<set>/<image>-x<scale>.png.

    Raises:
        ConfigError: the model's name would lead out of `folder`.
    """

    folder: Path
    model: str

    def __post_init__(self) -> None:
        if not is_plain(self.model):
            raise ConfigError(
                f"model {self.model!r}: rename its file, as folders cannot be called so"
            )

    def wants(self, key: Key) -> bool:
        """Whether it is not there yet."""
        return not self._path(key).exists()

    def save(self, key: Key, sr: Tensor) -> None:
        """Write it in 8 bits."""
        write_png(sr, self._path(key))

    def _path(self, key: Key) -> Path:
        return self.folder / self.model / key.set / f"{key.image}-x{key.scale:g}.png"


def save_crop(picture: Tensor, crop: Crop, folder: Path) -> None:
    """Cut the crop's box out of (1, 3, H, W) and write it as PNG."""
    top, left, height, width = crop.box
    part = picture[..., top : top + height, left : left + width]
    write_png(part, folder / f"{crop.set}-{crop.image}-x{crop.scale:g}.png")
