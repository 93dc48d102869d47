import numpy as np
import pytest
import torch
from motionpipe.models.lstm import SequenceBatch, build
from motionpipe.pipeline.hidden_activity import activity_picture, hidden_activity
from motionpipe.schemas.lstm_section import LSTMSection


@pytest.mark.parametrize("conditional", [(), ("future",)])
def test_it_runs_on_as_the_decoder_does(conditional):
    torch.manual_seed(0)
    config = LSTMSection(hidden=6, layers=2, input_frames=3, future_frames=4, conditional=conditional)
    net = build(config, 5)
    for parameter in net.parameters():
        parameter.data *= 20
    frames = torch.rand(2, 7, 5)
    activity = hidden_activity(net, SequenceBatch(frames), 30)
    assert activity.shape == (6, 30)
    made = net(frames, told=False)["future"][0].detach()
    readout = net.decoders["future"].readout
    read = torch.from_numpy(activity[:, :4].T.copy()) @ readout.weight.T + readout.bias
    torch.testing.assert_close(read.detach(), made)


def test_the_picture_shows_the_most_active_units():
    quiet, loud = np.zeros((1, 8), np.float32), np.tile([1.0, -1.0], 4)[None].astype(np.float32)
    image = activity_picture([np.concatenate([quiet, loud])], trained_for=4, most_units=1)
    assert image.shape == (3, 24)
    assert image[0, [0, 3, 6]].tolist() == [255, 0, 255]
    assert (image[:, 11] == 255).all()  # where training ended
    assert activity_picture([loud, quiet], 4).shape == (3 + 4 + 3, 24)
