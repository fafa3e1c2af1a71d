"""The interactive page: what is packed is exact, and a real browser shows and picks it right."""

from __future__ import annotations

import io
import json
import random
import re
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exactcam
from exactcam import Network, Partition, draw, from_arrays, partition
from exactcam.arithmetic.rational import decimal_text, mpq, mpz, objects, to_float
from exactcam.cli import main
from exactcam.render.html import html_page
from exactcam.render.viewer_data import pack

pytestmark = pytest.mark.xdist_group("browser")
THIN = 1e-20


def sliver() -> Partition:
    """A strip 1.3e-20 wide between two parallel knot lines, and other lines across it."""
    first = [[0.3, 0.7], [0.3, 0.7], [1, -0.5], [0.2, 1], [1, 1]]
    layers = [(first, [0, -THIN, 0.25, -0.3, 0.5]), ([[1, -2, 1, 0.5, -1]], [-THIN / 10])]
    return partition(from_arrays(layers))


def unpack(block: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    data = zlib.decompress(block)
    length = int.from_bytes(data[:4], "little")
    header = json.loads(data[4 : 4 + length])
    arrays = {
        name: np.frombuffer(data, kind, count, 4 + length + at)
        for name, (kind, at, count) in header["arrays"].items()
    }
    return header, arrays


def grid(lines: int) -> Partition:
    """(lines + 1)^2 squares, written down rather than computed: a large page in seconds."""
    n = lines + 1
    knots = [mpq(2 * k, n) - 1 for k in range(1, n)]
    zeros = [0] * lines
    weight = [*([1, z] for z in zeros), *([z, 1] for z in zeros)]
    network = from_arrays(
        [(weight, objects([-t for t in knots] * 2)), ([[1] * lines + [2] * lines], [-lines])]
    )
    column, row = (a.ravel() for a in np.meshgrid(np.arange(n), np.arange(n)))
    steps = 2 * np.tri(n, lines, -1, dtype=np.uint8)
    patterns = np.concatenate([steps[column], steps[row]], axis=1)
    order = np.lexsort(patterns.T[::-1])
    column, row, patterns = column[order], row[order], patterns[order]
    stride = n + 1
    corners = np.stack(
        [
            c + stride * r
            for c, r in ((column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1))
        ]
    )
    points = [(mpz(2 * i - n), mpz(2 * j - n), mpz(n)) for j in range(n + 1) for i in range(n + 1)]
    lift = -n * lines - sum(w * (k * (k + 1) - n * k) for w, k in ((1, column), (2, row)))
    numbers = np.stack([n * column, 2 * n * row, lift], axis=1).ravel()
    forms = objects((mpz(int(x)) for x in numbers), (n * n, 1, 3))
    question = network, exactcam.Slice.plane(2), exactcam.Window.rectangle(-1, -1, 1, 1)
    outlines = np.arange(0, 4 * n * n + 1, 4), corners.T.ravel().astype(np.int64)
    maps = forms, mpz(n)
    return Partition.of_arrays(*question, "by hand", patterns, outlines, points, maps)


def test_packed_positions_are_rounded_once_and_fine_enough() -> None:
    part = sliver()
    header, arrays = unpack(pack(part, "sliver"))
    bits, limbs = header["bits"], header["limbs"]
    assert bits >= 64 + 66  # the strip is 2^-66 wide
    raw = arrays["fixed"].tobytes()
    fixed = [
        mpz(int.from_bytes(raw[k : k + 8 * limbs], "little", signed=True))
        for k in range(0, len(raw), 8 * limbs)
    ]
    for k, (x, y, w) in enumerate(part.vertices):
        for got, exact in zip(fixed[2 * k : 2 * k + 2], (mpq(x, w), mpq(y, w)), strict=True):
            assert abs(mpq(got, mpz(1) << bits) - exact) <= mpq(1, mpz(2) << bits)
    patterns = arrays["patterns"].reshape(len(part), -1)
    assert (np.bitwise_xor.accumulate(patterns, axis=0) == part.patterns).all()


def test_the_page_needs_nothing_else() -> None:
    page = html_page(sliver(), title="a <b> & c")
    assert "<title>a &lt;b&gt; &amp; c</title>" in page
    assert "<!--" not in page
    assert not re.search(
        r"https?:|@import|\bfetch\(|XMLHttpRequest|<link(?! rel=\"icon\" href=\"data:,\")", page
    )
    assert "default-src 'none'" in page


def test_view_writes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sliver().save(tmp_path / "strip.jsonl")
    words = ["view", str(tmp_path / "strip.jsonl"), "--no-open", "-o", str(tmp_path / "p.html")]
    assert main(words) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'p.html'}\n"
    assert "<title>strip</title>" in (tmp_path / "p.html").read_text()


# --- in a browser ---------------------------------------------------------------------------

Show = Callable[..., Any]


@pytest.fixture(scope="module", params=["webgl", "canvas"])
def chromium(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="browser tests need selenium")
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (binary and driver):
        pytest.skip("browser tests need Debian's chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    profile = tmp_path_factory.mktemp("profile")
    drawing = {
        "webgl": ["use-angle=swiftshader", "enable-unsafe-swiftshader"],
        "canvas": ["disable-gpu", "disable-3d-apis"],
    }[request.param]
    for word in (
        "headless",
        "no-sandbox",
        "disable-quic",
        "no-first-run",
        "window-size=1000,800",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        f"user-data-dir={profile}",
        *drawing,
    ):
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(driver)
    with webdriver.Chrome(options=options, service=service) as browser:
        browser.painter = {"webgl": "WebglPainter", "canvas": "CanvasPainter"}[request.param]
        yield browser


@pytest.fixture
def show(chromium: Any, tmp_path: Path) -> Iterator[Show]:
    """Opens the page of a partition; afterwards the console must be empty."""

    def open_page(part: Partition, colour: str = "slope") -> Any:
        draw(part, tmp_path / "page.html", colour)
        mark = "#webgl" if chromium.painter == "WebglPainter" else ""
        chromium.get((tmp_path / "page.html").as_uri() + mark)
        wait_for(chromium, "window.exactcam && !exactcam.pending && !exactcam.moving")
        assert (
            chromium.execute_script("return exactcam.painter.constructor.name") == chromium.painter
        )
        return chromium

    yield open_page
    assert [entry for entry in chromium.get_log("browser") if entry["level"] == "SEVERE"] == []


def wait_for(browser: Any, condition: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 60).until(lambda b: b.execute_script(f"return {condition}"))


def locate(browser: Any, points: list[tuple[mpq, mpq]]) -> list[int]:
    texts = [[decimal_text(u), decimal_text(v)] for u, v in points]
    script = (
        "return arguments[0].map(p => exactcam.model.locate(p.map(t => exactcam.fixed.parse(t))))"
    )
    return browser.execute_script(script, texts)


def click(browser: Any, x: float, y: float) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By

    overlay = browser.find_element(By.ID, "overlay")
    size = overlay.size
    ActionChains(browser).move_to_element_with_offset(
        overlay, round(x - size["width"] / 2), round(y - size["height"] / 2)
    ).click().perform()


def press(browser: Any, keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser).send_keys(keys).perform()


def test_a_thousand_regions(show: Show, random_network: Callable[..., Network]) -> None:
    part = partition(random_network([2, 24, 24, 24, 3], seed=5), window=(-3, -3, 3, 3))
    assert len(part) > 500
    browser = show(part)
    assert f"{len(part):,}" in browser.execute_script("return summary.textContent")
    chosen = random.Random(0).sample(range(len(part)), 60)
    assert locate(browser, [part.cells[i].interior_point for i in chosen]) == chosen
    for i in chosen[:3]:
        x, y = browser.execute_script(
            "return exactcam.pixel(exactcam.model.centre(arguments[0]))", i
        )
        browser.execute_script("exactcam.fitRegion(arguments[0])", i)
        x, y = browser.execute_script(
            "return exactcam.pixel(exactcam.model.centre(arguments[0]))", i
        )
        click(browser, x, y)
        assert browser.execute_script("return exactcam.selected") == i
        text = browser.execute_script("return region.textContent")
        assert repr(to_float(part.cells[i].area)) in text.replace("\N{MINUS SIGN}", "-")
        for u, v in part.cells[i].vertices:
            assert f"u = {decimal_text(u)},  v = {decimal_text(v)}" in text
        a, b, c = map(decimal_text, part.cells[i].affine[2])
        assert f"f2 = ({a}) u + ({b}) v + ({c})" in text
        assert "".join(map(str, part.patterns[i][:24])) in text
        beside = part.edges.cells[(part.edges.cells == i).any(axis=1)]
        expected = sorted({int(c) for c in beside.ravel()} - {i, -1})
        found = browser.execute_script(
            "return exactcam.model.neighbours(arguments[0]).map(n => n.cell)", i
        )
        assert sorted(found) == expected


def test_keys_buttons_and_search(show: Show) -> None:
    browser = show(sliver())
    state = lambda: browser.execute_script(  # noqa: E731
        "return [exactcam.scale, exactcam.mode, exactcam.shown.boundary, exactcam.shown.layers[1],"
        " exactcam.selected, document.documentElement.dataset.theme]"
    )
    scale, mode, boundary, layer, _, theme = state()
    press(browser, "+cb1d")
    after = state()
    assert after[0] == pytest.approx(1.5 * scale)
    assert after[1] != mode
    assert (after[2], after[3]) == (not boundary, not layer)
    assert {theme, after[5]} == {"dark", "light"}
    press(browser, "0/")
    press(browser, "-1/3, 2e-1\n")
    assert state()[4] == sliver().locate(mpq(-1, 3), mpq(1, 5))[0]
    press(browser, "n")
    assert state()[4] != sliver().locate(mpq(-1, 3), mpq(1, 5))[0]
    assert browser.execute_script("return exactcam.search('7 of 9')") is False
    assert browser.execute_script("return exactcam.search('5, 5')") is False


def test_a_sliver_is_drawn_and_picked_where_it_is(show: Show) -> None:
    from matplotlib.image import imread

    part = sliver()
    strip = min(range(len(part)), key=lambda i: part.cells[i].area)
    u, v = part.cells[strip].interior_point
    browser = show(part, "region")
    step = mpq(THIN)
    across = [(u + k * step * mpq(3, 10), v + k * step * mpq(7, 10)) for k in (-2, 0, 2)]
    expected = [part.locate(*p)[0] for p in across]
    assert len(set(expected)) == 3
    assert locate(browser, across) == expected
    browser.execute_script(
        "exactcam.fitWidth(arguments[0]); exactcam.shown.boundary = false;"
        "exactcam.shown.layers.fill(false); exactcam.restyle();"
        "document.querySelectorAll('.card, footer').forEach(e => e.style.visibility = 'hidden')",
        strip,
    )
    wait_for(browser, "!exactcam.moving && !exactcam.pending")
    picture = imread(io.BytesIO(browser.get_screenshot_as_png()))
    middle = np.asarray(picture.shape[:2]) / 2
    normal = np.asarray([-0.7, 0.3]) / np.hypot(0.3, 0.7)  # (rows down, columns)
    short = browser.execute_script("return Math.min(exactcam.width, exactcam.height)")

    def at(share: float) -> tuple[float, ...]:
        row, column = np.round(middle + normal * share * short).astype(int)
        return tuple(picture[row, column])

    inside = at(0)
    assert at(0.1) == at(-0.1) == inside  # the strip is a quarter of the short side wide
    assert inside not in (at(0.15), at(-0.15))
    assert at(0.15) != at(-0.15)
    assert at(0.3) == at(0.15)


COUNTED = """
const calls = {}, counted = [], {painter} = exactcam;
function count(object, ...names) {
  for (const name of names) {
    calls[name] = 0;
    counted.push([object, name]);
    object[name] = function (...given) {
      calls[name]++;
      return Object.getPrototypeOf(object)[name].apply(object, given);
    };
  }
}
count(exactcam, "load");
if (painter.gl) count(painter.gl, "drawElements", "drawArraysInstanced");
else count(painter, "paint", "move");
for (let i = 0; i < 8; i++) { exactcam.zoom(1.3); exactcam.draw(); }
for (const [object, name] of counted) delete object[name];
return calls;
"""


@pytest.mark.parametrize(
    ("chromium", "lines"),
    [("webgl", 120), ("canvas", 316), pytest.param("webgl", 316, marks=pytest.mark.slow)],
    indirect=["chromium"],
)
def test_many_regions(show: Show, lines: int) -> None:
    """14 thousand and 100 thousand; without a GPU WebGL takes seconds a frame, hence slow.
    While the view zooms, WebGL draws what it holds already, in three calls at the most, and the
    canvas scales its last picture where regions are many."""
    part = grid(lines)
    browser = show(part)
    chosen = random.Random(1).sample(range(len(part)), 30)
    assert locate(browser, [part.cells[i].interior_point for i in chosen]) == chosen
    calls = browser.execute_script(COUNTED)
    if browser.painter == "WebglPainter":
        assert calls["load"] == 0
        assert 1 <= calls["drawElements"] <= 8
        assert calls["drawElements"] + calls["drawArraysInstanced"] <= 3 * 8
    else:
        assert calls == {"load": 0, "paint": 0, "move": 8}
    wait_for(browser, "!exactcam.moving && !exactcam.pending")
    x, y = browser.execute_script("return [exactcam.width / 2, exactcam.height / 2]")
    click(browser, x, y)
    near = browser.execute_script("return exactcam.centre.map(c => exactcam.fixed.format(c, 30))")
    u, v = (mpq(t.replace("\N{MINUS SIGN}", "-")) for t in near)
    assert browser.execute_script("return exactcam.selected") in part.locate(u, v)


def test_the_grid_is_the_partition() -> None:
    by_hand, computed = grid(4), partition(grid(4).network)
    by_hand.check_invariants()
    assert (by_hand.patterns == computed.patterns).all()
