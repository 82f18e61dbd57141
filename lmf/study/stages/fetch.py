"""The study's `fetch` stage: sets on disk, and what a profile records of them."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lmf.core.files import write_json
from lmf.data.catalog import data_set
from lmf.data.fetch import fetch
from lmf.data.progress import ProgressSink
from lmf.study.settings.local import mirror_of
from lmf.study.settings.profile import read_profile
from lmf.study.settings.workspace import Workspace, repository


def fetch_sets(
    names: Sequence[str],
    profile: str | None,
    mirror: Path | None,
    keep_archives: bool,
    progress: ProgressSink,
    root: Path | None = None,
) -> None:
    """Fetch `names`; with a profile, only those it uses, and record each for it.

    A set that the profile does not use is recorded as such, so that the graph has the same stages
    under every profile. root: of the repository, by default the one around the working directory.
    """
    root = repository() if root is None else root
    place = Workspace(profile or "", root)
    used = read_profile(profile, root).sets if profile else tuple(names)
    for name in names:
        data_set(name)  # a name that is none, before anything is fetched
    for name in names:
        if name in used:
            source = mirror or mirror_of(root)
            record = asdict(fetch(name, place.data, source, keep_archives, progress))
        else:
            record = {"set": name, "used": False}
            progress.note(f"{name}: not used by profile {profile}, nothing fetched")
        if profile:
            write_json(place.record(name), record)
