"""`lmf use-images`: point data.dvc at a folder of pictures."""

from pathlib import Path

import yaml

from lmf.core.errors import DataError
from lmf.core.files import write_text
from lmf.data.pictures import read_rgb
from lmf.data.sets import check_stems
from lmf.data.store import pictures_in
from lmf.study.evaluate.pair import SMALLEST_LR
from lmf.study.settings.params import read_params
from lmf.study.settings.profile import read_profile
from lmf.study.settings.workspace import repository
from lmf.study.settings.yaml_files import read_yaml


def use_images(folder: Path, root: Path | None = None) -> str:
    """Make `folder` the source of data/custom; returns a line that says so.

    root: of the repository, by default the one around the working directory.

    Raises:
        DataError: the folder is missing, holds no picture, or two of one name. InputError: a picture is
            unreadable.
    """
    root = repository() if root is None else root
    if not folder.is_dir():
        if folder.is_file():
            raise DataError(f"{folder} is a file; name the folder that holds it")
        raise DataError(f"{folder}: no such folder; name one that holds your pictures")
    if folder.resolve().is_relative_to((root / "data").resolve()):
        raise DataError(f"{folder}: data/ is where sets are put; name a folder outside of it")
    pictures = pictures_in(folder)
    if not pictures:
        raise DataError(f"{folder}: no picture in it (png, jpg, bmp, tif or webp); add some")
    check_stems(folder, [picture.name for picture in pictures])
    largest = max(read_profile(read_params(root).profile, root).scales_of("custom"))
    for picture in pictures:
        height, width = read_rgb(picture).shape[:2]
        if min(height, width) < SMALLEST_LR * largest:
            raise DataError(
                f"{picture}: {width}x{height} is too small to be scored at x{largest:g}; "
                f"{SMALLEST_LR * largest:.0f} pixels a side are the least"
            )
    path = root / "data.dvc"
    import_ = read_yaml(path)
    try:
        place = folder.resolve().relative_to(root.resolve())
    except ValueError:
        place = folder.resolve()
    import_["deps"] = [{"path": place.as_posix()}]
    import_["outs"] = [{"path": "data/custom"}]
    import_.pop("md5", None)
    write_text(path, yaml.safe_dump(import_, sort_keys=False))
    return f"data.dvc now imports {place} ({len(pictures)} pictures); run `dvc repro`"
