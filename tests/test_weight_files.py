import json
import struct

import pytest
import torch
from motionpipe.models.pretrained import load_weights
from motionpipe.models.resnet import ResNet
from motionpipe.pipeline.weight_files import read_weights
from motionpipe.schemas.errors import MotionpipeError


def safetensors(entries, data, length=None):
    header = json.dumps(entries).encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def test_a_checkpoint_of_3d_resnets_loads_into_the_network(tmp_path):
    torch.manual_seed(0)
    source, target = ResNet(3, "resnet18", 4, width=4), ResNet(3, "resnet18", 4, width=4)
    state = {f"module.{name}": value for name, value in source.state_dict().items()}
    torch.save({"epoch": 200, "arch": "resnet-18", "state_dict": state}, tmp_path / "r3d18.pth")
    load_weights(target, read_weights(tmp_path / "r3d18.pth"))
    assert torch.equal(source.fc.weight, target.fc.weight)


def test_safetensors_are_read_without_their_library(tmp_path):
    data = struct.pack("<6f", *range(6)) + struct.pack("<2q", 7, -8)
    entries = {
        "__metadata__": {"format": "pt"},
        "a.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "b": {"dtype": "I64", "shape": [2], "data_offsets": [24, 40]},
        "empty": {"dtype": "F32", "shape": [0, 3], "data_offsets": [40, 40]},
    }
    path = tmp_path / "some.safetensors"
    path.write_bytes(safetensors(entries, data))
    weights = read_weights(path)
    assert torch.equal(weights["a.weight"], torch.arange(6.0).view(2, 3))
    assert weights["b"].tolist() == [7, -8]
    assert weights["empty"].shape == (0, 3)
    assert set(weights) == {"a.weight", "b", "empty"}


GOOD = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x08\0\0\0\0\0\0\0not json",
        safetensors(GOOD, b"12345678", length=1 << 60),
        safetensors({"a": GOOD["a"] | {"data_offsets": [0, 12]}}, b"12345678"),
        safetensors({"a": GOOD["a"] | {"data_offsets": [-8, 0]}}, b"12345678"),
        safetensors({"a": GOOD["a"] | {"shape": [3]}}, b"12345678"),
        safetensors({"a": GOOD["a"] | {"shape": [-1, -2]}}, b"12345678"),
        safetensors({"a": GOOD["a"] | {"dtype": "F3"}}, b"12345678"),
        safetensors({"a": 1}, b"12345678"),
        safetensors([1], b"12345678"),
    ],
)
def test_damaged_safetensors_are_one_clear_line(tmp_path, content):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(MotionpipeError, match=r"bad\.safetensors: not a safetensors file") as error:
        read_weights(path)
    assert "\n" not in str(error.value)


class Surprise:
    def __reduce__(self):
        return (print, ("executed",))


def test_files_that_hold_code_or_something_else_are_refused(tmp_path, capsys):
    torch.save({"state_dict": Surprise()}, tmp_path / "code.pth")
    torch.save({"epoch": 3}, tmp_path / "numbers.pth")
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("weights")
    (tmp_path / "nothing.pth").write_bytes(b"")
    for name, message in [
        ("code.pth", "torch.load cannot read weights from it: it holds more or other things"),
        ("text.pth", "torch.load cannot read weights from it"),
        ("nothing.pth", "torch.load cannot read weights from it"),
        ("numbers.pth", "not a table of tensors by name"),
        ("list.pth", "not a table of tensors by name"),
        ("absent.pth", "no such file of weights"),
    ]:
        with pytest.raises(MotionpipeError, match=message) as error:
            read_weights(tmp_path / name)
        assert "\n" not in str(error.value)
    assert "executed" not in capsys.readouterr().out
