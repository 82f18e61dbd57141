"""The study's `recipe` stage: what decides each training, as plain values.

`dvc repro` trains again what has another recipe, or other code that computes gradients: not whatever
stands beside one more variant, or in a profile's comments and test sets.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from lmf.core.files import write_json
from lmf.study.sets import read_known
from lmf.study.settings.profile import Profile, of_variant
from lmf.study.settings.workspace import Workspace
from lmf.study.stages.train import training_run


def write_recipes(profile: Profile, variants: Iterable[str], place: Workspace) -> Iterator[Path]:
    """Write a file per variant: model, training, seed, digest of the pictures, validation.

    Raises:
        ConfigError: no such variant, or its recipe does not go together with the profile's.
        DataError: the training set was not fetched.
    """
    record = read_known(place, profile.train_set)
    for variant in variants:
        run = training_run(of_variant(profile, variant), variant, record)
        write_json(place.recipe(variant), run.describe())
        yield place.recipe(variant)
