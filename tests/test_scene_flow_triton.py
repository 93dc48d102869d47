"""Runs the cases of triton_cases.py where they can run, and compiles every kernel for a Hopper GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("triton", reason="triton is not installed: the GPU solver is for Linux")

CASES = Path(__file__).with_name("triton_cases.py")

# launches are noted instead of made, and what was noted is compiled; no GPU is needed for that
COMPILE = """
import subprocess, sys, tempfile
import torch, triton
from pathlib import Path
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.jit import JITFunction
from motionpipe.models.rgbd_pair import RGBDPair
from motionpipe.models.scene_flow_triton import scene_flow_triton
from motionpipe.schemas.camera import Camera
from motionpipe.schemas.flow_section import FlowSection

launches = {}
JITFunction.run = lambda self, *args, **options: launches.setdefault(self, (args, options))
image = torch.ones(1, 40, 53)
camera = Camera(50.0, 44.0, 25.0, 21.0, 53, 40)
scene_flow_triton(RGBDPair(image, image, image, image), camera, FlowSection())
types = {torch.float32: "*fp32", torch.uint8: "*u8", float: "fp32", int: "i32"}
for function, (args, options) in launches.items():
    named = dict(zip(function.arg_names, args))
    signature = {name: types[getattr(value, "dtype", type(value))] for name, value in named.items()}
    constants = {name: named[name] for name in ("rows", "columns")}
    source = ASTSource(function, signature | dict.fromkeys(constants, "constexpr"), constants)
    chosen = {name: options[name] for name in ("num_warps", "maxnreg", "enable_fp_fusion")}
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=chosen)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        Path(file.name).write_bytes(compiled.asm["cubin"])
        tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
        usage = subprocess.run([tool, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
    print(function.__name__, *(word for word in usage.split() if word.startswith(("REG:", "STACK:"))))
"""


def run(arguments: list[str], interpret: bool) -> str:
    environment = os.environ | {"TRITON_INTERPRET": "1" if interpret else "0", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_cases_under_the_interpreter() -> None:
    run(["-m", "pytest", "-q", "-p", "no:cacheprovider", str(CASES)], interpret=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cases_on_the_device() -> None:
    run(["-m", "pytest", "-q", "-p", "no:cacheprovider", str(CASES)], interpret=False)


@pytest.mark.slow
def test_every_kernel_compiles_for_hopper_without_spilling() -> None:
    lines = run(["-c", COMPILE], interpret=False).splitlines()
    kernels = {name: resources for name, *resources in map(str.split, lines)}
    assert set(kernels) == {
        "halve",
        "enlarge",
        "slopes_of_frame",
        "terms_of_pair",
        "ascend",
        "iterate",
        "descend",
        "median_of_flow",
        "lift",
    }
    assert all("STACK:0" in resources for resources in kernels.values()), kernels
