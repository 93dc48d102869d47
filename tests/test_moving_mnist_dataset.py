"""`shard --dataset moving-mnist`, from digit files to tars that plain webdataset opens."""

import io
import json
import tarfile

import numpy as np
import pytest
import webdataset as wds
from click.testing import CliRunner
from motionpipe.jobs.cli import main
from motionpipe.pipeline.artefacts import SHARDS, read_report
from motionpipe.pipeline.datasets import index_dataset
from motionpipe.pipeline.moving_mnist import MovingMnist
from motionpipe.pipeline.moving_mnist_dataset import find_digits, read_digits, sequences_of
from motionpipe.pipeline.read_sample import has_stream, read_frames
from motionpipe.pipeline.store import Store
from motionpipe.schemas.errors import MotionpipeError
from motionpipe.schemas.recipe import DataSection

SMALL = DataSection(mnist_train_sequences=5, mnist_test_sequences=3)
SIZES = ("data.mnist_train_sequences=5", "data.mnist_test_sequences=3", "shard.recordings_per_shard=3")


def made_images(count, seed):
    images = np.zeros((count, 28, 28), dtype=np.uint8)
    images[:, 6:22, 9:19] = np.random.default_rng(seed).integers(50, 256, (count, 16, 10))
    return images


@pytest.fixture
def source(tmp_path, write_idx):
    """20 training and 10 test digits in files named as MNIST's; training files zipped, with labels."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    write_idx(folder / "train-images-idx3-ubyte.gz", made_images(20, seed=0))
    write_idx(folder / "train-labels-idx1-ubyte.gz", np.arange(20, dtype=np.uint8) % 10)
    write_idx(folder / "t10k-images-idx3-ubyte", made_images(10, seed=1))
    return folder


def call(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def shard(source, store, *assignments):
    sets = [word for assignment in (*SIZES, *assignments) for word in ("--set", assignment)]
    return call("shard", "--dataset", "moving-mnist", "--source", source, "--store", store, "--workers", 0, *sets)


def one_line(result, *texts):
    assert result.exit_code == 1, result.output
    (line,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert "Traceback" not in result.output
    for text in texts:
        assert text in line


def tars(store):
    return {file.name: file.read_bytes() for file in sorted((store / "shards").glob("*.tar"))}


def test_recordings_are_the_sequences_of_both_parts(source):
    recordings = index_dataset("moving-mnist", source, SMALL).recordings
    assert [r.recording_id for r in recordings] == [f"train-{i:06d}" for i in range(5)] + [
        f"test-{i:06d}" for i in range(3)
    ]
    assert recordings[4].splits == {"official": "train"}
    assert recordings[5].splits == {"official": "test"}
    assert recordings[0].files == {"images": "train-images-idx3-ubyte.gz", "labels": "train-labels-idx1-ubyte.gz"}
    assert recordings[5].files == {"images": "t10k-images-idx3-ubyte"}
    assert len(index_dataset("moving-mnist", source, DataSection(limit=7)).recordings) == 7
    assert len(index_dataset("moving-mnist", source, DataSection()).recordings) == 12_000


def test_a_part_that_is_not_asked_for_needs_no_files(source):
    (source / "t10k-images-idx3-ubyte").unlink()
    train = DataSection(mnist_train_sequences=4, mnist_test_sequences=0)
    assert len(index_dataset("moving-mnist", source, train).recordings) == 4
    with pytest.raises(MotionpipeError, match="holds no t10k-images-idx3-ubyte"):
        index_dataset("moving-mnist", source, SMALL)
    with pytest.raises(MotionpipeError, match="both 0"):
        index_dataset("moving-mnist", source, DataSection(mnist_train_sequences=0, mnist_test_sequences=0))


def test_the_seed_is_the_training_part_s_alone(source):
    test, train = read_digits(source, find_digits(source, "test")), read_digits(source, find_digits(source, "train"))
    other = DataSection(mnist_seed=1)
    np.testing.assert_array_equal(
        sequences_of(test.images, "test", DataSection()).frames(0, 3),
        sequences_of(test.images, "test", other).frames(0, 3),
    )
    assert (
        sequences_of(train.images, "train", DataSection()).frames(0, 3)
        != sequences_of(train.images, "train", other).frames(0, 3)
    ).any()


def test_shards_hold_the_generated_frames_and_open_with_plain_webdataset(source, tmp_path):
    result = shard(source, tmp_path / "store")
    assert result.exit_code == 0, result.output
    assert "8 read = 8 written + 0 rejected, 3 shards" in result.output
    urls = [str(file) for file in sorted((tmp_path / "store/shards").glob("*.tar"))]
    samples = {s["__key__"]: s for s in wds.WebDataset(urls, shardshuffle=False).decode("rgb8")}
    assert sorted(samples) == [f"test-{i:06d}" for i in range(3)] + [f"train-{i:06d}" for i in range(5)]
    train = MovingMnist(made_images(20, seed=0), "train", 0)
    for index in range(5):
        sample = samples[f"train-{index:06d}"]
        assert sample["frames.npy"].dtype == np.uint8
        np.testing.assert_array_equal(sample["frames.npy"], train.frames(index, index + 1)[0])
        rows = train.digits(index, index + 1)[0].tolist()
        meta = sample["json"]
        assert meta["digits"] == rows
        assert meta["digit_classes"] == [row % 10 for row in rows]
        assert meta["timestamps_us"][:3] == [0, 100_000, 200_000]
        assert (meta["dataset"], meta["splits"], meta["label"]) == ("moving-mnist", {"official": "train"}, None)
        assert meta["sizes"] == {"frames": [64, 64]}
    assert samples["test-000000"]["json"]["digit_classes"] is None
    assert samples["test-000000"]["json"]["splits"] == {"official": "test"}


def test_options_change_the_sequences(source, tmp_path):
    assert shard(source, tmp_path / "s", "data.mnist_digits=3", "data.mnist_frames=6").exit_code == 0
    with tarfile.open(tmp_path / "s/shards/000000.tar") as tar:
        frames = np.load(io.BytesIO(tar.extractfile("test-000000.frames.npy").read()))
        meta = json.load(tar.extractfile("test-000000.json"))
    assert frames.shape == (6, 64, 64)
    assert len(meta["digits"]) == 3
    result = shard(source, tmp_path / "s", "data.mnist_digits=3", "data.mnist_frames=7")
    one_line(result, "data.mnist_frames is 6 there and 7 here")
    assert shard(source, tmp_path / "t", "data.mnist_speed_px=[1.0, 2.0]").exit_code == 0
    assert tars(tmp_path / "t") != tars(tmp_path / "s")


def test_the_same_recipe_gives_the_same_bytes(source, tmp_path):
    for name in ("a", "b"):
        assert shard(source, tmp_path / name).exit_code == 0
    assert tars(tmp_path / "a") == tars(tmp_path / "b")
    (tmp_path / "a/shards/000001.tar").unlink()
    (tmp_path / "a/shards/000001.json").unlink()
    (tmp_path / "a/shards/manifest.json").unlink()
    assert shard(source, tmp_path / "a").exit_code == 0
    assert tars(tmp_path / "a") == tars(tmp_path / "b")


def test_other_datasets_do_not_hang_on_these_options(tmp_path, write_video, moving_square):
    (tmp_path / "videos/left").mkdir(parents=True)
    write_video(tmp_path / "videos/left/0.mkv", np.repeat(moving_square(4, 48, 64)[..., None], 3, axis=3))
    words = ("shard", "--dataset", "folder", "--source", tmp_path / "videos", "--store", tmp_path / "s", "--workers", 0)
    assert call(*words).exit_code == 0
    assert "finished already" in call(*words, "--set", "data.mnist_seed=5").output


def test_stored_frames_are_read_by_range(source, tmp_path):
    shard(source, tmp_path / "store")
    store = Store.at(str(tmp_path / "store"))
    entry = read_report(store, SHARDS, 0).samples[0]
    assert has_stream(entry, "frames")
    assert not has_stream(entry, "rgb")
    frames = read_frames(store, SHARDS, 0, entry, "frames", [19, 0])
    expected = MovingMnist(made_images(10, seed=1), "test", 42).frames(0, 1)[0]
    np.testing.assert_array_equal(frames, expected[[19, 0]])


def test_flow_has_nothing_to_read_and_the_report_shows_them(source, tmp_path):
    store = tmp_path / "store"
    shard(source, store)
    result = call("flow", "--store", store, "--workers", 0)
    assert result.exit_code == 1
    assert "needs rgb frames" in result.output
    assert call("report", "--store", store).exit_code == 0
    page = (store / "report/index.html").read_text()
    assert "train-000000" in page
    assert "data:image/jpeg" in page


@pytest.mark.parametrize(
    ("name", "array", "text"),
    [
        ("train-images-idx3-ubyte.gz", np.zeros((4, 32, 32), np.uint8), "28 x 28"),
        ("train-labels-idx1-ubyte.gz", np.zeros(7, np.uint8), "for 20 images"),
    ],
)
def test_files_of_other_sizes_are_one_clear_error(source, tmp_path, write_idx, name, array, text):
    write_idx(source / name, array)
    one_line(shard(source, tmp_path / "store"), name, text)
    assert not (tmp_path / "store").exists()


def test_a_damaged_file_or_none_is_one_clear_error(source, tmp_path):
    one_line(shard(tmp_path, tmp_path / "store"), "holds no train-images-idx3-ubyte")
    file = source / "train-images-idx3-ubyte.gz"
    one_line(shard(file, tmp_path / "store"), "is not a folder")
    file.write_bytes(file.read_bytes()[:500])
    one_line(shard(source, tmp_path / "store"), "train-images-idx3-ubyte.gz cannot be read")
    assert not (tmp_path / "store").exists()
