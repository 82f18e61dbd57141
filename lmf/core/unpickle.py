"""Read .pth files of others without running what is in them."""

import re
import warnings
from pathlib import Path
from typing import Any

import torch

from lmf.core.errors import CheckpointError
from lmf.core.weights import check_file


def read_pth(path: Path) -> Any:
    """Tensors and plain values of a file that torch.save wrote.

    Raises:
        CheckpointError: missing, damaged, something else, or it holds code; none of that is run.
    """
    check_file(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # of pickle protocols; errors say enough
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged file raises depends on where the damage is
        code = re.search(r"GLOBAL (\S+)", str(error))
        what = f"holds pickled code ({code[1]})" if code else "damaged, or not weights alone"
        raise CheckpointError(
            f"{path}: {what}; nothing in it was run, get the official file again"
        ) from error
