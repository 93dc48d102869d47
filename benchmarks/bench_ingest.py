"""Decode -> 320x240 by area -> JPEG -> tar, beside the ffmpeg program and Ray Data on the same files in the same run.

python benchmarks/bench_ingest.py        with MOTIONPIPE_TEST_DATA: NTU's 1080p clip, transcoded; else generated footage

All run on one thread a process. CPU seconds are user + system time, the best of interleaved rounds. ffmpeg is charged
without its start: the time of one frame is taken off. It concatenates its JPEGs, we write a hashed tar. `quality` lines
show that the comparison is fair: PSNR of decoded JPEG planes against exact area means of the decoder's planes in float.
"""

import contextlib
import functools
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from motionpipe.pipeline.decode_video import DecodeTally, iterate_video, survey_video
from motionpipe.pipeline.frame_jpeg import frame_to_jpeg, frame_to_planes
from motionpipe.pipeline.generate_ntu import GeneratorConfig, list_recordings, write_recording
from motionpipe.pipeline.tar_shard import TarShardWriter
from simplejpeg import encode_jpeg_yuv_planes

COMMAND = "python benchmarks/bench_ingest.py"
SIZE, ROUNDS = (320, 240), 10
QUALITY = 93  # the lowest that is no worse than ffmpeg's -q:v 2, see the lines "quality"
FFMPEG_JPEG = "-c:v mjpeg -q:v 2 -threads 1 -f image2pipe"
# name: (size, file, encoder, options, how often the clip is repeated without encoding it again)
INPUTS = {
    "1080p H.264": ((1920, 1080), "h264.mp4", "libx264", {"crf": "20", "profile": "high", "preset": "medium"}, 2),
    "768x576 MPEG-4": ((768, 576), "mpeg4.avi", "mpeg4", {"qmin": "4", "qmax": "4"}, 8),
}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = source_clip(folder)
        for figure, (size, file, *coding) in INPUTS.items():
            path = folder / file
            frames = transcode(clip, path, size, *coding)
            compare_ffmpeg(figure, path, frames)
            compare_two_processes(figure, path, frames)
            report_quality(figure, path)
            report_profile(figure, path, frames)
            compare_ray(figure, path, frames)
        report_memory(folder)


def report(figure: str, value: float, unit: str, peer: str | None = None, peer_value: float | None = None) -> None:
    ratio = round(value / peer_value, 3) if peer_value else None
    numbers = {"value": round(value, 2), "unit": unit, "peer": peer}
    numbers |= {"peer_value": peer_value and round(peer_value, 2), "ratio": ratio, "command": COMMAND}
    print(json.dumps({"figure": figure} | numbers, ensure_ascii=False), flush=True)


def skip(peer: str, reason: str) -> None:
    print(json.dumps({"figure": "skipped", "peer": peer, "reason": reason, "command": COMMAND}), flush=True)


# ---- inputs


def source_clip(folder: Path) -> Path:
    data = os.environ.get("MOTIONPIPE_TEST_DATA")
    if data:
        return Path(data, "fixtures/ntu/nturgb+d_rgb/S001C001P001R001A001_rgb.avi")
    recording = list_recordings(GeneratorConfig(subjects=(1,), cameras=(1,), actions=(8,), truth=False))[0]
    write_recording(folder / "generated", recording)
    return folder / "generated" / "nturgb+d_rgb" / f"{recording.recording_id}_rgb.avi"


def transcode(
    clip: Path, path: Path, size: tuple[int, int], encoder: str, options: dict[str, str], repeats: int
) -> int:
    """Encode the clip at `size`, and repeat its packets; returns the number of frames."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream(encoder, rate=30, options=options | {"threads": "1"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        packets, count = [], 0
        for frame in source.decode(video=0):
            image = frame.reformat(*size, interpolation="AREA")
            image.pts, image.time_base, image.pict_type = count, Fraction(1, 30), 0
            packets += stream.encode(image)
            count += 1
        packets += stream.encode(None)
        unit = packets[0].time_base
        times, length = [(packet.pts, packet.dts) for packet in packets], round(count / 30 / unit)
        for repeat in range(repeats):
            for packet, (pts, dts) in zip(packets, times, strict=True):
                again = av.Packet(bytes(packet))
                again.stream, again.time_base, again.is_keyframe = stream, unit, packet.is_keyframe
                again.pts, again.dts = pts + repeat * length, dts + repeat * length
                target.mux(again)
    return count * repeats


# ---- the jobs


def ours(path: Path, tar: Path) -> None:
    """What `motionpipe shard` does with a video, at a size of its own."""
    members = {
        f"rgb.{number:04d}.jpg": frame_to_jpeg(frame.picture, SIZE, QUALITY)
        for number, frame in enumerate(iterate_video(survey_video(path), DecodeTally()))
    }
    with tar.open("wb") as stream:
        writer = TarShardWriter(stream)
        writer.add("clip", members)
        writer.close()
        os.fsync(stream.fileno())


def decode_alone(path: Path) -> None:
    for _ in iterate_video(survey_video(path), DecodeTally()):
        pass


def ffmpeg_command(path: Path, out: Path, *limit: str) -> list[str]:
    scale = f"scale={SIZE[0]}:{SIZE[1]}:flags=area"
    first = f"ffmpeg -nostdin -v error -y -filter_threads 1 -threads 1 -i {path} -vf {scale}".split()
    return [*first, *FFMPEG_JPEG.split(), *limit, str(out)]


def cpu_of(command: list[str]) -> tuple[float, int]:
    """User + system seconds of a command and its peak memory [KiB]."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def own_cpu(job: functools.partial[None]) -> float:
    start = time.process_time()
    job()
    return time.process_time() - start


def compare_ffmpeg(figure: str, path: Path, frames: int) -> None:
    out, seconds = path.with_suffix(".out"), dict.fromkeys(("ours", "decode", "ffmpeg", "start"), float("inf"))
    ours(path, out)  # warm
    for _ in range(ROUNDS):
        seconds["ours"] = min(seconds["ours"], own_cpu(functools.partial(ours, path, out)))
        seconds["decode"] = min(seconds["decode"], own_cpu(functools.partial(decode_alone, path)))
        if shutil.which("ffmpeg"):
            seconds["ffmpeg"] = min(seconds["ffmpeg"], cpu_of(ffmpeg_command(path, out))[0])
            seconds["start"] = min(seconds["start"], cpu_of(ffmpeg_command(path, out, "-frames:v", "1"))[0])
    rate = frames / seconds["ours"]
    unit = "frames per CPU-second"
    if shutil.which("ffmpeg"):
        report(figure, rate, unit, "ffmpeg", (frames - 1) / (seconds["ffmpeg"] - seconds["start"]))
        report(f"{figure}, ffmpeg with its start", rate, unit, "ffmpeg", frames / seconds["ffmpeg"])
    else:
        skip("ffmpeg", "no ffmpeg program")
    report(f"{figure}, part of decoding alone", rate, unit, "decoding alone", frames / seconds["decode"])


def compare_two_processes(figure: str, path: Path, frames: int) -> None:
    best = two_processes(path, frames, ROUNDS // 2)
    report(f"{figure}, two processes", best["ours"], "frames per second", "ffmpeg", best["ffmpeg"] or None)


def two_processes(path: Path, frames: int, rounds: int) -> dict[str, float]:
    """Frames per second of two processes at once, each with the whole video."""
    outs = [path.with_suffix(f".out{i}") for i in range(2)]
    workers = [
        subprocess.Popen(
            [sys.executable, __file__, "--worker", str(path), str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for out in outs
    ]
    lines = [(w.stdin, w.stdout) for w in workers if w.stdin and w.stdout]
    for _, answers in lines:
        answers.readline()  # warm
    best = {"ours": 0.0, "ffmpeg": 0.0}
    for _ in range(rounds):
        start = time.perf_counter()
        for orders, _ in lines:
            orders.write(b"go\n")
            orders.flush()
        for _, answers in lines:
            answers.readline()
        best["ours"] = max(best["ours"], 2 * frames / (time.perf_counter() - start))
        if shutil.which("ffmpeg"):
            start = time.perf_counter()
            peers = [subprocess.Popen(ffmpeg_command(path, out)) for out in outs]
            assert [peer.wait() for peer in peers] == [0, 0]
            best["ffmpeg"] = max(best["ffmpeg"], 2 * frames / (time.perf_counter() - start))
    for process in workers:
        process.communicate()
    return best


def worker(path: Path, out: Path) -> None:
    ours(path, out)
    print("warm", flush=True)
    for _ in sys.stdin:
        ours(path, out)
        print("done", flush=True)


# ---- quality


def exact_planes(frame: av.VideoFrame) -> list[np.ndarray]:
    """Area means in float64, limited range to full."""
    planes = []
    for index, plane in enumerate(frame.planes):
        w, h = SIZE if index == 0 else (SIZE[0] // 2, SIZE[1] // 2)
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)[:, : plane.width]
        means = area_weights(plane.height, h) @ lines.astype(np.float64) @ area_weights(plane.width, w).T
        planes.append(((means - 16) * 255 / 219 if index == 0 else (means - 128) * 255 / 224 + 128).clip(0, 255))
    return planes


@functools.cache
def area_weights(source: int, target: int) -> np.ndarray:
    edges, samples = np.arange(target + 1) * source / target, np.arange(source)
    overlap = np.minimum(edges[1:, None], samples[None] + 1) - np.maximum(edges[:-1, None], samples[None])
    return np.maximum(overlap, 0) * target / source


def jpeg_planes(data: bytes) -> list[np.ndarray]:
    (frame,) = av.CodecContext.create("mjpeg", "r").decode(av.Packet(data))
    return [
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)[:, : plane.width].astype(np.float64)
        for plane in frame.planes
    ]


class Psnr:
    """Of all samples of all planes, and of luma alone."""

    def __init__(self) -> None:
        self.squares, self.counts, self.size = np.zeros(2), np.zeros(2), 0

    def add(self, data: bytes, reference: list[np.ndarray]) -> None:
        self.size += len(data)
        for index, (plane, exact) in enumerate(zip(jpeg_planes(data), reference, strict=True)):
            kinds = slice(0, 2 if index == 0 else 1)
            self.squares[kinds] += np.sum((plane - exact) ** 2)
            self.counts[kinds] += plane.size

    def values(self) -> np.ndarray:
        return 10 * np.log10(255**2 * self.counts / self.squares)


def every(number: int, frames: Iterator[av.VideoFrame]) -> Iterator[tuple[int, av.VideoFrame]]:
    return ((i, frame) for i, frame in enumerate(frames) if i % number == 0)


def report_quality(figure: str, path: Path) -> None:
    out = path.with_suffix(".mjpeg")
    theirs: list[bytes] = []
    if shutil.which("ffmpeg"):
        cpu_of(ffmpeg_command(path, out, "-frames:v", "103"))
        with av.open(str(out), format="mjpeg") as container:
            theirs = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    mine, peer, planes_only = Psnr(), Psnr(), []
    with av.open(str(path)) as container:
        for number, frame in every(6, itertools.islice(container.decode(video=0), 103)):
            exact = exact_planes(frame)
            mine.add(frame_to_jpeg(frame, SIZE, QUALITY), exact)
            if theirs:
                peer.add(theirs[number], exact)
            planes = frame_to_planes(frame, SIZE)
            assert planes is not None
            planes_only += [np.abs(plane - x).max() for plane, x in zip(planes, exact, strict=True)]
    names = ["quality of Y, Cb, Cr", "quality of Y"]
    peers = peer.values() if theirs else [None, None]
    for name, value, peer_value in zip(names, mine.values(), peers, strict=True):
        report(
            f"{figure}, {name} (quality {QUALITY}; ffmpeg -q:v 2)",
            value,
            "dB",
            "ffmpeg" if theirs else None,
            peer_value,
        )
    report(f"{figure}, size", mine.size, "bytes of all JPEGs", "ffmpeg" if theirs else None, peer.size or None)
    report(f"{figure}, planes before JPEG", max(planes_only), "largest error in grey levels")


# ---- profile and memory


def report_profile(figure: str, path: Path, frames: int) -> None:
    """Share of each step; the first frames of a clip stand for all."""
    seconds = dict.fromkeys(("decode", "resample", "jpeg", "tar"), 0.0)
    clock = time.process_time
    video, members = iterate_video(survey_video(path), DecodeTally()), {}
    for number in range(frames):
        times = [clock()]
        frame = next(video)
        times.append(clock())
        planes = frame_to_planes(frame.picture, SIZE)
        times.append(clock())
        assert planes is not None
        members[f"{number:04d}.jpg"] = encode_jpeg_yuv_planes(*planes, quality=QUALITY)
        times.append(clock())
        for name, before, after in zip(seconds, times[:-1], times[1:], strict=False):
            seconds[name] += after - before
    start = clock()
    with path.with_suffix(".tar").open("wb") as stream:
        writer = TarShardWriter(stream)
        writer.add("clip", members)
        writer.close()
    seconds["tar"] = clock() - start
    for name, value in seconds.items():
        report(
            f"{figure}, {name}", 1e6 * value / frames, "µs a frame", "all steps", 1e6 * sum(seconds.values()) / frames
        )


def report_memory(folder: Path) -> None:
    """Peak memory of a process that shards a 1080p video; read by itself, since a child's usage begins with ours."""
    videos = folder / "videos" / "clip"
    videos.mkdir(parents=True)
    shutil.copy(folder / "h264.mp4", videos)
    arguments = ["shard", "--dataset", "folder", "--source", str(videos.parent), "--workers", "0"]
    code = "import atexit; atexit.register(lambda: print(open('/proc/self/status').read())); "
    code += f"from motionpipe.jobs.cli import main; main({[*arguments, '--store', str(folder / 'store')]!r})"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    peak = next(line for line in done.stdout.splitlines() if line.startswith("VmHWM"))
    report("1080p H.264, peak memory of `motionpipe shard`", int(peak.split()[1]) / 1024, "MiB")


# ---- Ray Data


def compare_ray(figure: str, path: Path, frames: int) -> None:
    """By area as we do, and with the faster resizing (bicubic) of Ray's own reader."""
    out = path.with_suffix(".out")
    for kind, scaling in {"--ray": "area", "--ray-resize": "its reader's own scaling"}.items():
        command = [sys.executable, __file__, kind, str(path), str(path.with_suffix(kind.replace("--", ".")))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            skip(f"Ray Data, {scaling}", (done.stderr.strip().splitlines() or ["no output"])[-1][:300])
            continue
        theirs = json.loads(done.stdout.strip().splitlines()[-1])
        assert theirs["frames"] == 2 * frames, theirs
        rate = frames / min(own_cpu(functools.partial(ours, path, out)) for _ in range(2))
        peer = f"Ray Data, {scaling}"
        report(f"{figure}, CPU", rate, "frames per CPU-second", peer, theirs["frames"] / theirs["cpu_s"])
        report(
            f"{figure}, two processes, Ray Data on both cores",
            two_processes(path, frames, rounds=1)["ours"],
            "frames per second",
            peer,
            theirs["frames"] / theirs["wall_s"],
        )


def ray_job(path: Path, out: Path, resize: tuple[int, int] | None = None) -> None:
    """Two copies of the video, so that both cores have work; JPEG by Ray's own encoder (Pillow, quality 75)."""
    import cv2
    import ray

    copies = [path.with_name(f"ray{i}-{path.name}") for i in range(2)]
    for copy in copies:
        shutil.copy(path, copy)

    def shrink(row: dict) -> dict:
        cv2.setNumThreads(1)
        frame = row["frame"] if resize else cv2.resize(row["frame"], SIZE, interpolation=cv2.INTER_AREA)
        return {"__key__": f"{row['frame_index']:06d}", "jpg": frame}

    with contextlib.redirect_stdout(io.StringIO()):
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        ray.data.DataContext.get_current().enable_progress_bars = False
        ray.get([ray.remote(lambda: time.sleep(0.5)).remote() for _ in range(2)])
        cpu, start = tree_cpu(), time.perf_counter()
        ray.data.read_videos([str(copy) for copy in copies], resize=resize).map(shrink).write_webdataset(str(out))
        wall, cpu = time.perf_counter() - start, tree_cpu() - cpu
    frames = 0
    for tar in out.glob("**/*.tar"):
        with tarfile.open(tar) as members:
            frames += len(members.getnames())
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "frames": frames}))


def ray_job_resize(path: Path, out: Path) -> None:
    ray_job(path, out, SIZE[::-1])


def tree_cpu() -> float:
    """User + system seconds of this process, all that came from it, and what they have waited for."""
    fields = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields[int(stat.parent.name)] = stat.read_text().rpartition(")")[2].split()
    family, total = {os.getpid()}, 0.0
    for _ in range(8):
        family |= {pid for pid, values in fields.items() if int(values[1]) in family}
    for pid in family & fields.keys():
        total += sum(map(int, fields[pid][11:15])) / os.sysconf("SC_CLK_TCK")
    return total


if __name__ == "__main__":
    kind, *paths = sys.argv[1:] or ["--main"]
    {"--main": main, "--worker": worker, "--ray": ray_job, "--ray-resize": ray_job_resize}[kind](*map(Path, paths))
