import json
import math

import pydantic
import pytest
from motionpipe.schemas.atomic_flow import AtomicFlowSection
from motionpipe.schemas.recipe import Recipe, Section, canonical_hash
from motionpipe.schemas.training import FinetuneSection, TrainSection

SECTIONS = {name: type(getattr(Recipe(), name)) for name in Recipe.model_fields}
NUMBERS = (int, float, int | None, float | None)


def fields(kinds=None):
    return [
        pytest.param(section, name, id=f"{place}.{name}")
        for place, section in SECTIONS.items()
        for name, field in section.model_fields.items()
        if kinds is None or field.annotation in kinds
    ]


@pytest.mark.parametrize(("section", "name"), fields())
def test_every_field_says_what_it_means_and_has_a_default(section, name):
    field = section.model_fields[name]
    assert field.description
    assert len(field.description) > 5
    assert not field.is_required()


@pytest.mark.parametrize(("section", "name"), fields(NUMBERS))
def test_every_number_has_a_lower_bound(section, name):
    with pytest.raises(pydantic.ValidationError, match="greater than"):
        section(**{name: -(10**9)})


@pytest.mark.parametrize("section", [Recipe, *SECTIONS.values()])
def test_unknown_keys_are_refused(section):
    with pytest.raises(pydantic.ValidationError, match="Extra inputs"):
        section(sped=1)


def test_unknown_keys_of_a_section_are_refused_in_a_whole_recipe():
    with pytest.raises(pydantic.ValidationError, match=r"flow\.cells"):
        Recipe.model_validate({"flow": {"cells": 4}})


def test_recipes_are_frozen():
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        Recipe().flow.cell = 8


def test_sections_are_all_frozen_sections():
    assert all(issubclass(section, Section) for section in SECTIONS.values())


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("data", "limit", 0),
        ("data", "test_fraction", 1.0),
        ("data", "mnist_test_sequences", 10_001),
        ("data", "mnist_digits", 0),
        ("data", "mnist_speed_px", (0, 3.6)),
        ("data", "mnist_speed_px", (5.0, 2.0)),
        ("data", "mnist_speed_px", (5.0, 36.1)),
        ("data", "mnist_seed", 2**32),
        ("shard", "short_side", 15),
        ("shard", "jpeg_quality", 101),
        ("shard", "max_frames", 1),
        ("shard", "depth_codec", "jpg"),
        ("flow", "method", "guess"),
        ("flow", "step_s", 0),
        ("flow", "stride", 0),
        ("flow", "keep", "all"),
        ("flow", "forward_backward", 1.1),
        ("flow", "forward_backward_slack", 0),
        ("flow", "depth_range_m", (2.0, 1.0)),
        ("flow", "depth_range_m", (0.0, 1.0)),
        ("flow", "cell", 16),  # a count of 16 x 16 valid pixels would not fit into uint8
        ("codebook", "size", 65_536),
        ("codebook", "static_fraction", 1.1),
        ("codebook", "clip_percentile", 100.1),
        ("atomic_flow", "rebalance_lambda", -0.1),
        ("train", "learning_rate", 0),
        ("atomic_flow", "widths", (8, 8, 0, 8, 8)),
        ("train", "milestones", (0.5, 1.5)),
        ("embed", "num_clips", 0),
        ("classify", "c_grid", (1.0, 0.0)),
        ("classify", "k_grid", (0, 5)),
        ("classify", "folds", 1),
    ],
)
def test_values_out_of_bounds_are_refused(section, field, value):
    with pytest.raises(pydantic.ValidationError, match=f"{section}.{field}"):
        Recipe.model_validate({section: {field: value}})


@pytest.mark.parametrize(
    ("crop", "cell", "deconvolutions", "code_side"),
    [(112, 4, 2, 7), (224, 4, 2, 14), (224, 4, 3, 7), (64, 4, 2, 4), (64, 4, 3, 2), (128, 8, 2, 4), (128, 8, 1, 8)],
)
def test_sizes_that_fit_the_encoder(crop, cell, deconvolutions, code_side):
    section = AtomicFlowSection(crop=crop, cell=cell, deconv_widths=(8,) * deconvolutions)
    assert section.code_side == code_side
    assert code_side * 2**deconvolutions == crop // cell


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"crop": 100}, "multiple of cell"),
        ({"crop": 112, "cell": 5}, "multiple of cell"),
        ({"crop": 120}, "multiple of cell 4 and of 16"),
        ({"crop": 112, "deconv_widths": (8,)}, "code of side 14"),
        ({"crop": 112, "deconv_widths": (8, 8, 8)}, "code of side 3.5"),
        ({"crop": 112, "deconv_widths": ()}, "code of side 28"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(values, message):
    with pytest.raises(pydantic.ValidationError, match=message):
        AtomicFlowSection(**values)


def test_a_step_is_of_whole_micro_batches():
    with pytest.raises(pydantic.ValidationError, match="multiple of micro_batch"):
        TrainSection(global_batch=12, micro_batch=8)


def test_fine_tuning_needs_two_clips_for_statistics():
    with pytest.raises(pydantic.ValidationError, match="2 or more"):
        FinetuneSection(micro_batch=1)


def test_the_hash_depends_on_content_and_not_on_order():
    assert canonical_hash({"a": 1, "b": [1, 2]}) == canonical_hash({"b": [1, 2], "a": 1})
    others = [{"a": 1, "b": [2, 1]}, {"a": 1}, {"a": "1", "b": [1, 2]}, {"a": 1, "b": [1, 2], "c": None}]
    assert len({canonical_hash(value) for value in [{"a": 1, "b": [1, 2]}, *others]}) == 5


def test_the_hash_is_the_sha256_of_canonical_json():
    assert canonical_hash({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    with pytest.raises(ValueError, match="JSON"):
        canonical_hash({"a": math.nan})


def test_a_recipe_survives_json():
    changed = Recipe.model_validate({"atomic_flow": {"crop": 64}, "flow": {"method": "dis"}})
    assert Recipe.model_validate(json.loads(changed.model_dump_json())) == changed
