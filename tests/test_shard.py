"""`motionpipe shard --workers 0` on a few made recordings of every dataset: counts, notes, rejects."""

import io
import json
import struct
import tarfile

import numpy as np
import pytest
import simplejpeg
from click.testing import CliRunner
from motionpipe.jobs.cli import main
from motionpipe.pipeline.depth_codec import decode_d16
from motionpipe.pipeline.plan import read_plan
from motionpipe.pipeline.store import Store
from scipy.io import savemat

DEPTH = np.random.default_rng(0).integers(400, 600, (6, 24, 32)).astype(np.uint16)
HEADER = "label,youtube_id,time_start,time_end,split"


SPELLING = {"prefix": ""}


@pytest.fixture(autouse=True, params=["", "local://"], ids=["path", "uri"])
def spelling(request, monkeypatch):
    """Every test runs twice: its source is a folder, and the same folder behind a URI, from which files are fetched."""
    monkeypatch.setitem(SPELLING, "prefix", request.param)


def shard(dataset, source, store, *more, code=0):
    words = (
        "shard",
        "--dataset",
        dataset,
        "--source",
        f"{SPELLING['prefix']}{source}",
        "--store",
        store,
        "--workers",
        0,
        *more,
    )
    result = CliRunner().invoke(main, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def samples(store):
    """Key to its members, of all shards."""
    found = {}
    for tar in sorted((store / "shards").glob("*.tar")):
        with tarfile.open(tar) as file:
            for info in file:
                key, _, member = info.name.partition(".")
                found.setdefault(key, {})[member] = file.extractfile(info).read()
    return found


def meta_of(members):
    return json.loads(members["json"])


def bin_bytes(depth, with_ids):
    data = struct.pack("<3i", len(depth), depth.shape[2], depth.shape[1])
    for row in depth.reshape(-1, depth.shape[2]).astype("<i4"):
        data += row.tobytes() + (b"\x07" * len(row) if with_ids else b"")
    return data


@pytest.fixture
def clip(write_video, moving_square):
    """Write a small video of so many frames; the square of frame i stands at x = 2 i."""

    def write(path, frames=6, fps=30):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, np.repeat(moving_square(frames, 24, 32, side=6, step=2)[..., None], 3, axis=3), fps)

    return write


def test_msr_daily(tmp_path, clip):
    source, store = tmp_path / "source", tmp_path / "store"
    for name in ("a01_s01_e01", "a02_s02_e01"):
        clip(source / f"{name}_rgb.avi", frames=11, fps=55)
        (source / f"{name}_depth.bin").write_bytes(bin_bytes(DEPTH, True))
        text = "6 20\n" + ("40\n" + "0.1 0.2 2 1\n0.5 0.5 2 1\n" * 20) * 6
        (source / f"{name}_skeleton.txt").write_text(text)
    (source / "a02_s02_e01_depth.bin").write_bytes(bin_bytes(DEPTH, True)[:-1])
    output = shard("msr-daily", source, store, code=3)
    assert "shards: 2 of 320 sequences of MSR Daily Activity found" in output
    assert "2 read = 1 written + 1 rejected" in output
    assert "truncated-depth" in output
    ((key, members),) = samples(store).items()
    meta = meta_of(members)
    assert (key, meta["splits"], meta["pairing"]) == ("a01_s01_e01", {"xsub": "train"}, "relative-time")
    assert meta["source_frame_counts"] == {"rgb": 11, "depth": 6, "skeleton": 6}
    assert (meta["frames"], meta["fps"], meta["timestamps"]) == ([0, 6], 30.0, "nominal")
    np.testing.assert_array_equal(decode_d16(members["depth.0005.d16"]), DEPTH[5])
    assert np.load(io.BytesIO(members["joints.npy"])).shape == (6, 1, 20, 8)
    # the nearest of 11 frames for each of 6 is every second one
    assert [name for name in members if name.startswith("rgb.")] == [f"rgb.{i:04d}.jpg" for i in range(6)]
    assert left_edge(members["rgb.0003.jpg"]) == 12


def left_edge(jpeg):
    """Column at which the bright square of a frame begins."""
    return int(np.argmax(simplejpeg.decode_jpeg(jpeg).mean(axis=(0, 2)) > 15))


def test_msr_action3d(tmp_path):
    source, store = tmp_path / "source", tmp_path / "store"
    source.mkdir()
    savemat(source / "a01_s01_e01_sdepth.mat", {"depth": DEPTH.transpose(1, 2, 0)}, do_compression=True)
    (source / "a02_s02_e01_sdepth.bin").write_bytes(bin_bytes(DEPTH, False))
    (source / "a03_s03_e01_sdepth.mat").write_bytes(b"MATLAB 5.0 MAT-file")
    (source / "a01_s01_e01_skeleton3D.txt").write_text("0.1 0.2 2.5 1\n" * 120)
    (source / "a01_s01_e01_skeleton.txt").write_text("160 120 600 1\n" * 120)
    output = shard("msr-action3d", source, store, code=3)
    assert "3 of 567 sequences" in output
    assert "3 read = 2 written + 1 rejected" in output
    assert "unreadable-mat" in output
    found = samples(store)
    for key in ("a01_s01_e01", "a02_s02_e01"):
        np.testing.assert_array_equal(decode_d16(found[key]["depth.0002.d16"]), DEPTH[2] * 5)
    meta = meta_of(found["a01_s01_e01"])
    assert (meta["fps"], meta["label_name"], meta["pairing"]) == (15.0, "high arm wave", "order")
    joints = np.load(io.BytesIO(found["a01_s01_e01"]["joints.npy"]))
    # stored frames are 32 x 24 where positions are of 320 x 240
    np.testing.assert_allclose(joints[0, 0, 0], [0.1, 0.2, 2.5, 15.55, 11.55, np.nan, np.nan, 1], rtol=1e-6)


def test_utd_mhad(tmp_path, clip):
    source, store = tmp_path / "source", tmp_path / "store"
    for folder in ("Depth", "Skeleton", "Inertial"):
        (source / folder).mkdir(parents=True)
    for name in ("a1_s1_t1", "a10_s2_t1"):
        savemat(source / f"Depth/{name}_depth.mat", {"d_depth": DEPTH.transpose(1, 2, 0)}, do_compression=True)
        savemat(source / f"Skeleton/{name}_skeleton.mat", {"d_skel": np.ones((20, 3, 6))})
    clip(source / "RGB/a1_s1_t1_color.avi", frames=4)
    savemat(source / "Inertial/a1_s1_t1_inertial.mat", {"d_iner": np.ones((9, 6))})
    output = shard("utd-mhad", source, store)
    assert "2 of 861 sequences of UTD-MHAD found" in output
    assert "1 inertial files are not stored" in output
    assert "2 read = 2 written + 0 rejected" in output
    found = samples(store)
    np.testing.assert_array_equal(decode_d16(found["a10_s2_t1"]["depth.0004.d16"]), DEPTH[4])
    assert meta_of(found["a1_s1_t1"])["source_frame_counts"] == {"rgb": 4, "depth": 6, "skeleton": 6}
    assert [left_edge(found["a1_s1_t1"][f"rgb.{i:04d}.jpg"]) for i in range(6)] == [0, 2, 2, 4, 4, 6]


def test_ucf101(tmp_path, clip):
    source, store = tmp_path / "source", tmp_path / "store"
    lists = source / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    (lists / "classInd.txt").write_text("1 Archery\n")
    for number in (1, 2, 3):
        (lists / f"trainlist{number:02d}.txt").write_text("Archery/v_Archery_g08_c01.avi 1\n")
        (lists / f"testlist{number:02d}.txt").write_text("Archery/v_Archery_g01_c01.avi\n")
    clip(source / "UCF-101/Archery/v_Archery_g08_c01.avi")
    output = shard("ucf101", source, store)
    assert "1 of 2 listed clips of UCF101 found" in output
    assert "1 read = 1 written + 0 rejected" in output
    ((key, members),) = samples(store).items()
    assert key == "Archery_v_Archery_g08_c01"
    assert meta_of(members)["splits"] == {"split1": "train", "split2": "train", "split3": "train"}


def test_hmdb51(tmp_path, clip):
    source, store = tmp_path / "source", tmp_path / "store"
    lists = source / "testTrainMulti_7030_splits"
    lists.mkdir(parents=True)
    names = [f"Film_wave_f_cm_np1_ri_med_{i}.avi" for i in range(3)]
    for number in (1, 2, 3):
        rows = [f"{name} {(i + number) % 3} \n" for i, name in enumerate(names)]
        (lists / f"wave_test_split{number}.txt").write_text("".join(rows))
    for name in (*names[:2], "Other@_wave_f_cm_np1_ri_med_0.avi"):
        clip(source / "wave" / name)
    output = shard("hmdb51", source, store)
    assert "2 of 3 listed clips of HMDB51 found" in output
    assert "1 other clips are in no list" in output
    assert "3 read = 3 written + 0 rejected" in output
    rows = read_plan(Store.at(str(store)))
    assert [row.recording.splits for row in rows] == [
        {"split1": "train", "split2": "test"},
        {"split1": "test", "split3": "train"},
        {},
    ]
    assert [row.recording.group for row in rows] == ["Film", "Film", "Other@"]


def test_kinetics(tmp_path, clip):
    source, store = tmp_path / "source", tmp_path / "store"
    clip(source / "wave/abcdefghijk_000001_000011.mp4.avi")
    clip(source / "abcdefghijk_000001_000011.avi")
    (source / "train.csv").write_text(f"{HEADER}\nwave,abcdefghijk,1,11,train\nclap,bbcdefghijk,1,11,train\n")
    (source / "validate.csv").write_text(f"{HEADER}\nclap,cccdefghijk,0,10,validate\n")
    output = shard("kinetics", source, store)
    assert "1 of 3 listed clips of Kinetics found" in output
    assert "2 read = 2 written + 0 rejected" in output
    metas = {meta["recording_id"]: meta for meta in map(meta_of, samples(store).values())}
    assert metas["abcdefghijk_000001_000011"]["splits"] == {"official": "train"}
    assert (metas["abcdefghijk_000001_000011"]["label"], metas["abcdefghijk_000001_000011"]["label_name"]) == (
        1,
        "wave",
    )


def test_ntu(tmp_path, clip, write_depth, skeleton_text):
    source, store = tmp_path / "source", tmp_path / "store"
    for name in ("S001C001P001R001A001", "S018C001P041R001A061"):
        clip(source / f"nturgb+d_rgb/{name}_rgb.avi")
        write_depth(source / "nturgb+d_depth_masked" / name, DEPTH)
    (source / "nturgb+d_skeletons").mkdir()
    joints = np.full((6, 1, 25, 12), 2.0)
    (source / "nturgb+d_skeletons/S018C001P041R001A061.skeleton").write_text(skeleton_text(joints))
    (source / "NTU_RGBD120_samples_with_missing_skeletons.txt").write_text("S001C001P001R001A001\n")
    output = shard("ntu", source, store)
    assert "2 of 114480 recordings of NTU RGB+D 120 found" in output
    assert "1 of them are among the 1 of NTU_RGBD120_samples_with_missing_skeletons.txt" in output
    assert "2 read = 2 written + 0 rejected" in output
    assert meta_of(samples(store)["S018C001P041R001A061"])["splits"] == {"xsub120": "test", "xset120": "train"}


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("ntu", "nturgb+d_rgb"),
        ("msr-daily", "_depth.bin"),
        ("msr-action3d", "_sdepth.bin"),
        ("utd-mhad", "_depth.mat"),
        ("ucf101", "classInd.txt"),
        ("hmdb51", "CLASS_test_split1.txt"),
        ("kinetics", "CSV"),
        ("folder", "holds no videos"),
    ],
)
def test_an_empty_source_is_one_clear_error_that_says_what_is_expected(tmp_path, dataset, expected):
    (tmp_path / "source").mkdir()
    output = shard(dataset, tmp_path / "source", tmp_path / "store", code=1)
    (line,) = [line for line in output.splitlines() if line.startswith("Error: ")]
    assert expected in line
    assert not (tmp_path / "store").exists()


def test_notes_are_printed_once(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "a02_s02_e01_sdepth.bin").write_bytes(bin_bytes(DEPTH, False))
    assert "1 of 567" in shard("msr-action3d", source, tmp_path / "store")
    assert "1 of 567" not in shard("msr-action3d", source, tmp_path / "store")
