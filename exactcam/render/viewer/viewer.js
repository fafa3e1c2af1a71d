// The camera and everything that moves it: pointer, wheel, keys, buttons, search.

const $ = (id) => document.getElementById(id);

class Viewer {
  constructor(model, picture, overlay) {
    Object.assign(this, { model, picture, overlay, fixed: model.fixedPoint });
    this.pen = overlay.getContext("2d");
    const corners = model.header.window.map((corner) => corner.map((text) => this.fixed.parse(text)));
    const [low, high] = [least, greatest].map((f) => [0, 1].map((k) => f(corners.map((c) => c[k]))));
    this.middle = low.map((c, k) => (c + high[k]) / 2n);
    this.sides = low.map((c, k) => this.fixed.toNumber(high[k] - c));
    model.size = Math.max(...this.sides);
    this.painter = WebglPainter.create(picture, model.count + model.part_cells.length) ?? new CanvasPainter(picture);
    this.overview = this.load(new Scene(model, this.middle, model.size * 0.501));
    this.detail = null;
    this.centre = this.middle;
    this.scale = 1;
    this.selected = -1;
    this.pointer = null;
    this.marker = null;
    this.mode = model.header.colour;
    this.shown = { boundary: true, byLayer: false, layers: [true, ...model.header.layers.map(() => true)] };
    new ResizeObserver(() => this.resize()).observe(overlay);
    this.resize();
    this.whole();
  }

  load(scene) {
    return { scene, uploaded: this.painter.upload(scene) };
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.picture, this.overlay]) {
      canvas.width = Math.round(canvas.clientWidth * ratio);
      canvas.height = Math.round(canvas.clientHeight * ratio);
    }
    this.ratio = ratio;
    this.redraw();
  }

  // --- camera ---------------------------------------------------------------------------

  get width() {
    return this.overlay.clientWidth;
  }

  get height() {
    return this.overlay.clientHeight;
  }

  // The exact point under a pixel.
  at(px, py) {
    return [
      this.centre[0] + this.fixed.fromNumber((px - this.width / 2) / this.scale),
      this.centre[1] - this.fixed.fromNumber((py - this.height / 2) / this.scale),
    ];
  }

  // The pixel of an exact point.
  pixel(point) {
    const [x, y] = point.map((c, k) => this.fixed.toNumber(c - this.centre[k]) * this.scale);
    return [this.width / 2 + x, this.height / 2 - y];
  }

  moveTo(centre, scale) {
    const finest = 2 ** (this.model.header.bits - 10);
    this.scale = Math.min(Math.max(scale, (0.2 * Math.min(this.width, this.height)) / this.model.size), finest);
    const reach = this.fixed.fromNumber(this.model.size);
    this.moving = true;
    clearTimeout(this.settling);
    this.settling = setTimeout(() => {
      this.moving = false;
      this.redraw();
    }, 120);
    this.centre = centre.map((c, k) => greatest([least([c, this.middle[k] + reach]), this.middle[k] - reach]));
    this.redraw();
  }

  zoom(factor, px = this.width / 2, py = this.height / 2) {
    const fixedPoint = this.at(px, py);
    this.moveTo(this.centre, this.scale * factor);
    const moved = this.at(px, py);
    this.moveTo(this.centre.map((c, k) => c + fixedPoint[k] - moved[k]), this.scale);
  }

  pan(dx, dy) {
    this.moveTo(this.at(this.width / 2 - dx, this.height / 2 - dy), this.scale);
  }

  whole() {
    const [left, right] = this.width > 1000 ? [338, 260] : [0, 0]; // what the cards cover
    const scale = 0.92 * Math.min((this.width - left - right) / this.sides[0], this.height / this.sides[1]);
    const aside = this.fixed.fromNumber((left - right) / 2 / scale);
    this.moveTo([this.middle[0] - aside, this.middle[1]], scale);
  }

  // Show `size` window units around a point.
  show(point, size) {
    this.moveTo(point, (0.5 * Math.min(this.width, this.height)) / size);
  }

  fitRegion(i) {
    if (i >= 0) this.show(this.model.centre(i), this.model.extent(i).diameter * 0.7);
  }

  fitWidth(i) {
    if (i >= 0) this.show(this.model.centre(i), this.model.extent(i).width * 2);
  }

  // --- selection ------------------------------------------------------------------------

  select(i, move = false) {
    this.selected = i;
    if (move) {
      const [x, y] = this.pixel(this.model.centre(i));
      if (x < 0 || y < 0 || x > this.width || y > this.height) this.moveTo(this.model.centre(i), this.scale);
    }
    showRegion($("region"), this, i);
    this.redraw();
  }

  // "u, v" or "#region": goes there and selects; false if the text is neither.
  search(text) {
    const region = /^\s*#?\s*(\d+)\s*$/.exec(text);
    if (region) {
      const i = Number(region[1]);
      if (i >= this.model.count) return false;
      this.select(i);
      this.fitRegion(i);
      return true;
    }
    const point = text.trim().replace(/^\(|\)$/g, "").split(/[,;\s]+/).map((word) => this.fixed.parse(word.replace("−", "-")));
    if (point.length !== 2 || point.includes(null)) return false;
    const found = this.model.locate(point);
    if (found < 0) return false;
    this.marker = point;
    this.moveTo(point, Math.max(this.scale, (0.3 * Math.min(this.width, this.height)) / this.model.extent(found).diameter));
    this.select(found);
    return true;
  }

  // --- drawing --------------------------------------------------------------------------

  restyle() {
    const paper = rgb(getComputedStyle(document.documentElement).getPropertyValue("--paper").trim());
    this.dark = paper[0] < 128;
    this.paper = paper;
    this.accent = rgb(this.dark ? "#ff9a5c" : "#c2410c");
    const { colours, legend } = paint(this.model, this.mode, paper, this.accent);
    this.painter.setColours(colours);
    $("legend").replaceChildren(legend);
    const palette = new Uint8Array(4 * 256);
    const layers = this.model.header.layers.length;
    const plain = this.mode === "none" || this.mode === "region" ? (this.dark ? [230, 234, 240] : [29, 36, 48]) : [16, 20, 34];
    this.shown.layers.forEach((on, layer) => {
      const own = this.shown.byLayer && layer ? layerColour(layer - 1, layers) : plain;
      palette.set([...own, on ? (this.shown.byLayer ? 235 : 190) : 0], 4 * Math.min(layer, 254));
    });
    palette.set([...this.accent, 255], 4 * 255);
    this.painter.setPalette(palette);
    listLayers(this);
    this.redraw();
  }

  redraw() {
    if (this.pending || !this.accent) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = null;
      this.draw();
    });
  }

  // The overview serves until its float32 positions would show; then a scene around the view.
  scene() {
    const [w, h] = [this.width / this.scale / 2, this.height / this.scale / 2];
    if (Math.max(w, h) > this.overview.scene.radius / 200) return this.overview;
    if (!this.detail?.scene.holds(this, w, h)) {
      if (this.detail) this.painter.free(this.detail.uploaded);
      this.detail = this.load(new Scene(this.model, this.centre, 4 * Math.max(w, h)));
    }
    return this.detail;
  }

  draw() {
    const { scene, uploaded } = this.scene();
    const spacing = this.scale * Math.min(scene.radius, this.model.size) * 2 / Math.sqrt(Math.max(scene.cells.length, 1));
    this.painter.draw(uploaded, {
      centre: this.centre.map((c, k) => this.fixed.toNumber(c - scene.anchor[k]) / scene.radius),
      zoom: this.scale * scene.radius * this.ratio,
      paper: this.paper,
      moving: this.moving,
      camera: {
        centre: this.centre,
        scale: this.scale,
        offset: (point) => point.map((c, k) => this.fixed.toNumber(c - this.centre[k]) * this.scale * this.ratio),
      },
      // Where regions are smaller than a few pixels their lines would hide them.
      knots: { width: this.ratio * (this.shown.byLayer ? 1.3 : 1), strength: Math.min(Math.max(spacing / 24, 0.12), 1) },
      boundary: this.shown.boundary && { width: 2.4 * this.ratio, strength: 1 },
    });
    this.annotate();
  }

  // Selection, marker, isolated boundary points and scale, above the picture.
  annotate() {
    const { pen, ratio, model } = this;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    const colour = css(this.dark ? [255, 255, 255] : [0, 0, 0]);
    if (this.selected >= 0) {
      const half = this.fixed.fromNumber((2 * Math.max(this.width, this.height)) / this.scale);
      const relative = [...model.cell(this.selected)].map((v) => model.point(v).map((c, k) => c - this.centre[k]));
      const outline = new Path2D();
      clipPolygon(relative, half).forEach((p, k) => {
        const [x, y] = this.pixel(p.map((c, axis) => c + this.centre[axis]));
        outline[k ? "lineTo" : "moveTo"](x, y);
      });
      outline.closePath();
      pen.lineJoin = "round";
      for (const [width, style] of [[5, css(this.dark ? [0, 0, 0] : [255, 255, 255], 0.75)], [2.2, colour]]) {
        pen.lineWidth = width;
        pen.strokeStyle = style;
        pen.stroke(outline);
      }
    }
    if (this.shown.boundary) {
      pen.fillStyle = css(this.accent);
      for (const v of model.isolated) {
        pen.beginPath();
        pen.arc(...this.pixel(model.point(v)), 4, 0, 7);
        pen.fill();
      }
    }
    if (this.marker) {
      const [x, y] = this.pixel(this.marker);
      pen.strokeStyle = colour;
      pen.lineWidth = 1.5;
      pen.beginPath();
      pen.arc(x, y, 6, 0, 7);
      pen.moveTo(x - 11, y);
      pen.lineTo(x + 11, y);
      pen.moveTo(x, y - 11);
      pen.lineTo(x, y + 11);
      pen.stroke();
    }
    this.status();
  }

  status() {
    const width = this.width / this.scale;
    const places = Math.max(0, Math.ceil(Math.log10(this.scale)) + 1);
    const point = this.pointer ? this.at(...this.pointer) : this.centre;
    const found = this.model.locate(point);
    const [u, v] = point.map((c) => this.fixed.format(c, places));
    $("status").textContent = `${found < 0 ? "outside" : `region ${found}`}   u ${u}   v ${v}   view ${short(width)} wide`;
  }
}

function least(values) {
  return values.reduce((a, b) => (b < a ? b : a));
}

function greatest(values) {
  return values.reduce((a, b) => (b > a ? b : a));
}
