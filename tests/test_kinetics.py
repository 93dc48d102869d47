import pytest
from motionpipe.pipeline.kinetics import index_kinetics, read_rows
from motionpipe.schemas.errors import MotionpipeError

HEADER = "label,youtube_id,time_start,time_end,split"


@pytest.fixture
def source(tmp_path):
    """Lists of five clips of two classes; three are there, and one more that is in no list."""
    (tmp_path / "train.csv").write_text(
        f'{HEADER},is_cc\n"dancing, slow",abc-d_efghi,5,15,train,0\nabseiling,-bc_defghij,120,130,train,0\n'
        "abseiling,gone0000000,1,11,train,0\n"
    )
    (tmp_path / "validate.csv").write_text(f"{HEADER}\nabseiling,val00000000,0,10,validate\n")
    (tmp_path / "test.csv").write_text("youtube_id,time_start,time_end,split\ntest0000000,7,17,test\n")
    for name in (
        "dancing/abc-d_efghi_000005_000015.mp4",
        "val00000000.mkv",
        "test0000000_000007_000017.mp4",
        "extra.mp4",
        "train.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_clips_are_found_by_either_name(source):
    index = index_kinetics(source)
    assert [(r.recording_id, r.label, r.label_name, r.splits, r.group) for r in index.recordings] == [
        ("abc-d_efghi_000005_000015", 1, "dancing, slow", {"official": "train"}, "abc-d_efghi"),
        ("extra.mp4", None, None, {}, None),
        ("test0000000_000007_000017", None, None, {}, "test0000000"),
        ("val00000000_000000_000010", 0, "abseiling", {"official": "test"}, "val00000000"),
    ]
    assert index.recordings[3].files == {"rgb": "val00000000.mkv"}
    assert index.notes == (
        "3 of 5 listed clips of Kinetics found",
        "1 other clips are in no list and take no part",
    )


def test_one_csv_as_the_source(source):
    index = index_kinetics(source / "validate.csv")
    assert index.notes[0] == "1 of 1 listed clips of Kinetics found"


def test_lists_in_a_folder_of_their_own(source):
    ids = [r.recording_id for r in index_kinetics(source).recordings]
    (source / "annotations").mkdir()
    for file in list(source.glob("*.csv")):
        file.rename(source / "annotations" / file.name)
    assert [r.recording_id for r in index_kinetics(source).recordings] == ids


def test_no_lists(source):
    for file in source.glob("*.csv"):
        file.unlink()
    with pytest.raises(MotionpipeError, match=r"expected train.csv.*label,youtube_id"):
        index_kinetics(source)


def test_nothing_that_is_listed(source):
    for file in [*source.rglob("*.mp4"), *source.rglob("*.mkv")]:
        file.unlink()
    with pytest.raises(MotionpipeError, match=r"none of the 5 clips.*ID_SSSSSS_EEEEEE"):
        index_kinetics(source)


def test_a_clip_under_both_names(source):
    (source / "abc-d_efghi.mp4").touch()
    with pytest.raises(MotionpipeError, match="is there twice"):
        index_kinetics(source)


def test_an_id_that_several_clips_share_names_none_of_them(source):
    (source / "more.csv").write_text(f"{HEADER}\nabseiling,val00000000,20,30,val\n")
    recordings = {r.recording_id: r for r in index_kinetics(source).recordings}
    assert recordings["val00000000.mkv"].splits == {}


@pytest.mark.parametrize(
    "row", ["a,,1,2,train", "a,b,1,2,other", "a,b,x,2,train", "a,b,1,,train", "a,b,1,inf,train", "a,b"]
)
def test_a_row_that_makes_no_sense(row):
    with pytest.raises(MotionpipeError, match=r"x\.csv, line 2"):
        read_rows(f"{HEADER}\n{row}\n", "x.csv")


def test_a_header_that_makes_no_sense():
    with pytest.raises(MotionpipeError, match="first line must hold label,youtube_id"):
        read_rows("path,label\n", "x.csv")


def test_a_clip_listed_with_two_labels(source):
    (source / "more.csv").write_text(f"{HEADER}\nclimbing,val00000000,0,10,validate\n")
    with pytest.raises(MotionpipeError, match="list val00000000_000000_000010 twice"):
        index_kinetics(source)
