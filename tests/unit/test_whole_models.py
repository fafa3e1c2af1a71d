"""The self-check runs the model as it was given too, and asks nothing of what is not needed."""

from types import SimpleNamespace

import numpy as np
import pytest

import exactcam
from exactcam.errors import NetworkError
from exactcam.loaders import from_onnx, torch_views
from exactcam.loaders.graph import Graph
from exactcam.loaders.torch_constants import TorchConstants

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
nn, F = torch.nn, torch.nn.functional
node, FLOAT = onnx.helper.make_node, onnx.TensorProto.FLOAT


class Module(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.register_buffer("weight", torch.tensor([0.3, -1.7]))

    def forward(self, x):
        return self.function(x, self.weight)


def saved(path, *nodes, functions=(), domains=(), **constants):
    stored = [onnx.numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items()]
    ends = [[onnx.helper.make_tensor_value_info(n, FLOAT, [1, 2])] for n in "xy"]
    graph = onnx.helper.make_graph(nodes, "g", *ends, stored)
    imports = [onnx.helper.make_opsetid(d, v) for d, v in (("", 13), *domains)]
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=imports, functions=functions, ir_version=8),
        path,
    )
    return path


@pytest.fixture
def of_shape(tmp_path):
    """A ReLU of which only the shape is read."""
    return saved(
        tmp_path / "shape.onnx",
        node("Relu", ["x"], ["r"], name="shaped"),
        node("Shape", ["r"], ["s"]),
        node("Reshape", ["x", "s"], ["v"]),
        node("Add", ["v", "one"], ["a"], name="sum"),
        node("Relu", ["a"], ["y"], name="last"),
        one=np.float32(1),
    )


def test_what_is_read_for_its_shape_is_no_part_of_the_network(of_shape):
    network = exactcam.load(of_shape)
    assert network.names == ("sum", "last")
    assert network.units == 2
    assert list(network.evaluate([-2, 3])) == [0, 4]


@pytest.mark.parametrize("make", [torch.zeros_like, lambda x: x.new_zeros(1, 2)])
@pytest.mark.parametrize("before", [torch.sigmoid, F.relu, torch.round])
def test_a_value_read_for_its_shape_is_not_judged(before, make):
    module = Module(lambda x, w: F.relu(x - 1) + make(before(x)))
    network = exactcam.from_torch(module, (2,))
    assert network.units == 2
    assert list(network.evaluate([3, -3])) == [2, 0]


def test_a_value_that_is_also_filled_with_itself_is_read():
    module = Module(lambda x, w: torch.full_like(x, 2.0) * F.relu(x))
    assert list(exactcam.from_torch(module, (2,)).evaluate([3, -3])) == [6, 0]


def function_of(kind):
    return onnx.helper.make_function(
        "my",
        "F",
        ["a", "b"],
        ["c"],
        [node(kind, ["a", "b"], ["c"])],
        [onnx.helper.make_opsetid("", 13)],
    )


def test_functions_are_compared_as_the_file_has_them(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    call = node("F", ["x", "w"], ["y"], domain="my")
    parts = {"functions": [function_of("Add")], "domains": [("my", 1)], "w": np.float32(3)}
    path = saved(tmp_path / "function.onnx", call, **parts)
    assert list(exactcam.load(path).evaluate([1, 2])) == [4, 5]

    def wrong(model, inlined=from_onnx.inlined):
        model = inlined(model)
        model.graph.node[0].op_type = "Mul"
        return model

    monkeypatch.setattr(from_onnx, "inlined", wrong)
    with pytest.raises(NetworkError, match="layer output: the exact network differs"):
        exactcam.load(path)


def test_branches_are_compared_as_the_file_has_them(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    branches = [
        onnx.helper.make_graph(
            [node(kind, ["x", "w"], ["o"])],
            kind,
            [],
            [onnx.helper.make_tensor_value_info("o", FLOAT, None)],
        )
        for kind in ("Add", "Mul")
    ]
    choice = node("If", ["c"], ["y"], then_branch=branches[0], else_branch=branches[1])
    path = saved(tmp_path / "if.onnx", choice, c=np.array(True), w=np.float32(3))
    assert list(exactcam.load(path).evaluate([1, 2])) == [4, 5]
    monkeypatch.setattr(from_onnx, "_taken", lambda graph, choice, values: branches[1])
    with pytest.raises(NetworkError, match="layer output: the exact network differs"):
        exactcam.load(path)


def test_constants_are_compared_as_the_file_has_them(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    nodes = node("Exp", ["w"], ["e"]), node("Mul", ["x", "e"], ["y"])
    path = saved(tmp_path / "exp.onnx", *nodes, w=np.float32([0.5, -1]))
    exactcam.load(path)
    right = from_onnx.computed

    def wrong(*given):
        found = right(*given)
        return found and [x * 2 for x in found]

    monkeypatch.setattr(from_onnx, "computed", wrong)
    with pytest.raises(NetworkError, match="layer output: the exact network differs"):
        exactcam.load(path)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rounded_constants_of_a_module_are_compared_as_it_computes_them(dtype, monkeypatch):
    module = Module(lambda x, w: F.relu(x * F.softplus(w) + 1)).to(dtype)
    example = torch.zeros(1, 2, dtype=dtype)
    exactcam.from_torch(module, example=example)
    right = TorchConstants.call
    monkeypatch.setattr(TorchConstants, "call", lambda *given: right(*given) * 2)
    with pytest.raises(NetworkError, match="layer output: the exact network differs") as caught:
        exactcam.from_torch(module, example=example)
    assert "report this layer" in str(caught.value)
    assert "check" not in str(caught.value)


def test_the_check_leaves_torch_as_it_found_it():
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    seen = []

    def function(x, w):
        seen.append((torch.get_num_threads(), torch.get_float32_matmul_precision()))
        if x.dtype == torch.float64 and x.any():
            raise KeyboardInterrupt
        return F.relu(x)

    try:
        torch.set_num_threads(2)
        torch.set_float32_matmul_precision("medium")
        with pytest.raises(KeyboardInterrupt):
            exactcam.from_torch(Module(function), (2,))
        assert seen[-1] == (1, "highest")
        assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == (2, "medium")
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)


def test_sizes_of_indices_are_known_before_they_are_made():
    many = np.arange(1 << 20) % 2
    indices = [many[:, None], many[None, :]]
    graph = Graph((2, 2))
    with pytest.raises(NetworkError, match="entries; such a network is out of reach"):
        torch_views.VIEWS["index"](graph, SimpleNamespace(self=graph.input, indices=indices))


def test_masks_and_places_index_together():
    graph = Graph((1, 3, 2))
    indices = [None, np.array([True, False, True]), np.array([0, 1])]
    picked = torch_views.VIEWS["index"](graph, SimpleNamespace(self=graph.input, indices=indices))
    assert list(graph.network(picked).evaluate([1, 2, 3, 4, 5, 6])) == [1, 6]


def test_a_mask_as_index_loads_or_is_named_as_what_may_not_be_traced():
    module = Module(lambda x, w: F.relu(x[:, w > 0]))
    assert list(exactcam.from_torch(module, (2,)).evaluate([3, 4])) == [3]
    mask, places = torch.tensor([True, False, True]), torch.tensor([0, 1])
    module = Module(lambda x, w: F.relu(x[:, mask, places]))
    with pytest.raises(NetworkError, match=r"masks used as indices .* have no fixed graph"):
        exactcam.from_torch(module, (3, 2))


def test_a_distributed_module_is_looked_through():
    parallel = nn.parallel.DistributedDataParallel
    module = parallel.__new__(parallel)  # without the processes that it would talk to
    nn.Module.__init__(module)
    module.module = nn.Linear(2, 3)
    assert exactcam.from_torch(module.eval(), (2,)).outputs == 3
