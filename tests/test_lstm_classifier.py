import numpy as np
import pytest
import torch
from motionpipe.models.lstm import build
from motionpipe.models.lstm_classifier import FrameClassifier, LabelledSequences, LSTMClassifier, loss, mean_of_steps
from motionpipe.pipeline.fit_sequences import SequenceFit, fit_sequences, video_scores
from motionpipe.pipeline.small_sets import draw_small_set
from motionpipe.schemas.lstm_section import LSTMSection

CONFIG = LSTMSection(hidden=16, layers=1, input="percepts", output="gaussian")


def test_a_window_is_scored_by_the_mean_of_its_softmax_outputs():
    logits = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(mean_of_steps(logits).softmax(dim=1), logits.softmax(dim=2).mean(dim=1))
    torch.testing.assert_close(mean_of_steps(logits).exp().sum(dim=1), torch.ones(3))


def test_every_step_is_trained_with_the_one_label():
    torch.manual_seed(0)
    net = LSTMClassifier(6, CONFIG, torch.tensor([2, 5, 7]))
    batch = LabelledSequences(torch.randn(4, 5, 6), torch.tensor([0, 1, 2, 0]))
    steps = net.steps(batch.frames).log_softmax(dim=2)
    expected = -torch.stack([steps[b, :, c] for b, c in enumerate(batch.classes)]).mean()
    torch.testing.assert_close(loss(net, batch)["loss"], expected)
    with pytest.raises(ValueError, match="do not fit"):
        LabelledSequences(torch.zeros(2, 3, 4), torch.zeros(3, dtype=torch.int64))


def test_it_starts_from_an_encoder():
    torch.manual_seed(0)
    pretrained = build(CONFIG, 6)
    net = LSTMClassifier(6, CONFIG, torch.arange(2))
    net.encoder.load_state_dict(pretrained.encoder.state_dict())
    frames = torch.randn(2, 4, 6)
    outputs, _ = pretrained.encoder(frames.movedim(1, 0), pretrained.encoder.zero_states(2), 4)
    torch.testing.assert_close(net.eval().steps(frames), net.head(outputs).movedim(0, 1))


def moving(seed):
    """Videos of a wave that runs up or down: single frames say nothing of the class."""
    rng = np.random.default_rng(seed)
    videos, classes = [], []
    for number in range(24):
        direction, phase, length = (1 if number % 2 else -1), rng.uniform(0, 6), rng.integers(10, 18)
        angle = phase + direction * 0.8 * np.arange(length)[:, None] + np.arange(6) * np.pi / 3
        videos.append(np.cos(angle).astype(np.float32))
        classes.append(number % 2)
    return videos, classes


def test_motion_is_learned_by_the_lstm_alone():
    config = SequenceFit(window=8, stride=4, steps=150, batch=16, learning_rate=2e-2, weight_decay=0)
    (videos, classes), (others, truth) = moving(0), moving(1)
    labels = torch.arange(2)
    torch.manual_seed(0)
    right = {}
    for name, net in {"lstm": LSTMClassifier(6, CONFIG, labels), "frame": FrameClassifier(6, labels)}.items():
        fit_sequences(net, videos, classes, config)
        scores = video_scores(net, others, config)
        np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
        right[name] = np.mean(scores.argmax(axis=1) == truth)
    assert right["lstm"] > 0.95
    assert right["frame"] < 0.8


def test_small_sets_have_so_many_of_each_class_and_differ():
    labels = [0] * 7 + [1] * 2 + [4] * 9
    sets = [draw_small_set(labels, 4, seed) for seed in range(10)]
    for chosen in sets:
        assert np.unique([labels[i] for i in chosen], return_counts=True)[1].tolist() == [4, 2, 4]
        assert chosen == sorted(set(chosen))
    assert len({tuple(chosen) for chosen in sets}) > 5
    assert sets[0] == draw_small_set(labels, 4, 0)
