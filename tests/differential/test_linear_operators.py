"""Linear and piecewise-linear operators against torch: one line for each, in float64."""

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import exactcam
from exactcam.errors import NetworkError, UnsupportedLayerError

torch = pytest.importorskip("torch")
Call = pytest.importorskip("tools.torch_modules").Call
nn, F = torch.nn, torch.nn.functional
RNG = np.random.default_rng(3)
IMAGE = (1, 2, 4, 6)
TOGETHER = 16


def agree(function, shape=IMAGE, points=2, integers=False, parts=()):
    """The network has torch's own values, and its self-check passes; `parts` names the outputs."""
    module = function if isinstance(function, nn.Module) else Call(function)
    module = module.double().eval()
    example = torch.zeros(shape, dtype=torch.float64)
    module(example)  # constants are made now, not while it is traced
    network = exactcam.from_torch(module, example=example)
    for k in range(points):
        x = RNG.standard_normal(shape) * (1, 8)[k % 2]
        x = np.rint(x) if integers else x
        with torch.no_grad():
            theirs = module(torch.from_numpy(x)).numpy()
        ours = np.asarray([float(y) for y in network.evaluate(x.ravel().tolist())])
        assert ours.shape == theirs.ravel().shape
        far = abs(ours - theirs.ravel()) > 1e-12 * (1 + abs(x).max())
        assert not far.any(), {parts[k] if parts else int(k) for k in np.nonzero(far)[0]}
    return network


@cache
def eighths(*shape):
    return torch.from_numpy(RNG.integers(-16, 17, shape) / 8)


def picks(*shape, below):
    return torch.from_numpy(RNG.integers(0, below, shape))


def assigned(x):
    y = x.clone()
    y[:, :, ROWS] = 2 * x[:, :, :2]
    return y


MASK = torch.eye(4, 6).bool()
NONE = torch.tensor([0, 0])
ROWS = torch.tensor([0, 2])
TWICE = torch.tensor([1, 1, 3])
PLACES = picks(1, 2, 3, 6, below=4)
OPERATORS = {
    # products with constants
    "einsum": lambda x: torch.einsum("bchw,wk->bchk", x, eighths(6, 3)),
    "einsum trace": lambda x: torch.einsum("...ii->...i", x[..., :4]),
    "einsum implicit": lambda x: torch.einsum("...hw,hk", x, eighths(4, 2)),
    "einsum three": lambda x: torch.einsum("bchw,c,w->hb", x, eighths(2), eighths(6)),
    "tensordot": lambda x: torch.tensordot(x, eighths(6, 4, 2), ([3, 2], [0, 1])),
    "outer": lambda x: torch.outer(x.flatten(), eighths(3)),
    "inner": lambda x: torch.inner(x, eighths(3, 6)),
    "kron": lambda x: torch.kron(eighths(2, 3), x[0, 0]),
    "bilinear": lambda x: F.bilinear(x, eighths(1, 2, 4, 3), eighths(2, 6, 3), eighths(2)),
    "vecdot": lambda x: torch.linalg.vecdot(x, eighths(6)),
    "multi_dot": lambda x: torch.linalg.multi_dot([x[0, 0], eighths(6, 3), eighths(3)]),
    "addmv": lambda x: torch.addmv(x[0, 0, :, 0], x[0, 0], eighths(6), beta=2, alpha=0.5),
    "addr": lambda x: torch.addr(eighths(4, 6), x[0, 0, :, 0], eighths(6), alpha=3),
    "addbmm": lambda x: torch.addbmm(eighths(3), x[0], eighths(2, 6, 3)),
    "baddbmm": lambda x: torch.baddbmm(eighths(3), x[0], eighths(2, 6, 3), beta=0.5),
    "lerp": lambda x: torch.lerp(x, x.flip(-1), 0.25),
    "addcmul": lambda x: torch.addcmul(x, x, eighths(6), value=0.5),
    "addcdiv": lambda x: torch.addcdiv(x, x, torch.full((6,), 4.0).double(), value=0.5),
    "cross": lambda x: torch.linalg.cross(x[..., :3], eighths(1, 2, 4, 3)),
    "conv_tbc": lambda x: torch.conv_tbc(x[0], eighths(2, 6, 3), eighths(3), pad=1),
    # sums and differences
    "cumsum": lambda x: x.cumsum(2),
    "diff": lambda x: x.diff(n=2, dim=2),
    "diff ends": lambda x: x.diff(prepend=eighths(1, 2, 4, 1), append=x[..., :1]),
    "trapezoid": lambda x: torch.trapezoid(x, dx=0.5),
    "trapezoid places": lambda x: torch.trapezoid(x, torch.tensor([0.0, 1, 2, 4, 5, 8]).double()),
    "trace": lambda x: x[0, 0].trace().reshape(1),
    # moves
    "hstack": lambda x: torch.hstack([x, 2 * x]),
    "vstack": lambda x: torch.vstack([x, 2 * x]),
    "dstack": lambda x: torch.dstack([x, 2 * x]),
    "column_stack": lambda x: torch.column_stack([x[0, 0], x[0, 0, :, 0]]),
    "block_diag": lambda x: torch.block_diag(x[0, 0], x[0, 1]),
    "meshgrid": lambda x: torch.stack(torch.meshgrid(x[0, 0, 0], x[0, 0, 1], indexing="ij")),
    "broadcast_tensors": lambda x: torch.broadcast_tensors(x, x[..., :1])[1],
    "cartesian_prod": lambda x: torch.cartesian_prod(x[0, 0, 0], x[0, 0, 1]),
    "tile": lambda x: x.tile(2, 1, 3),
    "repeat_interleave": lambda x: x.repeat_interleave(2, 1),
    "rot90": lambda x: x.rot90(1, (2, 3)),
    "fliplr": lambda x: x.fliplr(),
    "flipud": lambda x: x.flipud(),
    "swapaxes": lambda x: x.swapaxes(1, 2).ravel(),
    "mT": lambda x: x.mT,
    "moveaxis": lambda x: torch.moveaxis(x, 1, 3),
    "diag": lambda x: torch.diag(x[0, 0, 0], 1),
    "diag_embed": lambda x: torch.diag_embed(x),
    "tensor_split": lambda x: x.tensor_split(4, 3)[1],
    "hsplit into one": lambda x: x.hsplit(1)[0],
    "vsplit": lambda x: torch.vsplit(x[0], 2)[1],
    "atleast_3d": lambda x: torch.atleast_3d(x[0, 0]),
    "unfold": lambda x: x.unfold(3, 3, 2),
    "im2col": lambda x: F.unfold(x, (2, 3), dilation=(1, 2), padding=(1, 0), stride=(2, 1)),
    "col2im": lambda x: F.fold(F.unfold(x, 3, padding=1), (4, 6), 3, padding=1),
    "gather": lambda x: x.gather(2, PLACES),
    "take": lambda x: x.take(TWICE),
    "take_along_dim": lambda x: x.take_along_dim(PLACES, 2),
    "max_unpool": lambda x: F.max_unpool2d(
        x, 2 * torch.arange(24).reshape(1, 1, 4, 6).expand(IMAGE), 2
    ),
    # writing
    "fill with computed": lambda x: torch.fill(eighths(3), x[0, 0, 0, 1]),
    "where": lambda x: torch.where(MASK, x, 2 * x),
    "where number": lambda x: torch.where(MASK, 0.5, x),
    "masked_fill": lambda x: x.masked_fill(MASK, -0.5),
    "masked_scatter": lambda x: x.masked_scatter(MASK, eighths(30)),
    "scatter": lambda x: eighths(1, 2, 4, 6).scatter(2, torch.arange(3).expand(1, 2, 6, 3).mT, x),
    "scatter number": lambda x: x.scatter(2, PLACES, 2.5),
    "scatter add": lambda x: x.scatter(2, PLACES, x, reduce="add"),
    "scatter_add": lambda x: x.scatter_add(2, PLACES, 2 * x),
    **{
        f"scatter_reduce {how} {keep}": lambda x, h=how, k=keep: x.scatter_reduce(
            2, PLACES, 2 * x, h, include_self=k
        )
        for how in ("sum", "mean", "amax", "amin")
        for keep in (True, False)
    },
    "index_add": lambda x: x.index_add(2, TWICE, x[:, :, :3], alpha=2),
    "index_reduce": lambda x: x.index_reduce(2, TWICE, 2 * x[:, :, :3], "amin"),
    "index_copy": lambda x: x.index_copy(2, ROWS, 2 * x[:, :, 1:3]),
    "index_fill": lambda x: x.index_fill(2, ROWS, 2.0),
    "index_put": lambda x: assigned(x),
    "index_put add": lambda x: x.index_put((NONE, NONE), x[0], accumulate=True),
    "put": lambda x: x.put(torch.tensor([3, 1, 7]), eighths(3)),
    "put add": lambda x: x.put(TWICE, eighths(3), accumulate=True),
    "select_scatter": lambda x: x.select_scatter(2 * x[:, :, 0], 2, 1),
    "slice_scatter": lambda x: x.slice_scatter(2 * x[:, :, :2], 2, 1, 4, 2),
    "diagonal_scatter": lambda x: x.diagonal_scatter(eighths(1, 2, 4), 1, 2, 3),
    # order
    "sort": lambda x: x.sort(-1).values,
    "sort descending": lambda x: torch.sort(x, stable=True, dim=2, descending=True).values,
    "group sort": lambda x: x.view(1, -1, 2).sort(-1).values.flatten(1),
    "msort": lambda x: torch.msort(x[0, 0]),
    "topk": lambda x: x.topk(2).values,
    "topk smallest": lambda x: x.topk(3, 2, largest=False).values,
    "median": lambda x: x.median(2).values,
    "median of all": lambda x: x[0, 0, :2].median().reshape(1),
    "kthvalue": lambda x: x.kthvalue(4, keepdim=True).values,
    **{
        f"quantile {how}": lambda x, h=how: x.quantile(0.375, -1, interpolation=h)
        for how in ("linear", "lower", "higher", "nearest", "midpoint")
    },
    "quantiles": lambda x: x.quantile(torch.tensor([0, 0.3, 1]).double(), 2, keepdim=True),
    "cummax": lambda x: x.cummax(-1).values,
    "cummin": lambda x: x.cummin(2).values,
    "aminmax": lambda x: torch.stack(x.aminmax(dim=1)),
    "clamp to computed": lambda x: x.clamp(x.flip(-1), 2 * x),
    "clamp below computed": lambda x: x.clamp(max=x.flip(-1)),
    # distances
    "norm 1": lambda x: x.norm(1, -1),
    "norm infinity": lambda x: torch.linalg.vector_norm(x, math.inf, (1, 2), keepdim=True),
    "norm -infinity": lambda x: torch.linalg.vector_norm(x, -math.inf, -1),
    "cdist": lambda x: torch.cdist(x[0], eighths(3, 6), p=1),
    "pdist": lambda x: F.pdist(x[0, 0], p=1),
    "pairwise_distance": lambda x: F.pairwise_distance(x, x.flip(-1), p=math.inf),
    "l1_loss": lambda x: F.l1_loss(x, eighths(6).expand(IMAGE)).reshape(1),
    "l1_loss parts": lambda x: F.l1_loss(x, eighths(6).expand(IMAGE), reduction="none"),
    "nan_to_num": lambda x: x.nan_to_num(),
    "adaptive max": lambda x: F.adaptive_max_pool2d(x, (3, 4)),
    "adaptive mean": lambda x: F.adaptive_avg_pool2d(x, (3, 4)),
}


@pytest.mark.filterwarnings("ignore:index_reduce.* is in beta", "ignore:The reduce argument")
@pytest.mark.parametrize("start", range(0, len(OPERATORS), TOGETHER))
def test_operators(start):
    """Several operators are one module, because tracing a module takes longest."""
    chosen = dict(list(OPERATORS.items())[start : start + TOGETHER])
    sizes = {name: f(torch.ones(IMAGE).double()).numel() for name, f in chosen.items()}
    parts = [name for name, n in sizes.items() for _ in range(n)]
    agree(lambda x: torch.cat([f(x).flatten() for f in chosen.values()]), parts=parts)


class First(nn.Module):
    """The first output of a module, for inputs without the axis of the batch."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x)[0]


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("sides", [1, 2])
def test_recurrent_layers_with_relu(sides, batch_first):
    torch.manual_seed(0)
    options = {"nonlinearity": "relu", "batch_first": batch_first, "bidirectional": sides == 2}
    agree(First(nn.RNN(3, 2, num_layers=2, bias=batch_first, **options)), (1, 4, 3))


def test_recurrent_cell_with_relu():
    torch.manual_seed(0)
    cell = nn.RNNCell(3, 2, nonlinearity="relu")
    agree(nn.Sequential(cell, nn.Linear(2, 2)), (1, 3))


def crelu(x):
    return torch.cat([x, -x], -1)


@pytest.mark.parametrize(
    "function",
    [
        lambda y: torch.cat([y + 1, F.relu(y)]),
        lambda y: F.relu(y + 1) + F.relu(y),
        lambda y: y.chunk(2, -1)[0] + F.relu(y.chunk(2, -1)[1]),
        lambda y: y[..., :3] + F.relu(y)[..., 1:4],
    ],
)
def test_what_is_read_both_folded_and_as_a_value(function):
    """The self-check once refused a map that one reader continued and another made a node."""
    agree(lambda x: function(crelu(x)), (1, 3))


HUGE = {
    "repeat": lambda x: x.repeat_interleave(1 << 40, 0).sum(0),
    "tile": lambda x: x.tile(1 << 20, 1 << 20).sum(0),
    "pairs": lambda x: F.pdist(x.expand(1 << 14, 3), 1),
    "diagonals": lambda x: torch.diag_embed(x.expand(1 << 12, 3).flatten()).sum(0),
    "order": lambda x: x.expand(1 << 17, 3).flatten().sort().values,
}


@pytest.mark.parametrize("name", HUGE)
def test_sizes_are_known_before_anything_is_made(name):
    with pytest.raises(NetworkError, match=r"^layer \w+: a tensor .*out of reach$"):
        exactcam.from_torch(Call(HUGE[name]), (3,))


# Interpolation

MODES = {
    "linear": (3, [False, True]),
    "bilinear": (4, [False, True]),
    "trilinear": (5, [False, True]),
    "bicubic": (4, [False, True]),
}


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_interpolation(data):
    mode = data.draw(st.sampled_from(sorted(MODES)))
    ndim, corners = MODES[mode]
    space = data.draw(st.lists(st.integers(1, 7), min_size=ndim - 2, max_size=ndim - 2))
    options = {"mode": mode, "align_corners": data.draw(st.sampled_from(corners))}
    # Antialiased to one column, torch itself repeats the first row.
    options["antialias"] = ndim == 4 and space[1] > 1 and data.draw(st.booleans())
    if data.draw(st.booleans()):
        factor = st.sampled_from([0.5, 0.7, 1.5, 2.0, 3.0, 1 / 3])
        least = 2.001 if options["antialias"] else 1.001
        options["scale_factor"] = [max(data.draw(factor), least / n) for n in space]
        options["recompute_scale_factor"] = data.draw(st.booleans())
    else:
        least = 1 + options["antialias"]
        options["size"] = [data.draw(st.integers(least, 9)) for _ in space]
    agree(lambda x: F.interpolate(x, **options), (1, 2, *space), points=1)


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_grid_sample(mode):
    grid = torch.from_numpy(RNG.uniform(-1.7, 1.7, (2, 2, 4, 2)))
    grid[0, 0, 0], grid[0, 0, 1], grid[0, 0, 2] = 1, -1, 0
    kinds = [(p, align) for p in ("zeros", "border", "reflection") for align in (True, False)]
    agree(
        lambda x: torch.cat([F.grid_sample(x.expand(2, 2, 4, 6), grid, mode, *k) for k in kinds]),
        points=1,
    )


def test_grid_sample_in_space():
    grid = torch.from_numpy(RNG.uniform(-1.2, 1.2, (1, 2, 1, 3, 3)))
    agree(lambda x: F.grid_sample(x, grid, align_corners=False), (1, 1, 2, 3, 2))


def test_interpolation_of_thirds_has_thirds():
    """Upsampling by three weighs entries by exact thirds, whatever floats make of them."""
    module = Call(lambda x: F.interpolate(x, scale_factor=3, mode="linear"))
    network = exactcam.from_torch(module, (1, 2))
    assert [6 * y for y in network.evaluate([0, 6])] == [0, 0, 12, 24, 36, 36]


# Order


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 9), st.data())
def test_order_statistics_of_ties(n, data):
    """Every rank of any number of entries, equal ones among them."""
    count = data.draw(st.integers(1, n))
    largest = data.draw(st.booleans())
    agree(lambda x: x.topk(count, 1, largest).values, (1, n), integers=True)


def test_a_sorting_network_is_used_where_sums_are_many():
    """Sorting 16 entries takes 63 maxima of two; sums of subsets would be 65,534."""
    network = agree(lambda x: x.sort().values, (1, 16))
    assert sum(len(node.groups) for node in network.nodes if hasattr(node, "groups")) == 63


REFUSED = {
    "index": (lambda x: x[:, x.argmax(1)], "argmax"),
    "order": (lambda x: x.sort(1).indices.double(), "positions"),
    "grid": (lambda x: F.grid_sample(x[None, None], x[None, :, :2, None].mT), "grid is computed"),
    "mask": (lambda x: torch.where(x > 0, x, -x), "gt"),
    "product": (lambda x: torch.einsum("ab,ab->a", x, x), "two computed tensors"),
    "two norm": (lambda x: x.norm(2, 1), "order 2 is not piecewise linear"),
    "hardswish": (F.hardswish, "is not piecewise linear"),
    "hardshrink": (F.hardshrink, "not continuous"),
    "sign": (torch.sign, "not continuous"),
    "round": (torch.round, "not continuous"),
    "logsumexp": (lambda x: x.logsumexp(1), "is not piecewise linear"),
    "prod": (lambda x: x.scatter_reduce(1, torch.zeros(1, 4).long(), x, "prod"), "multiplies"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    function, why = REFUSED[name]
    with pytest.raises(UnsupportedLayerError, match=why):
        exactcam.from_torch(Call(function), (4,))
