"""The worked example of proofs/certificate.md, and every way to break one rule of it.

Standard library only. A damage is (name, rule, file, old text, new text): in that file
of the example - network, slice or certificate - the old text, which occurs, becomes
the new, and the checker must name exactly that rule.
"""

from __future__ import annotations

NETWORK = (
    '{"format":"exactcam-network","inputs":2,"names":["0","0.activation","1"],"nodes":['
    '{"bias":["0"],"inputs":[0],"matrices":[{"entries":["2","0"],"kind":"dense","shape":[1,2]}],'
    '"op":"affine","scale":"1"},'
    '{"functions":[{"breakpoints":["0"],"pieces":[["0","0"],["1","0"]]}],"input":1,'
    '"op":"pointwise","which":[0]},'
    '{"bias":["-1"],"inputs":[2],"matrices":[{"entries":["1"],"kind":"dense","shape":[1,1]}],'
    '"op":"affine","scale":"1"}],"notes":[],"output":3,"version":1}\n'
)
SLICE = (
    '{"e1":["1","0"],"e2":["0","1"],"format":"exactcam-slice","origin":["0","0"],"version":1,'
    '"window":[["-1","-1"],["1","-1"],["1","1"],["-1","1"]]}\n'
)
CERTIFICATE = """\
exactcam-certificate 2
network 675e8db77c0f15ce7a7229acf855cb454bc8ab35103faf27d814cf71352b747f
slice 3fe7ac5494fc2dc8ff8e3ceaf9542b3e0e82476212eb0d1352a3bbfa37511d93
notes []
counts 2 2 2 1 0 0
v -1 -1 1
v 0 -1 1
v 0 1 1
v -1 1 1
c 0 1 2 3
v 1 -2 2
v 1 -1 1
v 1 1 1
v 1 2 2
c 4 5 6 7
p 1 4 7 2
t 4 7 = 0 1
end
"""
EXAMPLE = {"network": NETWORK, "slice": SLICE, "certificate": CERTIFICATE}

Damage = tuple[str, str, str, str, str]
LEFT, RIGHT = CERTIFICATE[CERTIFICATE.index("v -1") :].split("v 1 -2 2\n")
RIGHT = "v 1 -2 2\n" + RIGHT[: RIGHT.index("end")]
SQUARE = "v -1 -1 1\nv 1 -1 1\nv 1 1 1\nv -1 1 1\n"
STAR = "v 4 0 1\nv -3 2 1\nv 1 -4 1\nv 1 4 1\nv -3 -2 1\nc 4 5 6 7 8\n"
FUNCTION = '{"breakpoints":["0"],"pieces":[["0","0"],["1","0"]]}'
DENSE = '{"entries":["2","0"],"kind":"dense","shape":[1,2]}'
MAX_NODE = '{"groups":[[0]],"input":1,"op":"max"}'
POINTWISE = '{"functions":[' + FUNCTION + '],"input":1,"op":"pointwise","which":[0]}'


def sparse(indptr: str, indices: str, entries: str = '"2"') -> str:
    return f'{{"entries":[{entries}],"indices":[{indices}],"indptr":[{indptr}],"kind":"sparse","shape":[1,2]}}'


def convolution(**changes: str) -> str:
    fields = {
        "dilation": "[1]",
        "entries": '["2"]',
        "groups": "1",
        "kernel": "[1,1,1]",
        "kind": '"convolution"',
        "padding": "[0]",
        "source": "[1,2]",
        "stride": "[2]",
        "target": "[1,1]",
        "transpose": "false",
    } | changes
    return "{" + ",".join(f'"{k}":{fields[k]}' for k in sorted(fields)) + "}"


REJECT: list[Damage] = [
    ("another-network", "network-is-another", "network", '"2","0"', '"3","0"'),
    ("another-hash", "network-is-another", "certificate", "network 6", "network 7"),
    ("another-window", "slice-is-another", "slice", '["1","1"]', '["1","2"]'),
    ("another-slice-hash", "slice-is-another", "certificate", "slice 3", "slice 4"),
    ("note-kept-back", "notes-are-others", "network", '"notes":[]', '"notes":["rounded"]'),
    ("note-invented", "notes-are-others", "certificate", "notes []", 'notes ["rounded"]'),
    ("flipped", "polygon-is-not-convex", "certificate", "c 0 1 2 3", "c 0 3 2 1"),
    ("two-corners", "polygon-is-not-convex", "certificate", "c 0 1 2 3", "c 0 1"),
    ("flat-corner", "polygon-is-not-convex", "certificate", "c 0 1 2 3",
     "v -1 0 2\nc 0 1 2 3 4"),
    ("straight-corner", "polygon-is-not-convex", "certificate", "p 1 4 7 2",
     "v 0 0 1\np 1 4 7 2 8"),
    ("permuted-corners", "polygon-is-not-convex", "certificate", "c 0 1 2 3", "c 0 2 1 3"),
    ("pentagram", "polygon-winds-more-than-once", "certificate", "c 0 1 2 3\n", STAR),
    ("region-twice", "pattern-is-repeated", "certificate", "c 4 5 6 7", "c 0 1 2 3"),
    ("piece-twice", "edge-is-used-twice", "certificate", "p 1 4 7 2", "p 1 4 7 2\np 1 4 7 2"),
    ("piece-missing", "window-is-not-covered", "certificate", "p 1 4 7 2\n", ""),
    ("region-missing", "window-is-not-covered", "certificate", LEFT,
     "v -1 -1 1\nv 0 -1 1\nv 0 1 1\nv -1 1 1\n"),
    ("edge-split-on-one-side", "window-is-not-covered", "certificate", "p 1 4 7 2",
     "v 0 0 1\np 1 4 8\np 8 4 7\np 8 7 2"),
    ("too-small", "window-is-not-covered", "certificate", "v -1 -1 1\n", "v -1 -1 2\n"),
    ("too-large", "window-is-not-covered", "certificate", "v -1 -1 1\n", "v -2 -1 1\n"),
    ("merged", "unit-is-not-affine", "certificate", LEFT + RIGHT, SQUARE + "c 0 1 2 3\n"),
    ("nudged-across", "unit-is-not-affine", "certificate", "v 0 -1 1",
     "v 1 -1" + "0" * 50 + " 1" + "0" * 50),
    ("split", "pattern-is-repeated", "certificate", "p 1 4 7 2", "c 1 4 7 2"),
    ("wrong-region", "piece-has-another-pattern", "certificate", "c 4 5 6 7", "p 4 5 6 7"),
    ("piece-before-region", "piece-has-another-pattern", "certificate", "c 0 1 2 3", "p 0 1 2 3"),
    ("boundary-ignored", "winner-changes", "certificate", RIGHT,
     "v 1 -1 1\nv 1 1 1\nc 1 4 5 2\n"),
    ("tie-missing", "boundary-is-another", "certificate", "t 4 7 = 0 1\n", ""),
    ("tie-invented", "boundary-is-another", "certificate", "t 4 7", "t 1 2 = 0 1\nt 4 7"),
    ("point-invented", "boundary-is-another", "certificate", "t 4 7", "t 4 = 0 1\nt 4 7"),
    ("plateau-invented", "boundary-is-another", "certificate", "t 4 7",
     "t 0 1 2 3 = 0 1\nt 4 7"),
    ("tie-of-others", "boundary-is-another", "certificate", "= 0 1", "= 0"),
    ("tie-reversed", "boundary-is-another", "certificate", "t 4 7", "t 7 4"),
    *[
        (f"count-{k}", "counts-are-others", "certificate", "counts 2 2 2 1 0 0",
         "counts " + " ".join(str(n + (i == k)) for i, n in enumerate((2, 2, 2, 1, 0, 0))))
        for k in range(6)
    ],
    ("count-negative", "counts-are-others", "certificate", "counts 2", "counts -2"),
]  # fmt: skip

CERTIFICATE_DAMAGES: list[Damage] = [
    (name, rule, "certificate", old, new)
    for name, rule, old, new in [
        ("empty", "certificate-version", CERTIFICATE, ""),
        ("version", "certificate-version", "certificate 2", "certificate 1"),
        ("no-version", "certificate-version", "exactcam-certificate 2\n", ""),
        ("header-order", "line", "network ", "slice "),
        ("header-long", "line", "counts 2", "counts 2 2"),
        ("network-line-long", "line", "\nslice", " 0\nslice"),
        ("slice-line-long", "line", "\nnotes", " 0\nnotes"),
        ("notes-missing", "line", "notes []\n", ""),
        ("notes-nothing", "json", "notes []", "notes"),
        ("notes-cut", "json", "notes []", "notes ["),
        ("notes-space", "json-is-not-canonical", "notes []", "notes [ ]"),
        ("notes-null", "array", "notes []", "notes null"),
        ("notes-text", "array", "notes []", 'notes "a"'),
        ("notes-number", "text", "notes []", "notes [1]"),
        ("notes-array", "text", "notes []", "notes [[]]"),
        ("header-short", "line", "counts 2 ", "counts "),
        ("header-cut", "line", CERTIFICATE[CERTIFICATE.index("slice") :], ""),
        ("no-end", "line", "end\n", ""),
        ("end-cut", "line-is-too-long", "end\n", "end"),
        ("end-with-word", "line", "end\n", "end 0\n"),
        ("after-end", "line", "end\n", "end\nend\n"),
        ("space-after-end", "line", "end\n", "end\n\n"),
        ("vertex-after-end", "line", "end\n", "end\nv 3 3 1\n"),
        ("unknown", "line", "end\n", "x 1\nend\n"),
        ("empty-line", "line", "c 0", "\nc 0"),
        ("capital", "line", "c 0", "C 0"),
        ("tie-too-early", "line", "c 4 5 6 7\n", "t 4 7 = 0 1\nc 4 5 6 7\n"),
        ("vertex-of-two", "line", "v 0 -1 1", "v 0 -1"),
        ("vertex-of-four", "line", "v 0 -1 1", "v 0 -1 1 1"),
        ("two-spaces", "integer", "c 0 1", "c 0  1"),
        ("tab", "line", "c 0 1", "c\t0 1"),
        ("trailing-space", "integer", "c 0 1 2 3", "c 0 1 2 3 "),
        ("return", "integer", "c 0 1 2 3\n", "c 0 1 2 3\r\n"),
        ("underscore", "integer", "v 1 -2 2", "v 1 -2 0_2"),
        ("leading-zero", "integer", "v 1 -2 2", "v 1 -2 02"),
        ("plus", "integer", "v 1 -2 2", "v +1 -2 2"),
        ("minus-zero", "integer", "v 0 -1 1", "v -0 -1 1"),
        ("prefix", "integer", "v 1 -2 2", "v 0x1 -2 2"),
        ("capital-digit", "integer", "v 1 -2 2", "v A -2 2"),
        ("float", "integer", "v 1 -2 2", "v 1 -2 2.0"),
        ("huge", "integer", "v 1 -2 2", "v 1 -2 1" + "0" * 65535),
        ("long-line", "line-is-too-long", "v 1 -2 2", "v 1 -2 " + "1" * (1 << 20)),
        ("not-ascii", "text", "v 1 -2 2", "v \u0661 -2 2"),
        ("at-infinity", "vertex-is-not-in-lowest-terms", "v 1 -2 2", "v 1 -2 0"),
        ("negative-weight", "vertex-is-not-in-lowest-terms", "v 1 -2 2", "v -1 2 -2"),
        ("not-lowest", "vertex-is-not-in-lowest-terms", "v 1 -2 2", "v 2 -4 4"),
        ("vertex-twice", "vertex-is-listed-twice", "c 0 1 2 3", "v 0 1 1\nc 0 1 2 3"),
        ("no-such-vertex", "numbers", "c 0 1 2 3", "c 0 1 2 4"),
        ("vertex-below-zero", "numbers", "c 0 1 2 3", "c 0 1 2 -1"),
        ("corner-twice", "numbers", "c 0 1 2 3", "c 0 1 2 2"),
        ("tie-without-class", "tie-is-listed-twice", "t 4 7 = 0 1", "t = 0 1"),
        ("tie-without-sign", "tie-is-listed-twice", "t 4 7 = 0 1", "t 4 7 0 1"),
        ("tie-twice", "tie-is-listed-twice", "t 4 7 = 0 1\n", "t 4 7 = 0 1\nt 4 7 = 0 1\n"),
        ("no-such-class", "numbers", "= 0 1", "= 0 2"),
        ("class-twice", "numbers", "= 0 1", "= 0 0"),
        ("count-word", "integer", "counts 2", "counts two"),
    ]
]

SLICE_DAMAGES: list[Damage] = [
    (name, rule, "slice", old, new)
    for name, rule, old, new in [
        ("slice-space", "json-is-not-canonical", '"e1":[', '"e1": ['),
        ("slice-key-twice", "json-is-not-canonical", '{"e1"', '{"e1":["1","0"],"e1"'),
        ("slice-newline", "json-is-not-canonical", "}\n", "}"),
        ("slice-more", "json-is-not-canonical", "}\n", "}\n\n"),
        ("slice-trailing", "json", "}\n", "}x\n"),
        ("slice-escaped", "json-is-not-canonical", '"1","0"', '"\\u0031","0"'),
        ("slice-not-ascii", "json", '"0","1"', '"0","\u0661"'),
        ("slice-nan", "json", '"version":1', '"version":NaN'),
        ("slice-infinite", "json", '"version":1', '"version":1e999'),
        ("slice-decimal", "json", '"version":1', '"version":' + "1" * 5000),
        ("slice-deep", "json", '"version":1', '"version":' + "[" * 100000 + "]" * 100000),
        ("slice-version-2", "slice-version", '"version":1', '"version":2'),
        ("slice-version-true", "natural", '"version":1', '"version":true'),
        ("slice-version-float", "natural", '"version":1', '"version":1.0'),
        ("slice-format", "slice-version", "exactcam-slice", "exactcam-slices"),
        ("slice-list", "keys", SLICE, "[]\n"),
        ("slice-key-missing", "keys", '"origin":["0","0"],', ""),
        ("slice-key-more", "keys", ',"window"', ',"w":1,"window"'),
        ("slice-no-array", "array", '"e1":["1","0"]', '"e1":"10"'),
        ("slice-uneven", "array", '"e2":["0","1"]', '"e2":["0","1","0"]'),
        ("slice-number", "integer", '"e2":["0","1"]', '"e2":["0",1]'),
        ("slice-over-one", "rational", '"e2":["0","1"]', '"e2":["0","1/1"]'),
        ("slice-over-zero", "rational", '"e2":["0","1"]', '"e2":["0","1/0"]'),
        ("slice-over-nothing", "integer", '"e2":["0","1"]', '"e2":["0","1/"]'),
        ("slice-over-minus", "rational", '"e2":["0","1"]', '"e2":["0","1/-2"]'),
        ("slice-not-lowest", "rational", '"e2":["0","1"]', '"e2":["0","2/4"]'),
        ("slice-zero-over", "rational", '"origin":["0"', '"origin":["0/2"'),
        ("slice-dependent", "slice-is-no-plane", '"e2":["0","1"]', '"e2":["2","0"]'),
        ("slice-zero", "slice-is-no-plane", '"e1":["1","0"]', '"e1":["0","0"]'),
        ("slice-empty", "slice-is-no-plane",
         SLICE[: SLICE.index(',"version"')], '{"e1":[],"e2":[],"format":"exactcam-slice","origin":[]'),
        ("slice-three", "slice-does-not-fit", SLICE[: SLICE.index(',"version"')],
         '{"e1":["1","0","0"],"e2":["0","1","0"],"format":"exactcam-slice","origin":["0","0","0"]'),
        ("window-clockwise", "window-is-not-convex", '["1","-1"],["1","1"],["-1","1"]',
         '["-1","1"],["1","1"],["1","-1"]'),
        ("window-flat", "window-is-not-convex", '["1","1"],["-1","1"]', '["2","-1"]'),
        ("window-empty", "window-is-not-convex",
         SLICE[SLICE.index('"window"') :], '"window":[]}\n'),
        ("window-star", "window-is-not-convex", SLICE[SLICE.index('"window"') :],
         '"window":[["4","0"],["-3","2"],["1","-4"],["1","4"],["-3","-2"]]}\n'),
        ("window-corner", "array", '["-1","-1"]', '["-1"]'),
        ("slice-denominators", "too-large", SLICE[: SLICE.index(',"version"')],
         '{"e1":["1",' + ",".join(f'"1/1{k:060000x}"' for k in range(1, 11, 2)) + '],"e2":["0",'
         + ",".join(['"1"'] * 5) + '],"format":"exactcam-slice","origin":['
         + ",".join(['"0"'] * 6) + "]"),
    ]
]  # fmt: skip

NETWORK_DAMAGES: list[Damage] = [
    (name, rule, "network", old, new)
    for name, rule, old, new in [
        ("network-space", "json-is-not-canonical", '"inputs":2', '"inputs": 2'),
        ("network-key-twice", "json-is-not-canonical", '"inputs":2', '"inputs":2,"inputs":2'),
        ("network-version-2", "network-version", '"version":1', '"version":2'),
        ("network-format", "network-version", "exactcam-network", "exactcam"),
        ("network-no-notes", "keys", '"notes":[],', ""),
        ("network-notes-null", "array", '"notes":[],', '"notes":null,'),
        ("network-notes-number", "text", '"notes":[],', '"notes":[1],'),
        ("network-inputs-3", "slice-does-not-fit", '"inputs":2', '"inputs":3'),
        ("network-inputs-negative", "natural", '"inputs":2', '"inputs":-2'),
        ("network-output", "natural", '"output":3', '"output":4'),
        ("op-unknown", "op", '"op":"pointwise"', '"op":"gelu"'),
        ("op-list", "op", '"op":"pointwise"', '"op":["pointwise"]'),
        ("op-missing", "op", POINTWISE, "7"),
        ("affine-keys", "keys", '"scale":"1"},', '"scale":"1","w":1},'),
        ("affine-later-input", "natural", '"bias":["-1"],"inputs":[2]', '"bias":["-1"],"inputs":[3]'),
        ("affine-no-input", "affine", '"bias":["-1"],"inputs":[2]', '"bias":["-1"],"inputs":[]'),
        ("affine-scale-0", "affine", '"scale":"1"},', '"scale":"0"},'),
        ("affine-scale-negative", "affine", '"scale":"1"},', '"scale":"-1"},'),
        ("affine-too-few", "array", f'"matrices":[{DENSE}]', '"matrices":[]'),
        ("affine-bias", "integer", '"bias":["0"]', '"bias":["0.5"]'),
        ("affine-empty", "node-is-empty", '{"bias":["0"],"inputs":[0],"matrices":[' + DENSE + "]",
         '{"bias":[],"inputs":[0],"matrices":[{"entries":[],"kind":"dense","shape":[0,2]}]'),
        ("pointwise-later-input", "natural", '"input":1', '"input":2'),
        ("pointwise-which", "natural", '"which":[0]', '"which":[1]'),
        ("pointwise-which-long", "array", '"which":[0]', '"which":[0,0]'),
        ("pointwise-which-short", "array", '"which":[0]', '"which":[]'),
        ("function-keys", "keys", '{"breakpoints":["0"],', "{"),
        ("function-order", "function-breakpoints", FUNCTION,
         '{"breakpoints":["1","0"],"pieces":[["0","0"],["1","-1"],["0","-1"]]}'),
        ("function-equal", "function-breakpoints", FUNCTION,
         '{"breakpoints":["0","0"],"pieces":[["0","0"],["1","0"],["0","0"]]}'),
        ("function-jump", "function-pieces", '["1","0"]]', '["1","1"]]'),
        ("function-no-kink", "function-pieces", '["1","0"]]', '["0","0"]]'),
        ("function-few", "array", '["0","0"],["1","0"]', '["1","0"]'),
        ("function-piece", "array", '["1","0"]]', '["1","0","0"]]'),
        ("max-empty", "group-is-empty", POINTWISE, MAX_NODE.replace("[0]", "")
         .replace('"groups":[]', '"groups":[[]]')),
        ("max-none", "node-is-empty", POINTWISE, MAX_NODE.replace("[[0]]", "[]")),
        ("max-member", "natural", POINTWISE, MAX_NODE.replace("[[0]]", "[[1]]")),
        ("max-input", "natural", POINTWISE, MAX_NODE.replace('"input":1', '"input":2')),
        ("max-keys", "keys", POINTWISE, MAX_NODE.replace('"input":1,', "")),
        ("matrix-kind", "kind", '"kind":"dense","shape":[1,2]', '"kind":"toeplitz","shape":[1,2]'),
        ("matrix-no-object", "kind", DENSE, "[]"),
        ("dense-shape", "shape", '"shape":[1,2]', '"shape":[2,1]'),
        ("dense-entries", "array", '"entries":["2","0"]', '"entries":["2"]'),
        ("dense-keys", "keys", '"entries":["2","0"],', ""),
        ("sparse-shape", "shape", DENSE, sparse("0,1", "0").replace("[1,2]", "[2,2]")),
        ("sparse-start", "sparse-indptr", DENSE, sparse("1,1", "0")),
        ("sparse-end", "sparse-indptr", DENSE, sparse("0,0", "0")),
        ("sparse-past", "natural", DENSE, sparse("0,2", "0")),
        ("sparse-column", "natural", DENSE, sparse("0,1", "2")),
        ("sparse-same-column", "sparse-indices", DENSE, sparse("0,2", "1,1", '"1","1"')),
        ("sparse-falling", "sparse-indices", DENSE, sparse("0,2", "1,0", '"1","1"')),
        ("sparse-entries", "array", DENSE, sparse("0,1", "0", '"1","1"')),
        ("sparse-indptr-long", "array", DENSE, sparse("0,1,1", "0")),
        ("convolution-transpose", "convolution-transpose", DENSE, convolution(transpose="0")),
        ("convolution-flat", "convolution-dimensions", DENSE,
         convolution(source="[2]", target="[1]", kernel="[1,2]", stride="[]", padding="[]",
                     dilation="[]", entries='["2","0"]')),
        ("convolution-stride-long", "convolution-dimensions", DENSE, convolution(stride="[2,1]")),
        ("convolution-no-kernel", "convolution-sizes", DENSE,
         convolution(kernel="[1,1,0]", entries="[]")),
        ("convolution-stride-huge", "natural", DENSE, convolution(stride="[1073741824]")),
        ("convolution-stride-0", "convolution-sizes", DENSE, convolution(stride="[0]")),
        ("convolution-dilation-0", "convolution-sizes", DENSE, convolution(dilation="[0]")),
        ("convolution-groups-0", "convolution-sizes", DENSE, convolution(groups="0")),
        ("convolution-groups-2", "convolution-channels", DENSE, convolution(groups="2")),
        ("convolution-channels", "convolution-channels", DENSE,
         convolution(kernel="[1,2,1]", entries='["2","0"]')),
        ("convolution-shape", "shape", DENSE, convolution(target="[1,2]")),
        ("convolution-entries", "array", DENSE, convolution(entries='["2","0"]')),
        ("convolution-large", "too-large", DENSE,
         convolution(kernel="[1,1,999999999]", entries="[]")),
    ]
]  # fmt: skip
MALFORMED = CERTIFICATE_DAMAGES + SLICE_DAMAGES + NETWORK_DAMAGES


def damaged(damage: Damage) -> dict[str, str]:
    """The three files with one damage."""
    name, _, file, old, new = damage
    if old not in EXAMPLE[file]:
        raise ValueError(f"{name}: {old[:40]!r} does not occur in the {file}")
    return EXAMPLE | {file: EXAMPLE[file].replace(old, new, 1)}
