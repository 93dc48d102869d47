import cv2
import numpy as np
from motionpipe.jobs.flow_figure import FlowRow, flow_figure, shortened


def row(length):
    flow = np.zeros((2, 20, 30), np.float32)
    flow[0, :, 15:] = length
    return FlowRow("a pair", np.full((20, 30, 3), 90, np.uint8), {"ours": flow, "peer": 0.5 * flow})


def test_the_scale_is_a_round_length_that_few_pixels_exceed():
    assert row(2.6).scale == 3
    assert row(0.0).scale == 1


def test_a_picture_for_each_pair_and_method():
    one, two = (cv2.imdecode(np.frombuffer(flow_figure([row(2.0)] * n), np.uint8), 1) for n in (1, 2))
    assert two.shape[0] > 1.6 * one.shape[0]
    assert (one.std(axis=2) > 60).any()  # flow to the right is coloured
    assert flow_figure([row(2.0)]) == flow_figure([row(2.0)])


def test_only_long_names_are_shortened():
    assert shortened("short", 5) == "short"
    assert shortened("longer", 5) == "long…"
