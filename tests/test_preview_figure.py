"""The picture of scene flow: it shows what it is given, at its place, in its colour."""

import cv2
import numpy as np
import pytest
from motionpipe.jobs.preview_figure import Preview, preview_png
from motionpipe.pipeline.pair_pictures import FlowPair
from motionpipe.schemas.camera import Camera
from motionpipe.schemas.flow_section import FlowSection

CAMERA = Camera(fx=100.0, fy=100.0, cx=63.5, cy=47.5, width=128, height=96)


def made(flow=(0.0, 0.0, 0.1), depth=True, valid_rows=48, seconds=1.0):
    """A wall 2 m away; its upper `valid_rows` rows have valid flow."""
    size = (96, 128)
    channels = 3 if depth else 2
    dense = np.broadcast_to(np.array(flow[:channels], np.float32)[:, None, None], (channels, *size)).copy()
    valid = np.zeros(size, np.bool_)
    valid[:valid_rows] = True
    frame = np.full(size, 2000, np.uint16) if depth else np.full((*size, 3), 90, np.uint8)
    pair = FlowPair(frame, dense[:, ::4, ::4], valid[::4, ::4], 4, CAMERA if depth else None)
    return Preview(
        key="key", label="a $ label", config=FlowSection(method="pd" if depth else "dis"), brightness=None, pair=0,
        stride=1, step_ms=100.0, seconds=seconds, frames=np.stack([frame, frame]), dense=dense, valid=valid, shown=pair,
    )  # fmt: skip


def colours(preview):
    data = cv2.imdecode(np.frombuffer(preview_png(preview), np.uint8), cv2.IMREAD_COLOR)
    return data[..., ::-1]


def share(picture, rgb):
    return float((np.abs(picture.astype(int) - rgb) <= 2).all(axis=2).mean())


def test_motion_away_is_red_and_towards_blue():
    red, blue = (178, 24, 43), (33, 102, 172)
    away, towards = colours(made((0, 0, 0.1))), colours(made((0, 0, -0.1)))
    assert share(away, red) > 5 * share(away, blue)
    assert share(towards, blue) > 5 * share(towards, red)


def test_what_is_not_valid_is_grey_and_marked():
    some, every = colours(made(valid_rows=48)), colours(made(valid_rows=96))
    for colour in ((128, 128, 128), (224, 138, 30)):  # grey of the maps; orange of what was measured and does not count
        assert share(some, colour) > share(every, colour) + 0.005


def test_the_words_say_what_is_shown():
    preview = made((0.03, 0.0, 0.04), valid_rows=48)
    assert preview.title == "key (a $ label): frames 0 and 1, 100 ms; pd"
    assert "cells move 0.05 m a step on average" in preview.figures
    assert "50.0 % of the pixels with a measurement are valid" in preview.figures
    assert "px a step" in made((3.0, 4.0), depth=False).figures


@pytest.mark.parametrize("depth", [True, False])
def test_a_pair_without_motion_or_without_valid_flow_is_drawn(depth):
    for preview in (made((0, 0, 0), depth), made((0, 0, 0), depth, valid_rows=0)):
        assert colours(preview).shape[1] == 1650


def test_the_same_preview_gives_the_same_bytes():
    assert preview_png(made()) == preview_png(made())
