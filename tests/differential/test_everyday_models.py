"""Small models as people write and export them: each loads, with the values of its library."""

import numpy as np
import pytest

import exactcam

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
nn, F = torch.nn, torch.nn.functional
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT
parametrizations = torch.nn.utils.parametrizations


def floats(*shape):
    return np.random.default_rng(5).standard_normal(shape).astype(np.float32)


def whole(*numbers):
    return np.array(numbers, dtype=np.int64)


def model(*nodes, shape=(1, 4), opset=13, more=(), functions=(), domains=(), **constants):
    """A model from x to y; a node is (operator, inputs, output) or that with attributes."""
    made = [
        helper.make_node(kind, inputs.split(","), [output], **dict(*attributes))
        for kind, inputs, output, *attributes in nodes
    ]
    inputs = [("x", shape), *more]
    graph = helper.make_graph(
        made,
        "g",
        [helper.make_tensor_value_info(name, FLOAT, sides) for name, sides in inputs],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        [onnx.numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items()],
    )
    imports = [helper.make_opsetid(d, v) for d, v in (("", opset), *domains)]
    return helper.make_model(graph, opset_imports=imports, functions=functions, ir_version=8)


def padded(*arithmetic, **constants):
    """Pads of `p` rows, computed from the five rows `h` of the input."""
    return model(
        ("Shape", "x", "s"),
        ("Gather", "s,two", "h"),
        *arithmetic,
        ("Unsqueeze", "p,i0", "p1"),
        ("Concat", "z2,p1,z1,z2,p1,z1", "pads", {"axis": 0}),
        ("Pad", "x,pads", "q"),
        ("Relu", "q", "y"),
        shape=(1, 2, 5, 4),
        two=np.int64(2),
        i0=whole(0),
        z2=whole(0, 0),
        z1=whole(0),
        **constants,
    )


def scaled(*nodes, **options):
    """The input times the constant `f`."""
    return model(*nodes, ("Mul", "x,f", "m"), ("Relu", "m", "y"), **options)


def resized(mode):
    kinds = {"mode": "linear", "coordinate_transformation_mode": mode}
    scales = np.array([1, 1, 2, 2], np.float32)
    return model(("Resize", "x,,s", "r", kinds), ("Relu", "r", "y"), shape=(1, 2, 3, 4), s=scales)


def with_function():
    nodes = [helper.make_node("MatMul", ["a", "w"], ["m"]), helper.make_node("Relu", ["m"], ["o"])]
    imports = [helper.make_opsetid("", 17)]
    linear = helper.make_function("my", "Lin", ["a", "w"], ["o"], nodes, imports)
    call = ("Lin", "x,w", "y", {"domain": "my"})
    return model(call, opset=17, functions=[linear], domains=[("my", 1)], w=floats(4, 3))


GRAPHS = {
    "difference of sizes": padded(("Sub", "eight,h", "p"), eight=np.int64(8)),
    "product of sizes": padded(("Mul", "two,h", "p")),
    "rounded quotient of sizes": padded(
        ("Cast", "h", "hf", {"to": 1}),
        ("Div", "hf,half", "d"),
        ("Floor", "d", "e"),
        ("Cast", "e", "p", {"to": 7}),
        half=np.float32(2),
    ),
    "view of a product of sizes": model(
        ("Shape", "x", "s"),
        ("Gather", "s,k1", "c"),
        ("Gather", "s,k2", "w"),
        ("Mul", "c,w", "n"),
        ("Unsqueeze", "n,i0", "n1"),
        ("Concat", "m1,n1", "t", {"axis": 0}),
        ("Reshape", "x,t", "r"),
        ("Relu", "r", "y"),
        shape=("b", 2, 3),
        k1=np.int64(1),
        k2=np.int64(2),
        i0=whole(0),
        m1=whole(-1),
    ),
    "true quotient of cast integers": model(
        ("Range", "a,b,c", "r"),
        ("Cast", "r", "f", {"to": 1}),
        ("Cast", "k", "g", {"to": 1}),
        ("Div", "f,g", "d"),
        ("Add", "x,d", "m"),
        ("Relu", "m", "y"),
        shape=(1, 6),
        a=np.int64(0),
        b=np.int64(6),
        c=np.int64(1),
        k=np.int64(4),
    ),
    "cast like the input": scaled(
        ("CastLike", "a,x", "b"),
        ("CastLike", "k,x", "g"),
        ("Div", "b,g", "f"),
        shape=(1, 3),
        opset=15,
        a=whole(1, 2, 3),
        k=whole(2),
    ),
    "weight norm": model(
        ("ReduceL2", "w", "n", {"axes": [1], "keepdims": 1}),
        ("Div", "w,n", "u"),
        ("Transpose", "u", "t"),
        ("MatMul", "x,t", "m"),
        ("Relu", "m", "y"),
        w=floats(3, 4),
    ),
    "exp": scaled(("Exp", "s", "f"), s=floats(4)),
    "mask": scaled(
        ("Greater", "s,z", "c"), ("Cast", "c", "f", {"to": 1}), s=floats(4), z=np.float32(0)
    ),
    "stored integers": model(
        ("DequantizeLinear", "w,s,z", "d", {"axis": 1}),
        ("MatMul", "x,d", "m"),
        ("Relu", "m", "y"),
        w=np.arange(-120, 120, 20).reshape(4, 3).astype(np.int8),
        s=np.abs(floats(3)) / 64,
        z=np.zeros(3, np.int8),
    ),
    "bilinear": resized("pytorch_half_pixel"),
    "bilinear, aligned corners": resized("align_corners"),
    "scattered rows": model(
        ("ScatterND", "c,i,x", "s"),
        ("Relu", "s", "y"),
        shape=(2, 3),
        c=np.zeros((4, 3), np.float32),
        i=np.array([[1], [3]]),
    ),
    "einsum": model(
        ("Einsum", "x,w", "m", {"equation": "bi,io->bo"}), ("Relu", "m", "y"), w=floats(4, 3)
    ),
    "gathered": model(("GatherND", "x,i", "s"), ("Relu", "s", "y"), i=np.array([[0, 1], [0, 3]])),
    "powers of one and zero": model(("Pow", "x,p", "m"), ("Relu", "m", "y"), p=whole(1, 0, 0, 1)),
    "dead sigmoid": model(("Sigmoid", "x", "u"), ("Relu", "x", "y")),
    "unused input": model(("Relu", "x", "y"), more=[("m", (1, 4))]),
    "function": with_function(),
    "infinite bound": model(("Clip", "x,a,b", "y"), a=np.float32(0), b=np.float32(np.inf)),
}


class Module(nn.Module):
    """A function of the module and its input, with buffers and parts."""

    def __init__(self, function, **held):
        super().__init__()
        self.function = function
        for name, value in held.items():
            add = self.add_module if isinstance(value, nn.Module) else self.register_buffer
            add(name, value)

    def forward(self, x):
        return self.function(self, x)


def truths(*values):
    return torch.tensor(values).bool()


def zeroed(m, x):
    y = x.clone()
    y[:, [0, 2]] = 0.0
    return F.relu(y)


WEIGHT = torch.tensor([[1.0001, 2.0003], [-0.3333, 0.1]])
MODULES = {
    "half weight": (Module(lambda m, x: F.relu(F.linear(x, m.w.half().float())), w=WEIGHT), (2,)),
    "bfloat16 weight": (
        Module(lambda m, x: F.relu(F.linear(x, m.w.bfloat16().float())), w=WEIGHT),
        (2,),
    ),
    "sum of truths": (
        Module(lambda m, x: F.relu(x * (m.p + m.q)), p=truths(1, 1, 0, 0), q=truths(1, 0, 1, 0)),
        (4,),
    ),
    "cast to truths": (
        Module(lambda m, x: F.relu(x * m.w.bool()), w=torch.tensor([0.5, 0, 2.9])),
        (3,),
    ),
    "bytes wrap around": (
        Module(lambda m, x: F.relu(x * (m.w - 3)), w=torch.tensor([0, 5], dtype=torch.uint8)),
        (2,),
    ),
    "integers to a float32": (
        Module(lambda m, x: F.relu(x * (m.w / 127)), w=torch.tensor([-128, 5], dtype=torch.int8)),
        (2,),
    ),
    "weight norm": (
        nn.Sequential(parametrizations.weight_norm(nn.Linear(2, 8)), nn.ReLU(), nn.Linear(8, 1)),
        (2,),
    ),
    "spectral norm": (
        nn.Sequential(parametrizations.spectral_norm(nn.Linear(2, 8)), nn.ReLU(), nn.Linear(8, 1)),
        (2,),
    ),
    "frozen batch norm": (
        Module(lambda m, x: F.relu(x * (m.v + 1e-5).rsqrt() + 1), v=torch.tensor([0.6, 0.9, 1.4])),
        (3,),
    ),
    "softplus of a weight": (
        Module(lambda m, x: F.relu(F.linear(x, F.softplus(m.w))), w=WEIGHT),
        (2,),
    ),
    "embedding": (
        Module(lambda m, x: F.relu(x + m.e(torch.arange(4)).flatten()), e=nn.Embedding(4, 1)),
        (4,),
    ),
    "bilinear": (
        Module(lambda m, x: F.relu(F.interpolate(x, scale_factor=2, mode="bilinear"))),
        (2, 3, 4),
    ),
    "einsum": (Module(lambda m, x: F.relu(torch.einsum("bi,oi->bo", x, m.w)), w=WEIGHT), (2,)),
    "cumsum": (Module(lambda m, x: F.relu(x.cumsum(-1))), (4,)),
    "unfold": (Module(lambda m, x: F.relu(F.unfold(x, 3, padding=1))), (2, 4, 4)),
    "written entries": (Module(zeroed), (4,)),
    "hstack, swapaxes, ravel": (
        Module(lambda m, x: F.relu(torch.hstack([x, -x]).swapaxes(0, 1).ravel())),
        (3,),
    ),
    "recurrent cell": (
        Module(lambda m, x: m.c(x, torch.zeros(1, 3)), c=nn.RNNCell(2, 3, nonlinearity="relu")),
        (2,),
    ),
    "dead sigmoid": (Module(lambda m, x: (torch.sigmoid(x), F.relu(x))[1]), (2,)),
    "dictionary": (Module(lambda m, x: {"logits": F.relu(x)}), (2,)),
    "sorted pairs": (Module(lambda m, x: x.view(1, -1, 2).sort(-1)[0].flatten(1)), (4,)),
    "bag of embeddings": (
        Module(
            lambda m, x: F.relu(x + m.e(torch.tensor([[0, 1], [2, 3]])).flatten()),
            e=nn.EmbeddingBag(4, 2),
        ),
        (4,),
    ),
    "largest of each bag": (
        Module(
            lambda m, x: F.relu(x + m.e(torch.arange(4), torch.tensor([0, 2])).flatten()),
            e=nn.EmbeddingBag(4, 2, mode="max"),
        ),
        (4,),
    ),
    "number of a buffer": (Module(lambda m, x: F.relu(x) * m.w.max().item(), w=WEIGHT), (2,)),
    "powers of one and zero": (
        Module(lambda m, x: F.relu(x) ** 1 + x**0 + x ** torch.tensor([1, 0])),
        (2,),
    ),
    "smallest entry": (Module(lambda m, x: 2 * x.min()), (4,)),
}


def close(network, x, y):
    ours = network.evaluate(np.ravel(x).astype(float).tolist())
    np.testing.assert_allclose(list(map(float, ours)), np.ravel(y), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", GRAPHS)
def test_an_everyday_onnx_model_loads_with_its_values(name, tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(GRAPHS[name], path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # Some fusions of onnxruntime round the input to eight bits.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options)
    shapes = {
        i.name: [n if isinstance(n, int) else 1 for n in i.shape] for i in session.get_inputs()
    }
    fed = {name: floats(*shape) for name, shape in shapes.items()}
    close(exactcam.load(path), fed["x"], session.run(None, fed)[0])


@pytest.mark.parametrize("name", MODULES)
def test_an_everyday_module_loads_with_its_values(name):
    module, shape = MODULES[name]
    x = floats(1, *shape)
    with torch.no_grad():
        y = module.eval()(torch.from_numpy(x))
    close(exactcam.from_torch(module, shape), x, y["logits"] if isinstance(y, dict) else y)
