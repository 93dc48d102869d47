"""Groups of recordings that belong together: cross-validation keeps each on one side."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from ..schemas.recording import Recording

# HMDB51: "film_name_action_f_cm_np1_ri_med_3.avi" - what stands before the six tags is the source film and the action
_HMDB_TAGS = re.compile(r"_[a-z]_(?:cm|nm)_np\d_[a-z]{2}_(?:goo|med|bad)_\d+$")
# UCF101: "v_Action_g08_c01.avi" - clips of one g number come from one source
_UCF_GROUP = re.compile(r"_c\d+$")


def group_of(recording: Recording) -> str:
    """The recording's group, else its subject, else the film that its file name tells."""
    if recording.group is not None:
        return recording.group
    if recording.subject is not None:
        return f"subject-{recording.subject}"
    return film_of(recording.path, recording.label_name)


def film_of(path: str, label_name: str | None) -> str:
    """The source film that an HMDB51 or UCF101 file name tells, else the name itself."""
    stem = PurePosixPath(path).stem
    film = _HMDB_TAGS.sub("", stem)
    if film != stem:
        return film.removesuffix(f"_{label_name}")
    group = _UCF_GROUP.sub("", stem)
    # another name says nothing of its film: the same stem in two folders is two recordings
    return group if group != stem else str(PurePosixPath(path).with_suffix(""))
