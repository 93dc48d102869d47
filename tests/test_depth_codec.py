import cv2
import numpy as np
import pytest
from motionpipe.pipeline.depth_codec import DECODERS, ENCODERS, decode_d16, decode_png16, encode_d16, encode_png16

HEADER = 12


def ntu_like(seed=0):
    """A masked Kinect map: 0 around a body at 2.5 m with noise of a few millimetres."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:106, :128]
    body = ((rows - 50) / 45) ** 2 + ((cols - 60) / 20) ** 2 < 1
    depth = 2500 + 3 * (cols - 60) + rng.integers(-4, 5, rows.shape)
    return np.where(body, depth, 0).astype(np.uint16)


FRAMES = {
    "random": np.random.default_rng(1).integers(0, 65_536, (37, 53), dtype=np.uint16),
    "constant": np.full((24, 32), 4321, np.uint16),
    "zeros": np.zeros((24, 32), np.uint16),
    "largest": np.full((24, 32), 65_535, np.uint16),
    "edges": np.tile(np.array([0, 65_535, 32_768, 32_767, 1], np.uint16), (4, 3)),
    "ramp": np.arange(64 * 96, dtype=np.uint16).reshape(64, 96) * 7,
    "ntu": ntu_like(),
    "pixel": np.array([[777]], np.uint16),
    "row": np.arange(50, dtype=np.uint16)[None],
    "column": np.arange(50, dtype=np.uint16)[:, None] * 1000,
    "view": ntu_like()[::2, ::-3],
}


@pytest.mark.parametrize("codec", ENCODERS)
@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_every_frame_comes_back(codec, frame):
    decoded = DECODERS[codec](ENCODERS[codec](frame))
    assert decoded.dtype == np.uint16
    np.testing.assert_array_equal(decoded, frame)


@pytest.mark.parametrize("codec", ENCODERS)
def test_same_frame_gives_same_bytes(codec):
    assert ENCODERS[codec](ntu_like()) == ENCODERS[codec](ntu_like().copy())


def test_smooth_depth_is_coded_in_less_than_half_of_its_bytes():
    frame = FRAMES["ntu"]
    assert len(encode_d16(frame)) < frame.nbytes / 4
    assert len(encode_d16(FRAMES["ramp"])) < FRAMES["ramp"].nbytes / 20


@pytest.mark.parametrize("codec", ENCODERS)
@pytest.mark.parametrize("tenth", range(10))
def test_a_truncated_frame_is_refused(codec, tenth):
    data = ENCODERS[codec](ntu_like())
    with pytest.raises(ValueError, match=codec):
        DECODERS[codec](data[: len(data) * tenth // 10])


@pytest.mark.parametrize("bit", range(8 * HEADER))
def test_a_flipped_bit_in_the_header_is_refused(bit):
    data = bytearray(encode_d16(ntu_like()))
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ValueError, match="d16"):
        decode_d16(bytes(data))


@pytest.mark.parametrize("codec", ENCODERS)
def test_flipped_bits_anywhere_raise_nothing_but_value_errors(codec):
    data = ENCODERS[codec](ntu_like())
    for place in np.random.default_rng(2).integers(0, len(data), 60):
        damaged = bytearray(data)
        damaged[place] ^= 0x10
        try:
            decoded = DECODERS[codec](bytes(damaged))
        except ValueError:
            continue
        assert decoded.dtype == np.uint16


@pytest.mark.parametrize("codec", ENCODERS)
@pytest.mark.parametrize("data", [b"", b"\0", b"D16", b"not a frame" * 9])
def test_other_bytes_are_refused(codec, data):
    with pytest.raises(ValueError, match=codec):
        DECODERS[codec](data)


@pytest.mark.parametrize(("height", "width"), [(0, 8), (8, 0), (8193, 1), (1, 8193), (2**32 - 1, 2**32 - 1)])
def test_sizes_are_bounded_before_memory_is_taken(height, width):
    data = encode_d16(np.zeros((8, 8), np.uint16))
    claimed = data[:4] + height.to_bytes(4, "little") + width.to_bytes(4, "little") + data[HEADER:]
    with pytest.raises(ValueError, match="wrong header"):
        decode_d16(claimed)


@pytest.mark.parametrize(("height", "width"), [(4, 8), (8, 9), (16, 8)])
def test_another_size_than_the_content_has_is_refused(height, width):
    data = encode_d16(np.zeros((8, 8), np.uint16))
    with pytest.raises(ValueError, match="damaged"):
        decode_d16(data[:4] + height.to_bytes(4, "little") + width.to_bytes(4, "little") + data[HEADER:])


@pytest.mark.parametrize("image", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.uint16)], ids=["8-bit", "colour"])
def test_pngs_that_are_not_16_bit_grey_are_refused(image):
    with pytest.raises(ValueError, match="16-bit grey"):
        decode_png16(cv2.imencode(".png", image)[1].tobytes())


def test_png16_is_a_plain_png():
    image = cv2.imdecode(np.frombuffer(encode_png16(ntu_like()), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(image, ntu_like())
