"""What bicubic interpolation scores on the benchmarks: as others have measured it, and as we do."""

import numpy as np

from lmf.data.pictures import as_tensor
from lmf.data.sets import ImageSet
from lmf.metrics.quality import Scores, scores
from lmf.study.evaluate.pair import make_pair
from lmf.study.evaluate.subject import baseline

MEASURED = {
    "set5": {2: (33.67, 0.9303), 3: (30.40, 0.8689), 4: (28.43, 0.8111)},
    "set14": {2: (30.32, 0.8698), 3: (27.63, 0.7759), 4: (26.09, 0.7048)},
    "b100": {2: (29.56, 0.8434), 3: (27.21, 0.7391), 4: (25.96, 0.6681)},
}
"""Computed by others on the same files: Pillow's bicubic, Y of BT.601, border of one scale."""


def bicubic(pictures: ImageSet, scale: float) -> Scores:
    """Mean scores of bicubic interpolation on a set, as `lmf evaluate` computes them."""
    found = []
    for index in range(len(pictures.hr)):
        pair = make_pair(pictures, index, scale)
        sr = baseline("bicubic")(as_tensor(pair.lr), pair.hr.shape[:2])
        found.append(scores(sr, pair.hr, "benchmark_y", scale))
    return Scores(*np.mean([(one.psnr, one.ssim, one.psnr_8bit) for one in found], axis=0))
