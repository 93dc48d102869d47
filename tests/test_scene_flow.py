"""Scene flow on scenes that are known exactly: planes and spheres, traced by ray, that are moved between the frames."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from motionpipe.models.rgbd_pair import RGBDPair, SceneFlow
from motionpipe.models.rgbd_pyramid import halve_depth, halve_intensity
from motionpipe.models.scene_flow import scene_flow
from motionpipe.models.scene_flow_reference import reference_scene_flow
from motionpipe.models.warping import Warp
from motionpipe.schemas.camera import Camera
from motionpipe.schemas.flow_section import FlowSection
from numpy.typing import NDArray

Array = NDArray[np.float64]
PUBLISHED = FlowSection()


@dataclass(frozen=True)
class Body:
    """A plane (normal . P = offset) or a sphere, and its translation between the frames [m]."""

    motion: tuple[float, float, float]
    normal: tuple[float, float, float] | None = None
    offset: float = 0.0
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    radius: float = 0.0

    def depth_along(self, rays: Array, moved: Array) -> Array:
        if self.normal is not None:
            return np.asarray((self.offset + np.dot(self.normal, moved)) / (rays @ np.array(self.normal)))
        centre = np.array(self.centre) + moved
        a, b, c = (rays**2).sum(-1), rays @ centre, centre @ centre - self.radius**2
        inside = b * b - a * c
        return np.where(inside > 0, (b - np.sqrt(np.maximum(inside, 0))) / a, np.inf)


def camera_of(width: int, height: int) -> Camera:
    focal = 263.67 * width / 320
    return Camera(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)


def trace(camera: Camera, bodies: list[Body], time: float) -> tuple[Array, Array, Array]:
    """Intensity (H, W), depth (H, W) and true motion (H, W, 3) of a frame; the texture sticks to the bodies."""
    x, y = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    rays = np.stack([(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, np.ones(x.shape)], axis=-1)
    depth, intensity, motion = np.full(x.shape, np.inf), np.zeros(x.shape), np.zeros((*x.shape, 3))
    for body in bodies:
        moved = np.array(body.motion) * time
        z = body.depth_along(rays, moved)
        front = (z > 0) & (z < depth)
        depth[front] = z[front]
        px, py, pz = (rays[front] * z[front, None] - moved).T
        intensity[front] = 128 + 30 * np.sin(9 * px + 4 * py + 3 * pz) + 25 * np.sin(11 * py - 5 * px + 5 * pz + 1)
        intensity[front] += 20 * np.sin(23 * px + 17 * pz + 2) + 20 * np.sin(19 * py - 13 * pz + 6 * px)
        motion[front] = body.motion
    return intensity, np.where(np.isfinite(depth), depth, 0), motion


def tensors(*images: Array) -> list[torch.Tensor]:
    return [torch.from_numpy(np.ascontiguousarray(image)).float()[None] for image in images]


def pair_of(camera: Camera, bodies: list[Body]) -> tuple[RGBDPair, Array]:
    intensity1, depth1, motion = trace(camera, bodies, 0)
    intensity2, depth2, _ = trace(camera, bodies, 1)
    return RGBDPair(*tensors(intensity1, depth1, intensity2, depth2)), motion


def error_mm(flow: SceneFlow, motion: Array) -> Array:
    """End-point error (H, W); NaN where the flow says that it is not valid."""
    error = np.linalg.norm(flow.motion[0].permute(1, 2, 0).numpy() - motion, axis=-1) * 1e3
    return np.where(flow.valid[0].numpy(), error, np.nan)


def wall(motion: tuple[float, float, float] = (0, 0, 0), z: float = 2.0) -> Body:
    return Body(motion, normal=(0, 0, 1), offset=z)


def ball(motion: tuple[float, float, float]) -> Body:
    return Body(motion, centre=(0.05, 0, 1.5), radius=0.35)


CAMERA = camera_of(160, 120)
Solver = Callable[[RGBDPair, Camera, FlowSection], SceneFlow]


@pytest.fixture(params=[scene_flow, reference_scene_flow], ids=["compiled", "reference"])
def solve(request: pytest.FixtureRequest) -> Solver:
    """Each path of the solver."""
    solver: Solver = request.param
    return solver


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """As a stage runs it; on images this small threads cost more than they bring."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_plane_moving_sideways(solve: Solver) -> None:
    pair, motion = pair_of(CAMERA, [wall((0.03, 0, 0))])
    flow = solve(pair, CAMERA, PUBLISHED)
    assert np.nanmean(error_mm(flow, motion)) < 0.6
    assert np.median(flow.optical[0, 0].numpy()) == pytest.approx(CAMERA.fx * 0.03 / 2, rel=0.01)  # u = f d / Z


def test_plane_moving_down(solve: Solver) -> None:
    pair, motion = pair_of(CAMERA, [wall((0, 0.03, 0))])
    assert np.nanmean(error_mm(solve(pair, CAMERA, PUBLISHED), motion)) < 0.6


@pytest.mark.parametrize("w", [0.05, -0.05])
def test_plane_moving_in_depth_has_radial_optical_flow(solve: Solver, w: float) -> None:
    pair, motion = pair_of(CAMERA, [wall((0, 0, w))])
    flow = solve(pair, CAMERA, PUBLISHED)
    assert np.nanmean(error_mm(flow, motion)) < 1.2
    assert flow.motion[0, 2].mean().item() == pytest.approx(w, rel=0.01)
    expected = -(np.arange(160) - CAMERA.cx) * w / (2 + w)
    assert np.abs(flow.optical[0, 0].numpy().mean(axis=0) - expected)[5:-5].mean() < 0.05


def test_tilted_plane_in_all_directions_with_its_own_intrinsics(solve: Solver) -> None:
    camera = Camera(150.0, 120.0, 60.0, 70.0, 150, 118)
    pair, motion = pair_of(camera, [Body((0.02, -0.015, 0.03), normal=(0.3, 0.2, 1), offset=2.0)])
    assert np.nanmean(error_mm(solve(pair, camera, PUBLISHED), motion)) < 1.2


@pytest.mark.parametrize("motion", [(0.03, 0, -0.04), (0.02, 0.02, 0)])
def test_sphere_does_not_bleed_into_the_wall(solve: Solver, motion: tuple[float, float, float]) -> None:
    pair, truth = pair_of(CAMERA, [wall(z=2.5), ball(motion)])
    error, on_ball = error_mm(solve(pair, CAMERA, PUBLISHED), truth), truth.any(axis=-1)
    assert np.nanmean(error[on_ball]) < 1.3
    assert np.nanmean(error[~on_ball]) < 1.3
    assert np.nanmedian(error[~on_ball]) < 0.1


def test_several_warps_converge_too(solve: Solver) -> None:
    pair, truth = pair_of(CAMERA, [wall(z=2.5), ball((0.03, 0, -0.04))])
    error = error_mm(solve(pair, CAMERA, FlowSection(warps=2, iterations=50)), truth)
    assert np.nanmean(error) < 1.5


def test_depth_alone_moves_a_sphere_sideways(solve: Solver) -> None:
    """Brightness made from depth is constant only where nothing moves in depth."""
    pair, truth = pair_of(CAMERA, [ball((0.02, 0.02, 0))])
    shade1, shade2 = ((depth - 1.1) * 500 * (depth > 0) for depth in (pair.depth1, pair.depth2))
    by_depth = RGBDPair(shade1.clamp(0, 255), pair.depth1, shade2.clamp(0, 255), pair.depth2)
    assert np.nanmean(error_mm(solve(by_depth, CAMERA, PUBLISHED), truth)) < 4


def test_no_intensity_at_all_still_finds_depth_motion(solve: Solver) -> None:
    pair, truth = pair_of(CAMERA, [wall((0, 0, -0.05))])
    dark = torch.zeros_like(pair.depth1)
    flow = solve(RGBDPair(dark, pair.depth1, dark, pair.depth2), CAMERA, PUBLISHED)
    assert flow.motion.isfinite().all()
    assert np.abs(flow.motion[0, 2].numpy() - truth[..., 2]).mean() < 1e-3


def test_holes_are_finite_and_still(solve: Solver) -> None:
    pair, truth = pair_of(CAMERA, [wall(z=2.5), ball((0.03, 0, -0.04))])
    depth1, depth2, generator = pair.depth1.clone(), pair.depth2.clone(), np.random.default_rng(0)
    for depth in (depth1, depth2):
        for row, column in generator.integers(0, (112, 152), (40, 2)):
            depth[0, row : row + 6, column : column + 8] = 0
    flow = solve(RGBDPair(pair.intensity1, depth1, pair.intensity2, depth2), CAMERA, PUBLISHED)
    assert flow.motion.isfinite().all()
    assert flow.optical.isfinite().all()
    assert not flow.motion[0][:, depth1[0] == 0].any()
    assert not flow.valid[depth1 == 0].any()
    assert np.nanmean(error_mm(flow, truth)) < 1.5


def test_no_depth_at_all_is_finite_and_nowhere_valid(solve: Solver) -> None:
    pair, _ = pair_of(CAMERA, [wall((0.03, 0, 0))])
    nothing = torch.zeros_like(pair.depth1)
    flow = solve(RGBDPair(pair.intensity1, nothing, pair.intensity2, nothing), CAMERA, PUBLISHED)
    assert flow.optical.isfinite().all()
    assert not flow.motion.any()
    assert not flow.valid.any()


def test_identical_frames_do_not_move(solve: Solver) -> None:
    pair, _ = pair_of(CAMERA, [wall(z=2.5), ball((0.03, 0, -0.04))])
    flow = solve(RGBDPair(pair.intensity1, pair.depth1, pair.intensity1, pair.depth1), CAMERA, PUBLISHED)
    assert not flow.motion.any()
    assert not flow.optical.any()
    assert flow.valid.all()


@pytest.mark.parametrize("size", [(64, 48), (61, 47)])
def test_an_item_is_the_same_in_any_batch(solve: Solver, size: tuple[int, int]) -> None:
    camera = camera_of(*size)
    pairs = [pair_of(camera, [wall(z=2.5), ball(motion)])[0] for motion in [(0.03, 0, 0), (0, 0.02, 0.02), (0, 0, 0)]]
    together = solve(
        RGBDPair(*(torch.cat(list(images)) for images in zip(*map(as_list, pairs), strict=True))), camera, PUBLISHED
    )
    for i, pair in enumerate(pairs):
        alone = solve(pair, camera, PUBLISHED)
        assert torch.equal(alone.motion[0], together.motion[i])
        assert torch.equal(alone.valid[0], together.valid[i])


def as_list(pair: RGBDPair) -> list[torch.Tensor]:
    return [pair.intensity1, pair.depth1, pair.intensity2, pair.depth2]


@pytest.mark.parametrize(("size", "bound"), [((129, 97), 0.1), ((128, 96), 0.1)])
def test_a_mirrored_scene_moves_the_other_way(solve: Solver, size: tuple[int, int], bound: float) -> None:
    """Not to the bit: the total variation pairs the difference to the right with the one below."""
    camera = camera_of(*size)
    pair, _ = pair_of(camera, [wall(z=2.5), ball((0.03, 0.01, -0.04))])
    motion = solve(pair, camera, PUBLISHED).motion
    mirrored = solve(RGBDPair(*(image.flip(-1) for image in as_list(pair))), camera, PUBLISHED).motion.flip(-1)
    back = mirrored * torch.tensor([-1.0, 1.0, 1.0])[:, None, None]
    moving = motion.norm(dim=1) > 0.005
    assert (motion - back).norm(dim=1)[moving].mean() < bound * motion.norm(dim=1)[moving].mean()


@pytest.mark.parametrize("size", [(2, 2), (5, 3), (17, 90), (33, 16)])
def test_any_size_works(solve: Solver, size: tuple[int, int]) -> None:
    camera = camera_of(*size)
    pair, _ = pair_of(camera, [wall((0.001, 0, 0.01))])
    flow = solve(pair, camera, FlowSection(iterations=20))
    assert flow.motion.shape == (1, 3, size[1], size[0])
    assert flow.motion.isfinite().all()


def in_millimetres(images: list[torch.Tensor]) -> list[torch.Tensor]:
    return [images[0], images[1] * 1000, images[2], images[3] * 1000]


def one_too_narrow(images: list[torch.Tensor]) -> list[torch.Tensor]:
    return [*images[:3], images[3][..., :-1]]


def in_float64(images: list[torch.Tensor]) -> list[torch.Tensor]:
    return [image.double() for image in images]


def not_a_number(images: list[torch.Tensor]) -> list[torch.Tensor]:
    return [images[0] * float("nan"), *images[1:]]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [(in_millimetres, "metres"), (one_too_narrow, "depth2 is"), (in_float64, "float32"), (not_a_number, "0..255")],
)
def test_bad_pairs_are_refused(spoil: Callable[[list[torch.Tensor]], list[torch.Tensor]], message: str) -> None:
    images = as_list(pair_of(camera_of(32, 24), [wall()])[0])
    with pytest.raises(ValueError, match=message):
        RGBDPair(*spoil(images))


def test_a_camera_of_another_size_is_refused() -> None:
    pair, _ = pair_of(camera_of(32, 24), [wall()])
    with pytest.raises(ValueError, match="camera is for"):
        scene_flow(pair, CAMERA, PUBLISHED)


@pytest.fixture
def real_data() -> Path:
    folder = os.environ.get("MOTIONPIPE_TEST_DATA")
    if not folder:
        pytest.skip("MOTIONPIPE_TEST_DATA is not set: it names the folder of real recordings")
    return Path(folder)


def read(path: Path, flag: int = cv2.IMREAD_UNCHANGED) -> Array:
    image = cv2.imread(str(path), flag)
    assert image is not None, path
    return image.astype(np.float64)


def published_motion(flow: SceneFlow, depth: torch.Tensor, camera: Camera) -> Array:
    """Motion as the program lifts it, without the cross term u w / f: (H, W, 3) metres."""
    x, y = np.meshgrid(np.arange(camera.width) - camera.cx, np.arange(camera.height) - camera.cy)
    (u, v), w, z = flow.optical[0].numpy(), flow.motion[0, 2].numpy(), depth[0].numpy()
    return np.stack([(z * u + w * x) / camera.fx, (z * v + w * y) / camera.fy, w], axis=-1) * (z > 0)[..., None]


def test_agrees_with_the_published_program(solve: Solver, real_data: Path) -> None:
    """Its output for a Kinect pair, rows of (row, column, depth, horizontal, vertical), reached from 640x480 input."""
    folder = real_data / "fixtures" / "pdflow" / "3"
    grey = [halve_intensity(*tensors(read(folder / f"i{n}.png", cv2.IMREAD_GRAYSCALE))) for n in (1, 2)]
    depth = [halve_depth(*tensors(read(folder / f"z{n}.png") / 5000)) for n in (1, 2)]
    rows = np.loadtxt(folder / "pdflow_results01.txt")
    expected = np.zeros((240, 320, 3))
    expected[rows[:, 0].astype(int), rows[:, 1].astype(int)] = rows[:, [3, 4, 2]]

    focal = 320 / 2 / np.tan(np.deg2rad(62.5) / 2)
    camera = Camera(focal, focal, 159.5, 119.5, 320, 240)
    flow = solve(RGBDPair(grey[0], depth[0], grey[1], depth[1]), camera, PUBLISHED)
    difference = np.linalg.norm(published_motion(flow, depth[0], camera) - expected, axis=-1)
    length = np.linalg.norm(expected, axis=-1)
    moving = length > 0.005
    assert difference[moving].mean() < 0.05 * length[moving].mean()
    assert np.median(difference[moving]) < 0.7e-3


def test_depth_of_a_person_fits_better_after_the_flow(solve: Solver, real_data: Path) -> None:
    name = "S001C001P001R001A001"
    folder = real_data / "fixtures" / "ntu" / "nturgb+d_depth_masked" / name
    camera = Camera(365.481, 365.481, 257.346, 210.347, 512, 424).resized(145, 120)
    before, after = [], []
    for frame in (21, 41, 69):
        depths = [read(folder / f"MDepth-{frame + step:08d}.png") / 1000 for step in (0, 3)]
        small = [cv2.resize(depth, (145, 120), interpolation=cv2.INTER_NEAREST) for depth in depths]
        low, high = np.percentile(small[0][small[0] > 0], [1, 99])
        depth1, depth2 = tensors(*small)
        grey1, grey2 = (((d - low) / (high - low)).clamp(0, 1) * 255 * (d > 0) for d in (depth1, depth2))
        flow = solve(RGBDPair(grey1.float(), depth1, grey2.float(), depth2), camera, PUBLISHED)
        seen = flow.valid & (depth2 > 0)
        seen[:, 75:] = False  # the floor is noise
        after.append((Warp.of(flow.optical).depth(depth2) - depth1 - flow.motion[:, 2]).abs()[seen].median())
        before.append((depth2 - depth1).abs()[seen].median())
    assert sum(after) < 0.85 * sum(before)
