"""Benchmarks that are at hand: fetched into data/, or in the mirror of local.yaml or LMF_MIRROR."""

import pytest
from places import ROOT

from lmf.data.catalog import data_set
from lmf.data.mirror import find_set
from lmf.data.sets import ImageSet, open_set
from lmf.study.settings.local import mirror_of


def benchmark(name: str) -> ImageSet:
    """The set, such as "set5"; the test is skipped where it is not at hand."""
    if (ROOT / "data" / name / "HR").is_dir():
        return open_set(name, ROOT / "data")
    mirror = mirror_of(ROOT)
    files = find_set(data_set(name), mirror) if mirror else []
    if not files:
        pytest.skip(f"no {name} at hand: `lmf fetch {name}`, or a mirror that holds it")
    folder = files[0][0].parents[1]
    return open_set(folder.name, folder.parent)
