"""`motionpipe predict` for CGM-Net: the frames that a run synthesises of recordings that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass

from ..models.cgm_net import CgmNet
from ..pipeline.artefacts import SHARDS, read_manifest
from ..pipeline.clip_plan import TrainSample, clip_starts
from ..pipeline.splits import resolve_protocol
from ..pipeline.store import Store
from ..pipeline.stored_frames import StoredFrames
from ..pipeline.synthesised_clip import synthesise_clip
from ..schemas.errors import MotionpipeError
from ..schemas.recording import PlannedRecording
from ..schemas.report import Manifest
from .learn_cgm_net import synthesiser_of
from .pretrain_cgm_net import rgb_samples
from .run_files import RunFiles, load_checkpoint
from .synthesis_figure import ShownSynthesis, synthesis_png
from .train_data import learner_of, network_of


@dataclass(frozen=True)
class Synthesiser:
    """A finished run of CGM-Net, ready to synthesise, and the test samples that it may be shown."""

    store: Store
    run: str
    trained: Manifest
    clips: StoredFrames
    net: CgmNet
    samples: tuple[TrainSample, ...]

    def picture(self, sample: TrainSample, planned: PlannedRecording, start: int | None) -> tuple[int, bytes]:
        """Its start and its PNG; the start is by default that of the middle clip."""
        starts = clip_starts(sample, 0.0, self.net.config.clip_frames + 1)
        if start is None:
            start = starts[len(starts) // 2]
        elif start not in starts:
            raise MotionpipeError(f"--start {start}: {sample.key} has clips from frames 0 to {starts[-1]}")
        clip = synthesise_clip(self.net, self.clips, sample, start)
        step_ms, label = 1000 * sample.stride / self.clips.fps(sample), planned.recording.label_name or ""
        return start, synthesis_png(ShownSynthesis(self.run, sample.key, label, step_ms, clip))


def open_synthesiser(store: Store, run: str, trained: Manifest) -> Synthesiser:
    """The network of a finished run with its test samples; one clear error where it made no motion maps."""
    config = network_of(trained)
    if not config.synthesises:
        raise MotionpipeError(f"run {run} learned from labels alone and synthesises no frames")
    shards = read_manifest(store, SHARDS, "motionpipe shard")
    protocol = resolve_protocol(shards.identity.data["dataset"], trained.identity.data["protocol"])
    samples = rgb_samples(store, shards, protocol, "test", config)
    state = load_checkpoint(store, f"{RunFiles(store, run).folder}/{trained.shards[0].file}")
    net = synthesiser_of(learner_of(trained).restore(config, state["model"]))
    return Synthesiser(store, run, trained, StoredFrames(store), net, tuple(samples))
