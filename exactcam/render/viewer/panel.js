// What there is to read about the selected region. Numbers are exact where the page carries
// exact numbers, and say how they are rounded where not.

const MAX_DIGITS = 400; // longer fractions are folded away, never cut

function element(tag, content = "", attributes = {}) {
  const out = Object.assign(document.createElement(tag), attributes);
  out.append(...[content].flat());
  return out;
}

// A label, or a label to open for a long text.
function folded(text) {
  if (text.length <= MAX_DIGITS) return element("div", text, { className: "digits" });
  const digits = text.replace(/\D/g, "").length;
  return element("details", [
    element("summary", `${digits} digits`),
    element("div", text, { className: "digits" }),
  ]);
}

function showRegion(panel, viewer, i) {
  panel.hidden = i < 0;
  if (i < 0) return;
  const { model } = viewer;
  const close = element("button", "✕", { className: "close", ariaLabel: "Deselect", onclick: () => viewer.select(-1) });
  const size = model.extent(i);
  panel.replaceChildren(
    close,
    element("h2", `Region ${i}`),
    element("dl", facts([
      ["area", `${model.areas[i]}`.replace("-", "−")],
      ["diameter", short(size.diameter)],
      ["area / diameter", short(size.width)],
      ["slope (norm)", short(model.norms[i])],
      [model.header.outputs === 1 ? "output" : "class", classes(model, i)],
    ])),
    element("div", [
      element("button", "fit", { onclick: () => viewer.fitRegion(i) }), " ",
      element("button", "fit its width", { onclick: () => viewer.fitWidth(i) }),
    ]),
    element("h3", "Activation pattern"),
    ...pattern(model, i),
    element("h3", "Affine map"),
    ...affine(model, i),
    element("h3", `Neighbours (${model.neighbours(i).length})`),
    neighbours(viewer, i),
    element("h3", `Vertices (${model.cell(i).length})`),
    vertices(model, i),
  );
}

function classes(model, i) {
  const found = model.partsOf.get(i)?.map((part) => model.part_classes[part]) ?? [model.classes[i]];
  const words = model.header.outputs === 1 ? sides(model) : null;
  return [...new Set(found)].map((kind) => (kind < 0 ? "a plateau of ties" : words ? words[kind] : `${kind}`)).join(", ");
}

function facts(rows) {
  return rows.flatMap(([name, value]) => [element("dt", name), element("dd", value)]);
}

function pattern(model, i) {
  const codes = model.pattern(i);
  if (!codes) return [element("p", "not in this page: too many units and regions")];
  return model.header.layers.map((layer) => {
    const part = codes.subarray(layer.start, layer.start + layer.size);
    const spaced = part.some((code) => code > 9);
    return element("div", [
      element("span", layer.name, { title: `layer ${layer.name}, ${layer.kind}` }),
      element("code", [...part].join(spaced ? " " : ""), { title: "pointwise: 2j is piece j, 2j+1 a tie; max: the member" }),
    ], { className: "layer" });
  });
}

function affine(model, i) {
  const { outputs, form_scale: scale, maps } = model.header;
  const exact = model.exactRow("exact_maps", i);
  const rows = [];
  for (let k = 0; k < outputs; k++) {
    const name = outputs > 1 ? `f${k}` : "f";
    if (maps) {
      const [a, b, c] = model.maps.subarray(3 * (outputs * i + k), 3 * (outputs * i + k) + 3);
      rows.push(element("div", `${name} ≈ ${signed(a, "u")} ${signed(b, "v", true)} ${signed(c, "", true)}`, { className: "digits" }));
    }
    if (exact) {
      const [a, b, c] = exact.slice(3 * k, 3 * k + 3).map((p) => fraction(p, fromHex(scale)));
      rows.push(element("details", [
        element("summary", "exact"),
        element("div", `${name} = (${a}) u + (${b}) v + (${c})`, { className: "digits" }),
      ]));
    }
  }
  return rows.length ? rows : [element("p", "not in this page: too many numbers")];
}

function signed(value, symbol, inner = false) {
  const sign = value < 0 ? "−" : inner ? "+" : "";
  return `${sign}${inner ? " " : ""}${Math.abs(value)}${symbol && ` ${symbol}`}`;
}

function neighbours(viewer, i) {
  const { model } = viewer;
  return element("ul", model.neighbours(i).map(({ cell, unit }) => {
    const layer = model.header.layers[model.layerOf(unit) - 1];
    return element("li", [
      element("button", `${cell}`, { className: "link", onclick: () => viewer.select(cell, true) }),
      `across unit ${unit - layer.start} of ${layer.name}`,
    ]);
  }));
}

function vertices(model, i) {
  return element("ul", [...model.cell(i)].map((vertex) => {
    const [x, y] = model.point(vertex).map((c) => model.fixedPoint.formatAll(c));
    const exact = model.exactRow("exact_vertices", vertex);
    if (exact) {
      const [p, q, w] = exact;
      return element("li", [
        element("div", `${shorten(x)},  ${shorten(y)}`, { className: "digits" }),
        folded(`u = ${fraction(p, w)},  v = ${fraction(q, w)}`),
      ]);
    }
    return element("li", folded(`u ≈ ${x}, v ≈ ${y} (rounded to 2^−${model.header.bits})`));
  }));
}

// The first 24 decimals of a decimal text.
function shorten(text) {
  const cut = text.indexOf(".") + 25;
  return text.includes(".") && text.length > cut ? `${text.slice(0, cut)}…` : text;
}
