import pytest
import torch
from motionpipe.models.context_extractor import LEFT_OUT, ContextExtractor
from motionpipe.models.pretrained import average_input_channels, load_weights
from motionpipe.models.resnet import ResNet
from motionpipe.schemas.errors import MotionpipeError


def tiny(seed=0, classes=4, dimensions=3, **sizes):
    torch.manual_seed(seed)
    return ResNet(dimensions, "resnet18", classes, width=4, **sizes)


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_weights_load_with_and_without_the_prefix_of_data_parallel():
    source, plain, wrapped = tiny(0), tiny(1), tiny(2)
    load_weights(plain, source.state_dict())
    load_weights(wrapped, {f"module.{name}": value for name, value in source.state_dict().items()})
    assert same(source, plain)
    assert same(source, wrapped)


def test_old_files_without_batch_counts_load():
    source, target = tiny(0), tiny(1)
    load_weights(target, {n: v for n, v in source.state_dict().items() if not n.endswith("num_batches_tracked")})
    assert same(source, target)


def test_a_head_of_other_classes_is_left_out_on_request():
    source, target = tiny(0, classes=7), tiny(1, classes=4)
    head = target.fc.weight.detach().clone()
    with pytest.raises(MotionpipeError, match=r"has fc.weight \(7, 32\) instead of \(4, 32\)"):
        load_weights(target, source.state_dict())
    load_weights(target, source.state_dict(), leave_out=("fc.",))
    assert torch.equal(target.fc.weight, head)
    assert torch.equal(target.layer4[1].conv2.weight, source.layer4[1].conv2.weight)


def test_what_does_not_fit_is_named_in_one_line():
    weights = tiny(0).state_dict()
    weights["layer9.weight"] = weights.pop("layer2.0.downsample.0.weight")
    with pytest.raises(MotionpipeError) as error:
        load_weights(tiny(1), weights)
    assert str(error.value) == (
        "these weights are of another network: no layer2.0.downsample.0.weight; unknown layer9.weight"
    )


def test_nothing_is_loaded_where_something_does_not_fit():
    target = tiny(1)
    before = target.conv1.weight.detach().clone()
    with pytest.raises(MotionpipeError, match="and 98 more"):
        load_weights(target, {"conv1.weight": tiny(0).conv1.weight})
    assert torch.equal(target.conv1.weight, before)


def test_the_first_kernel_is_averaged_over_colours_for_inputs_of_other_channels():
    source = tiny(0, dimensions=2)
    weights = average_input_channels({f"module.{n}": v for n, v in source.state_dict().items()}, 10)
    target = tiny(1, dimensions=2, input_channels=10)
    load_weights(target, weights)
    mean = source.conv1.weight.mean(dim=1)
    assert all(torch.equal(target.conv1.weight[:, channel], mean) for channel in range(10))
    with pytest.raises(MotionpipeError, match=r"no conv1\.weight"):
        average_input_channels({}, 10)


def test_the_context_extractor_takes_the_first_stages_of_a_2d_resnet18():
    source = tiny(0, dimensions=2)
    context = ContextExtractor(8, 4)
    load_weights(context, source.state_dict(), leave_out=LEFT_OUT)
    assert torch.equal(context.layer2[1].conv2.weight, source.layer2[1].conv2.weight)
