"""ONNX files as programs write them: dead parts, functions of their own, constant branches."""

import numpy as np
import pytest

import exactcam
from exactcam.errors import FileFormatError, NetworkError, UnsupportedLayerError

onnx = pytest.importorskip("onnx")
reference = pytest.importorskip("onnx.reference")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
node = helper.make_node
OPSET = [helper.make_opsetid("", 18)]
OWN = helper.make_opsetid("own", 1)
TWO = np.float32([[1, -2], [0.5, 3]])


def info(name, shape=(1, 2), kind=1):
    return helper.make_tensor_value_info(name, kind, shape)


def build(nodes, constants=(), functions=(), inputs=None):
    """A model from "x" (1, 2) to "y"; constants are pairs of name and array."""
    held = [numpy_helper.from_array(np.asarray(v), n) for n, v in constants]
    outputs = [helper.make_empty_tensor_value_info("y")]
    graph = helper.make_graph(nodes, "test", inputs or [info("x")], outputs, held)
    domains = [*OPSET, OWN] if functions else OPSET
    model = helper.make_model(graph, opset_imports=domains, functions=list(functions))
    model.ir_version = 10
    return model


def load(tmp_path, model, **options):
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return exactcam.load(path, **options)


# Dead parts

RELU = node("Relu", ["x"], ["y"])
DEAD = {
    "smooth": ([node("Sigmoid", ["x"], ["u"]), RELU], []),
    "smooth, after": ([RELU, node("Sigmoid", ["y"], ["u"])], []),
    "a chain": ([node("Tanh", ["x"], ["u"]), node("ArgMax", ["u"], ["v"]), RELU], []),
    "unknown": ([node("Mystery", ["x"], ["u"], domain="nowhere"), RELU], []),
    "no operator": ([node("Mystery", ["x"], ["u"]), RELU], []),
    "control flow": (
        [node("Loop", ["", ""], ["u"], body=helper.make_graph([], "b", [], [])), RELU],
        [],
    ),
    "a constant": ([RELU], [("c", np.float32(np.nan))]),
}


@pytest.mark.parametrize("name", DEAD)
def test_what_the_output_does_not_need_is_not_judged(name, tmp_path):
    nodes, constants = DEAD[name]
    network = load(tmp_path, build(nodes, constants))
    assert network.evaluate([-1, 2]) == (0, 2)
    assert network.notes == ()


SHAPES = {
    "sigmoid": [node("Sigmoid", ["x"], ["u"])],
    "a chain": [
        node("Exp", ["x"], ["v"]),
        node("Mul", ["v", "x"], ["w"]),
        node("Concat", ["w", "w"], ["u"], axis=0),
    ],
    "places": [node("ArgMax", ["x"], ["u"], axis=0, keepdims=1)],
    "a norm": [node("LpNormalization", ["x"], ["v"]), node("Transpose", ["v"], ["u"], perm=[1, 0])],
}


@pytest.mark.parametrize("kind", ["Shape", "Size"])
@pytest.mark.parametrize("name", SHAPES)
def test_what_is_read_for_its_shape_is_not_judged(name, kind, tmp_path):
    end = [
        node(kind, ["u"], ["s"]),
        node("ReduceSum", ["s"], ["t"], keepdims=0),
        node("Cast", ["t"], ["f"], to=1),
        node("Mul", ["x", "f"], ["m"]),
        node("Relu", ["m"], ["y"]),
    ]
    model = build([*SHAPES[name], *end])
    theirs = reference.ReferenceEvaluator(model).run(None, {"x": np.float32([[-1, 2]])})[0]
    assert load(tmp_path, model).evaluate([-1, 2]) == tuple(theirs.ravel().tolist())
    read = build([*SHAPES[name], node("Relu", ["u"], ["y"])])
    with pytest.raises(UnsupportedLayerError, match="layer "):
        load(tmp_path, read)


@pytest.mark.parametrize("first", ["Mystery", "LSTM", "Loop"])
def test_what_is_read_for_its_shape_is_refused_where_onnx_cannot_tell_that(first, tmp_path):
    end = [node("Shape", ["u"], ["s"]), node("Reshape", ["x", "s"], ["y"])]
    with pytest.raises(exactcam.ExactcamError, match=rf"\({first}\)|onnx"):
        load(tmp_path, build([node(first, ["x"], ["u"]), *end]))


def test_unused_inputs_are_none(tmp_path):
    odd = [info("x"), info("m"), info("ids", ("N", "M"), 7)]
    assert load(tmp_path, build([RELU], inputs=odd)).inputs == 2
    assert load(tmp_path, build([RELU], inputs=odd[::-1])).inputs == 2


def test_a_dead_final_layer_is_no_final_layer(tmp_path):
    model = build([node("Softmax", ["x"], ["u"]), RELU])
    assert load(tmp_path, model, drop_final=True).notes == ()


# Functions

INNER = helper.make_function(
    "own",
    "Inner",
    ["a", "w"],
    ["o"],
    [node("MatMul", ["a", "w"], ["m"]), node("Relu", ["m"], ["o"])],
    OPSET,
)
LEAKY = helper.make_function(
    "own",
    "Leaky",
    ["a"],
    ["o"],
    [
        node("Constant", [], ["h"], value_float=0.5),
        node("Mul", ["a", "h"], ["b"]),
        node("Max", ["a", "b"], ["o"]),
    ],
    OPSET,
)


def test_functions_are_put_in(tmp_path):
    outer = helper.make_function(
        "own",
        "Outer",
        ["a", "w"],
        ["o", "unused"],
        [
            node("Inner", ["a", "w"], ["b"], domain="own"),
            node("Leaky", ["b"], ["o"], domain="own"),
            node("Sigmoid", ["a"], ["unused"]),
        ],
        [*OPSET, OWN],
    )
    calls = [
        node("Outer", ["x", "w"], ["m", ""], domain="own"),
        node("Outer", ["m", "w"], ["n"], domain="own"),
        node("Sub", ["n", "m"], ["y"]),
    ]
    network = load(tmp_path, build(calls, [("w", TWO)], [outer, INNER, LEAKY]))
    x = np.float32([-3, 2])
    m = np.maximum(x @ TWO, 0)
    assert network.evaluate(x.tolist()) == tuple(np.maximum(m @ TWO, 0) - m)


def test_attributes_of_functions(tmp_path):
    inner = node("LeakyRelu", ["a"], ["o"], alpha=0.0)
    inner.attribute[0].CopyFrom(
        onnx.AttributeProto(name="alpha", type=onnx.AttributeProto.FLOAT, ref_attr_name="slope")
    )
    function = helper.make_function("own", "L", ["a"], ["o"], [inner], OPSET, ["slope"])
    model = build([node("L", ["x"], ["y"], domain="own", slope=0.25)], functions=[function])
    assert load(tmp_path, model).evaluate([-4, 4]) == (-1, 4)


def test_refused_layers_inside_functions(tmp_path):
    function = helper.make_function("own", "S", ["a"], ["o"], [node("Sin", ["a"], ["o"])], OPSET)
    model = build(
        [node("S", ["x"], ["u"], domain="own"), node("Relu", ["u"], ["y"])], functions=[function]
    )
    with pytest.raises(UnsupportedLayerError, match=r"\(Sin\)"):
        load(tmp_path, model)


def doubling(depth):
    """A function that calls a function twice that calls a function twice ..."""
    functions = [
        helper.make_function("own", "F0", ["a"], ["o"], [node("Neg", ["a"], ["o"])], OPSET)
    ]
    for k in range(depth):
        calls = [
            node(f"F{k}", ["a"], ["b"], domain="own"),
            node(f"F{k}", ["b"], ["o"], domain="own"),
        ]
        functions.append(
            helper.make_function("own", f"F{k + 1}", ["a"], ["o"], calls, [*OPSET, OWN])
        )
    return functions


def test_functions_that_would_become_very_many_nodes(tmp_path):
    for depth in (15, 60):
        call = node(f"F{depth}", ["x"], ["y"], domain="own")
        with pytest.raises(FileFormatError, match="far more"):
            load(tmp_path, build([call], functions=doubling(depth)))
    assert load(
        tmp_path, build([node("F5", ["x"], ["y"], domain="own")], functions=doubling(5))
    ).inputs


@pytest.mark.parametrize("length", [1, 3, 5000])
def test_functions_in_a_circle(length, tmp_path):
    functions = [
        helper.make_function(
            "own",
            f"F{k}",
            ["a"],
            ["o"],
            [node(f"F{(k + 1) % length}", ["a"], ["o"], domain="own")],
            [*OPSET, OWN],
        )
        for k in range(length)
    ]
    with pytest.raises(exactcam.ExactcamError) as caught:
        load(tmp_path, build([node("F0", ["x"], ["y"], domain="own")], functions=functions))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("depth", [50, 700, 5000])
def test_functions_that_call_one_another_deeply(depth, tmp_path):
    functions = doubling(depth)
    for function in functions[1:]:
        del function.node[1:]
        function.node[0].output[0] = "o"
    model = build([node(f"F{depth}", ["x"], ["y"], domain="own")], functions=functions)
    if depth < 500:
        assert load(tmp_path, model).evaluate([-4, 4]) == (4, -4)
    else:
        with pytest.raises(FileFormatError) as caught:
            load(tmp_path, model)
        assert str(caught.value).isprintable()


def test_functions_never_stand_for_operators_of_onnx(tmp_path):
    relu = helper.make_function("", "Relu", ["a"], ["o"], [node("Neg", ["a"], ["o"])], OPSET)
    with pytest.raises(FileFormatError, match="another meaning"):
        load(tmp_path, build([RELU], functions=[relu]))


def test_calls_that_do_not_fit(tmp_path):
    for inputs, outputs in ((["x", "w", "w"], ["y"]), (["x"], ["y"]), (["x", "w"], ["y", "z"])):
        model = build([node("Inner", inputs, outputs, domain="own")], [("w", TWO)], [INNER])
        with pytest.raises(exactcam.ExactcamError) as caught:
            load(tmp_path, model)
        assert str(caught.value).isprintable()


# Branches


def branch(nodes, output, constants=()):
    held = [numpy_helper.from_array(np.asarray(v), n) for n, v in constants]
    return helper.make_graph(nodes, "b", [], [helper.make_empty_tensor_value_info(output)], held)


def choose(condition, result, then, other):
    return node("If", [condition], [result], then_branch=then, else_branch=other)


@pytest.mark.parametrize("condition", [True, False])
def test_a_branch_by_a_stored_condition(condition, tmp_path):
    then = branch([node("Add", ["r", "c"], ["o"])], "o", [("c", np.float32([1, 2]))])
    other = branch([node("Neg", ["r"], ["m"]), node("Sin", ["m"], ["o"])], "o")
    nodes = [node("Relu", ["x"], ["r"]), choose("t", "i", then, other), node("Abs", ["i"], ["y"])]
    model = build(nodes, [("t", np.asarray(condition))])
    if condition:
        assert load(tmp_path, model).evaluate([-1, 3]) == (1, 5)
    else:
        with pytest.raises(UnsupportedLayerError, match=r"\(Sin\)"):
            load(tmp_path, model)


def squeezing(shape):
    """What torch's exporter writes for x.squeeze(1) of a computed value."""
    nodes = [
        node("Relu", ["x"], ["r"]),
        node("Shape", ["r"], ["s"]),
        node("Gather", ["s", "one"], ["n"]),
        node("Equal", ["n", "one"], ["e"]),
        choose(
            "e",
            "i",
            branch([node("Squeeze", ["r", "axes"], ["q"])], "q"),
            branch([node("Identity", ["r"], ["q"])], "q"),
        ),
        node("Neg", ["i"], ["y"]),
    ]
    constants = [("one", np.int64([1])), ("axes", np.int64([1]))]
    return build(nodes, constants, inputs=[info("x", shape)])


@pytest.mark.parametrize("shape", [(1, 1, 2), (1, 2)])
def test_a_branch_by_a_shape(shape, tmp_path):
    assert load(tmp_path, squeezing(shape)).evaluate([-1, 2]) == (0, -2)


def test_branches_inside_branches(tmp_path):
    inner = choose(
        "f",
        "o",
        branch([node("Abs", ["d"], ["o2"])], "o2"),
        branch([node("Sub", ["d", "x"], ["o2"])], "o2"),
    )
    outer = choose(
        "t",
        "a",
        branch([node("Add", ["x", "x"], ["d"]), inner], "o"),
        branch([node("Tan", ["x"], ["o"])], "o"),
    )
    again = choose(
        "t", "b", branch([node("Neg", ["a"], ["o"])], "o"), branch([node("Tan", ["x"], ["o"])], "o")
    )
    nodes = [node("Tanh", ["x"], ["dead"]), outer, again, node("Relu", ["b"], ["y"])]
    model = build(nodes, [("t", np.asarray(True)), ("f", np.asarray(False))])
    assert load(tmp_path, model).evaluate([-1, 2]) == (1, 0)


def test_what_only_the_other_branch_needs_is_not_judged(tmp_path):
    nodes = [
        node("Sigmoid", ["x"], ["s"]),
        choose(
            "t",
            "y",
            branch([node("Relu", ["x"], ["o"])], "o"),
            branch([node("Neg", ["s"], ["o"])], "o"),
        ),
    ]
    assert load(tmp_path, build(nodes, [("t", np.asarray(True))])).evaluate([-1, 2]) == (0, 2)


def test_a_branch_that_depends_on_the_input(tmp_path):
    nodes = [
        node("ReduceSum", ["x"], ["s"], keepdims=0),
        node("Relu", ["s"], ["c"]),
        node("Cast", ["c"], ["t"], to=9),
        choose(
            "t",
            "y",
            branch([node("Relu", ["x"], ["o"])], "o"),
            branch([node("Neg", ["x"], ["o"])], "o"),
        ),
    ]
    with pytest.raises(UnsupportedLayerError, match=r"\(Cast\)"):
        load(tmp_path, build(nodes))
    nodes[3].input[0] = "c"
    with pytest.raises(UnsupportedLayerError, match=r"\(If\).*depends on the input"):
        load(tmp_path, build(nodes))


def test_many_branches(tmp_path):
    """All that depend on the same values are chosen together."""
    other = branch([node("Sin", ["x"], ["o"])], "o")
    nodes = [
        choose("t", f"a{k + 1}", branch([node("Neg", [f"a{k}" if k else "x"], ["o"])], "o"), other)
        for k in range(300)
    ]
    nodes.append(node("Relu", ["a300"], ["y"]))
    assert load(tmp_path, build(nodes, [("t", np.asarray(True))])).evaluate([-1, 2]) == (0, 2)


def test_branches_that_wait_for_one_another(tmp_path):
    """Each looks at all nodes anew: the budget of the graph bounds their product."""
    nodes = []
    for k in range(3000):
        both = [branch([node("Identity", [f"t{k}"], ["o"])], "o") for _ in range(2)]
        nodes.append(choose(f"t{k}", f"t{k + 1}", *both))
    both = [branch([node(kind, ["x"], ["o"])], "o") for kind in ("Relu", "Abs")]
    nodes.append(choose("t3000", "y", *both))
    with pytest.raises(NetworkError, match="far larger"):
        load(tmp_path, build(nodes, [("t0", np.asarray(True))]))
    del nodes[20:-1]
    nodes[-1].input[0] = "t20"
    assert load(tmp_path, build(nodes, [("t0", np.asarray(True))])).evaluate([-1, 2]) == (0, 2)


# Bounds that bound nothing


@pytest.mark.parametrize("opset", [6, 18])
@pytest.mark.parametrize(
    ("low", "high", "value"),
    [(0, np.inf, (0, 2)), (-np.inf, 1, (-1, 1)), (-np.inf, np.inf, (-1, 2)), (-np.inf, 0, (-1, 0))],
)
def test_clips_with_an_infinite_bound(low, high, value, opset, tmp_path):
    low, high = np.float32(low), np.float32(high)
    if opset == 6:
        model = build(
            [node("Clip", ["x"], ["c"], min=low, max=high), node("Identity", ["c"], ["y"])]
        )
        del model.opset_import[:]
        model.opset_import.append(helper.make_opsetid("", 6))
    else:
        model = build([node("Clip", ["x", "a", "b"], ["y"])], [("a", low), ("b", high)])
    assert load(tmp_path, model).evaluate([-1, 2]) == value


@pytest.mark.parametrize(("low", "high"), [(np.inf, None), (None, -np.inf), (np.nan, None)])
def test_clips_to_no_number(low, high, tmp_path):
    names = [name if bound is not None else "" for name, bound in (("a", low), ("b", high))]
    held = [(n, np.float32(bound)) for n, bound in (("a", low), ("b", high)) if bound is not None]
    with pytest.raises(exactcam.ExactcamError, match="finite"):
        load(tmp_path, build([node("Clip", ["x", *names], ["y"])], held))


def test_torch_clamps_with_an_infinite_bound():
    torch = pytest.importorskip("torch")
    from tools.torch_modules import Call

    for low, high, value in ((0.0, np.inf, (0, 2)), (-np.inf, 1.0, (-1, 1))):
        module = Call(lambda x, low=low, high=high: torch.clamp(x, low, high))
        assert exactcam.from_torch(module, (2,)).evaluate([-1, 2]) == value
