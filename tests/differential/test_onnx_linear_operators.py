"""Linear and piecewise-linear ONNX operators against onnxruntime: one line for each."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import exactcam
from exactcam.errors import UnsupportedLayerError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
models = pytest.importorskip("tools.onnx_models")
RNG = np.random.default_rng(11)
IMAGE = (1, 2, 4, 6)


def f32(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def i64(*values):
    return np.asarray(values, dtype=np.int64)


def places(*shape, below):
    return RNG.integers(0, below, shape)


def saved(path, kind, inputs, attributes, opset, shape=IMAGE):
    """A model of one operator, whose input "x" is the model's and None is left out."""
    names = [
        "x" if isinstance(c, str) else "" if c is None else f"c{k}" for k, c in enumerate(inputs)
    ]
    constants = {n: c for n, c in zip(names, inputs, strict=True) if n not in ("", "x")}
    outputs = ["y", "indices"] if kind == "TopK" else ["y"]
    node = onnx.helper.make_node(kind, names, outputs, **attributes)
    models.save(path, [node], shape, constants, opset)
    return path


def resize(sizes=None, scales=None, roi=None, opset=19, **attributes):
    given = [None if x is None else np.asarray(x, np.float32) for x in (roi, scales)]
    wanted = None if sizes is None else np.asarray(sizes, np.int64)
    return ("Resize", ["x", *given, wanted], {"mode": "linear", **attributes}, opset)


GRID = RNG.uniform(-1.5, 1.5, (1, 3, 4, 2)).astype(np.float32)
ZEROS = np.zeros((1, 2, 4, 6), np.float32)
UNPOOLED = np.arange(48).reshape(IMAGE) * 4
OPERATORS = {
    "Einsum": ("Einsum", ["x", f32(6, 3)], {"equation": "bchw,wk->bckh"}, 12),
    "Einsum ellipsis": ("Einsum", [f32(4, 3), "x"], {"equation": "hk,...hw->...kw"}, 12),
    "CumSum": ("CumSum", ["x", np.asarray(2)], {}, 14),
    "CumSum reverse": ("CumSum", ["x", i64(-1)], {"exclusive": 1, "reverse": 1}, 11),
    "ReduceL1": ("ReduceL1", ["x"], {"axes": [2], "keepdims": 0}, 13),
    "ReduceL1 18": ("ReduceL1", ["x", i64(1, 3)], {}, 18),
    "LpPool": ("LpPool", ["x"], {"kernel_shape": [2, 3], "p": 1, "pads": [1, 0, 1, 1]}, 11),
    "LpPool 18": ("LpPool", ["x"], {"kernel_shape": [2, 2], "p": 1, "strides": [2, 2]}, 18),
    "GlobalLpPool": ("GlobalLpPool", ["x"], {"p": 1}, 2),
    "Col2Im": (
        "Col2Im",
        ["x", i64(5, 6), i64(2, 2)],
        {"dilations": [2, 2], "pads": [0, 0, 0, 1]},
        18,
        (2, 8, 15),
    ),
    "GatherElements": ("GatherElements", ["x", places(1, 2, 3, 6, below=4)], {"axis": 2}, 13),
    "GatherND": ("GatherND", ["x", i64([0, 1], [0, -1])], {}, 13),
    "GatherND batch": ("GatherND", ["x", i64([[1, 2], [0, 3]])], {"batch_dims": 1}, 13),
    "ScatterElements": (
        "ScatterElements",
        ["x", places(1, 2, 1, 6, below=4), f32(1, 2, 1, 6)],
        {"axis": 2},
        13,
    ),
    "ScatterElements of x": (
        "ScatterElements",
        [f32(2, 6), i64([4, 0, 1], [2, 3, 5]), "x"],
        {"axis": 1},
        13,
        (2, 3),
    ),
    **{
        f"ScatterElements {how}": (
            "ScatterElements",
            [f32(*IMAGE), places(*IMAGE, below=2), "x"],
            {"axis": 3, "reduction": how},
            18,
        )
        for how in ("add", "max", "min")
    },
    "Scatter": ("Scatter", ["x", i64([[[1]]]), f32(1, 1, 1, 1)], {"axis": 3}, 9),
    "ScatterND": ("ScatterND", ["x", i64([0, 1], [0, 0]), f32(2, 4, 6)], {}, 11),
    "ScatterND add": ("ScatterND", [f32(3, 2, 4, 6), i64([1]), "x"], {"reduction": "add"}, 16),
    "ScatterND max": ("ScatterND", [f32(2, 2, 4, 6), i64([1]), "x"], {"reduction": "max"}, 18),
    "Compress": ("Compress", ["x", np.asarray([True, False, True, True])], {"axis": 2}, 11),
    "Compress flat": ("Compress", ["x", np.asarray([False, True])], {}, 11),
    "Where": ("Where", [np.eye(4, 6) > 0, "x", f32(6)], {}, 16),
    "Trilu": ("Trilu", ["x", np.asarray(-1)], {}, 14),
    "Trilu lower": ("Trilu", ["x"], {"upper": 0}, 14),
    "ReverseSequence": (
        "ReverseSequence",
        ["x", i64(3, 1)],
        {"batch_axis": 1, "time_axis": 0},
        10,
        (4, 2, 3),
    ),
    "CenterCropPad": ("CenterCropPad", ["x", i64(1, 3, 7, 3)], {}, 18),
    "CenterCropPad axes": ("CenterCropPad", ["x", i64(1, 9)], {"axes": [2, -1]}, 18),
    "MaxUnpool": ("MaxUnpool", ["x", UNPOOLED], {"kernel_shape": [2, 2], "strides": [2, 2]}, 11),
    "TopK": ("TopK", ["x", i64(3)], {}, 11),
    "TopK smallest": ("TopK", ["x", i64(2)], {"largest": 0, "axis": 2}, 11),
    "TopK attribute": ("TopK", ["x"], {"k": 2, "axis": 1}, 1),
    **{
        f"GridSample {mode} {padding} {align}": (
            "GridSample",
            ["x", GRID],
            {"mode": mode, "padding_mode": padding, "align_corners": align},
            20,
        )
        for mode in ("linear", "nearest", "cubic")
        for padding in ("zeros", "border", "reflection")
        for align in (0, 1)
    },
    "GridSample 16": ("GridSample", ["x", GRID], {"mode": "bilinear"}, 16),
    # resizing
    "Upsample linear": ("Upsample", ["x", np.float32([1, 1, 2, 3])], {"mode": "linear"}, 9),
    "Resize 10": ("Resize", ["x", np.float32([1, 1, 1.5, 2])], {"mode": "linear"}, 10),
    **{
        f"Resize {mode} {how}": resize([1, 2, 7, 9], mode=mode, coordinate_transformation_mode=how)
        for mode in ("linear", "cubic")
        for how in (
            "half_pixel",
            "asymmetric",
            "align_corners",
            "pytorch_half_pixel",
            "half_pixel_symmetric",
        )
    },
    "Resize scales": resize(scales=[1, 1, 1.7, 0.6]),
    "Resize symmetric scales": resize(
        scales=[1, 1, 1.7, 0.6], coordinate_transformation_mode="half_pixel_symmetric"
    ),
    "Resize crop": resize(
        [1, 2, 5, 5],
        roi=[0, 0, -0.2, 0.3, 1, 1, 0.7, 1.2],
        extrapolation_value=2.5,
        coordinate_transformation_mode="tf_crop_and_resize",
    ),
    "Resize crop to one": resize(
        [1, 2, 1, 4],
        roi=[0, 0, 0.2, 0.3, 1, 1, 0.7, 0.9],
        coordinate_transformation_mode="tf_crop_and_resize",
    ),
    "Resize exclude": resize([1, 2, 7, 9], mode="cubic", exclude_outside=1, cubic_coeff_a=-0.5),
    "Resize antialias": resize([1, 2, 3, 4], antialias=1),
    "Resize antialias cubic": resize([1, 2, 3, 4], mode="cubic", antialias=1, exclude_outside=1),
    "Resize antialias enlarged": resize([1, 2, 9, 4], antialias=1),
    "Resize antialias cubic edge": resize([1, 2, 3, 9], mode="cubic", antialias=1),
    "Resize antialias exclude": resize([1, 2, 3, 4], antialias=1, exclude_outside=1),
    "Resize axes": resize([7, 9], axes=[2, 3]),
    "Resize not larger": resize([8, 7], axes=[2, 3], keep_aspect_ratio_policy="not_larger"),
    "Resize not smaller": resize([8, 7], axes=[2, 3], keep_aspect_ratio_policy="not_smaller"),
    "Resize nearest for nn": resize(
        [1, 2, 7, 9],
        roi=[],
        scales=[],
        mode="nearest",
        opset=11,
        coordinate_transformation_mode="tf_half_pixel_for_nn",
    ),
    **{
        f"Resize nearest {rounding}": resize([1, 2, 8, 9], mode="nearest", nearest_mode=rounding)
        for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    },
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operator(name, tmp_path):
    model = OPERATORS[name]
    shape = model[4] if len(model) > 4 else IMAGE
    models.agree(saved(tmp_path / "m.onnx", *model), shape, points=2)


@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_recurrent_layer_with_relu(direction, layout, tmp_path):
    sides = 1 + (direction == "bidirectional")
    inputs = ["x", f32(sides, 3, 4), f32(sides, 3, 3), f32(sides, 6), None, f32(sides, 2, 3)]
    attributes = {"activations": ["Relu"] * sides, "direction": direction, "hidden_size": 3}
    path = saved(tmp_path / "m.onnx", "RNN", inputs, attributes, 14, (5, 2, 4))
    models.agree(path, (5, 2, 4), points=2)


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_resize(tmp_path_factory, data):
    space = data.draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    sizes = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    attributes = {
        "mode": data.draw(st.sampled_from(["linear", "cubic"])),
        "coordinate_transformation_mode": data.draw(
            st.sampled_from(["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"])
        ),
    }
    shape = (1, 2, *space)
    path = tmp_path_factory.mktemp("resize") / "m.onnx"
    models.agree(saved(path, *resize([1, 2, *sizes], **attributes), shape), shape, points=1)


REFUSED = {
    "LpPool": ("LpPool", ["x"], {"kernel_shape": [2, 2]}, 11, "with p other than 1"),
    "RNN": (
        "RNN",
        ["x", f32(1, 2, 4), f32(1, 2, 2)],
        {"hidden_size": 2},
        14,
        "only with the activation Relu",
    ),
    "Hardmax": ("Hardmax", ["x"], {}, 13, "not continuous"),
    "Floor": ("Floor", ["x"], {}, 13, "not continuous"),
    "Round": ("Round", ["x"], {}, 11, "not continuous"),
    "ScatterND": (
        "ScatterND",
        ["x", i64([0]), f32(1, 2, 4, 6)],
        {"reduction": "mul"},
        16,
        "multiplies",
    ),
    "MaxUnpool": (
        "MaxUnpool",
        ["x", UNPOOLED, i64(1, 2, 9, 13)],
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        11,
        "output shape",
    ),
    "Einsum": ("Einsum", ["x", "x"], {"equation": "abcd,abcd->a"}, 12, "two computed tensors"),
    "Elu": ("Elu", ["x"], {}, 6, "not piecewise linear"),
    "MeanVarianceNormalization": ("MeanVarianceNormalization", ["x"], {}, 13, "statistics"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, tmp_path):
    *model, why = REFUSED[name]
    shape = (3, 2, 4) if name == "RNN" else IMAGE
    with pytest.raises(UnsupportedLayerError, match=why):
        exactcam.load(saved(tmp_path / "m.onnx", *model, shape))
