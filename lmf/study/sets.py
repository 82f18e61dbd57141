"""The data sets of a study, as its stages open them."""

import json
from typing import Any

from lmf.core.errors import DataError
from lmf.data.catalog import CATALOGUE
from lmf.data.fetch import fetch
from lmf.data.sets import ImageSet, open_set, read_record
from lmf.study.progress import fetch_progress
from lmf.study.settings.local import mirror_of
from lmf.study.settings.workspace import Workspace


def open_fetched(name: str, place: Workspace) -> ImageSet:
    """The pictures of a set; fetched again where its record is and they are not.

    DVC keeps records and no pictures: it brings a record into the workspace of a queued experiment,
    and back where data/ was removed, without running `fetch`.

    Raises:
        DataError: the set is not the one of the profile's record. Others: see `fetch` and `open_set`.
    """
    missing = not (place.data / name).is_dir()
    if missing and name in CATALOGUE and place.record(name).is_file():
        with fetch_progress() as progress:
            progress.note(f"{name}: the pictures of its record are not here; fetching them again")
            fetch(name, place.data, mirror_of(place.root), progress=progress)
    _check_known(name, place)
    return open_set(name, place.data)


def read_known(place: Workspace, name: str) -> dict[str, Any]:
    """What `fetch` recorded of a set for this profile; DataError if that is missing or damaged."""
    path = place.record(name)
    remedy = f"run `dvc repro`, or `lmf fetch {name} --profile {place.profile}`"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is missing: {remedy}") from None
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}): {remedy}") from error


def _check_known(name: str, place: Workspace) -> None:
    """DataError if stages know another set of this name than the one in place."""
    folder, known = place.data / name, place.record(name)
    if (
        not (folder / "record.json").is_file() or not known.is_file()
    ):  # one's own, or not of the graph
        return
    digest = read_record(folder).tree_sha256
    if read_known(place, name).get("tree_sha256", digest) != digest:  # without one, it was not used
        raise DataError(
            f"{folder}: not the pictures that {known} records; run `lmf fetch {name} --profile "
            f"{place.profile}`, then `dvc repro`"
        )
