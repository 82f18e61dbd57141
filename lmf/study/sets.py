"""The data sets of a study, as its stages open them."""

import json

from lmf.core.errors import DataError
from lmf.data.catalog import CATALOGUE
from lmf.data.fetch import fetch
from lmf.data.sets import ImageSet, open_set
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
    _check_record(name, place)
    return open_set(name, place.data)


def _check_record(name: str, place: Workspace) -> None:
    """DataError if stages know another set of this name than the one in place."""
    there, known = place.data / name / "record.json", place.record(name)
    if not there.is_file() or not known.is_file():  # one's own, or not of the graph
        return
    is_, was = (json.loads(path.read_text(encoding="utf-8")) for path in (there, known))
    if is_["tree_sha256"] != was.get("tree_sha256", is_["tree_sha256"]):  # none: was not used
        raise DataError(
            f"{there.parent}: not the pictures that {known} records; run `lmf fetch {name} --profile "
            f"{place.profile}`, then `dvc repro`"
        )
