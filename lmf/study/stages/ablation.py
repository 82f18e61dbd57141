"""The study's `ablation` stage: what each part of the model is worth, picture by picture."""

import pandas as pd

from lmf.core.files import atomic_write
from lmf.study.settings.profile import Profile
from lmf.study.settings.workspace import Workspace
from lmf.study.tables.rows import read_rows
from lmf.study.tables.tidy import ablation_table


def compare(profile: Profile, ablations: list[str], place: Workspace) -> pd.DataFrame:
    """PSNR of the full model and of each ablation with its paired difference; writes ablation.csv."""
    rows = read_rows(place, [profile.base, *ablations])
    table = ablation_table(rows, profile.base, ablations)
    with atomic_write(place.ablation) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", float_format="%.4f")
    return table
