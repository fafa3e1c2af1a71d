// The partition: unpacks the data block and answers questions about it.

async function unpack(text) {
  const letters = atob(text.trim());
  const packed = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) packed[i] = letters.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const kinds = { u1: Uint8Array, u4: Uint32Array, i4: Int32Array, f8: Float64Array };
  const arrays = {};
  for (const [name, [kind, at, count]] of Object.entries(header.arrays)) {
    arrays[name] = new kinds[kind](buffer, 4 + length + at, count);
  }
  return new Model(header, arrays);
}

class Model {
  constructor(header, arrays) {
    Object.assign(this, { header, ...arrays });
    this.count = header.cells;
    this.fixedPoint = new Fixed(header.bits);
    this.view = new DataView(this.fixed.buffer, this.fixed.byteOffset, this.fixed.byteLength);
    this.known = new Map();
    this.cellBoxes = boxes(this.count, this.floats, (i) => this.corners.subarray(this.offsets[i], this.offsets[i + 1]));
    this.edgeBoxes = boxes(this.edge_units.length, this.floats, (e) => this.edge_vertices.subarray(2 * e, 2 * e + 2));
    this.boundaryBoxes = boxes(this.boundary.length / 2, this.floats, (e) => this.boundary.subarray(2 * e, 2 * e + 2));
    this.partsOf = new Map(); // the regions that the decision boundary cuts
    this.part_cells.forEach((cell, part) => this.partsOf.set(cell, [...(this.partsOf.get(cell) ?? []), part]));
    this.layerOfEdge = Uint16Array.from(this.edge_units, (unit) => this.layerOf(unit));
  }

  // The window's own edges have layer 0, the first activation layer is 1.
  layerOf(unit) {
    const after = this.header.layers.findIndex((layer) => unit < layer.start + layer.size);
    return unit < 0 ? 0 : after + 1;
  }

  cell(i) {
    return this.corners.subarray(this.offsets[i], this.offsets[i + 1]);
  }

  part(i) {
    return this.part_corners.subarray(this.part_offsets[i], this.part_offsets[i + 1]);
  }

  // Coordinate k (2 v for u, 2 v + 1 for v) as a BigInt.
  coordinate(k) {
    let value = this.known.get(k);
    if (value === undefined) {
      const limbs = this.header.limbs;
      value = this.view.getBigInt64(8 * (k * limbs + limbs - 1), true);
      for (let j = limbs - 2; j >= 0; j--) value = (value << 64n) | this.view.getBigUint64(8 * (k * limbs + j), true);
      this.known.set(k, value);
    }
    return value;
  }

  point(vertex) {
    return [this.coordinate(2 * vertex), this.coordinate(2 * vertex + 1)];
  }

  // Convex and counter-clockwise: inside is to the left of every edge. Integers only.
  contains(i, [x, y]) {
    const corners = this.cell(i);
    let [px, py] = this.point(corners[corners.length - 1]);
    for (const vertex of corners) {
      const [qx, qy] = this.point(vertex);
      if ((qx - px) * (y - py) < (qy - py) * (x - px)) return false;
      [px, py] = [qx, qy];
    }
    return true;
  }

  // The first region that contains the point, -1 outside the window. Rounding is monotone,
  // so a rounded point outside a rounded box is outside the box.
  locate(point) {
    const [x, y] = point.map((c) => this.fixedPoint.toNumber(c));
    const b = this.cellBoxes;
    for (let i = 0, k = 0; i < this.count; i++, k += 4) {
      if (b[k] <= x && x <= b[k + 2] && b[k + 1] <= y && y <= b[k + 3] && this.contains(i, point)) return i;
    }
    return -1;
  }

  centre(i) {
    const corners = this.cell(i);
    const sum = [0n, 0n];
    for (const vertex of corners) {
      const [x, y] = this.point(vertex);
      sum[0] += x;
      sum[1] += y;
    }
    return sum.map((s) => s / BigInt(corners.length));
  }

  // Width (area over diameter) and diameter, from exact differences.
  extent(i) {
    const points = [...this.cell(i)].map((v) => this.point(v));
    const [ox, oy] = points[0];
    const near = points.map(([x, y]) => [this.fixedPoint.toNumber(x - ox), this.fixedPoint.toNumber(y - oy)]);
    let diameter = 0;
    for (const p of near) for (const q of near) diameter = Math.max(diameter, Math.hypot(p[0] - q[0], p[1] - q[1]));
    return { width: this.areas[i] / diameter, diameter };
  }

  // Regions by increasing width.
  get thinnest() {
    return (this.thinnestFirst ??= [...this.areas.keys()]
      .map((i) => [this.areas[i] / Math.max(this.boxSize(i), 1e-300), i])
      .sort((a, b) => a[0] - b[0])
      .slice(0, 100)
      .map(([, i]) => i));
  }

  boxSize(i) {
    const b = this.cellBoxes;
    return Math.hypot(b[4 * i + 2] - b[4 * i], b[4 * i + 3] - b[4 * i + 1]);
  }

  // [{cell, unit}] across each inner edge.
  neighbours(i) {
    if (!this.edgesOf) {
      this.edgesOf = Array.from({ length: this.count }, () => []);
      this.edge_cells.forEach((cell, k) => cell >= 0 && this.edgesOf[cell].push(k >> 1));
    }
    return this.edgesOf[i].flatMap((e) => {
      const [left, right] = this.edge_cells.subarray(2 * e, 2 * e + 2);
      const cell = left === i ? right : left;
      return cell < 0 ? [] : [{ cell, unit: this.edge_units[e] }];
    });
  }

  // The codes of every unit; null where the page was written without patterns.
  pattern(i) {
    const units = this.header.units;
    if (!this.patterns) return null;
    if (!this.unwound) {
      for (let k = units; k < this.patterns.length; k++) this.patterns[k] ^= this.patterns[k - units];
      this.unwound = true;
    }
    return this.patterns.subarray(i * units, (i + 1) * units);
  }

  // Line `i` of a text of exact numbers, as BigInts; null where the page has none.
  exactRow(name, i) {
    if (!this[name]) return null;
    const index = `${name}_lines`;
    if (!this[index]) {
      this[index] = [-1];
      this[name].forEach((byte, at) => byte === 10 && this[index].push(at));
      this[index].push(this[name].length);
    }
    const line = this[name].subarray(this[index][i] + 1, this[index][i + 1]);
    return new TextDecoder().decode(line).split(" ").map(fromHex);
  }
}

// [least u, least v, greatest u, greatest v] of each of `count` lists of vertices.
function boxes(count, floats, list) {
  const out = new Float64Array(4 * count);
  for (let i = 0; i < count; i++) {
    let [a, b, c, d] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const v of list(i)) {
      const [x, y] = [floats[2 * v], floats[2 * v + 1]];
      if (x < a) a = x;
      if (x > c) c = x;
      if (y < b) b = y;
      if (y > d) d = y;
    }
    out.set([a, b, c, d], 4 * i);
  }
  return out;
}
