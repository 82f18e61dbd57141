"""The pictures in samples/ are those that the project's own code draws."""

import numpy as np
import pytest
from PIL import Image
from places import ROOT

from lmf.data.charts import CHARTS, draw_charts

SAMPLES = ROOT / "samples"


@pytest.mark.parametrize("name", CHARTS)
def test_samples_are_drawn_by_the_code(name, tmp_path):
    drawn = {path.stem: path for path in draw_charts(tmp_path)}[name]
    new, kept = (np.asarray(Image.open(p), dtype=int) for p in (drawn, SAMPLES / f"{name}.png"))
    assert new.shape == kept.shape
    # Glyphs depend on the font renderer's version; formulas only on rounding.
    assert np.abs(new - kept).mean() < (2 if name == "text" else 0.01)


def test_every_sample_is_a_chart():
    assert {path.stem for path in SAMPLES.iterdir() if path.suffix == ".png"} == set(CHARTS)
