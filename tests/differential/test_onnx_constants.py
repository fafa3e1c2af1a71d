"""Constants of an ONNX model have the values and types that onnxruntime gives them."""

from functools import partial

import numpy as np
import pytest

import exactcam
from exactcam.errors import NetworkError
from exactcam.loaders import onnx_constants
from exactcam.loaders.graph import Graph
from exactcam.loaders.onnx_constants import computed, typed

onnx = pytest.importorskip("onnx")
ReferenceEvaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator
runtime = pytest.importorskip("onnxruntime")
helper, arrays = onnx.helper, onnx.numpy_helper
FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64


def node(kind, inputs, output, **attributes):
    return helper.make_node(kind, inputs.split(), [output], **attributes)


def model(nodes, shape, opset=17, **constants):
    ends = [helper.make_tensor_value_info(n, FLOAT, s) for n, s in (("x", shape), ("y", None))]
    stored = [arrays.from_array(np.asarray(a), n) for n, a in constants.items()]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], stored)
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def run(made, outputs, fed):
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = runtime.InferenceSession(
        made.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(outputs, fed)


RNG = np.random.default_rng(5)
PADDED = [
    node("Unsqueeze", "p i0", "p1"),
    node("Concat", "z2 p1 z1 z2 p1 z1", "pads", axis=0),
    node("Pad", "x pads", "q"),
    node("Relu", "q", "y"),
]
HEIGHT = [node("Shape", "x", "s"), node("Gather", "s i2", "h")]
SIZES = {
    "i2": np.int64(2),
    "i0": np.int64([0]),
    "z2": np.int64([0, 0]),
    "z1": np.int64([0]),
}
SCALED = [node("MatMul", "x d", "m"), node("Relu", "m", "y")]
TIMES = [node("Mul", "x d", "m"), node("Relu", "m", "y")]


def weights(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


CASES = {
    "pads by subtraction": (
        [*HEIGHT, node("Sub", "eight h", "p"), *PADDED],
        [1, 2, 5, 4],
        {**SIZES, "eight": np.int64(8)},
    ),
    "pads by a product": (
        [*HEIGHT, node("Mul", "two h", "p"), *PADDED],
        [1, 2, 5, 4],
        {**SIZES, "two": np.int64(2)},
    ),
    "pads by a floor": (
        [
            *HEIGHT,
            node("Cast", "h", "f", to=FLOAT),
            node("Div", "f two", "d"),
            node("Floor", "d", "e"),
            node("Cast", "e", "p", to=INT64),
            *PADDED,
        ],
        [1, 2, 5, 4],
        {**SIZES, "two": np.float32(2)},
    ),
    "a view": (
        [
            node("Shape", "x", "s"),
            node("Gather", "s k1", "c"),
            node("Gather", "s k2", "w"),
            node("Mul", "c w", "n"),
            node("Unsqueeze", "n i0", "n1"),
            node("Concat", "m1 n1", "t", axis=0),
            node("Reshape", "x t", "r"),
            node("Relu", "r", "y"),
        ],
        ["b", 2, 3],
        {"k1": np.int64(1), "k2": np.int64(2), "i0": np.int64([0]), "m1": np.int64([-1])},
    ),
    "true division": (
        [
            node("Range", "a b c", "r"),
            node("Cast", "r", "f", to=FLOAT),
            node("Cast", "k", "g", to=FLOAT),
            node("Div", "f g", "d"),
            *TIMES,
        ],
        [1, 6],
        {"a": np.int64(0), "b": np.int64(6), "c": np.int64(1), "k": np.int64(4)},
    ),
    "CastLike": (
        [
            node("CastLike", "a x", "f"),
            node("CastLike", "k x", "g"),
            node("Div", "f g", "d"),
            *TIMES,
        ],
        [1, 3],
        {"a": np.int64([1, 2, 3]), "k": np.int64([2])},
    ),
    "weight norm": (
        [
            node("ReduceL2", "w", "n", axes=[1], keepdims=1),
            node("Div", "w n", "u"),
            node("Transpose", "u", "d"),
            *SCALED,
        ],
        [1, 4],
        {"w": weights(3, 4)},
    ),
    "exp": ([node("Exp", "s", "d"), *TIMES], [1, 4], {"s": weights(4)}),
    "sqrt": (
        [node("Abs", "s", "a"), node("Sqrt", "a", "r"), node("Reciprocal", "r", "d"), *TIMES],
        [1, 4],
        {"s": weights(4)},
    ),
    "mask": (
        [node("Greater", "s z", "c"), node("Cast", "c", "d", to=FLOAT), *TIMES],
        [1, 4],
        {"s": weights(4), "z": np.float32(0)},
    ),
    "where": (
        [node("Less", "s z", "c"), node("Where", "c s z", "d"), *TIMES],
        [1, 4],
        {"s": weights(4), "z": np.float32(0)},
    ),
    "dequantize": (
        [node("DequantizeLinear", "w s z", "d", axis=1), *SCALED],
        [1, 4],
        {
            "w": RNG.integers(-127, 127, (4, 3)).astype(np.int8),
            "s": np.abs(weights(3)) / 64,
            "z": np.zeros(3, np.int8),
        },
    ),
    "half precision": (
        [
            node("Cast", "w", "h", to=onnx.TensorProto.FLOAT16),
            node("Mul", "h h", "q"),
            node("Cast", "q", "d", to=FLOAT),
            *SCALED,
        ],
        [1, 4],
        {"w": weights(4, 3)},
    ),
    "bfloat16": (
        [
            node("Cast", "w", "h", to=onnx.TensorProto.BFLOAT16),
            node("Cast", "h", "d", to=FLOAT),
            *SCALED,
        ],
        [1, 4],
        {"w": weights(4, 3)},
    ),
    "a range of floats": (
        [node("Range", "a b c", "d"), *TIMES],
        [1, 3],
        {"a": np.float32(0.5), "b": np.float32(1.2), "c": np.float32(0.3)},
    ),
    "places of entries": (
        [
            node("NonZero", "m", "i"),
            node("Squeeze", "i", "j"),
            node("Gather", "x j", "g", axis=1),
            node("Relu", "g", "y"),
        ],
        [1, 3],
        {"m": np.float32([1, 0, 2])},
    ),
    "the order of weights": (
        [
            helper.make_node("TopK", ["w", "k"], ["v", "i"]),
            node("Gather", "x i", "g", axis=1),
            node("Mul", "g v", "m"),
            node("Relu", "m", "y"),
        ],
        [1, 3],
        {"w": np.float32([1, 3, 2]), "k": np.int64([2])},
    ),
    "a product of weights": (
        [node("MatMul", "w v", "d"), *SCALED],
        [1, 4],
        {"w": weights(4, 5), "v": weights(5, 3)},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_constant_has_the_models_value(name, tmp_path):
    nodes, shape, constants = CASES[name]
    made = model(nodes, shape, 15 if name == "CastLike" else 13, **constants)
    onnx.save(made, tmp_path / "m.onnx")
    network = exactcam.load(tmp_path / "m.onnx")
    assert not any("not checked" in note for note in network.notes)
    for _ in range(3):
        x = np.abs(weights(*(n if isinstance(n, int) else 1 for n in shape)))
        ours = np.asarray([float(y) for y in network.evaluate(x.ravel().astype(float).tolist())])
        # onnxruntime skips the rounding of half precision, for which it has no product.
        host = ReferenceEvaluator(made).run if name == "half precision" else partial(run, made)
        theirs = host(None, {"x": x})[0].ravel()
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())
    noted = any("of constants is rounded once" in note for note in network.notes)
    assert noted == (name in ("weight norm", "exp", "sqrt", "a product of weights"))


BOTH = ["uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]
PAIRS = dict.fromkeys(("Add", "Sub", "Mul", "Div", "Equal", "Greater", "Less", "Max"), BOTH)
PAIRS["Mod"] = BOTH[:5]
SINGLE = dict.fromkeys(("Floor", "Ceil", "Round", "Sign", "Abs", "Neg"), BOTH[5:])
SINGLE |= {"Not": ["bool"], "IsNaN": ["float32"], "Relu": ["float32"], "Sign": BOTH}
DETERMINED = [(k, t) for table in (PAIRS, SINGLE) for k, types in table.items() for t in types]


def alone(kind, operands, output, **attributes):
    """What exactcam and onnxruntime give for one node whose operands are constants."""
    names = [f"c{k}" for k in range(len(operands))]
    single = node(kind, " ".join(names), "y", **attributes)
    number = {
        n: helper.np_dtype_to_tensor_dtype(x.dtype) for n, x in zip(names, operands, strict=True)
    }
    number["y"] = helper.np_dtype_to_tensor_dtype(np.dtype(output))
    ours = computed(Graph((1,)), single, operands, number, 17)
    made = model([single], [1], **dict(zip(names, operands, strict=True)))
    made.graph.output[0].type.tensor_type.elem_type = number["y"]
    try:
        theirs = run(made, None, {"x": np.zeros(1, np.float32)})
    except Exception as error:  # onnxruntime's own share no base
        pytest.skip(f"onnxruntime: {str(error)[:80]}")
    return ours[0], theirs[0]


@pytest.mark.parametrize(("kind", "name"), DETERMINED)
def test_what_a_type_determines_is_onnxruntimes_value(kind, name):
    rng = np.random.default_rng(3)
    whole = np.dtype(name).kind in "iub"
    numbers = rng.integers(-120, 120, (2, 40)) if whole else rng.normal(0, 5, (2, 40))
    first, second = numbers.astype(name)
    second = np.where(second == 0, np.ones(1, name), second)
    truth = kind in ("Equal", "Greater", "Less", "Not", "IsNaN")
    operands = [first, second] if kind in PAIRS else [first]
    ours, theirs = alone(kind, operands, "bool" if truth else name)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("ArgMax", {"axis": 1, "select_last_index": 1}),
        ("ArgMin", {"axis": 0, "keepdims": 0}),
        ("ReduceMax", {"axes": [1]}),
        ("ReduceMin", {"axes": [0], "keepdims": 0}),
        ("Clip", {}),
        ("LeakyRelu", {"alpha": 0.3}),
    ],
)
def test_attributes_mean_what_onnxruntime_means(kind, attributes):
    numbers = np.float32([[1, 3, 3, -2], [1, -5, 0, 7]])
    operands = [numbers, np.float32(-1), np.float32(3)] if kind == "Clip" else [numbers]
    ours, theirs = alone(
        kind, operands, "int64" if kind.startswith("Arg") else "float32", **attributes
    )
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "kind", ["Exp", "Log", "Sqrt", "Softplus", "ReduceL2", "ReduceMean", "Erf"]
)
def test_what_is_rounded_once_is_near_onnxruntimes_value(kind):
    numbers = np.random.default_rng(4).uniform(0.1, 3, (4, 5)).astype(np.float32)
    attributes = {"axes": [1]} if kind.startswith("Reduce") else {}
    ours, theirs = alone(kind, [numbers], "float32", **attributes)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_a_wrong_constant_is_found(tmp_path, monkeypatch):
    """The evaluator is not trusted: onnxruntime computes what has one right value again."""
    nodes, shape, constants = CASES["true division"]
    onnx.save(model(nodes, shape, 13, **constants), tmp_path / "m.onnx")
    right = onnx_constants._evaluated
    monkeypatch.setattr(onnx_constants, "_evaluated", lambda *a: [x + 1 for x in right(*a)])
    with pytest.raises(
        NetworkError, match=r"layer d \(Div\): onnx and onnxruntime compute different"
    ):
        exactcam.load(tmp_path / "m.onnx")


def test_a_typed_number_is_rounded_once():
    assert typed(np.float64([1 + 2**-30]), FLOAT).tolist() == [1]
    assert typed(np.float64([1e6]), onnx.TensorProto.FLOAT16).tolist() == [np.inf]
    assert typed(np.float64([1 + 2**-9]), onnx.TensorProto.BFLOAT16).tolist() == [1]
    assert typed(np.int64([3]), INT64).dtype == np.int64


def test_division_by_zero_of_integers(tmp_path):
    made = model([node("Div", "a b", "d"), *TIMES], [1, 1], a=np.int64([3]), b=np.int64([0]))
    onnx.save(made, tmp_path / "m.onnx")
    with pytest.raises(
        NetworkError, match=r"layer d \(Div\): an integer constant is divided by zero"
    ):
        exactcam.load(tmp_path / "m.onnx", check=False)


WIDE, TALL = np.zeros((1, 1 << 12), np.float32), np.zeros((1 << 12, 1), np.float32)
HUGE = {
    "a sum": [node("Add", "a b", "d")],
    "a product of matrices": [node("MatMul", "b a", "d")],
    "a turned product": [node("Gemm", "a b", "d", transA=1, transB=1)],
    "a sum of many": [node("Max", "a " * 20000, "c"), node("Sum", "c " * 20000, "d")],
}


@pytest.mark.parametrize("name", HUGE)
def test_sizes_are_known_before_a_constant_is_computed(name, tmp_path):
    made = model([*HUGE[name], *TIMES], [1, 1], a=WIDE, b=TALL)
    onnx.save(made, tmp_path / "m.onnx")
    with pytest.raises(NetworkError, match="out of reach"):
        exactcam.load(tmp_path / "m.onnx")
