import cv2
import numpy as np
import pytest
import torch
from motionpipe.pipeline.measure_frames import BEST_PSNR, FLOW_PEERS, backward_flow, errors, measure_frames

SIDE, PIXELS = 64, 2


def moving_texture(frames=4):
    """A smooth texture that moves two pixels to the right a frame, cut from a wider one: its truth is known."""
    noise = np.random.default_rng(0).integers(0, 256, (SIDE + 40, SIDE + 40, 3)).astype(np.float32)
    wide = cv2.GaussianBlur(noise, (0, 0), 2.5)
    wide = np.rint(np.clip((wide - wide.mean()) * 5 + 128, 0, 255)).astype(np.uint8)
    cut = np.stack([wide[20 : 20 + SIDE, 20 - PIXELS * t : 20 - PIXELS * t + SIDE] for t in range(frames)])
    return torch.from_numpy(cut.astype(np.float32) / np.float32(127.5) - 1).permute(0, 3, 1, 2).contiguous()


def shifted(frames):
    """What knows the motion: every frame two pixels to the right, its first column kept beyond the border."""
    return torch.cat((frames[..., :1].expand(*frames.shape[:3], PIXELS), frames[..., :-PIXELS]), dim=-1)


@pytest.fixture(scope="module")
def figures():
    return measure_frames(moving_texture(), shifted)


def test_flow_peers_undo_the_motion_that_copying_leaves(figures):
    assert set(figures) == {"run", "copy", *FLOW_PEERS}
    copy = figures["copy"]
    assert copy["l1"] > 0.1
    for method in FLOW_PEERS:
        for name in ("l1", "next_l1", "kept_l1"):
            assert figures[method][name] < 0.4 * copy[name.replace("kept", "next")], (method, name)
        assert figures[method]["kept_psnr"] > copy["next_psnr"] + 5
        assert figures[method]["next_ssim"] > copy["next_ssim"] + 0.1


def test_what_knows_the_motion_errs_at_the_border_alone(figures):
    frames = moving_texture()
    expected = (shifted(frames[:-1]) - frames[1:]).abs()
    assert expected[..., PIXELS:].max() == 0
    assert figures["run"]["l1"] == pytest.approx(float(expected.mean()), abs=1e-6)
    assert figures["run"]["seen_l1"] == pytest.approx(float(expected[:-1].mean()), abs=1e-6)
    assert figures["run"]["next_l1"] == pytest.approx(float(expected[-1].mean()), abs=1e-6)
    assert "kept_l1" not in figures["run"]
    assert "kept_l1" not in figures["copy"]


def test_flow_is_that_from_the_later_frame_to_the_earlier():
    flow = backward_flow(moving_texture(2), "dis")
    assert flow.shape == (1, 2, SIDE, SIDE)
    inner = flow[0, :, 16:-16, 16:-16]
    assert float(inner[0].median()) == pytest.approx(-PIXELS, abs=0.2)
    assert float(inner[1].median()) == pytest.approx(0, abs=0.2)


def test_repeated_frames_count_as_known_to_8_bits():
    frames = moving_texture(2)
    same = errors(frames, frames)
    assert same == {"l1": 0, "seen_l1": 0, "next_l1": 0, "next_psnr": BEST_PSNR, "next_ssim": pytest.approx(1)}
    assert 58.9 < BEST_PSNR < 58.95


def test_a_single_pair_has_no_flow_to_keep():
    assert "kept_l1" not in measure_frames(moving_texture(2), shifted)["dis"]
