import pytest
from motionpipe.pipeline.folder import index_folder as index
from motionpipe.schemas.errors import MotionpipeError
from motionpipe.schemas.recipe import DataSection

DATA = DataSection()


def index_folder(source, data):
    return index(source, data).recordings


def make(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def listed(tmp_path, text, encoding="utf-8"):
    file = tmp_path / "list.csv"
    file.write_bytes(text.encode(encoding))
    return index_folder(file, DATA)


def test_class_folders(tmp_path):
    make(tmp_path, "wave/2.avi", "wave/1.MP4", "clap/1.mkv", "clap/notes.txt", "list.csv")
    recordings = index_folder(tmp_path, DATA)
    assert [(r.path, r.label, r.label_name) for r in recordings] == [
        ("clap/1.mkv", 0, "clap"),
        ("wave/1.MP4", 1, "wave"),
        ("wave/2.avi", 1, "wave"),
    ]
    assert all(r.files == {"rgb": r.path} and r.recording_id == r.path and r.fps is None for r in recordings)
    assert all(r.splits["split"] in ("train", "test") for r in recordings)


def test_train_and_test_folders(tmp_path):
    make(tmp_path, "train/wave/1.avi", "train/clap/2.avi", "test/wave/3.avi", "test/4.avi")
    recordings = index_folder(tmp_path, DATA)
    assert [(r.path, r.label_name, r.splits) for r in recordings] == [
        ("test/4.avi", None, {"split": "test"}),
        ("test/wave/3.avi", "wave", {"split": "test"}),
        ("train/clap/2.avi", "clap", {"split": "train"}),
        ("train/wave/1.avi", "wave", {"split": "train"}),
    ]


def test_a_class_that_is_called_train_is_no_split(tmp_path):
    make(tmp_path, "train/1.avi", "bus/1.avi")
    assert [r.label_name for r in index_folder(tmp_path, DATA)] == ["bus", "train"]


def test_no_labels_is_fine(tmp_path):
    make(tmp_path, "1.avi", "2.avi")
    assert [(r.label, r.label_name) for r in index_folder(tmp_path, DATA)] == [(None, None)] * 2


def test_the_seeded_split_gives_every_class_both_parts(tmp_path):
    make(tmp_path, *(f"c{i % 3}/{i}.avi" for i in range(6)), "alone/x.avi")
    parts = {r.path: (r.label_name, r.splits["split"]) for r in index_folder(tmp_path, DATA)}
    for label in ("c0", "c1", "c2"):
        assert sorted(part for name, part in parts.values() if name == label) == ["test", "train"]
    assert parts["alone/x.avi"] == ("alone", "train")


def test_the_seeded_split_keeps_clips_of_one_film_together(tmp_path):
    make(tmp_path, *(f"Archery/v_Archery_g{g:02}_c{c:02}.avi" for g in range(1, 9) for c in range(1, 4)))
    parts = {}
    for recording in index_folder(tmp_path, DATA):
        parts.setdefault(recording.path[:-8], set()).add(recording.splits["split"])
    assert {len(of_film) for of_film in parts.values()} == {1}
    assert {"train"} in parts.values()
    assert {"test"} in parts.values()


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5])
def test_the_seeded_split_is_near_the_asked_fraction(tmp_path, fraction):
    make(tmp_path, *(f"a/{i}.avi" for i in range(500)))
    parts = [r.splits["split"] for r in index_folder(tmp_path, DataSection(test_fraction=fraction))]
    assert parts.count("test") / 500 == pytest.approx(fraction, abs=0.06)  # three standard deviations


def test_another_seed_splits_in_another_way(tmp_path):
    make(tmp_path, *(f"a/{i}.avi" for i in range(50)))
    one, two = ([r.splits for r in index_folder(tmp_path, DataSection(split_seed=s))] for s in (0, 1))
    assert one != two


def test_a_list_without_splits_gets_the_seeded_one(tmp_path):
    recordings = listed(tmp_path, "path,label\n" + "".join(f"{i}.avi,a\n" for i in range(40)))
    assert {r.splits["split"] for r in recordings} == {"train", "test"}


def test_a_list_with_splits(tmp_path):
    text = "path,label,split\nb.avi,wave,test\na.avi,clap,train\nc.avi,,unused\nd.avi,wave,\n"
    assert [(r.path, r.label, r.label_name, r.splits) for r in listed(tmp_path, text)] == [
        ("a.avi", 0, "clap", {"split": "train"}),
        ("b.avi", 1, "wave", {"split": "test"}),
        ("c.avi", None, None, {}),
        ("d.avi", 1, "wave", {}),
    ]


def test_a_listed_file_that_is_missing_is_indexed_all_the_same(tmp_path):
    assert [r.path for r in listed(tmp_path, "path,label\nabsent.avi,wave\n")] == ["absent.avi"]


def test_spreadsheets_write_a_mark_and_other_line_ends(tmp_path):
    recordings = listed(tmp_path, 'path,label,split\r\n"a, b.avi", wave ,train\r\n', "utf-8-sig")
    assert [(r.path, r.label_name, r.splits) for r in recordings] == [("a, b.avi", "wave", {"split": "train"})]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.avi,x\na.avi,y\n", "a.avi is listed twice"),
        ("path,label\n,x\n", "line 2: no path"),
        ("path,label\na.avi,x\n\n ,x\n", "line 4: no path"),
        ("path,label,split\na.avi,x,dev\n", "line 2: split must be train, test or unused, got 'dev'"),
        ("path,label,split\na.avi,x,Train\n", "got 'Train'"),
        ("file,label\na.avi,x\n", "first line must be path,label"),
        ("path,label,subject\na.avi,x,1\n", "first line must be path,label"),
        ("path,label,path\na.avi,x,b.avi\n", "first line must be path,label"),
        ("a.avi,x\nb.avi,x\n", "first line must be path,label"),
        ("path,label\na,b.avi,x\n", "line 2: more cells than columns"),
        ("path,label\n", "holds no videos"),
        ("", "first line must be path,label"),
    ],
)
def test_lists_that_make_no_sense_are_one_clear_error(tmp_path, text, message):
    with pytest.raises(MotionpipeError, match=message):
        listed(tmp_path, text)


def test_a_list_in_another_encoding_is_one_clear_error(tmp_path):
    with pytest.raises(MotionpipeError, match="not a CSV file in UTF-8"):
        listed(tmp_path, "path,label\ngruß.avi,x\n", "latin-1")


def test_a_video_given_as_the_source_is_one_clear_error(tmp_path):
    (tmp_path / "a.avi").write_bytes(b"RIFF\xff\xfe\0\0AVI \r\r\n" * 9)
    with pytest.raises(MotionpipeError, match="not a CSV file in UTF-8"):
        index_folder(tmp_path / "a.avi", DATA)


def test_an_empty_folder_is_one_clear_error(tmp_path):
    with pytest.raises(MotionpipeError, match="holds no videos"):
        index_folder(tmp_path, DATA)
