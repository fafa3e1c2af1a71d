"""Valid certificates, changed at random: what is no longer true is never verified.

Theorems 13, 15, 17 and 18 of proofs/checking.md, attacked: wrong regions, counts, boundaries.
"""

from __future__ import annotations

import math
import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exactcam import Network, Slice, Window, checker, partition
from exactcam.arithmetic.matrix import Convolution, Sparse
from exactcam.arithmetic.rational import mpz, objects
from exactcam.model.nodes import Affine, Cpwl, MaxGroups, Pointwise

from . import tiny
from .conftest import NETWORKS, Question, question, verdict

NAMES = st.sampled_from(sorted(NETWORKS))
SEEDS = st.integers(0, 2**32)
MANY = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def body(lines: list[str], *kinds: str) -> list[int]:
    return [k for k, line in enumerate(lines) if line.split()[0] in kinds]


def drop(lines: list[str], rng: random.Random) -> None:
    del lines[rng.choice(body(lines, "v", "c", "p", "t"))]


def duplicate(lines: list[str], rng: random.Random) -> None:
    k = rng.choice(body(lines, "v", "c", "p", "t"))
    lines.insert(k, lines[k])


def swap_corners(lines: list[str], rng: random.Random) -> None:
    k = rng.choice(body(lines, "c", "p"))
    kind, *words = lines[k].split()
    i = rng.randrange(len(words))
    words[i], words[i - 1] = words[i - 1], words[i]
    lines[k] = " ".join([kind, *words])


def drop_corner(lines: list[str], rng: random.Random) -> None:
    k = rng.choice(body(lines, "c", "p"))
    words = lines[k].split()
    del words[rng.randrange(1, len(words))]
    lines[k] = " ".join(words)


def flip(lines: list[str], rng: random.Random) -> None:
    k = rng.choice(body(lines, "c", "p"))
    kind, *words = lines[k].split()
    lines[k] = " ".join([kind, *words[::-1]])


def other_corner(lines: list[str], rng: random.Random) -> None:
    k = rng.choice(body(lines, "c", "p"))
    words = lines[k].split()
    i = rng.randrange(1, len(words))
    words[i] = f"{(int(words[i], 16) + rng.choice([-1, 1])) % len(body(lines, 'v')):x}"
    lines[k] = " ".join(words)


def nudge(lines: list[str], rng: random.Random) -> None:
    """Move one vertex by 2^-200 in one direction."""
    k = rng.choice(body(lines, "v"))
    x, y, w = (int(word, 16) for word in lines[k].split()[1:])
    step = Fraction(rng.choice([-1, 1]), 2**200)
    u, v = Fraction(x, w), Fraction(y, w)
    u, v = (u + step, v) if rng.random() < 0.5 else (u, v + step)
    scale = math.lcm(u.denominator, v.denominator)
    lines[k] = f"v {int(u * scale):x} {int(v * scale):x} {scale:x}"


def swap_vertices(lines: list[str], rng: random.Random) -> None:
    i, j = rng.sample(body(lines, "v"), 2)
    lines[i], lines[j] = lines[j], lines[i]


def split_pattern(lines: list[str], rng: random.Random) -> None:
    """A region in two, along a diagonal."""
    k = rng.choice([k for k in body(lines, "c") if len(lines[k].split()) > 4])
    _, *words = lines[k].split()
    lines[k : k + 1] = [" ".join(["c", *words[:3]]), " ".join(["c", words[0], *words[2:]])]


def merge(lines: list[str], rng: random.Random) -> None:
    """Two neighbouring pieces as one."""
    polygons = body(lines, "c", "p")
    for _ in range(200):
        i, j = sorted(rng.sample(polygons, 2))
        one, two = lines[i].split()[1:], lines[j].split()[1:]
        shared = [k for k, a in enumerate(one) if a in two and one[k - 1] in two]
        if shared:
            k = shared[0]
            m = two.index(one[k - 1])
            whole = one[k:] + one[:k] + two[m + 1 :] + two[:m]
            lines[i] = " ".join([lines[i].split()[0], *dict.fromkeys(whole)])
            del lines[j]
            return
    del lines[polygons[0]]


def pentagram(lines: list[str], rng: random.Random) -> None:
    k = rng.choice(body(lines, "c", "p"))
    kind, *words = lines[k].split()
    extra = [n for n in ("0", "1", "2", "3", "4", "5") if n not in words]
    words = (words + extra)[:5]
    lines[k] = " ".join([kind, *(words[2 * i % 5] for i in range(5))])


def as_piece(lines: list[str], rng: random.Random) -> None:
    k = rng.choice(body(lines, "c")[1:])
    lines[k] = "p" + lines[k][1:]


def count(lines: list[str], rng: random.Random) -> None:
    words = lines[4].split()
    k = rng.randrange(1, 7)
    words[k] = f"{int(words[k], 16) + rng.choice([-1, 1]):x}"
    lines[4] = " ".join(words)


def tie_elsewhere(lines: list[str], rng: random.Random) -> None:
    k = rng.choice(body(lines, "t"))
    words = lines[k].split()
    words[1] = f"{(int(words[1], 16) + 1) % len(body(lines, 'v')):x}"
    lines[k] = " ".join(words)


MUTATIONS = [
    drop,
    duplicate,
    swap_corners,
    drop_corner,
    flip,
    other_corner,
    nudge,
    swap_vertices,
    split_pattern,
    merge,
    pentagram,
    as_piece,
    count,
    tie_elsewhere,
]


@MANY
@given(name=NAMES, mutation=st.sampled_from(MUTATIONS), seed=SEEDS)
def test_mutants_are_not_verified(
    questions: dict[str, Question], name: str, mutation: object, seed: int
) -> None:
    mutate(questions[name], mutation, seed)


def mutate(asked: Question, mutation: object, seed: int) -> None:
    lines = list(asked.lines)
    mutation(lines, random.Random(seed))  # type: ignore[operator]
    if meaning(lines) != meaning(asked.lines):
        assert asked.verdict(lines) != "verified"


def meaning(lines: list[str]) -> object:
    """What a certificate says: regions as sets of cyclic sequences of points, ties, counts."""
    number = [tuple(line.split()[1:]) for line in lines if line.startswith("v ")]

    def polygon(words: list[str]) -> object:
        points = [number[int(w, 16)] if int(w, 16) < len(number) else ("?",) for w in words]
        least = points.index(min(points))
        return tuple(points[least:] + points[:least])

    regions: list[list[object]] = []
    ties = []
    for line in lines:
        kind, *words = line.split()
        if kind == "c" or (kind == "p" and not regions):
            regions.append([kind, polygon(words)])
        elif kind == "p":
            regions[-1].append(polygon(words))
        elif kind == "t":
            cut = words.index("=")
            ties.append((polygon(words[:cut]), tuple(words[cut:])))
    return lines[:5], sorted(map(str, regions)), sorted(map(str, ties)), sorted(number)


@MANY
@given(name=NAMES, seed=SEEDS)
def test_what_says_the_same_is_verified(
    questions: dict[str, Question], name: str, seed: int
) -> None:
    """Regions in any order, corners from any start, a region cut once more, vertices first."""
    asked, rng = questions[name], random.Random(seed)
    vertices = [line for line in asked.lines if line.startswith("v ")]
    blocks: list[list[str]] = []
    for line in asked.lines:
        kind, *words = line.split()
        if kind in ("c", "p"):
            k = rng.randrange(len(words))
            turned = " ".join(words[k:] + words[:k])
            blocks += [[turned]] if kind == "c" else []
            blocks[-1] += [turned] if kind == "p" else []
    for block in blocks:
        words = block[0].split()
        if len(words) > 3 and rng.random() < 0.3:
            block[0:1] = [" ".join(words[:3]), " ".join([words[0], *words[2:]])]
        rng.shuffle(block)
    rng.shuffle(blocks)
    pieces = [f"{'p' if k else 'c'} {piece}" for b in blocks for k, piece in enumerate(b)]
    ties = [line for line in asked.lines if line.startswith("t ")]
    rng.shuffle(ties)
    lines = [*asked.lines[:5], *vertices, *pieces, *ties, "end"]
    assert asked.verdict(lines) == "verified"


def test_a_certificate_of_another_network_is_rejected(questions: dict[str, Question]) -> None:
    names = sorted(questions)
    for one in names:
        for other in names:
            lines = list(questions[other].lines)
            if one != other:
                assert questions[one].verdict(lines) == "rejected network-is-another"
                lines[1] = questions[one].lines[1]
                assert questions[one].verdict(lines).startswith(("rejected", "malformed"))


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("slope", [1, -1])
def test_merging_across_any_unit_is_rejected(tmp_path: Path, which: int, slope: int) -> None:
    """Only unit `which` has its knot line in the window."""
    bias = [9 if k == which else 40 + k for k in range(4)]
    first = Affine.dense(0, [[20 * slope, 0]] * 4, bias)
    relu = Pointwise(1, (Cpwl.relu(),), np.zeros(4, dtype=np.int64))
    network = Network(2, (first, relu, Affine.dense(2, [[0] * 4], [1])), 3)
    asked = question(tmp_path, partition(network, engine="reference"))
    assert len(asked.partition) == 2
    lines = [*asked.lines[:4], "counts 1 1 1 0 0 0", *tiny.SQUARE.splitlines(), "c 0 1 2 3", "end"]
    assert asked.verdict(lines) == "rejected unit-is-not-affine"


def test_merging_across_a_max_group_is_rejected(tmp_path: Path) -> None:
    node = tiny.MAX_NODE.replace("[[0]]", "[[0,1]]")
    network = tiny.NETWORK.replace(tiny.POINTWISE, node).replace(
        tiny.DENSE, '{"entries":["1","0","-1","0"],"kind":"dense","shape":[2,2]}'
    )
    network = network.replace('"bias":["0"]', '"bias":["0","0"]')
    names = {"network": network, "slice": tiny.SLICE}
    for name, text in names.items():
        (tmp_path / name).write_text(text, encoding="ascii")
    plane = checker.Plane(checker.read_json(str(tmp_path / "slice")))
    digest = checker.Network(checker.read_json(str(tmp_path / "network")), plane).digest
    head = tiny.CERTIFICATE.splitlines()[:4]
    head[1] = f"network {digest}"
    lines = [*head, "counts 1 1 1 0 0 0", *tiny.SQUARE.splitlines(), "c 0 1 2 3", "end"]
    (tmp_path / "certificate").write_text("\n".join(lines) + "\n", encoding="ascii")
    files = [tmp_path / name for name in ("network", "slice", "certificate")]
    assert verdict(*files) == "rejected group-has-no-common-maximiser"


HEXAGON = [(2, 0), (1, 2), (-1, 2), (-2, 0), (-1, -2), (1, -2)]


def test_two_open_edges_at_one_vertex_are_rejected(tmp_path: Path) -> None:
    """A triangle over a hexagon: its edges cancel nothing and repeat nothing."""
    constant = Network(2, (Affine.dense(0, [[0, 0]], [1]),), 1)
    asked = question(tmp_path, partition(constant, window=Window(HEXAGON)))
    assert asked.verdict(asked.lines) == "verified"
    whole = asked.lines.index("c 0 1 2 3 4 5")
    for extra in ("0 2 4", "1 3 5"):
        for pieces in ([f"c {extra}", "p 0 1 2 3 4 5"], ["c 0 1 2 3 4 5", f"p {extra}"]):
            lines = [*asked.lines[:whole], *pieces, *asked.lines[whole + 1 :]]
            assert asked.verdict(lines) == "rejected window-is-not-covered"


@pytest.mark.parametrize(
    ("vertices", "pieces"),
    [
        (["v 3 0 1"], ["0 1 4 2 3"]),  # bulges over one side and comes back
        (["v 3 -1 1", "v 3 1 1"], ["0 1 2 3", "1 4 5 2"]),  # one piece too many, behind a side
        (["v 3 0 1", "v 5 0 1", "v 4 1 1"], ["0 1 2 3", "4 5 6"]),  # far away
        (["v 0 0 1"], ["0 1 4", "1 2 4", "2 3 4"]),  # a hole that reaches a side
        (
            ["v -1 0 2", "v 1 0 2", "v 0 1 2"],
            ["0 1 5 4", "1 2 5", "2 6 5", "2 3 6", "3 4 6", "3 0 4"],
        ),  # a hole in the middle
        (["v 3 -1 1"], ["0 4 2 3"]),  # runs past a corner of the window
        (["v 0 -1 1"], ["4 1 2 3"]),  # leaves a corner of the window out
    ],
)
def test_pieces_must_cover_the_window_and_no_more(
    tmp_path: Path, vertices: list[str], pieces: list[str]
) -> None:
    constant = Network(2, (Affine.dense(0, [[0, 0]], [1]),), 1)
    asked = question(tmp_path, partition(constant))
    assert asked.lines[-2] == "c 0 1 2 3"
    listed = [f"{'p' if k else 'c'} {piece}" for k, piece in enumerate(pieces)]
    lines = [*asked.lines[:-2], *vertices, *listed, "end"]
    assert asked.verdict(lines) == "rejected window-is-not-covered"


def test_plateaus_and_points_are_checked(tmp_path: Path) -> None:
    """|u| + |v| is zero at one point, relu(u) on half the window."""
    absolute = Cpwl.through([0], [-1, 1])
    first = Affine.dense(0, [[1, 0], [0, 1]], [0, 0])
    both = Pointwise(1, (absolute,), np.zeros(2, dtype=np.int64))
    cone = Network(2, (first, both, Affine.dense(2, [[1, 1]], [0])), 3)
    asked = question(tmp_path / "cone", partition(cone))
    assert asked.verdict(asked.lines) == "verified"
    ties = [line for line in asked.lines if line.startswith("t")]
    assert len(ties) == 1
    assert len(ties[0].split()) == 5
    assert asked.verdict(x for x in asked.lines if x not in ties) == "rejected boundary-is-another"

    relu = Pointwise(1, (Cpwl.relu(),), np.zeros(1, dtype=np.int64))
    half = Network(2, (Affine.dense(0, [[1, 0]], [0]), relu), 2)
    asked = question(tmp_path / "half", partition(half))
    assert asked.verdict(asked.lines) == "verified"
    (tie,) = (line for line in asked.lines if line.startswith("t"))
    assert len(tie.split()) == 8
    k = asked.lines.index(tie)
    for wrong in (
        [],
        [tie, " ".join(["t", *tie.split()[2:4], "=", "0", "1"])],
        [f"t {word} = 0 1" for word in tie.split()[1:5]],
        [tie.replace("= 0 1", "= 0")],
    ):
        lines = asked.lines[:k] + wrong + asked.lines[k + 1 :]
        assert asked.verdict(lines) == "rejected boundary-is-another"


def convolutions() -> list[Network]:
    rng = np.random.default_rng(7)

    def kernel(*shape: int) -> np.ndarray:
        return objects([mpz(int(x)) for x in rng.integers(-3, 4, int(np.prod(shape)))], shape)

    def bias(size: int) -> np.ndarray:
        return objects([mpz(int(x)) for x in rng.integers(-2, 3, size)])

    out = []
    for groups, transpose in ((1, False), (2, False), (1, True), (2, True)):
        narrow, wide = (4, 3, 2), (4, 5, 4)
        source, target = (narrow, wide) if transpose else (wide, narrow)
        matrix = Convolution(
            source, target, kernel(4, 4 // groups, 3, 2), (2, 2), (1, 1), (1, 2), groups, transpose
        )
        size = int(np.prod(target))
        relu = Pointwise(1, (Cpwl.relu(),), np.zeros(size, dtype=np.int64))
        pool = MaxGroups(2, tuple((k, k + 1) for k in range(0, size, 2)))
        row = Sparse.selection(size // 2, [0, size // 2 - 1], 2)
        last = Affine((3,), (row,), bias(2), mpz(3))
        first = Affine((0,), (matrix,), bias(size), mpz(2))
        out.append(Network(int(np.prod(source)), (first, relu, pool, last), 4))
    return out


@pytest.mark.parametrize("which", range(4))
def test_convolutions_and_sparse_matrices(tmp_path: Path, which: int) -> None:
    network = convolutions()[which]
    rng = np.random.default_rng(which)
    vectors = rng.integers(-2, 3, (3, network.inputs))
    asked = question(tmp_path, partition(network, Slice(*vectors), engine="reference"))
    assert len(asked.partition) > 5
    assert asked.verdict(asked.lines) == "verified"
    plane = checker.Plane(checker.read_json(str(asked.slice)))
    exact = checker.Network(checker.read_json(str(asked.network)), plane).at((1, -2, 3))
    ours = network.evaluate(asked.partition.slice.at(Fraction(1, 3), Fraction(-2, 3)))
    ratios = {Fraction(a) / Fraction(str(b)) for a, b in zip(exact.outputs, ours, strict=True) if b}
    assert len(ratios) == 1


def test_the_terms_of_a_convolution_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each of 4 x 3 x 2 outputs, 2 channels of a group and 3 x 2 taps."""
    network = convolutions()[1]
    asked = question(tmp_path, partition(network, Slice(*np.eye(3, 80, dtype=int))))
    monkeypatch.setattr(checker, "MAX_TERMS", 4 * 3 * 2 * 2 * 3 * 2)
    assert asked.verdict(asked.lines) == "verified"
    monkeypatch.setattr(checker, "MAX_TERMS", 4 * 3 * 2 * 2 * 3 * 2 - 1)
    assert asked.verdict(asked.lines) == "malformed too-large"


EDITS = st.lists(
    st.tuples(
        st.integers(0, 1500),
        st.integers(0, 40),
        st.binary(max_size=6)
        | st.sampled_from(
            [
                b"\n",
                b" ",
                b"0",
                b"-",
                b"[",
                b"]",
                b"{",
                b'"',
                b"1e9",
                b"NaN",
                b"f" * 70,
                b"\x1f\x8b",
            ]
        ),
    ),
    min_size=1,
    max_size=3,
)
FIXTURE = [HealthCheck.function_scoped_fixture]


@settings(max_examples=300, deadline=None, suppress_health_check=FIXTURE)
@given(file=st.sampled_from(sorted(tiny.EXAMPLE)), edits=EDITS)
def test_fuzzed_files_end_in_a_verdict(
    tmp_path: Path, file: str, edits: list[tuple[int, int, bytes]]
) -> None:
    fuzz(tmp_path, file, edits)


@pytest.mark.slow
@settings(max_examples=20_000, deadline=None, suppress_health_check=FIXTURE)
@given(file=st.sampled_from(sorted(tiny.EXAMPLE)), edits=EDITS)
def test_fuzzed_files_end_in_a_verdict_for_long(
    tmp_path: Path, file: str, edits: list[tuple[int, int, bytes]]
) -> None:
    fuzz(tmp_path, file, edits)


def fuzz(folder: Path, file: str, edits: list[tuple[int, int, bytes]]) -> None:
    """Any bytes at all: verified, malformed or rejected, nothing else escapes."""
    for name, text in tiny.EXAMPLE.items():
        (folder / name).write_bytes(text.encode())
    data = tiny.EXAMPLE[file].encode()
    for at, length, new in edits:
        at %= len(data) + 1
        data = data[:at] + new + data[at + length :]
    (folder / file).write_bytes(data)
    found = verdict(*(folder / name for name in ("network", "slice", "certificate")))
    assert found == "verified" or found.split()[0] in ("malformed", "rejected")
    if file == "certificate" and found == "verified":
        lines = data.decode().splitlines()
        assert meaning(lines) == meaning(tiny.CERTIFICATE.splitlines())


@pytest.mark.slow
@settings(max_examples=5_000, deadline=None, suppress_health_check=FIXTURE)
@given(name=NAMES, mutation=st.sampled_from(MUTATIONS), seed=SEEDS)
def test_mutants_are_not_verified_for_long(
    questions: dict[str, Question], name: str, mutation: object, seed: int
) -> None:
    mutate(questions[name], mutation, seed)
