"""From a key or a row of embeddings back to source file, frames and bytes."""

import json
import tarfile

import pyarrow.parquet as pq
from click.testing import CliRunner
from motionpipe.jobs.cli import main


def trace(store, name, code=0):
    result = CliRunner().invoke(main, ["trace", name, "--store", str(store)])
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def test_a_key_leads_to_source_label_bytes_flow_and_rows(rgb_chain):
    output = trace(rgb_chain, "train_left_v3")
    assert "source      train/left/v3.mkv in " in output
    assert "frames      0-10 of the source, 0.000-0.900 s" in output
    assert "label       0 left; splits split:train" in output
    assert "flow/dis: pairs 0-9 (frames i, i + 1)" in output
    assert "targets/dis-kmeans-8: pairs 0-9" in output
    assert output.count("/embeddings/") == 0
    assert output.count("embeddings/a@init/") == output.count("embeddings/a/") == 2
    # the byte offset is that of the first member's content
    line = next(line for line in output.splitlines() if line.startswith("  shard"))
    offset, file = int(line.split("from byte ")[1].split(",")[0]), line.split()[1]
    with tarfile.open(file) as tar:
        assert offset in [member.offset_data for member in tar if member.name.startswith("train_left_v3.")]
    assert trace(rgb_chain, "train/left/v3.mkv") == output


def test_a_row_leads_to_its_frames_in_the_source_and_to_its_checkpoint(rgb_chain):
    table = pq.read_table(rgb_chain / "embeddings/a/000001.parquet")
    row = next(row for row in table.to_pylist() if row["key"] == "train_right_v0-s01")
    output = trace(rgb_chain, row["row_id"])
    assert f"frames {row['frame_start']}-{row['frame_end']} of 5" in output
    assert f"frames      {20 + row['frame_start']}-{20 + row['frame_end']} of the source" in output
    sha256 = json.loads((rgb_chain / "runs/a/manifest.json").read_text())["hash"]
    assert f"{row['row_id']}, run a, checkpoint sha256 {sha256}" in output


def test_a_recording_of_segments_lists_them_all(rgb_chain):
    output = trace(rgb_chain, "train_right_v0")
    assert "train_right_v0-s00: frames 0-20 of 20" in output
    assert "train_right_v0-s01: frames 0-5 of 5" in output
    assert "frames      20-25 of the source, 2.000-2.400 s" in output


def test_unknown_names_are_one_line_with_what_is_near(rgb_chain, tmp_path):
    assert "near it: train_left_v3" in trace(rgb_chain, "train_left_v33", code=1)
    assert "has train_right_v0-s00" in trace(rgb_chain, "train_right_v0-s07", code=1)
    assert "has frames 0-10" in trace(rgb_chain, "train_left_v3:5-50", code=1)
    assert "no embeddings hold a row" in trace(rgb_chain, "train_left_v3:0-9", code=1)
    assert "holds no store" in trace(tmp_path / "none", "a", code=1)
    assert len(trace(rgb_chain, "zzz", code=1).splitlines()) == 1
