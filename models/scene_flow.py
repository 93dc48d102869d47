"""Scene flow by the fastest path of the device that the frames are on."""

from __future__ import annotations

from importlib.util import find_spec

from ..schemas.camera import Camera
from ..schemas.flow_section import FlowSection
from .rgbd_pair import RGBDPair, SceneFlow
from .scene_flow_compiled import scene_flow_compiled
from .scene_flow_reference import reference_scene_flow


def scene_flow(pair: RGBDPair, camera: Camera, config: FlowSection) -> SceneFlow:
    """Scene flow of each pair of the batch by itself; the same bits in any batch, for one device kind.

    The number of levels follows from the frame size and `config.coarsest_rows`. Raises ValueError where `camera` is
    for another size.
    """
    height, width = pair.depth1.shape[1:]
    if (camera.width, camera.height) != (width, height):
        raise ValueError(f"camera is for {camera.width}x{camera.height}, frames are {width}x{height}")
    if pair.depth1.device.type == "cpu":
        return scene_flow_compiled(pair, camera, config)
    if pair.depth1.device.type == "cuda" and find_spec("triton"):
        from .scene_flow_triton import scene_flow_triton  # noqa: PLC0415  # torch's CPU builds have no triton

        return scene_flow_triton(pair, camera, config)
    return reference_scene_flow(pair, camera, config)
