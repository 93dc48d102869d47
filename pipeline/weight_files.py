"""Files of network weights, PyTorch's and safetensors', to tensors by name. Nothing in them is ever executed."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..schemas.errors import MotionpipeError

MAX_BYTES = 8 << 30
MAX_HEADER_BYTES = 100 << 20
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors of a `.safetensors` file or of one that torch.save wrote, on the CPU.

    A checkpoint's other entries are left behind where its tensors stand under `state_dict`. MotionpipeError where the
    file is missing, damaged, larger than 8 GiB, or holds anything but tensors.
    """
    if not path.is_file():
        raise MotionpipeError(f"{path}: no such file of weights")
    if path.stat().st_size > MAX_BYTES:
        raise MotionpipeError(f"{path}: larger than {MAX_BYTES >> 30} GiB, no file of weights")
    weights = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    if not weights or not all(isinstance(value, Tensor) for value in weights.values()):
        raise MotionpipeError(f"{path}: not a table of tensors by name, nor one under state_dict")
    return weights


def _read_torch(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's advice here is to load it in a way that may run code
        raise MotionpipeError(
            f"{path}: torch.load cannot read weights from it: it holds more or other things"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, TypeError) as error:
        raise MotionpipeError(f"{path}: torch.load cannot read weights from it: {_first_line(error)}") from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    return {str(name): value for name, value in content.items()} if isinstance(content, dict) else {}


def _read_safetensors(path: Path) -> dict[str, Any]:
    """Eight bytes of the header's length, the header as JSON, then the tensors end to end, little-endian."""
    content = bytearray(path.read_bytes())
    try:
        length = int.from_bytes(content[:8], "little")
        if len(content) < 8 or length > min(MAX_HEADER_BYTES, len(content) - 8):
            raise ValueError("it ends within its header")
        entries = json.loads(content[8 : 8 + length])
        data = memoryview(content)[8 + length :]
        return {name: _tensor(data, entry) for name, entry in entries.items() if name != "__metadata__"}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MotionpipeError(f"{path}: not a safetensors file: {_first_line(error)}") from error


def _tensor(data: memoryview, entry: dict[str, Any]) -> Tensor:
    dtype, shape = _DTYPES[entry["dtype"]], [int(size) for size in entry["shape"]]
    start, end = (int(offset) for offset in entry["data_offsets"])
    if min(shape, default=0) < 0 or not 0 <= start <= end <= len(data):
        raise ValueError("a tensor lies outside of the file")
    if end - start != math.prod(shape) * dtype.itemsize:
        raise ValueError("a tensor's shape and its bytes disagree")
    if start == end:
        return torch.empty(shape, dtype=dtype)
    own = bytearray(data[start:end])  # a copy: aligned, and the tensor keeps no other one's memory
    return torch.frombuffer(own, dtype=dtype).view(shape)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
