"""`from_torch` takes what it says, or says in one line what it takes."""

import pytest

import exactcam
from exactcam.errors import ExactcamError
from tools.torch_modules import Call

torch = pytest.importorskip("torch")
nn = torch.nn


def fail(error):
    def forward(x):
        raise error

    return Call(forward)


LOADED = {
    "compiled": lambda: torch.compile(nn.Linear(2, 2)),
    "parallel": lambda: nn.DataParallel(nn.Linear(2, 2)),
    "a dictionary": lambda: Call(lambda x: {"y": torch.relu(x)}),
    "nested lists": lambda: Call(lambda x: [[torch.relu(x)]]),
}
REFUSED = {
    "is no tensor": lambda: Call(lambda x: "text"),
    "returns 'nothing'": lambda: Call(lambda x: None),
    "cannot be traced": lambda: fail(ZeroDivisionError("a")),
    "shape .*: AssertionError": lambda: fail(AssertionError()),
    "not implemented": lambda: fail(NotImplementedError("not implemented")),
    "holds no numbers": lambda: nn.Linear(2, 2, device="meta"),
    "is complex": lambda: nn.Linear(2, 2, dtype=torch.complex64),
    "not initialised": lambda: nn.LazyLinear(2),
    "scripted": lambda: torch.jit.script(nn.Linear(2, 2)),
    "give an instance": lambda: nn.Linear,
    "not OrderedDict": lambda: nn.Linear(2, 2).state_dict(),
}


@pytest.mark.parametrize("name", LOADED)
def test_module_is_taken(name):
    assert exactcam.from_torch(LOADED[name](), (2,)).inputs == 2


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("message", REFUSED)
def test_module_is_refused_in_one_line(message):
    with pytest.raises(ExactcamError, match=message) as caught:
        exactcam.from_torch(REFUSED[message](), (2,))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [2, "2", (2.0,), (-2,), (0,), (10**12,), (3,)])
def test_shape_is_refused(shape):
    with pytest.raises(ExactcamError, match="shape"):
        exactcam.from_torch(nn.Linear(2, 2), shape)


@pytest.mark.parametrize("example", [[0, 0], torch.zeros(1, 2, dtype=int), torch.zeros(0, 2)])
def test_example_is_refused(example):
    with pytest.raises(ExactcamError, match="example"):
        exactcam.from_torch(nn.Linear(2, 2), example=example)
