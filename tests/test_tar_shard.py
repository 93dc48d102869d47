import hashlib
import io
import json
import tarfile

import numpy as np
import pytest
import simplejpeg
import webdataset
from motionpipe.pipeline.depth_codec import decode_d16, encode_d16
from motionpipe.pipeline.samples import npy_bytes
from motionpipe.pipeline.tar_shard import TarShardWriter

RGB = np.random.default_rng(0).integers(0, 256, (2, 16, 24, 3), dtype=np.uint8)
DEPTH = np.random.default_rng(1).integers(0, 9000, (2, 16, 24), dtype=np.uint16)
JOINTS = np.arange(12, dtype=np.float32).reshape(3, 4)


def members(label):
    return {
        "json": json.dumps({"label": label}).encode(),
        "rgb.0000.jpg": simplejpeg.encode_jpeg(RGB[0]),
        "rgb.0001.jpg": simplejpeg.encode_jpeg(RGB[1]),
        "depth.0000.d16": encode_d16(DEPTH[0]),
        "depth.0001.d16": encode_d16(DEPTH[1]),
        "joints.npy": npy_bytes(JOINTS + label),
    }


def write(samples):
    stream = io.BytesIO()
    writer = TarShardWriter(stream)
    places = {key: writer.add(key, content) for key, content in samples.items()}
    digest = writer.close()
    data = stream.getvalue()
    assert (digest, writer.size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    return data, places


SAMPLES = {"a": members(0), "a-s01": members(1), "B_2": members(2)}


def test_offsets_point_at_the_contents():
    data, places = write(SAMPLES)
    for key, content in SAMPLES.items():
        assert places[key].keys() == content.keys()
        for name, (offset, size) in places[key].items():
            assert data[offset : offset + size] == content[name]


def test_same_samples_give_same_bytes_whatever_the_order_of_members():
    turned = {key: dict(reversed(content.items())) for key, content in SAMPLES.items()}
    assert write(SAMPLES)[0] == write(turned)[0]


def test_tarfile_reads_sorted_adjacent_members_without_times_or_owners():
    data, _ = write(SAMPLES)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        infos = tar.getmembers()
        assert [info.name for info in infos] == [f"{key}.{name}" for key in SAMPLES for name in sorted(SAMPLES[key])]
        for info in infos:
            assert (info.mtime, info.uid, info.gid, info.uname, info.gname) == (0, 0, 0, "", "")
            assert (info.type, info.mode, info.pax_headers) == (tarfile.REGTYPE, 0o644, {})
            key, name = info.name.split(".", 1)
            assert tar.extractfile(info).read() == SAMPLES[key][name]


def test_every_header_is_ustar_and_the_file_ends_on_a_record():
    data, places = write(SAMPLES)
    for content in places.values():
        for offset, _ in content.values():
            assert data[offset - 512 + 257 : offset - 512 + 265] == b"ustar\x0000"
    assert len(data) % 10240 == 0
    assert data[-1024:] == bytes(1024)


def test_plain_webdataset_groups_and_decodes(tmp_path):
    path = tmp_path / "000000.tar"
    path.write_bytes(write(SAMPLES)[0])
    samples = list(webdataset.WebDataset(str(path), shardshuffle=False).decode("rgb8"))
    assert [sample["__key__"] for sample in samples] == list(SAMPLES)
    for label, sample in enumerate(samples):
        assert sample.keys() - {"__key__", "__url__", "__local_path__"} == SAMPLES["a"].keys()
        assert sample["json"] == {"label": label}
        np.testing.assert_array_equal(sample["joints.npy"], JOINTS + label)
        assert sample["rgb.0001.jpg"].shape == (16, 24, 3)
        assert sample["rgb.0001.jpg"].dtype == np.uint8
        # no decoder claims depth, so that it is not turned into 8 bits
        np.testing.assert_array_equal(decode_d16(sample["depth.0001.d16"]), DEPTH[1])


def test_a_handler_decodes_depth_in_webdataset(tmp_path):
    path = tmp_path / "000000.tar"
    path.write_bytes(write(SAMPLES)[0])
    depth = webdataset.handle_extension("d16", decode_d16)
    sample = next(iter(webdataset.WebDataset(str(path), shardshuffle=False).decode(depth, "rgb8")))
    np.testing.assert_array_equal(sample["depth.0000.d16"], DEPTH[0])


def test_empty_members_and_an_empty_shard_are_fine():
    data, places = write({"a": {"txt": b"", "json": b"{}"}})
    assert places["a"]["txt"][1] == 0
    for content, names in ((data, ["a.json", "a.txt"]), (write({})[0], [])):
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            assert tar.getnames() == names


@pytest.mark.parametrize("key", ["a", "b.c"])
def test_keys_are_written_once_and_hold_no_dot(key):
    writer = TarShardWriter(io.BytesIO())
    writer.add("a", {"json": b"{}"})
    with pytest.raises(ValueError, match="written already or holds a dot"):
        writer.add(key, {"json": b"{}"})


def test_a_name_that_ustar_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="too long"):
        TarShardWriter(io.BytesIO()).add("k" * 100, {"json": b"{}"})


@pytest.mark.parametrize("before", [0, 1, 2])
def test_rollback_leaves_nothing_behind(before):
    keys = list(SAMPLES)
    stream = io.BytesIO()
    writer = TarShardWriter(stream)
    for key in keys[:before]:
        writer.add(key, SAMPLES[key])
    mark = writer.mark()
    for key in keys[before:]:
        writer.add(key, members(9))
    writer.rollback(mark)
    writer.rollback(mark)
    for key in keys[before:]:
        writer.add(key, SAMPLES[key])  # the keys are free again
    digest = writer.close()
    assert stream.getvalue() == write(SAMPLES)[0]
    assert digest == hashlib.sha256(stream.getvalue()).hexdigest()
