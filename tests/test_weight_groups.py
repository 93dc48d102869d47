import torch
from motionpipe.models.weight_groups import weight_groups
from torch import nn


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 3))
        self.centres = nn.Parameter(torch.zeros(5, 3))


def test_kernels_and_matrices_decay_and_nothing_else():
    net = Net()
    decaying, kept = weight_groups(net, 0.1, kept=("centres",))
    assert decaying["params"] == [net[0].weight, net[2].weight]
    assert kept["params"] == [net.centres, net[0].bias, net[1].weight, net[1].bias, net[2].bias]
    assert (decaying["weight_decay"], kept["weight_decay"]) == (0.1, 0.0)


def test_a_matrix_that_is_not_kept_by_name_decays():
    net = Net()
    decaying, kept = weight_groups(net, 0.1)
    assert len(decaying["params"]) == 3
    assert len(decaying["params"]) + len(kept["params"]) == len(list(net.parameters()))
