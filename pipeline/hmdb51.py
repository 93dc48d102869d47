"""HMDB51 and J-HMDB, which keeps its names and lists: 51 classes of clips from films, three official splits.

Clips in any folders below the source; `CLASS_test_splitN.txt` in `testTrainMulti_7030_splits/` or beside the class
folders, with lines `CLIP.avi 1` (1 = train, 2 = test, 0 = unused). Kuehne et al. 2011.
"""

from __future__ import annotations

import re

from ..schemas.errors import MotionpipeError
from ..schemas.recording import Index
from .fetch_files import SourcePath
from .listed_clips import ListedClip, index_clips
from .source_files import list_names, read_text, walk_files

PROTOCOLS = ("split1", "split2", "split3")
_LIST_FOLDERS = ("testTrainMulti_7030_splits", "splits", ".")
_LIST = re.compile(r"(.+)_test_split([123])\.txt")
_PARTS = {"1": "train", "2": "test", "0": None}
# "film_name_action_f_cm_np1_ri_med_3": what stands before the six tags is the source film and the action
_TAGS = re.compile(r"_[a-z]_(?:cm|nm)_np\d_[a-z]{2}_(?:goo|med|bad)_\d+$")


def index_hmdb51(source: SourcePath) -> Index:
    """Every clip below `source`, with its part in the three splits; an unused clip takes no part in that split."""
    folder = next((place for place in _LIST_FOLDERS if _list_files(source, place)), None)
    if folder is None:
        raise MotionpipeError(
            f"{source} holds no splits: expected {_LIST_FOLDERS[0]}/CLASS_test_split1.txt to 3, from the release"
        )
    classes = sorted({match[1] for match in _list_files(source, folder)})
    listed: dict[str, ListedClip] = {}
    for label_name in classes:
        for number, protocol in enumerate(PROTOCOLS, start=1):
            file = f"{folder}/{label_name}_test_split{number}.txt"
            for name, part in read_list(read_text(source, file), file).items():
                clip = listed.setdefault(name, ListedClip(label_name))
                if part is not None:
                    clip.add(protocol, part, name)
    return index_clips("HMDB51", listed, classes, walk_files(source, (".avi",)), source_film)


def _list_files(source: SourcePath, folder: str) -> list[re.Match[str]]:
    return [match for name in list_names(source, folder) if (match := _LIST.fullmatch(name))]


def read_list(text: str, file: str) -> dict[str, str | None]:
    """Clip to "train", "test" or None where it is unused."""
    found: dict[str, str | None] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        name, _, part = line.strip().rpartition(" ")
        if not line.strip():
            continue
        if not name.strip() or part not in _PARTS or name.strip() in found:
            raise MotionpipeError(f"{file}, line {number}: expected CLIP.avi and 0, 1 or 2, each once, got {line!r}")
        found[name.strip()] = _PARTS[part]
    return found


def source_film(stem: str, label_name: str | None) -> str:
    """The film that a clip was cut from: clips of one film look alike, whatever is done in them."""
    return _TAGS.sub("", stem).removesuffix(f"_{label_name}")
