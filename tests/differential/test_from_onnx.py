"""ONNX operators and public models against onnxruntime."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import exactcam
from exactcam.engine.refine import Engine

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
models = pytest.importorskip("tools.onnx_models")
agree, save = models.agree, models.save

MODELS = Path(__file__).parents[3] / "shared" / "models"
RNG = np.random.default_rng(7)


def f32(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def ints(*values):
    return np.asarray(values, dtype=np.int64)


IMAGE = (1, 2, 6, 6)
# name: (operator, constants after the input, attributes, opset)
ON_IMAGES = {
    "Add": ("Add", [f32(2, 1, 1)], {}, 14),
    "Sub": ("Sub", [f32(1, 2, 6, 6)], {}, 7),
    "Mul": ("Mul", [f32(6)], {}, 14),
    "Div": ("Div", [f32(2, 6, 1)], {}, 14),
    "Neg": ("Neg", [], {}, 13),
    "MatMul": ("MatMul", [f32(6, 3)], {}, 13),
    "MatMul batched": ("MatMul", [f32(2, 6, 3)], {}, 13),
    "Conv": ("Conv", [f32(4, 2, 3, 3), f32(4)], {}, 11),
    "Conv pads": ("Conv", [f32(3, 2, 3, 2)], {"pads": [1, 0, 2, 1], "strides": [2, 1]}, 11),
    "Conv same upper": ("Conv", [f32(3, 2, 4, 4)], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, 11),
    "Conv same lower": ("Conv", [f32(3, 2, 2, 2)], {"auto_pad": "SAME_LOWER"}, 11),
    "Conv grouped": ("Conv", [f32(4, 1, 2, 2)], {"group": 2, "dilations": [2, 1]}, 7),
    "ConvTranspose": ("ConvTranspose", [f32(2, 3, 3, 3), f32(3)], {"strides": [2, 2]}, 11),
    "ConvTranspose pads": (
        "ConvTranspose", [f32(2, 2, 3, 3)],
        {"group": 2, "strides": [2, 2], "pads": [1, 0, 1, 1], "output_padding": [1, 0]}, 11),
    "ConvTranspose shape": (
        "ConvTranspose", [f32(2, 3, 3, 3)], {"strides": [2, 2], "output_shape": [12, 13]}, 11),
    "Relu": ("Relu", [], {}, 6),
    "LeakyRelu": ("LeakyRelu", [], {}, 6),
    "LeakyRelu slope": ("LeakyRelu", [], {"alpha": 0.1}, 16),
    "PRelu": ("PRelu", [f32(2, 1, 1)], {}, 9),
    "Clip attributes": ("Clip", [], {"min": -0.5, "max": 1.0}, 6),
    "Clip": ("Clip", [np.float32(-1), np.float32(0.3)], {}, 13),
    "Clip min": ("Clip", [np.float32(-1)], {}, 11),
    "Abs": ("Abs", [], {}, 13),
    "Max constant": ("Max", [f32(6, 6), f32(2, 1, 1)], {}, 13),
    "Min constant": ("Min", [f32(1)], {}, 13),
    "HardSigmoid": ("HardSigmoid", [], {}, 6),
    "MaxPool": ("MaxPool", [], {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]}, 12),
    "MaxPool ceil": ("MaxPool", [], {"kernel_shape": [2, 2], "strides": [3, 4], "ceil_mode": 1}, 12),
    "MaxPool dilated": ("MaxPool", [], {"kernel_shape": [2, 2], "dilations": [2, 3]}, 12),
    "MaxPool same": ("MaxPool", [], {"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER", "strides": [2, 2]}, 8),
    "AveragePool": ("AveragePool", [], {"kernel_shape": [3, 3]}, 11),
    "AveragePool pads": ("AveragePool", [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, 7),
    "AveragePool count": (
        "AveragePool", [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}, 7),
    "GlobalAveragePool": ("GlobalAveragePool", [], {}, 7),
    "GlobalMaxPool": ("GlobalMaxPool", [], {}, 7),
    "BatchNormalization": (
        "BatchNormalization", [f32(2), f32(2), f32(2), np.abs(f32(2)) + 1], {"epsilon": 1e-3}, 15),
    "BatchNormalization 9": (
        "BatchNormalization", [f32(2), f32(2), f32(2), np.abs(f32(2)) + 1], {}, 9),
    "Flatten": ("Flatten", [], {"axis": 2}, 13),
    "Flatten negative": ("Flatten", [], {"axis": -1}, 13),
    "Reshape": ("Reshape", [ints(0, -1, 4)], {}, 13),
    "Transpose": ("Transpose", [], {"perm": [0, 2, 3, 1]}, 13),
    "Transpose default": ("Transpose", [], {}, 7),
    "Concat": ("Concat", [f32(1, 3, 6, 6)], {"axis": 1}, 13),
    "Slice attributes": ("Slice", [], {"starts": [1, -4], "ends": [100, -1], "axes": [2, 3]}, 9),
    "Slice": ("Slice", [ints(5, 0), ints(-100, 5), ints(2, 3), ints(-2, 2)], {}, 13),
    "Gather": ("Gather", [ints(1, -1, 0)], {"axis": 2}, 13),
    "Squeeze attributes": ("Squeeze", [], {"axes": [0]}, 11),
    "Squeeze": ("Squeeze", [ints(0)], {}, 13),
    "Unsqueeze attributes": ("Unsqueeze", [], {"axes": [0, 3]}, 11),
    "Unsqueeze": ("Unsqueeze", [ints(-1)], {}, 13),
    "Pad attributes": ("Pad", [], {"pads": [0, 0, 1, 2, 0, 0, 0, 1], "value": 0.5}, 7),
    "Pad": ("Pad", [ints(0, 0, 1, 2, 0, 0, -1, 1), np.float32(-1.5)], {}, 13),
    "Pad reflect": ("Pad", [ints(0, 0, 1, 2, 0, 0, 2, 1)], {"mode": "reflect"}, 13),
    "Pad edge": ("Pad", [ints(0, 0, 1, 2, 0, 0, 2, 1)], {"mode": "edge"}, 13),
    "Upsample": ("Upsample", [np.float32([1, 1, 2, 3])], {}, 9),
    "Upsample attributes": ("Upsample", [], {"scales": [1.0, 1.0, 2.0, 2.0]}, 7),
    "Resize 10": ("Resize", [np.float32([1, 1, 2, 2])], {}, 10),
    "Resize half pixel": ("Resize", [np.float32([]), np.float32([1, 1, 1.5, 2])], {}, 13),
    "Resize asymmetric": (
        "Resize", [np.float32([]), np.float32([1, 1, 2, 2])],
        {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, 13),
    "Resize sizes": (
        "Resize", [np.float32([]), np.float32([]), ints(1, 2, 9, 4)],
        {"coordinate_transformation_mode": "align_corners", "nearest_mode": "ceil"}, 13),
    "ReduceSum attributes": ("ReduceSum", [], {"axes": [1, 3]}, 11),
    "ReduceSum": ("ReduceSum", [ints(-1)], {"keepdims": 0}, 13),
    "ReduceMean": ("ReduceMean", [], {"axes": [2, 3]}, 13),
    "ReduceMean 18": ("ReduceMean", [ints(2)], {}, 18),
    "ReduceMax": ("ReduceMax", [], {"axes": [1]}, 13),
    "ReduceMin": ("ReduceMin", [], {"keepdims": 0, "axes": [1, 2]}, 13),
    "Dropout": ("Dropout", [], {}, 7),
    "Dropout 13": ("Dropout", [np.float32(0.3)], {}, 13),
    "Identity": ("Identity", [], {}, 13),
    "Cast": ("Cast", [], {"to": 1}, 13),
    "Expand": ("Expand", [ints(3, 1, 1, 6, 1)], {}, 13),
    "Tile": ("Tile", [ints(1, 2, 1, 1)], {}, 13),
    "SpaceToDepth": ("SpaceToDepth", [], {"blocksize": 2}, 13),
}  # fmt: skip


@pytest.mark.parametrize("name", ON_IMAGES)
def test_operator(name, tmp_path):
    kind, constants, attributes, opset = ON_IMAGES[name]
    named = {f"c{k}": np.asarray(c) for k, c in enumerate(constants)}
    # A kink in front and behind, so that nothing is only linear.
    nodes = [
        helper.make_node("LeakyRelu", ["x"], ["x0"], alpha=0.5),
        helper.make_node(kind, ["x0", *named], ["z"], **attributes),
        helper.make_node("Relu", ["z"], ["y"]),
    ]
    save(tmp_path / "m.onnx", nodes, IMAGE, named, opset)
    agree(tmp_path / "m.onnx", IMAGE)


GRAPHS = {
    "residual": (
        [("Relu", "x", "a", {}), ("Add", "a x", "b", {}), ("Max", "b x", "y", {})], {}, 13),
    "split": (
        [("Split", "x", "a b", {"axis": 3}), ("Sub", "a b", "c", {}), ("Min", "a c b", "y", {})], {}, 11),
    "split sizes": (
        [("Split", "x s", "a b c", {"axis": 2}), ("Concat", "c x a", "y", {"axis": 2})],
        {"s": ints(1, 3, 2)}, 13),
    "gemm": (
        [("Flatten", "x", "f", {}), ("Gemm", "f w b", "g", {"alpha": 0.5, "beta": 2.0, "transB": 1}),
         ("Relu", "g", "y", {})], {"w": f32(3, 72), "b": f32(3)}, 13),
    "gemm left": (
        [("Reshape", "x s", "f", {}), ("Gemm", "w f b", "y", {"transA": 1})],
        {"w": f32(2, 4), "b": f32(1, 36), "s": ints(2, 36)}, 13),
    "depth to space": (
        [("Concat", "x x", "a", {"axis": 1}), ("Abs", "a", "b", {}),
         ("DepthToSpace", "b", "c", {"blocksize": 2}),
         ("DepthToSpace", "b", "d", {"blocksize": 2, "mode": "CRD"}), ("Sub", "c d", "y", {})],
        {}, 13),
    "dynamic reshape": (
        [("Shape", "x", "s", {}), ("Gather", "s i", "n", {"axis": 0}), ("Unsqueeze", "n z", "u", {}),
         ("Mul", "u two", "v", {}), ("Div", "v two", "w", {}), ("Concat", "w m", "t", {"axis": 0}),
         ("Cast", "t", "t32", {"to": 6}), ("Cast", "t32", "t64", {"to": 7}),
         ("Reshape", "x t64", "y", {})],
        {"i": np.asarray(0), "z": ints(0), "two": ints(2), "m": ints(-1)}, 13),
    "constant of shape": (
        [("Shape", "x", "s", {}), ("ConstantOfShape", "s", "o", {}), ("Sub", "o x", "y", {})], {}, 13),
    "indices beside the value": (
        [("MaxPool", "x", "y i", {"kernel_shape": [2, 2]})], {}, 12),
    "nhwc": (
        [("Transpose", "x", "a", {"perm": [0, 2, 3, 1]}), ("Add", "a b", "c", {}),
         ("Transpose", "c", "d", {"perm": [0, 3, 1, 2]}), ("Conv", "d k", "e", {}),
         ("Transpose", "e", "f", {"perm": [0, 2, 3, 1]}), ("Add", "f g", "h", {}),
         ("Relu", "h", "y", {})], {"b": f32(2), "k": f32(3, 2, 3, 3), "g": f32(3)}, 13),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
def test_graph(name, tmp_path):
    rows, constants, opset = GRAPHS[name]
    nodes = [helper.make_node(k, i.split(), o.split(), **a) for k, i, o, a in rows]
    save(tmp_path / "m.onnx", nodes, IMAGE, constants, opset)
    agree(tmp_path / "m.onnx", IMAGE)


def test_dynamic_batch_is_one(tmp_path):
    nodes = [helper.make_node("Gemm", ["x", "w"], ["y"])]
    save(tmp_path / "m.onnx", nodes, ["N", 3], {"w": f32(3, 2)}, 13)
    assert agree(tmp_path / "m.onnx", (1, 3)).inputs == 3


def test_leaky_slope_is_the_stored_float32(tmp_path):
    save(tmp_path / "m.onnx", [helper.make_node("LeakyRelu", ["x"], ["y"])], [1, 1], {}, 13)
    (y,) = exactcam.load(tmp_path / "m.onnx").evaluate([-1])
    assert y == -exactcam.arithmetic.rational.rational(np.float32(0.01))


@pytest.mark.parametrize(
    ("file", "shape", "units"),
    [
        ("acasxu_1_1.onnx", (5,), 300),
        ("acasxu_marabou_1_1.onnx", (1, 1, 1, 5), 300),
        ("tiny_taxinet.onnx", (1, 8, 16, 1), 32),
        ("mnist2x10.onnx", (1, 1, 28, 28), 20),
        ("mnist5x20_leaky_relu.onnx", (1, 1, 28, 28), 120),
        ("cnn_max_mninst2.onnx", (1, 28, 28, 1), 7452),
        ("twin_ladder-5_inp-2_layers-5.onnx", (1, 5), 10),
        ("mnist_relu_3_50.onnx", (1, 1, 28, 28), 110),
    ],
)
def test_public_model(file, shape, units):
    if not (MODELS / file).exists():
        pytest.skip(f"../shared/models/{file} is not there")
    dtype = np.float64 if file.startswith("twin") else np.float32
    network = agree(MODELS / file, shape, points=4, size=0.5, dtype=dtype)
    assert network.units == units


def test_partition_through_three_digits():
    if not (MODELS / "mnist_test_100.csv").exists():
        pytest.skip("../shared/models/mnist_test_100.csv is not there")
    network = exactcam.load(MODELS / "mnist2x10.onnx")
    pixels = np.loadtxt(MODELS / "mnist_test_100.csv", delimiter=",")[:3, 1:] / 255
    plane = exactcam.Slice.through(*pixels.astype(np.float32))
    triangle = [(0, 0), (1, 0), (0, 1)]
    fast, slow = (
        exactcam.partition(network, plane, triangle, engine=engine)
        for engine in ("fast", "reference")
    )
    assert len(fast) == len(slow) == 20
    fast.check_invariants()


def test_partition_of_a_collision_avoidance_network():
    if not (MODELS / "acasxu_1_1.onnx").exists():
        pytest.skip("../shared/models/acasxu_1_1.onnx is not there")
    network = exactcam.load(MODELS / "acasxu_1_1.onnx")
    plane = exactcam.Slice.axes([0] * 5, 0, 1)
    part = exactcam.partition(network, plane, ("-1/32", "-1/32", "1/32", "1/32"))
    part.check_invariants()
    assert len(part) == len(exactcam.partition(network, plane, part.window, engine="reference"))


def digits_through_convolutions(side):
    """The max-pooled network on the plane through three digits, and a triangle in it."""
    for file in ("cnn_max_mninst2.onnx", "mnist_test_100.csv"):
        if not (MODELS / file).exists():
            pytest.skip(f"../shared/models/{file} is not there")
    network = exactcam.load(MODELS / "cnn_max_mninst2.onnx")
    pixels = np.loadtxt(MODELS / "mnist_test_100.csv", delimiter=",")[:3, 1:] / 255
    third, side = Fraction(1, 3), Fraction(side)
    corners = [(third, third), (third + side, third), (third, third + side)]
    plane = exactcam.Slice.through(*pixels.astype(np.float32))
    return network, plane, exactcam.Window(corners)


def test_partition_through_convolutions_and_max_pools():
    case = digits_through_convolutions("1/100")
    fast, slow = (exactcam.partition(*case, engine=engine) for engine in ("fast", "reference"))
    assert len(fast) == 95
    assert np.array_equal(fast.patterns, slow.patterns)
    assert np.array_equal(fast.corners, slow.corners)
    assert list(fast.vertices) == list(slow.vertices)


@pytest.mark.slow
def test_many_regions_of_convolutions_and_max_pools_need_no_exact_cell():
    engine = Engine(*digits_through_convolutions("1/10"))
    assert sum(len(batch) for batch in engine.run()) == 10575
    assert engine.statistics.exact_cells == 0
