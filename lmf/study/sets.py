"""The data sets of a study, as its stages open them."""

from lmf.data.catalog import CATALOGUE
from lmf.data.fetch import fetch
from lmf.data.sets import ImageSet, open_set
from lmf.study.progress import fetch_progress
from lmf.study.settings.local import mirror_of
from lmf.study.settings.workspace import Workspace


def open_fetched(name: str, place: Workspace) -> ImageSet:
    """The pictures of a set; fetched again where its record is and they are not.

    DVC keeps records and no pictures: it brings a record into the workspace of a queued experiment,
    and back where data/ was removed, without running `fetch`. Raises what `fetch` and `open_set` do.
    """
    missing = not (place.data / name).is_dir()
    if missing and name in CATALOGUE and place.record(name).is_file():
        with fetch_progress() as progress:
            progress.note(f"{name}: the pictures of its record are not here; fetching them again")
            fetch(name, place.data, mirror_of(place.root), progress=progress)
    return open_set(name, place.data)
