// Colours: one lightness ramp for quantities, one colour-blind-safe set for kinds.

// Mako without its darkest part, so that lines show on every colour.
const RAMP = ["#2e1e3c", "#413d7b", "#37659e", "#348fa7", "#40b7ad", "#8ad9b1", "#def5e5"].map(rgb);
// Okabe and Ito's.
const KINDS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#7a7f87"].map(rgb);

function rgb(hex) {
  return [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
}

function ramp(t) {
  const at = Math.min(Math.max(t, 0), 1) * (RAMP.length - 1);
  const k = Math.min(Math.floor(at), RAMP.length - 2);
  return mix(RAMP[k], RAMP[k + 1], at - k);
}

function mix(a, b, t) {
  return a.map((x, k) => Math.round(x + (b[k] - x) * t));
}

function css(colour, alpha = 1) {
  return `rgba(${colour.join(",")},${alpha})`;
}

function kindColour(k) {
  return k < KINDS.length ? KINDS[k] : mix(KINDS[k % KINDS.length], [255, 255, 255], 0.45);
}

function layerColour(layer, count) {
  return count <= KINDS.length ? KINDS[layer] : ramp(layer / (count - 1));
}

const MODES = {
  slope: { label: "slope (gradient norm)", values: (m) => m.norms },
  area: { label: "area", values: (m) => m.areas },
  class: { label: "class", kinds: (m) => m.classes },
  vertices: {
    label: "number of vertices",
    kinds: (m) => Int32Array.from({ length: m.count }, (_, i) => m.offsets[i + 1] - m.offsets[i]),
  },
  region: { label: "region (distinct)" },
  none: { label: "nothing" },
};

// {colours: Uint8Array of RGBA a region, then a part of one; legend: element} for one mode.
function paint(model, name, paper, accent) {
  const mode = MODES[name];
  const colours = new Uint8Array(4 * (model.count + model.part_cells.length)).fill(255);
  const legend = document.createElement("div");
  const set = (i, colour) => colours.set(colour, 4 * i);
  if (mode.values) {
    const values = mode.values(model);
    const { place, low, median, high } = ranks(values);
    values.forEach((value, i) => set(i, ramp(place(value))));
    const stops = RAMP.map((colour) => css(colour)).join(",");
    legend.innerHTML = `<div class="ramp" style="background:linear-gradient(90deg,${stops})"></div>
      <div class="ends"><span>${short(low)}</span><span>median ${short(median)}</span><span>${short(high)}</span></div>`;
  } else if (mode.kinds) {
    const kinds = mode.kinds(model);
    const seen = name === "class" ? [...kinds, ...model.part_classes.filter((kind) => kind >= 0)] : kinds;
    const present = [...new Set(seen)].sort((a, b) => a - b);
    const first = name === "vertices" ? 3 : 0;
    const colour = (kind) =>
      name === "vertices" ? ramp(Math.min(kind - first, 5) / 5) : mix(kindColour(kind), paper, 0.25);
    kinds.forEach((kind, i) => set(i, colour(kind)));
    if (name === "class") model.part_classes.forEach((kind, part) => kind >= 0 && set(model.count + part, colour(kind)));
    legend.className = "classes";
    const words = name === "class" && model.header.outputs === 1 ? sides(model) : null;
    for (const kind of present) {
      legend.innerHTML += `<span><i style="background:${css(colour(kind))}"></i>${words ? words[kind] : kind}</span>`;
    }
  } else if (name === "region") {
    for (let i = 0; i < model.count; i++) set(i, mix(ramp(((i + 1) * 0.6180339887) % 1), paper, 0.35));
  } else {
    for (let i = 0; i < model.count; i++) set(i, paper);
  }
  model.part_cells.forEach((cell, part) => {
    if (model.part_classes[part] < 0) set(model.count + part, mix(accent, paper, 0.5));
    else if (name !== "class") set(model.count + part, colours.subarray(4 * cell, 4 * cell + 3));
  });
  return { colours, legend };
}

function sides({ header }) {
  return [`≤ ${header.level}`, `> ${header.level}`];
}

// By rank, equal values alike: every shade is used, however the values are spread.
function ranks(values) {
  const sorted = Float64Array.from(values).sort();
  const place = (value) => {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < value) low = middle + 1;
      else high = middle;
    }
    return low / Math.max(sorted.length - 1, 1);
  };
  return { place, low: sorted[0], median: sorted[sorted.length >> 1], high: sorted[sorted.length - 1] };
}

function short(value) {
  if (typeof value === "string") return value; // beyond the range of floats
  if (value === 0 || (Math.abs(value) >= 0.001 && Math.abs(value) < 1e5)) return String(Number(value.toPrecision(4)));
  return value.toExponential(2).replace("-", "−");
}
