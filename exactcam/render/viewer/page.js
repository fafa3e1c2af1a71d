// The page around the picture: controls, keys, and the start.

function listLayers(viewer) {
  const { model, shown } = viewer;
  const totals = new Array(model.header.layers.length + 1).fill(0);
  model.layerOfEdge.forEach((layer) => totals[layer]++);
  const toggle = (checked, text, chip, onchange) => {
    const box = element("input", "", { type: "checkbox", checked, onchange: () => onchange(box.checked) });
    return element("label", [box, ...chip, ...text], { className: "check" });
  };
  const rows = [toggle(shown.byLayer, ["coloured by layer"], [], (on) => {
    shown.byLayer = on;
    viewer.restyle();
  })];
  model.header.layers.forEach((layer, k) => {
    const chip = element("i", "", { className: "chip" });
    if (shown.byLayer) chip.style.background = css(layerColour(k, model.header.layers.length));
    const count = element("span", totals[k + 1].toLocaleString(), { className: "count", title: "edges" });
    rows.push(toggle(shown.layers[k + 1], [layer.name, count], shown.byLayer ? [chip] : [], (on) => {
      shown.layers[k + 1] = on;
      viewer.restyle();
    }));
  });
  $("lines").replaceChildren($("lines").firstElementChild, ...rows);
  document.querySelector("#controls > .check .chip").style.background = css(viewer.accent);
  $("boundary").checked = shown.boundary;
}

function summarise({ header }) {
  document.querySelector("#summary h1").textContent = header.title;
  const number = (n) => n.toLocaleString("en");
  document.querySelector("#summary dl").append(...facts([
    ["activation regions", number(header.counts[0])],
    ["linear regions", number(header.counts[1])],
    ["affine pieces", number(header.counts[2])],
    ["boundary length", short(header.boundary_length)],
    ["network", header.sha256.slice(0, 12)],
    ...header.notes.map((note) => ["note", note]),
  ]));
}

function connect(viewer) {
  const { overlay, model } = viewer;
  const pointers = new Map();
  let travelled = 0;
  overlay.addEventListener("pointerdown", (event) => {
    overlay.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    travelled = 0;
  });
  overlay.addEventListener("pointermove", (event) => {
    viewer.pointer = [event.clientX, event.clientY];
    const before = pointers.get(event.pointerId);
    if (!before) return viewer.redraw();
    const [dx, dy] = [event.clientX - before[0], event.clientY - before[1]];
    travelled += Math.abs(dx) + Math.abs(dy);
    overlay.classList.toggle("moving", travelled > 4);
    if (pointers.size === 2) {
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
      const spread = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]);
      viewer.zoom(spread(viewer.pointer) / Math.max(spread(before), 1), ...other);
    } else if (travelled > 4) viewer.pan(dx, dy);
    pointers.set(event.pointerId, viewer.pointer);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    overlay.addEventListener(name, (event) => {
      if (name === "pointerup" && travelled <= 4) viewer.select(model.locate(viewer.at(event.clientX, event.clientY)));
      pointers.delete(event.pointerId);
      overlay.classList.remove("moving");
    });
  }
  overlay.addEventListener("pointerleave", () => {
    viewer.pointer = null;
    viewer.redraw();
  });
  overlay.addEventListener("wheel", (event) => {
    event.preventDefault();
    viewer.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), event.clientX, event.clientY);
  }, { passive: false });

  const options = Object.entries(MODES).map(([value, { label }]) => element("option", label, { value }));
  $("mode").append(...options);
  $("mode").value = viewer.mode;
  $("mode").onchange = () => {
    viewer.mode = $("mode").value;
    viewer.restyle();
  };
  $("boundary").onchange = () => {
    viewer.shown.boundary = $("boundary").checked;
    viewer.redraw();
  };
  $("search").onsubmit = (event) => {
    event.preventDefault();
    const found = viewer.search($("query").value);
    $("query").classList.toggle("wrong", !found);
    if (found) overlay.focus();
  };
  const step = { thin: -1, neighbour: -1 };
  const actions = {
    fit: () => viewer.whole(),
    thin: () => {
      step.thin = (step.thin + 1) % model.thinnest.length;
      viewer.fitWidth(model.thinnest[step.thin]);
      viewer.select(model.thinnest[step.thin]);
    },
    theme: () => {
      document.documentElement.dataset.theme = viewer.dark ? "light" : "dark";
      viewer.restyle();
    },
    keys: () => $("help").showModal(),
  };
  for (const [id, action] of Object.entries(actions)) $(id).onclick = action;

  const keys = {
    "+": () => viewer.zoom(1.5), "=": () => viewer.zoom(1.5), "-": () => viewer.zoom(1 / 1.5),
    0: actions.fit, t: actions.thin, d: actions.theme, "?": actions.keys,
    ArrowLeft: () => viewer.pan(80, 0), ArrowRight: () => viewer.pan(-80, 0),
    ArrowUp: () => viewer.pan(0, 80), ArrowDown: () => viewer.pan(0, -80),
    Enter: () => viewer.select(model.locate(viewer.pointer ? viewer.at(...viewer.pointer) : viewer.centre)),
    f: () => viewer.fitRegion(viewer.selected),
    w: () => viewer.fitWidth(viewer.selected),
    n: () => {
      if (viewer.selected < 0) return;
      const around = model.neighbours(viewer.selected);
      step.neighbour = (step.neighbour + 1) % around.length;
      viewer.select(around[step.neighbour].cell, true);
    },
    c: () => {
      const names = Object.keys(MODES);
      $("mode").value = viewer.mode = names[(names.indexOf(viewer.mode) + 1) % names.length];
      viewer.restyle();
    },
    b: () => {
      $("boundary").checked = viewer.shown.boundary = !viewer.shown.boundary;
      viewer.redraw();
    },
    k: () => {
      viewer.shown.layers.fill(!viewer.shown.layers.some((on) => on));
      viewer.restyle();
    },
    l: () => {
      viewer.shown.byLayer = !viewer.shown.byLayer;
      viewer.restyle();
    },
    "/": () => $("query").focus(),
    Escape: () => {
      viewer.marker = null;
      viewer.select(-1);
    },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
    if (event.target.matches("input, select, button, summary")) {
      if (event.key === "Escape") overlay.focus();
      return;
    }
    const layer = Number(event.key);
    if (layer >= 1 && layer < viewer.shown.layers.length) {
      viewer.shown.layers[layer] = !viewer.shown.layers[layer];
      viewer.restyle();
    } else if (Object.hasOwn(keys, event.key)) keys[event.key]();
    else return;
    event.preventDefault();
  });
}

async function start() {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  document.documentElement.dataset.theme = dark.matches ? "dark" : "light";
  const model = await unpack($("data").textContent);
  $("data").remove();
  summarise(model);
  const viewer = new Viewer(model, $("picture"), $("overlay"));
  connect(viewer);
  viewer.restyle();
  window.exactcam = viewer; // for the console, and for tests
}

start().catch((error) => {
  $("message").hidden = false;
  $("message").textContent = `This page cannot be shown here: ${error.message}`;
  throw error;
});
