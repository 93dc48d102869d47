"""The same source as a local folder and behind a URI: equal shards, clear errors, and no copy left behind."""

import hashlib
import json
import pickle
import tempfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from fsspec.registry import known_implementations
from motionpipe.jobs.cli import main
from motionpipe.pipeline.datasets import index_dataset
from motionpipe.pipeline.fetch_files import join, local_files, open_source
from motionpipe.pipeline.generate_ntu import GeneratorConfig, list_recordings, write_recording
from motionpipe.pipeline.plan import plan_shards
from motionpipe.pipeline.samples import build_samples
from motionpipe.schemas.errors import BadSampleError, MotionpipeError
from motionpipe.schemas.recipe import DataSection, ShardSection

NTU = GeneratorConfig(
    subjects=(1, 2), cameras=(1, 2), num_frames=4, depth_size=(64, 54), rgb_size=(96, 54), truth=False, actions=(23,)
)


@pytest.fixture(autouse=True)
def temp(tmp_path, monkeypatch):
    """The folder for temporary files; nothing may be left in it."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert not list(folder.iterdir())


@pytest.fixture
def videos(tmp_path, write_video, moving_square):
    folder = tmp_path / "videos"
    for name, step in (("left", 0), ("right", 1)):
        (folder / name).mkdir(parents=True)
        for number in range(2):
            grey = moving_square(8, 48, 64, x=4 + number, step=step)
            write_video(folder / name / f"{number} #[é].mkv", np.repeat(grey[..., None], 3, axis=3))
    return folder


@pytest.fixture(scope="module")
def ntu(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ntu")
    for recording in list_recordings(NTU):
        write_recording(folder, recording)
    return folder


@pytest.fixture
def remote(request):
    """Copy a folder to memory:// and give its URI."""
    made = []

    def copy(folder):
        uri = f"memory://{folder.parent.name}-{request.node.name}/{folder.name}"
        fs, path = fsspec.core.url_to_fs(uri)
        for file in folder.rglob("*"):
            if file.is_file():
                fs.pipe_file(f"{path}/{file.relative_to(folder).as_posix()}", file.read_bytes())
        made.append((fs, path))
        return uri

    yield copy
    for fs, path in made:
        if fs.exists(path):
            fs.rm(path, recursive=True)


def call(*words, code=0):
    result = CliRunner().invoke(main, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def shard(dataset, source, store, *more, code=0):
    return call("shard", "--dataset", dataset, "--source", source, "--store", store, "--workers", 0, *more, code=code)


def hashes(store):
    files = sorted([*(store / "shards").glob("*.tar"), store / "shards/plan.parquet"])
    assert len(files) > 1
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def source_of(store):
    return json.loads((store / "shards/identity.json").read_text())["info"]["source"]


def equal_shards(dataset, source, remote, tmp_path, *more):
    """Shards from the folder, from memory:// and from two spellings of a local URI are the same bytes."""
    uri = remote(source)
    output = shard(dataset, source, tmp_path / "a", *more)
    assert shard(dataset, uri, tmp_path / "b", *more).splitlines()[:2] == output.splitlines()[:2]
    shard(dataset, f"file://{source}", tmp_path / "c", *more)
    shard(dataset, f"local://{source}/", tmp_path / "d", *more)
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b") == hashes(tmp_path / "c") == hashes(tmp_path / "d")
    assert [source_of(tmp_path / name) for name in "abcd"] == [str(source), uri, str(source), f"local://{source}"]


def test_a_folder_of_videos(videos, remote, tmp_path):
    equal_shards("folder", videos, remote, tmp_path)


def test_ntu_with_its_depth_folders_and_registration(ntu, remote, tmp_path):
    equal_shards("ntu", ntu, remote, tmp_path, "--set", "shard.registration_min_joints=20")
    assert json.loads((tmp_path / "b/shards/registration.json").read_text())["fits"]
    files = [tmp_path / name / "shards/registration.json" for name in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_moving_mnist(write_idx, remote, tmp_path):
    source = tmp_path / "mnist"
    source.mkdir()
    for part in ("train", "t10k"):
        write_idx(source / f"{part}-images-idx3-ubyte.gz", np.arange(20 * 784).reshape(20, 28, 28).astype(np.uint8))
    few = ("--set", "data.mnist_train_sequences=2", "--set", "data.mnist_test_sequences=2")
    equal_shards("moving-mnist", source, remote, tmp_path, *few)


def test_a_csv_whose_videos_lie_beside_its_folder(videos, remote, tmp_path):
    lists = tmp_path / "both/lists"
    lists.mkdir(parents=True)
    videos.rename(tmp_path / "both/videos")
    rows = [
        "../videos/left/0 #[é].mkv,left,train",
        "../videos/right/1 #[é].mkv,right,test",
        "../videos/gone.mkv,left,test",
    ]
    (lists / "list.csv").write_text("path,label,split\n" + "\n".join(rows))
    uri = remote(tmp_path / "both") + "/lists/list.csv"
    shard("folder", lists / "list.csv", tmp_path / "a", code=3)
    assert "3 read = 2 written + 1 rejected" in shard("folder", uri, tmp_path / "b", code=3)
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")
    (reject,) = pq.read_table(tmp_path / "b/shards/rejects.parquet").to_pylist()
    assert reject["reason"] == "missing-file"
    assert uri.replace("lists/list.csv", "videos/gone.mkv") in reject["detail"]


def test_rejects_are_retried_and_changes_are_seen(videos, remote, tmp_path, temp):
    whole = (videos / "left/0 #[é].mkv").read_bytes()
    (videos / "left/cut.mkv").write_bytes(whole[:99])
    uri, store = remote(videos), tmp_path / "store"
    shard("folder", uri, store, code=3)
    (reject,) = pq.read_table(store / "shards/rejects.parquet").to_pylist()
    assert f"{uri}/left/cut.mkv" in reject["detail"]
    assert str(temp) not in reject["detail"]
    assert source_of(store) == uri
    fs, path = fsspec.core.url_to_fs(uri)
    fs.pipe_file(f"{path}/left/cut.mkv", whole)
    assert "5 written" in call("rejects", "retry", "--store", store, "--workers", 0)
    assert "changed" not in shard("folder", uri + "/", store)
    assert f"in {uri}" in call("trace", "left/cut.mkv", "--store", store)
    fs.pipe_file(f"{path}/left/new.mkv", whole)
    assert "1 new and 0 gone" in shard("folder", uri, store)
    fs.rm(path, recursive=True)
    assert "changed" not in shard("folder", uri, store)  # finished already: the source is not needed


def test_what_cannot_be_opened_is_one_clear_line(tmp_path):
    for uri, text in (
        ("memory://no/such/folder", "memory://no/such/folder does not exist"),
        ("nothing://a/b", "nothing://a/b cannot be read"),
        (f"file://{tmp_path}/nowhere", "nowhere does not exist"),
        ("local:///no/such", "local:///no/such does not exist"),
    ):
        output = shard("folder", uri, tmp_path / "store", code=1)
        assert [line for line in output.splitlines() if text in line] == output.splitlines()
        assert output.startswith("Error: ")
    assert not (tmp_path / "store").exists()


def test_a_missing_library_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(known_implementations, "lost", {"class": "no_such.FS", "err": "Install lostfs"})
    output = shard("ntu", "lost://bucket/ntu", tmp_path / "store", code=1)
    assert output == "Error: source lost://bucket/ntu cannot be read: Install lostfs\n"


def test_a_source_that_fails_is_one_clear_line_and_a_file_a_reject(videos, remote, tmp_path, monkeypatch):
    uri = remote(videos)
    source = open_source(uri)

    def fail(*args, **kwargs):
        raise TimeoutError

    with monkeypatch.context() as patch:
        patch.setattr(type(source.fs), "find", fail)
        with pytest.raises(MotionpipeError, match="cannot be read: TimeoutError"):
            index_dataset("folder", source, DataSection())
    with monkeypatch.context() as patch:
        patch.setattr(type(source.fs), "get", fail)
        assert "4 rejected" in shard("folder", uri, tmp_path / "store", code=3)
    rejects = pq.read_table(tmp_path / "store/shards/rejects.parquet").to_pylist()
    assert {reject["reason"] for reject in rejects} == {"unreachable-file"}
    assert "4 written" in call("rejects", "retry", "--store", tmp_path / "store", "--workers", 0)


def test_files_stay_until_the_last_segment(videos, remote, temp):
    source = pickle.loads(pickle.dumps(open_source(remote(videos))))  # as it reaches a worker
    planned = next(iter(plan_shards(index_dataset("folder", source, DataSection()).recordings, 8)))
    samples = build_samples(planned, "folder", source, replace_frames(ShardSection(), 3))
    assert next(samples).key.endswith("-s00")
    assert list(temp.iterdir())
    assert len(list(samples)) == 2
    assert not list(temp.iterdir())
    samples = build_samples(planned, "folder", source, replace_frames(ShardSection(), 3))
    next(samples)
    samples.close()
    assert not list(temp.iterdir())


def replace_frames(section, count):
    return section.model_copy(update={"max_frames": count})


def test_local_files_are_not_copied(videos):
    with local_files(videos, {"rgb": "left/0 #[é].mkv"}) as files:
        assert files == {"rgb": videos / "left/0 #[é].mkv"}


def test_streams_of_one_name_stay_apart_and_a_missing_one_is_missing(remote, tmp_path):
    for name in ("a/x.bin", "b/x.bin", "depth/1.png", "depth/below/2.png"):
        (tmp_path / "s" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "s" / name).write_text(name)
    source = open_source(remote(tmp_path / "s"))
    wanted = {"one": "a/x.bin", "two": "b/x.bin", "three": "gone.bin", "depth": "depth"}
    with local_files(source, wanted) as files:
        assert [files[name].read_text() for name in ("one", "two")] == ["a/x.bin", "b/x.bin"]
        assert not files["three"].exists()
        assert [file.name for file in files["depth"].iterdir()] == ["1.png"]
    with pytest.raises(BadSampleError, match=r"memory://.*/s/a/x.bin is odd"), local_files(source, wanted) as files:
        raise BadSampleError("odd", f"{files['one']} is odd")


def test_a_folder_behind_http_is_fetched(tmp_path):
    (tmp_path / "s/S001").mkdir(parents=True)
    for name in ("S001/MDepth-00000001.png", "S001/MDepth-00000002.png", "a.avi"):
        (tmp_path / "s" / name).write_text(name)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=tmp_path / "s")) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        source = open_source(f"http://127.0.0.1:{server.server_port}")
        with local_files(source, {"depth": "S001", "rgb": "a.avi", "skeleton": "gone.skeleton"}) as files:
            assert sorted(file.name[-5:] for file in files["depth"].iterdir()) == ["1.png", "2.png"]
            assert files["rgb"].read_text() == "a.avi"
            assert not files["skeleton"].exists()
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_join():
    base = open_source("memory://a/b")
    assert [str(join(base, path)) for path in (".", "./c", "../c/d", "c/../..")] == [
        "memory://a/b",
        "memory://a/b/c",
        "memory://a/c/d",
        "memory://a",
    ]
