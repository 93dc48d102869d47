import pytest
from motionpipe.jobs.cli import main
from motionpipe.pipeline.datasets import DATASETS, base_folder, index_dataset, protocols, require_source
from motionpipe.schemas.errors import MotionpipeError
from motionpipe.schemas.recipe import DataSection


@pytest.fixture
def folder(tmp_path):
    """Three empty videos of one class."""
    (tmp_path / "wave").mkdir()
    for number in range(3):
        (tmp_path / "wave" / f"{number}.avi").touch()
    return tmp_path


def test_the_name_chooses_the_adapter(folder):
    assert [r.path for r in index_dataset("folder", folder, DataSection()).recordings] == [
        f"wave/{i}.avi" for i in range(3)
    ]
    with pytest.raises(MotionpipeError, match="no NTU"):
        index_dataset("ntu", folder, DataSection())


def test_a_limit_takes_the_first_ones(folder):
    assert [r.path for r in index_dataset("folder", folder, DataSection(limit=2)).recordings] == [
        "wave/0.avi",
        "wave/1.avi",
    ]


def test_unknown_names_are_answered_with_the_known_ones(folder):
    with pytest.raises(MotionpipeError, match=r"unknown dataset 'imagenet'; known: ntu, msr-daily"):
        index_dataset("imagenet", folder, DataSection())


def test_skeletons_of_another_dataset_are_not_taken_for_its_own(tmp_path):
    (tmp_path / "a01_s01_e01_skeleton.txt").touch()  # MSR Action3D's files are named like MSR Daily's
    (tmp_path / "a01_s01_e01_sdepth.bin").touch()
    with pytest.raises(MotionpipeError, match="skeleton files alone of 1 recordings of msr-daily: RGB or depth"):
        index_dataset("msr-daily", tmp_path, DataSection())
    assert index_dataset("msr-action3d", tmp_path, DataSection()).recordings


def test_a_source_that_is_not_there(tmp_path):
    with pytest.raises(MotionpipeError, match="does not exist; give the folder"):
        index_dataset("folder", tmp_path / "absent", DataSection())
    with pytest.raises(MotionpipeError, match="does not exist"):
        require_source(tmp_path / "absent")


def test_every_dataset_has_a_protocol():
    splits = ("split1", "split2", "split3")
    assert {name: protocols(name) for name in DATASETS} == {
        "ntu": ("xsub", "xview", "xsub120", "xset120"),
        "msr-daily": ("xsub",),
        "msr-action3d": ("xsub",),
        "utd-mhad": ("xsub",),
        "ucf101": splits,
        "hmdb51": splits,
        "kinetics": ("official",),
        "moving-mnist": ("official",),
        "folder": ("split",),
    }


def test_the_command_line_offers_every_dataset():
    (option,) = [parameter for parameter in main.commands["shard"].params if parameter.name == "dataset"]
    assert tuple(option.type.choices) == DATASETS


def test_paths_start_from_the_folder_or_from_where_the_list_lies(folder):
    (folder / "list.csv").write_text("path,label\n")
    assert base_folder(folder) == folder
    assert base_folder(folder / "list.csv") == folder
