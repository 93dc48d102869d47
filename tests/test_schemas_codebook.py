import numpy as np
import pytest
from motionpipe.schemas.codebook import Codebook, SoftStart

CENTRES = np.array([[0, 0], [1, 0], [0, 2]], dtype=np.float32)
COUNTS = np.array([6, 3, 1])
CLIP = np.ones(2, dtype=np.float32)


def test_prior_is_the_share_of_each_codeword():
    book = Codebook(CENTRES, COUNTS, CLIP)
    assert book.size == 3
    assert book.prior().tolist() == [0.6, 0.3, 0.1]


def test_a_codebook_that_nothing_was_counted_for_has_no_prior():
    with pytest.raises(ValueError, match="no training cell"):
        Codebook(CENTRES, COUNTS * 0, CLIP).prior()


@pytest.mark.parametrize(
    ("centres", "counts", "clip", "message"),
    [
        (CENTRES.astype(np.float64), COUNTS, CLIP, "float32"),
        (CENTRES[:, :1], COUNTS, CLIP, "float32"),
        (CENTRES[0], COUNTS, CLIP, "float32"),
        (CENTRES[::-1].copy(), COUNTS, CLIP, "zero codeword"),
        (CENTRES * np.float32(np.nan), COUNTS, CLIP, "finite"),
        (CENTRES, COUNTS[:2], CLIP, "counts"),
        (CENTRES, COUNTS - 2, CLIP, "counts"),
        (CENTRES, COUNTS, CLIP * 0, "clip"),
        (CENTRES, COUNTS, CLIP * np.float32(np.nan), "clip"),
        (CENTRES, COUNTS, np.ones(3, np.float32), "clip"),
    ],
)
def test_codebooks_that_make_no_sense_are_refused(centres, counts, clip, message):
    with pytest.raises(ValueError, match=message):
        Codebook(centres, counts, clip)


def test_units_follow_from_the_components():
    optical, scene = Codebook(CENTRES, COUNTS, CLIP), np.pad(CENTRES, ((0, 0), (0, 1)))
    assert (optical.unit, optical.flow_components) == ("px", 2)
    planar = Codebook(CENTRES, COUNTS, CLIP, planar=True)
    assert (planar.unit, planar.flow_components) == ("m", 3)
    assert Codebook(scene, COUNTS, np.ones(3, np.float32)).unit == "m"
    with pytest.raises(ValueError, match="planar"):
        Codebook(scene, COUNTS, np.ones(3, np.float32), planar=True)


def test_a_learnable_codebook_and_no_other_has_a_soft_start():
    with pytest.raises(ValueError, match="soft start"):
        Codebook(CENTRES, COUNTS, CLIP, kind="learnable")
    with pytest.raises(ValueError, match="soft start"):
        Codebook(CENTRES, COUNTS, CLIP, soft_start=SoftStart(1, 1, 1))
    with pytest.raises(ValueError, match="positive spread"):
        SoftStart(0, 1, 1)


def test_scales_are_positive():
    with pytest.raises(ValueError, match="scale"):
        Codebook(CENTRES, COUNTS, CLIP, np.zeros(2, np.float32))
