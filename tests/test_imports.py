"""The rooms import in one direction, and the command line starts without what is heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import motionpipe
import pytest

ROOT = Path(motionpipe.__file__).parent
ROOMS = ("schemas", "models", "pipeline", "jobs")
FILES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def imports(path):
    """(dots, module) of every import statement of a file, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from [(node.level, f"{node.module or ''}.{alias.name}".strip(".")) for alias in node.names]


def outside(path):
    """Top-level names of the other projects that a file imports."""
    return {module.split(".")[0] for dots, module in imports(path) if dots == 0}


def rooms_of(path):
    """Rooms that a file's relative imports lead to."""
    place = path.relative_to(ROOT).parts[:-1]
    for dots, module in imports(path):
        if dots:
            parts = (*place[: len(place) - dots + 1], *module.split("."))
            yield parts[0]


def ids(path):
    return str(path.relative_to(ROOT))


def test_all_rooms_have_files():
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == set(ROOMS)


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_imports_inside_are_relative(path):
    assert not outside(path) & {"motionpipe", *ROOMS}


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_rooms_import_in_one_direction(path):
    room = path.relative_to(ROOT).parts[0]
    may = set(ROOMS[: ROOMS.index(room) + 1])
    if room == "jobs":
        may.add("__version__")
    assert set(rooms_of(path)) <= may


def test_ray_is_imported_in_at_most_three_files_of_jobs():
    users = [path for path in FILES if "ray" in outside(path)]
    assert {path.parent.name for path in users} == {"jobs"}
    assert len(users) <= 3


def test_schemas_know_no_torch_and_open_no_file():
    for path in FILES:
        if path.relative_to(ROOT).parts[0] == "schemas":
            assert not outside(path) & {"torch", "cv2", "av", "sklearn", "fsspec"}, path


def test_models_are_tensors_in_and_tensors_out():
    for path in FILES:
        if path.relative_to(ROOT).parts[0] == "models":
            assert not outside(path) & {"cv2", "av", "sklearn", "fsspec", "pyarrow", "webdataset"}, path


def loaded(statement, names):
    code = f"import sys; {statement}; print(*(set({sorted(names)!r}) & set(sys.modules)))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_the_command_line_starts_without_what_is_heavy():
    heavy = {"torch", "ray", "cv2", "sklearn", "pyarrow", "av", "webdataset", "scipy", "pandas", "numba"}
    assert loaded("import motionpipe.jobs.cli", heavy) == []
    assert loaded("import cv2, av", {"cv2", "av"}) != []  # the check itself sees what is loaded


def test_the_package_itself_is_light():
    assert loaded("import motionpipe", {"torch", "ray", "cv2", "numpy"}) == []
