"""The report page: what it shows of finished, unfinished and hostile stores, and that it stands alone."""

import base64
import json
import re
import shutil
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from motionpipe.jobs.cli import main
from motionpipe.jobs.codebook import codebook
from motionpipe.jobs.flow import flow
from motionpipe.jobs.options import RunOptions
from motionpipe.jobs.recipe_files import load_recipe
from motionpipe.jobs.report import PAGE, report
from motionpipe.jobs.report_content import class_table, confusion_pairs
from motionpipe.jobs.report_samples import choose
from motionpipe.jobs.shard import shard
from motionpipe.pipeline.generate_ntu import GeneratorConfig, list_recordings, write_recording
from motionpipe.pipeline.store import Store
from motionpipe.schemas.errors import MotionpipeError
from motionpipe.schemas.recording import PlannedRecording, Recording
from motionpipe.schemas.report import Identity, Manifest

HERE = RunOptions(workers=0, max_reject_rate=1.0)
SMALL = GeneratorConfig(
    subjects=(1, 3), cameras=(1,), actions=(8, 24), num_frames=5, fps=5.0, depth_size=(128, 106), rgb_size=(160, 90)
)
RECIPE = [
    "shard.recordings_per_shard=2",
    "flow.iterations=10",
    "codebook.size=4",
    "codebook.sample_cells=1000",
    "atomic_flow.crop=64",
    "atomic_flow.deconv_widths=[32, 16]",
]
DATA_URI = re.compile(r'src="data:image/([a-z+]+);base64,([A-Za-z0-9+/=]+)"')


@pytest.fixture(scope="module")
def rgbd(tmp_path_factory):
    """A store of four generated recordings in two shards: shards, flow, codebook, a finished run and its probes."""
    root = tmp_path_factory.mktemp("rgbd")
    for recording in list_recordings(SMALL):
        write_recording(root / "ntu", recording)
    store, recipe = Store.at(str(root / "store")), load_recipe(None, RECIPE)
    shard(store, recipe, "ntu", root / "ntu", HERE)
    flow(store, recipe, None, HERE)
    codebook(store, recipe, None, None, HERE)
    write_run(store, recipe, "first")
    for name, top1 in (("first", 0.75), ("first@init", 0.5)):
        write_probe(store, name, top1)
    return store


@pytest.fixture
def copy(rgbd, tmp_path):
    """A copy of it that may be broken."""
    return Store.at(str(shutil.copytree(rgbd.uri, tmp_path / "copy")))


def write_run(store, recipe, name):
    data = {"protocol": "xsub", "model": "atomic-flow", "network": recipe.atomic_flow.model_dump(mode="json")}
    identity = Identity(stage="train", section=recipe.train.model_dump(mode="json"), data=data, parents={})
    info = {"flow": "pd", "codebook": "pd-kmeans-4", "steps": 30}
    write_json(store, f"runs/{name}/identity.json", {"identity": identity.model_dump(mode="json"), "info": info})
    rows = [
        {"step": step, "epoch": 0, "accuracy": 0.2, "loss": 2 - step / 50, "moving_accuracy": 0.1, "unweighted": 1.5}
        | {"learning_rate": 1e-3, "clips_per_s": 10.0 + step % 3, "data_wait": 0.01}
        for step in (1, 10, 20, 30)
    ]
    store.write_bytes(f"runs/{name}/metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
    manifest = Manifest.of(identity, [], {"seconds": 3.0, "workers": 0}).model_copy(update={"totals": {"steps": 30}})
    store.write_bytes(f"runs/{name}/manifest.json", manifest.model_dump_json().encode())


def write_probe(store, name, top1, leak="", classes=("sit down", "kicking")):
    folder = f"probes/{name}/xsub-linear"
    identity = Identity(stage="classify", section={}, data={"protocol": "xsub"}, parents={})
    metrics = {"embeddings": name, "protocol": "xsub", "probe": "linear", "leak": leak, "n_train": 2, "n_test": 4}
    metrics |= {
        "top1": top1,
        "top5": 1.0,
        "mean_class_accuracy": top1,
        "mean_ap": top1,
        "chance": 0.5,
        "n": 4,
        "unknown": 0,
    }
    metrics |= {"classes": list(classes), "confusion": [[2, 0], [1, 1]], "choice": {"parameter": "C", "value": 0.1}}
    write_json(store, f"{folder}/identity.json", {"identity": identity.model_dump(mode="json"), "info": {}})
    write_json(store, f"{folder}/metrics.json", metrics)
    store.write_bytes(f"{folder}/manifest.json", Manifest.of(identity, [], {}).model_dump_json().encode())


def write_json(store, name, value):
    store.write_bytes(name, json.dumps(value).encode())


def page_of(store):
    report(store)
    return store.read_bytes(PAGE).decode()


def images_in(page):
    """Every inlined image, decoded; an SVG as its root element."""
    images = []
    for kind, data in DATA_URI.findall(page):
        content = base64.b64decode(data, validate=True)
        if kind == "svg+xml":
            images.append(ElementTree.fromstring(content))
        else:
            images.append(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR))
    return images


def planned(count, classes):
    labels = [i % classes for i in range(count)]
    return [
        PlannedRecording(0, f"k{i}", Recording(f"r{i}", f"p{i}", {}, label, f"class {label}"))
        for i, label in enumerate(labels)
    ]


def test_a_full_store_has_every_section_and_stands_alone(rgbd):
    page = page_of(rgbd)
    for heading in ("Stages", "Rejects", "Classes and splits", "Samples", "Motion", "Codebooks", "Runs", "Probes"):
        assert f"<h2>{heading}</h2>" in page
    for text in (
        "sit down",
        "flow/pd",
        "codebook/pd-kmeans-4",
        "runs/first",
        "first@init",
        "0.750",
    ):
        assert text in page
    assert "not made yet" not in page
    assert "<script" not in page
    assert "<link" not in page
    assert not re.findall(r'(?:src|href)="(?!data:image/|#)', page)
    assert not re.findall(r"url\(|@import", page)
    assert len(page) < 2_000_000


def test_all_images_decode_and_there_are_as_many_as_samples_ask_for(rgbd):
    images = images_in(page_of(rgbd))
    assert all(image is not None for image in images)
    sheet, overlays, legends, motion, figures = 4 * 2, 4, 2, 4 * 4, 4
    assert len(images) == sheet + overlays + legends + motion + figures
    assert sum(isinstance(image, ElementTree.Element) for image in images) == figures


def test_the_registration_is_shown_with_its_error(rgbd, copy):
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page_of(rgbd)))
    fit = json.loads(rgbd.read_bytes("shards/registration.json"))["fits"][0]
    assert f"1, 1 affine 4 {fit['joints']} {fit['inliers']} {fit['mean_px']:.2f}" in text
    copy.remove("shards/registration.json")
    assert "RGB registered to depth" not in page_of(copy)


def test_the_same_store_gives_the_same_page(rgbd):
    assert page_of(rgbd) == page_of(rgbd)


def test_shards_alone_make_a_page_that_says_how_to_go_on(copy):
    for folder in ("flow", "codebook", "targets", "runs", "probes"):
        shutil.rmtree(copy.local_path(folder))
    page = page_of(copy)
    assert page.count("not made yet") == 4
    for command in ("flow", "codebook", "train-cluster --name RUN", "classify"):
        assert f"motionpipe {command} --store {copy.uri}" in page
    assert len(images_in(page)) == 4 * 2 + 4


def test_unfinished_stages_are_shown_as_far_as_they_are(copy):
    for name in ("shards/manifest.json", "shards/000001.json", "flow/pd/manifest.json", "flow/pd/000001.json"):
        copy.remove(name)
    copy.remove("runs/first/manifest.json")
    shutil.copy(copy.local_path("flow/pd/000000.json"), copy.local_path("flow/pd/000001.json.tmp-1-ab"))
    copy.remove("codebook/pd-kmeans-4/report.json")
    # a run's planned steps need its flow, which is finished before a run begins; here it is not
    shutil.rmtree(copy.local_path("runs"))
    page = page_of(copy)
    assert page.count("1 of 2 shards (50 %)") == 3  # two rows of the table and the heading of the motion
    assert "not finished; to go on:" in page
    assert '<span class="mark">begun</span>' in page


def test_a_label_is_text_and_never_markup(tmp_path, store, write_video):
    label = "<script>alert(1)</script> $x^$ &amp"
    for name in ("a", "b"):
        rgb = np.random.default_rng(0).integers(0, 255, (4, 32, 48, 3)).astype(np.uint8)
        write_video(tmp_path / f"{name}.mkv", rgb, 10)
    rows = f'path,label,split\na.mkv,"{label}",train\nb.mkv,other,test\n<i>gone.mkv,other,test\n'
    (tmp_path / "list.csv").write_text(rows)
    recipe = load_recipe(None, [])
    shard(store, recipe, "folder", tmp_path / "list.csv", HERE)
    flow(store, recipe, None, HERE)
    write_probe(store, "run", 0.5, leak="run <b>x</b> saw it", classes=(label, "other"))
    page = page_of(store)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; $x^$ &amp;amp" in page
    assert "<i>gone" not in page
    assert "&lt;i&gt;gone.mkv" in page
    assert "run &lt;b&gt;x&lt;/b&gt; saw it" in page
    assert "px a step or more" in page
    assert all(image is not None for image in images_in(page))


def test_class_table_counts_each_split():
    rows = [
        PlannedRecording(0, "a", Recording("a", "a", {}, 1, "jump", {"xsub": "train", "xview": "test"})),
        PlannedRecording(0, "b", Recording("b", "b", {}, 1, "jump", {"xsub": "test"})),
        PlannedRecording(0, "c", Recording("c", "c", {}, 0, "wave", {"xsub": "test"})),
        PlannedRecording(0, "d", Recording("d", "d", {})),
    ]
    table = class_table(rows, ("xsub", "xview"), frozenset("b"))
    assert [(row.name, row.recordings, row.parts, row.rejected) for row in table.rows] == [
        ("wave", 1, ((0, 1), (0, 0)), 0),
        ("jump", 2, ((1, 1), (0, 1)), 1),
        ("no label", 1, ((0, 0), (0, 0)), 0),
    ]
    assert (table.total.recordings, table.total.parts) == (4, ((1, 2), (0, 1)))


@pytest.mark.parametrize(("recordings", "classes", "count"), [(90, 8, 24), (10, 3, 24), (500, 60, 24), (7, 1, 3)])
def test_chosen_samples_are_spread_over_the_classes(recordings, classes, count):
    rows = planned(recordings, classes)
    chosen = choose(rows, count)
    assert len(chosen) == len({row.key for row in chosen}) == min(count, recordings)
    shares = np.bincount([row.recording.label for row in chosen], minlength=classes)
    assert shares.max() - shares.min() <= 1 or recordings < count
    assert chosen == choose(rows, count)
    assert choose([], count) == []


def test_a_confusion_stands_beside_that_of_the_untrained_weights():
    probes = [
        {"embeddings": name, "protocol": "xsub", "probe": probe}
        for name in ("a", "a@init", "b")
        for probe in ("knn", "linear")
    ]
    first, second = confusion_pairs(probes)
    assert (first.trained["embeddings"], first.trained["probe"]) == ("a", "linear")
    assert first.untrained is not None
    assert first.untrained["embeddings"] == "a@init"
    assert second.untrained is None


def test_a_folder_without_a_store_is_one_clear_error(tmp_path):
    with pytest.raises(MotionpipeError, match="holds no store; make one with: motionpipe shard"):
        report(Store.at(str(tmp_path)))
    assert not list(tmp_path.iterdir())


def test_the_command_ends_with_the_path_of_the_page(copy):
    result = CliRunner().invoke(main, ["report", "--store", copy.uri])
    assert result.exit_code == 0
    assert result.output.splitlines()[-1] == f"{copy.uri}/report/index.html"
    assert copy.exists(PAGE)
