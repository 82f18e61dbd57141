"""Benchmarks that are at hand: fetched into data/, or in the copy that LMF_MIRROR names."""

import os
from pathlib import Path

import pytest
from places import ROOT

from lmf.data.catalog import data_set
from lmf.data.mirror import find_set
from lmf.data.sets import ImageSet, open_set


def benchmark(name: str) -> ImageSet:
    """The set, such as "set5"; the test is skipped where it is not at hand."""
    if (ROOT / "data" / name / "HR").is_dir():
        return open_set(name, ROOT / "data")
    mirror = os.environ.get("LMF_MIRROR")
    files = find_set(data_set(name), Path(mirror)) if mirror else []
    if not files:
        pytest.skip(
            f"no {name} at hand: `lmf fetch {name}`, or name a folder that holds it in LMF_MIRROR"
        )
    folder = files[0][0].parents[1]
    return open_set(folder.name, folder.parent)
