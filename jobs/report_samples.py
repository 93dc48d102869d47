"""Samples in the report: which are shown, their frames as inlined images, and the contact sheet.

Which samples are shown is arithmetic on the plan, so the same store gives the same pictures, and few shards are read.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg

from ..pipeline.artefacts import SHARDS, read_report
from ..pipeline.flow_pictures import Picture
from ..pipeline.pair_pictures import as_picture
from ..pipeline.read_sample import has_stream, read_frames
from ..pipeline.store import Store
from ..schemas.recording import PlannedRecording
from ..schemas.report import SampleEntry
from .inventory import shard_numbers

_SHEET_SIDE = 240


@dataclass(frozen=True)
class Image:
    """A picture inlined in the page, and its size in pixels."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Shown:
    """A sample on the contact sheet: its pictures by stream, with a note each."""

    key: str
    label: str
    frame: int
    pictures: tuple[tuple[str, str, Image], ...]


def choose(rows: Sequence[PlannedRecording], count: int) -> list[PlannedRecording]:
    """At most `count` of the planned recordings: evenly over the classes, then evenly over each class's recordings."""
    by_class: dict[int, list[PlannedRecording]] = {}
    for row in rows:
        by_class.setdefault(-1 if row.recording.label is None else row.recording.label, []).append(row)
    labels = sorted(by_class)
    if len(labels) > count:
        labels = [labels[int((place + 0.5) * len(labels) / count)] for place in range(count)]
    shares = dict.fromkeys(labels, 0)
    while sum(shares.values()) < min(count, sum(len(by_class[label]) for label in labels)):
        for label in labels:
            shares[label] += shares[label] < len(by_class[label]) and sum(shares.values()) < count
    chosen = []
    for place, label in enumerate(labels):
        chosen += _spread(by_class[label], shares[label], place)
    return chosen


def _spread(members: Sequence[PlannedRecording], share: int, turn: int) -> list[PlannedRecording]:
    """One of each of `share` equal stretches of the recordings, at varied places: other people, other cameras."""
    edges = [i * len(members) // share for i in range(share + 1)]
    places = [(0.5 + (turn + i) * 0.618034) % 1 for i in range(share)]
    return [members[edges[i] + int(places[i] * (edges[i + 1] - edges[i]))] for i in range(share)]


def contact_sheet(store: Store, candidates: Sequence[PlannedRecording], count: int = 24) -> list[Shown]:
    """The middle frame of a few samples."""
    done = set(shard_numbers(store, SHARDS))
    chosen = choose([row for row in candidates if row.shard in done], count)
    return [_shown(store, row, entry) for row, entry in entries_of(store, SHARDS, chosen)]


def png(picture: Picture) -> Image:
    """Lossless, for pictures of few colours."""
    done, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    assert done
    return _image(picture, "png", data.tobytes())


def jpeg(picture: Picture) -> Image:
    """For frames."""
    data = simplejpeg.encode_jpeg(np.ascontiguousarray(picture), quality=88, colorsubsampling="444")
    return _image(picture, "jpeg", data)


def inlined_png(data: bytes) -> Image:
    """A PNG file that is there already; its size stands in its header."""
    width, height = struct.unpack(">II", data[16:24])
    return Image(f"data:image/png;base64,{base64.b64encode(data).decode()}", width, height)


def _image(picture: Picture, kind: str, data: bytes) -> Image:
    uri = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return Image(uri, picture.shape[1], picture.shape[0])


def entries_of(
    store: Store, folder: str, chosen: Sequence[PlannedRecording]
) -> Iterator[tuple[PlannedRecording, SampleEntry]]:
    """The first sample of each recording in an artefact; a recording that it rejected gives none."""
    reports: dict[int, dict[str, SampleEntry]] = {}
    for row in chosen:
        if row.shard not in reports:
            samples = read_report(store, folder, row.shard).samples
            reports[row.shard] = {entry.recording_id: entry for entry in reversed(samples)}
        if row.recording_id in reports[row.shard]:
            yield row, reports[row.shard][row.recording_id]


def _shown(store: Store, row: PlannedRecording, entry: SampleEntry) -> Shown:
    frame = entry.num_frames // 2
    pictures = []
    for stream in ("rgb", "depth", "frames"):
        if has_stream(entry, stream):
            image = read_frames(store, SHARDS, row.shard, entry, stream, [frame])[0]
            colours, note = as_picture(image)
            pictures.append((stream, note, jpeg(at_most(colours, _SHEET_SIDE))))
    return Shown(entry.key, row.recording.label_name or "", frame, tuple(pictures))


def at_most(picture: Picture, height: int) -> Picture:
    """The picture, reduced where it is higher."""
    if picture.shape[0] <= height:
        return picture
    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
