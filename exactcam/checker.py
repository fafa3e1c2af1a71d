"""Check a certificate of the exact partition of a piecewise-linear network.

    python -I checker.py NETWORK SLICE CERTIFICATE

This one file needs only Python 3.11 and its standard library, and imports nothing of exactcam,
so that an error of the engine cannot excuse itself here. proofs/certificate.md and network.md
specify the claim and the files; proofs/checking.md, whose lemmas are named here, proves that these
checks suffice. Network and slice are the question, the certificate is only ever the answer. Exit
status: 0 verified, 1 rejected (a claim is not confirmed), 2 usage or unreadable, 3 malformed.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import re
import sys
import zlib
from array import array as packed
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from functools import partial, reduce
from itertools import pairwise, product
from operator import add, and_, mul, or_
from typing import Any, NamedTuple

# Limits on hostile input: they bound time and memory and decide nothing else.
MAX_FILE = 1 << 27  # bytes of NETWORK and of SLICE
MAX_CERTIFICATE = 1 << 33  # bytes of CERTIFICATE, unpacked
MAX_LINE = 1 << 20  # bytes of one of its lines
MAX_TERMS = 1 << 24  # terms of one convolution, written out
COUNTED = "activation regions,linear regions,affine pieces,segments,plateaus,isolated points"
MAX_BITS = 1 << 20  # of all different denominators of one list of rationals
INTEGER = re.compile(r"-?[1-9a-f][0-9a-f]{0,65534}|0", re.ASCII)

Point = tuple[int, int, int]  # (x, y, w), w > 0: the point (x/w, y/w)
Face = tuple[int, ...]  # the numbers of its vertices
Values = list[list[int]]  # per value of the network, its entries over denominator * w
# A node: size, denominator, and (values, w, sides of breakpoints, maximisers) -> its entries.
Node = tuple[int, int, Callable[[Values, int, list[int], list[int]], list[int]]]


class Malformed(Exception):  # noqa: N818
    """An input is not a file of the specified form: nothing can be said about it."""


class Rejected(Exception):  # noqa: N818
    """The inputs are well formed, and something that is claimed is not confirmed."""


def demand(condition: object, rule: str, error: type[Exception] = Malformed) -> None:
    if not condition:
        raise error(rule)


confirm = partial(demand, error=Rejected)


def read_json(path: str) -> Any:
    """The JSON value of a file, which must be in canonical form: one text for one value."""
    with open(path, "rb") as file:
        demand(len(data := file.read(MAX_FILE + 1)) <= MAX_FILE, "too-large")
    return parse(data)


def parse(line: bytes) -> Any:
    try:
        value = json.loads(line.decode("ascii"))
        demand(line == canonical(value) + b"\n", "json-is-not-canonical")
    except (ValueError, RecursionError):
        raise Malformed("json") from None
    return value


def canonical(value: Any) -> bytes:
    """The canonical text: sorted keys, no white space, ASCII."""
    options: Any = {"sort_keys": True, "separators": (",", ":"), "allow_nan": False}
    return json.dumps(value, **options).encode()


def record(value: Any, names: str) -> list[Any]:
    """The values of an object that has exactly these keys, in this order."""
    demand(isinstance(value, dict) and set(value) == set(names.split()), "keys")
    return [value[name] for name in names.split()]


def choose(value: Any, key: str, table: dict[str, Any]) -> Any:
    demand(isinstance(value, dict) and value.get(key) in list(table), key)
    return table[value[key]]


def array(value: Any, length: int | None = None, of: type = object) -> list[Any]:
    demand(isinstance(value, list) and length in (None, len(value)), "array")
    demand(all(isinstance(x, of) for x in value), "text")  # `of` is str where it is given
    return list(value)


def naturals(value: Any, below: int = 10**15, length: int | None = None) -> list[int]:
    demand(all(type(n) is int and 0 <= n < below for n in array(value, length)), "natural")
    return list(value)


def integer(text: Any) -> int:
    demand(isinstance(text, str) and INTEGER.fullmatch(text), "integer")
    return int(text, 16)


def rationals(texts: Any, length: int | None = None) -> list[Fraction]:
    out = []
    for text in array(texts, length):
        above, slash, below = text.partition("/") if isinstance(text, str) else (None, "", "")
        numerator, denominator = integer(above), integer(below) if slash else 1
        demand(not slash or denominator > 1 == math.gcd(numerator, denominator), "rational")
        out.append(Fraction(numerator, denominator))
    return out


def common(fractions: Sequence[Fraction]) -> tuple[list[int], int]:
    """Numerators over the least common denominator."""
    denominators = {x.denominator for x in fractions}
    demand(sum(d.bit_length() for d in denominators) <= MAX_BITS, "too-large")
    scale = math.lcm(*denominators)
    return [int(x * scale) for x in fractions], scale


class Plane:  # the slice (u, v) -> origin + u e1 + v e2 and the window in it
    def __init__(self, document: Any) -> None:
        kind, version, window, *vectors = record(document, "format version window e1 e2 origin")
        demand((kind, naturals([version])) == ("exactcam-slice", [1]), "slice-version")
        self.digest = hashlib.sha256(canonical(document)).hexdigest()
        self.size = len(array(vectors[0]))
        e1, e2, origin = (rationals(vector, self.size) for vector in vectors)
        pivot = next((i for i, x in enumerate(e1) if x), 0)
        plane = any(e1[pivot] * y != e2[pivot] * x for x, y in zip(e1, e2, strict=True))
        demand(plane, "slice-is-no-plane")
        flat, self.denominator = common([*e1, *e2, *origin])
        self.rows = [flat[k :: self.size] for k in range(self.size)]
        self.window = [(x, y, w) for (x, y), w in (common(rationals(c, 2)) for c in array(window))]
        demand(not fault(self.window), "window-is-not-convex")


def affine(node: Any, sizes: Sequence[int], denominators: Sequence[int]) -> Node:
    """(sum of M x + bias) / scale, the inputs x brought over one denominator."""
    _, inputs, listed, bias, divisor = record(node, "op inputs matrices bias scale")
    sources, scale = naturals(inputs, len(sizes)), integer(divisor)
    demand(sources and scale > 0, "affine")
    d = math.lcm(*(denominators[k] for k in sources))
    shift = [integer(b) * d for b in array(bias)]
    pairs = zip(sources, array(listed, len(sources)), strict=True)
    matrices = [(k, matrix(m, (len(shift), sizes[k]), d // denominators[k])) for k, m in pairs]

    def at(values: Values, w: int, signs: list[int], largest: list[int]) -> list[int]:
        out = [b * w for b in shift]
        for k, times in matrices:
            out = list(map(add, out, times(values[k])))
        return out

    return len(shift), d * scale, at


def pointwise(node: Any, sizes: Sequence[int], denominators: Sequence[int]) -> Node:
    """Unit i is one continuous piecewise-linear function of entry i of the input."""
    _, value, listed, which = record(node, "op input functions which")
    source = naturals([value], len(sizes))[0]
    functions = []
    for f in array(listed):
        breakpoints, pieces = record(f, "breakpoints pieces")
        knots = rationals(breakpoints)
        maps = [rationals(piece, 2) for piece in array(pieces, len(knots) + 1)]
        demand(all(s < t for s, t in pairwise(knots)), "function-breakpoints")
        for t, (s, c), (r, e) in zip(knots, maps[:-1], maps[1:], strict=True):
            demand(s != r and s * t + c == r * t + e, "function-pieces")  # they differ, and meet
        functions.append((knots, maps))
    scale = common([x for _, maps in functions for piece in maps for x in piece])[1]
    d = denominators[source]
    cuts = [[(t.numerator * d, t.denominator) for t in knots] for knots, _ in functions]
    lines = [[(int(s * scale), int(c * scale) * d) for s, c in maps] for _, maps in functions]
    units = [(cuts[f], lines[f]) for f in naturals(which, len(cuts), sizes[source])]

    def at(values: Values, w: int, signs: list[int], largest: list[int]) -> list[int]:
        out = []
        for x, (breakpoints, pieces) in zip(values[source], units, strict=True):
            differences = [q * x - p * w for p, q in breakpoints]
            signs += differences
            slope, intercept = pieces[sum(t > 0 for t in differences)]
            out.append(slope * x + intercept * w)
        return out

    return len(units), d * scale, at


def max_groups(node: Any, sizes: Sequence[int], denominators: Sequence[int]) -> Node:
    """Unit g is the largest of the input's entries groups[g]."""
    _, value, listed = record(node, "op input groups")
    source = naturals([value], len(sizes))[0]
    groups = [naturals(g, sizes[source]) for g in array(listed)]
    demand(all(groups), "group-is-empty")

    def at(values: Values, w: int, signs: list[int], largest: list[int]) -> list[int]:
        members = [[values[source][i] for i in group] for group in groups]
        largest += map(attaining, members)
        return list(map(max, members))

    return len(groups), denominators[source], at


def attaining(members: Sequence[int]) -> int:
    """The members that attain the maximum, as bits."""
    largest = max(members)
    return sum(1 << k for k, member in enumerate(members) if member == largest)


def matrix(value: Any, shape: tuple[int, int], factor: int) -> Callable[[list[int]], list[int]]:
    """An integer matrix times a factor, as the function that multiplies a vector by it."""
    kinds = {"dense": stored, "sparse": stored, "convolution": convolution}
    found = choose(value, "kind", kinds)(value, shape, factor)
    rows = [(packed("q", columns), entries) for columns, entries in found]
    if value["kind"] == "dense":
        return lambda x: [sum(map(mul, entries, x)) for _, entries in rows]
    return lambda x: [sum(map(mul, entries, map(x.__getitem__, at))) for at, entries in rows]


def stored(value: Any, shape: tuple[int, int], factor: int) -> Iterable[Any]:
    """Row r holds entries[k] at column indices[k] for indptr[r] <= k < indptr[r + 1]."""
    rows, cols = shape
    if value["kind"] == "dense":
        _, sides, entries = record(value, "kind shape entries")
        columns = [k % cols for k in range(len(array(entries, rows * cols)))]
        starts = [row * cols for row in range(rows + 1)]
    else:
        _, sides, indptr, indices, entries = record(value, "kind shape indptr indices entries")
        columns = naturals(indices, cols)
        starts = naturals(indptr, len(columns) + 1, rows + 1)
    demand(naturals(sides) == [rows, cols], "shape")
    demand([0, *sorted(starts), len(columns)] == [starts[0], *starts, starts[-1]], "sparse-indptr")
    numbers = [integer(x) * factor for x in array(entries, len(columns))]
    for low, high in pairwise(starts):
        demand(all(a < b for a, b in pairwise(columns[low:high])), "sparse-indices")
        yield columns[low:high], numbers[low:high]


def convolution(value: Any, shape: tuple[int, int], factor: int) -> Iterable[Any]:
    """Output o at tap t reads input o * stride + t * dilation - padding, or zero outside."""
    names = "kind transpose entries groups source target kernel stride padding dilation"
    _, transpose, entries, n, *lists = record(value, names)
    read = [naturals(x, 1 << 30) for x in [*lists, [n]]]
    source, target, kernel, stride, padding, dilation, (groups,) = read
    demand(type(transpose) is bool, "convolution-transpose")
    # A transposed convolution is the transpose of the convolution from target to source.
    wide, narrow = (target, source) if transpose else (source, target)
    sides = source[1:], kernel[2:], stride, padding, dilation
    lengths = {len(side) for side in (target[1:], *sides)}
    demand(len(lengths) == 1 and lengths != {0}, "convolution-dimensions")
    demand(min(*source, *target, *kernel, *stride, *dilation, groups) > 0, "convolution-sizes")
    whole = wide[0] % groups == narrow[0] % groups == 0
    demand(whole and kernel[:2] == [narrow[0], wide[0] // groups], "convolution-channels")
    demand((math.prod(target), math.prod(source)) == shape, "shape")
    demand(math.prod(narrow) * math.prod(kernel[1:]) <= MAX_TERMS, "too-large")
    numbers = [integer(x) * factor for x in array(entries, math.prod(kernel))]
    taps, ins = math.prod(kernel[2:]), math.prod(source[1:])
    inner, outer = kernel[1], kernel[0] // groups
    for row, *position in product(*map(range, target)):
        hits = [(0, 0)]  # (tap, input) positions that are read, axis by axis
        for o, n, k, s, p, d in zip(position, *sides, strict=True):
            i, j, q = (o + p, -d, s) if transpose else (o * s - p, d, 1)
            axis = [(t, x // q) for t in range(k) if 0 <= (x := i + t * j) < n * q and not x % q]
            hits = [(a * k + t, b * n + i) for a, b in hits for t, i in axis]
        if transpose:
            group, c = divmod(row, inner)
            blocks = [(r, r * inner + c) for r in range(group * outer, (group + 1) * outer)]
        else:
            blocks = [(row // outer * inner + c, row * inner + c) for c in range(inner)]
        columns = [channel * ins + i for channel, _ in blocks for _, i in hits]
        yield columns, [numbers[block * taps + t] for _, block in blocks for t, _ in hits]


class Vertex(NamedTuple):  # what the network does at a point; sets are the bits of an integer
    point: Point
    above: int  # the breakpoints it is strictly above
    below: int  # the breakpoints it is strictly below
    largest: list[int]  # per max group, the members that attain the maximum
    outputs: list[int]  # over d * w, with d the output's denominator
    winners: int  # the outputs that attain the maximum


class Network:
    """Exact evaluation at the points (x/w, y/w) of a plane: value 0 is the input, value k + 1
    node k's, each integers over d * w with a denominator d that no point changes (Lemma 1)."""

    def __init__(self, document: Any, plane: Plane) -> None:
        keys = "format version inputs nodes output"
        kind, version, inputs, listed, output, *texts = record(document, keys + " names notes")
        _, self.notes = (array(text, of=str) for text in texts)
        demand((kind, naturals([version])) == ("exactcam-network", [1]), "network-version")
        demand(naturals([inputs]) == [plane.size], "slice-does-not-fit")
        self.digest = hashlib.sha256(canonical({k: document[k] for k in keys.split()})).hexdigest()
        self.plane, self.nodes = plane, []
        sizes, denominators = [plane.size], [plane.denominator]
        kinds = {"affine": affine, "pointwise": pointwise, "max": max_groups}
        for node in array(listed):
            size, denominator, at = choose(node, "op", kinds)(node, sizes, denominators)
            demand(size > 0, "node-is-empty")
            sizes.append(size)
            denominators.append(denominator)
            self.nodes.append(at)
        self.output = naturals([output], len(sizes))[0]
        self.rivals = [0] if sizes[self.output] == 1 else []  # zero is as if it were output 1
        self.classes = sizes[self.output] + len(self.rivals)

    def at(self, point: Point) -> Vertex:
        signs, largest = list[int](), list[int]()
        values = [[sum(map(mul, row, point)) for row in self.plane.rows]]
        for node in self.nodes:
            values.append(node(values, point[2], signs, largest))
        above = sum(1 << k for k, side in enumerate(signs) if side > 0)
        below = sum(1 << k for k, side in enumerate(signs) if side < 0)
        outputs = values[self.output]
        return Vertex(point, above, below, largest, outputs, attaining(outputs + self.rivals))


def turn(p: Point, q: Point, r: Point) -> int:
    """Positive if p, q, r turn left, zero if they lie on one line (Lemma 3)."""
    (a, b, c), (d, e, f), (g, h, i) = p, q, r
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def direction(p: Point, q: Point) -> tuple[int, int]:
    """A positive multiple of q - p."""
    return q[0] * p[2] - p[0] * q[2], q[1] * p[2] - p[1] * q[2]


def fault(corners: list[Point]) -> str:
    """Nothing if they are strictly convex, counter-clockwise and turn once (Lemma 8)."""
    triples = list(zip(corners, corners[1:] + corners[:1], corners[2:] + corners[:2], strict=True))
    if len(corners) < 3 or any(turn(p, q, r) <= 0 for p, q, r in triples):
        return "polygon-is-not-convex"
    lower = [v < 0 or (v == 0 and u < 0) for u, v in (direction(p, q) for p, q, _ in triples)]
    rounds = sum(lower[k - 1] and not lower[k] for k in range(len(lower)))
    return "" if rounds == 1 else "polygon-winds-more-than-once"


def output_map(corners: Sequence[Vertex]) -> tuple[Fraction, ...]:
    """(a, b, c) of every output, which is a u + b v + c over one denominator (Lemma 14)."""
    points, out = [corner.point for corner in corners[:3]], []
    for values in zip(*(corner.outputs for corner in corners[:3]), strict=True):
        for axis in range(3):  # Cramer's rule
            p, q, r = ((*x[:axis], y, *x[axis + 1 :]) for x, y in zip(points, values, strict=True))
            out.append(Fraction(turn(p, q, r), turn(*points)))
    return tuple(out)


class Partition:  # the regions, in convex pieces, and the ties of the outputs, as they come
    def __init__(self, network: Network) -> None:
        self.network, self.vertices = network, list[Vertex]()
        self.number: dict[Point, int] = {}
        self.open: dict[tuple[int, int], int] = {}  # edges without reverse: region to the left
        self.patterns: dict[tuple[int, ...], int] = {}  # the region that has it
        self.maps: dict[tuple[Fraction, ...], int] = {}
        self.map_of: list[int] = []  # per region, the number of its output map
        self.parent: list[int] = []  # of a region in its linear region: union-find
        self.ties: dict[Face, int] = {}  # vertices, edges and pieces on which outputs tie

    def vertex(self, x: int, y: int, w: int) -> None:
        demand(w > 0 and math.gcd(x, y, w) == 1, "vertex-is-not-in-lowest-terms")
        demand((x, y, w) not in self.number, "vertex-is-listed-twice")
        self.number[x, y, w] = len(self.vertices)
        self.vertices.append(self.network.at((x, y, w)))

    def piece(self, ids: Face, new: bool) -> None:
        """The first piece of a new region, or one more of the last region."""
        corners = [self.vertices[i] for i in ids]
        confirm(not (wrong := fault([c.point for c in corners])), wrong)
        above = reduce(or_, (c.above for c in corners))
        below = reduce(or_, (c.below for c in corners))
        confirm(above & below == 0, "unit-is-not-affine")  # Lemma 10
        groups = [reduce(and_, masks) for masks in zip(*(c.largest for c in corners), strict=True)]
        confirm(all(groups), "group-has-no-common-maximiser")  # Lemma 11
        pattern = (above, below, *groups)  # Lemma 12
        if new:
            confirm(pattern not in self.patterns, "pattern-is-repeated")  # Theorem 13
            self.patterns[pattern] = len(self.parent)
            self.parent.append(len(self.parent))
            self.map_of.append(self.maps.setdefault(output_map(corners), len(self.maps)))
        region = len(self.parent) - 1
        confirm(self.patterns.get(pattern) == region, "piece-has-another-pattern")
        edges = list(pairwise((ids[-1], *ids)))
        for start, end in edges:  # Lemma 9
            confirm((start, end) not in self.open, "edge-is-used-twice")
            other = self.open.pop((end, start), None)
            if other is None:
                self.open[start, end] = region
            elif self.map_of[other] == self.map_of[region]:
                self.parent[self.root(other)] = self.root(region)
        confirm(reduce(and_, (c.winners for c in corners)), "winner-changes")  # Lemma 16
        for face in (ids, *map(sorted, edges), *((i,) for i in ids)):
            tie = reduce(and_, (self.vertices[i].winners for i in face))
            if tie.bit_count() > 1:
                self.ties[tuple(face)] = tie

    def root(self, region: int) -> int:
        while self.parent[region] != region:
            self.parent[region] = region = self.parent[self.parent[region]]
        return region

    def finish(self) -> list[int]:
        """The counts, if the edges left over run exactly once around the window (Lemma 9)."""
        following, window = dict(self.open.keys()), self.network.plane.window
        confirm(len(following) == len(self.open), "window-is-not-covered")
        here = self.number.get(window[-1], -1)
        for k, end in enumerate(window):
            x, y = direction(window[k - 1], end)
            while here < 0 or self.vertices[here].point != end:
                here, last = following.pop(here, -1), here
                confirm(here >= 0, "window-is-not-covered")
                u, v = direction(self.vertices[last].point, self.vertices[here].point)
                confirm(u * y == v * x and u * x + v * y > 0, "window-is-not-covered")
        confirm(not following, "window-is-not-covered")
        for face in list(self.ties):  # keep what nothing larger covers (Theorem 17)
            for i in face if len(face) > 1 else ():
                self.ties.pop((i,), None)
            for edge in pairwise((face[-1], *face) if len(face) > 2 else ()):
                self.ties.pop((min(edge), max(edge)), None)
        linear_regions = sum(k == parent for k, parent in enumerate(self.parent))
        sizes = [min(len(face), 3) for face in self.ties]
        return [len(self.parent), linear_regions, len(self.maps), *map(sizes.count, (2, 3, 1))]


def read_lines(path: str) -> Iterator[list[str]]:
    """The lines of a certificate as words: ASCII, single spaces, each ended by a newline."""
    with open(path, "rb") as raw:
        stream: Any = gzip.GzipFile(fileobj=raw) if raw.peek(2)[:2] == b"\x1f\x8b" else raw
        size = 0
        try:
            for line in iter(lambda: stream.readline(MAX_LINE), b""):
                size += len(line)
                demand(line.endswith(b"\n") and size <= MAX_CERTIFICATE, "line-is-too-long")
                yield line[:-1].decode("ascii").split(" ")
        except (OSError, EOFError, ValueError, zlib.error):
            raise Malformed("text") from None


def numbers(words: Sequence[str], below: int) -> Face:
    """Different natural numbers, each less than `below`."""
    out = tuple(map(integer, words))
    demand(all(0 <= n < below for n in out) and len(set(out)) == len(out), "numbers")
    return out


def verify(network_path: str, slice_path: str, certificate_path: str) -> str:
    """What is certified, in one line. Raises Malformed or Rejected."""
    plane = Plane(read_json(slice_path))
    network = Network(read_json(network_path), plane)
    lines = read_lines(certificate_path)
    head, *four = (next(lines, [""]) for _ in range(5))
    demand(head == ["exactcam-certificate", "2"], "certificate-version")
    four[2][1:] = [" ".join(four[2][1:])]  # text may hold spaces
    demand([x[0] for x in four] == ["network", "slice", "notes", "counts"], "line")
    demand(list(map(len, four)) == [2, 2, 2, 7], "line")
    notes, counts = array(parse(f"{four[2][1]}\n".encode()), of=str), [*map(integer, four[3][1:])]
    confirm(four[0][1] == network.digest, "network-is-another")
    confirm(four[1][1] == plane.digest, "slice-is-another")
    confirm(notes == network.notes, "notes-are-others")
    partition, ties = Partition(network), dict[Face, int]()
    order, at = {"v": 0, "c": 0, "p": 0, "t": 1, "end": 2}, 0
    for kind, *words in lines:
        demand(order.get(kind, -1) >= at, "line")
        at = order[kind] + (kind == "end")
        if kind == "v":
            demand(len(words) == 3, "line")
            partition.vertex(*map(integer, words))
        elif kind in ("c", "p"):
            partition.piece(numbers(words, len(partition.vertices)), kind == "c")
        elif kind == "t":
            cut = words.index("=") if "=" in words else 0
            face = numbers(words[:cut], len(partition.vertices))
            demand(face and face not in ties, "tie-is-listed-twice")
            ties[face] = sum(1 << k for k in numbers(words[cut + 1 :], network.classes))
    demand(at == 3 and kind == "end" and not words, "line")
    found = partition.finish()
    confirm(ties == partition.ties, "boundary-is-another")
    confirm(counts == found, "counts-are-others")
    what = map("{} {}".format, found, COUNTED.split(","))
    told = f"; {len(notes)} substitution{'s' * (len(notes) > 1)} noted in the network"
    return f"{', '.join(what)}; network {network.digest}, slice {plane.digest}{told * bool(notes)}"


def main(arguments: Sequence[str]) -> int:
    status, verdict = 2, "usage: checker.py NETWORK SLICE CERTIFICATE"
    try:
        if len(arguments) == 3:
            verdict, status = f"verified: {verify(*arguments)}", 0
    except (Rejected, Malformed, OSError) as error:
        status = {Rejected: 1, Malformed: 3}.get(type(error), 2)
        verdict = f"{type(error).__name__.lower()}: {error}"
    print(verdict, flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
