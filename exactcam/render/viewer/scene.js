// A scene: the part of the partition in a square around an anchor, as float32 positions in
// units of the square's half side. Near the overview coordinates are subtracted as doubles;
// deeper, where doubles run out, polygons are cut to the square in integers and only the
// result is rounded, so a sliver is drawn where it is at any zoom.

const DEEP = 2 ** -22; // half side over window size below which doubles are not trusted

class Scene {
  constructor(model, anchor, radius) {
    Object.assign(this, { model, anchor, radius });
    const fixed = model.fixedPoint;
    this.deep = radius < DEEP * model.size;
    this.at = anchor.map((c) => fixed.toNumber(c));
    this.half = this.deep ? fixed.fromNumber(radius) : radius;
    this.toUnit = this.deep ? 1 / Number(this.half) : 1 / radius;
    this.positions = [];
    this.owners = [];
    this.triangles = [];
    this.lines = [];
    this.kinds = [];
    this.boundary = [];
    this.cells = this.near(model.cellBoxes);
    for (const i of this.cells) {
      const parts = model.partsOf.get(i);
      if (parts) for (const part of parts) this.addPolygon(model.part(part), model.count + part, model.cellBoxes, i);
      else this.addPolygon(model.cell(i), i, model.cellBoxes, i);
    }
    for (const e of this.near(model.edgeBoxes)) {
      if (this.addLine(model.edge_vertices, e, model.edgeBoxes, this.lines)) this.kinds.push(model.layerOfEdge[e]);
    }
    for (const e of this.near(model.boundaryBoxes)) this.addLine(model.boundary, e, model.boundaryBoxes, this.boundary);
  }

  // Which boxes meet the square.
  near(boxes) {
    const [x, y] = this.at;
    // A rounded anchor and rounded boxes: widen by more than their rounding.
    const slack = this.radius + this.model.size * 2 ** -48;
    const found = [];
    for (let i = 0, k = 0; k < boxes.length; i++, k += 4) {
      if (boxes[k] <= x + slack && boxes[k + 2] >= x - slack && boxes[k + 1] <= y + slack && boxes[k + 3] >= y - slack) found.push(i);
    }
    return found;
  }

  inside(boxes, i) {
    const [x, y] = this.at;
    const k = 4 * i;
    const r = this.radius;
    return !this.deep && boxes[k] >= x - r && boxes[k + 2] <= x + r && boxes[k + 1] >= y - r && boxes[k + 3] <= y + r;
  }

  relative(vertex) {
    const { model, anchor, at } = this;
    if (!this.deep) return [model.floats[2 * vertex] - at[0], model.floats[2 * vertex + 1] - at[1]];
    return [model.coordinate(2 * vertex) - anchor[0], model.coordinate(2 * vertex + 1) - anchor[1]];
  }

  addPolygon(vertices, owner, boxes, i) {
    let points = Array.from(vertices, (v) => this.relative(v));
    if (!this.inside(boxes, i)) points = clipPolygon(points, this.half);
    if (points.length < 3) return;
    const first = this.owners.length;
    for (const [x, y] of points) {
      this.positions.push(Number(x) * this.toUnit, Number(y) * this.toUnit);
      this.owners.push(owner);
    }
    for (let k = 2; k < points.length; k++) this.triangles.push(first, first + k - 1, first + k);
  }

  addLine(vertices, e, boxes, out) {
    let ends = [this.relative(vertices[2 * e]), this.relative(vertices[2 * e + 1])];
    if (!this.inside(boxes, e)) ends = clipSegment(...ends, this.half);
    if (!ends) return false;
    for (const [x, y] of ends) out.push(Number(x) * this.toUnit, Number(y) * this.toUnit);
    return true;
  }

  // Whether a view (half sides in window units) can be drawn from this scene.
  holds(camera, halfWidth, halfHeight) {
    const [x, y] = camera.centre.map((c, k) => Math.abs(camera.fixed.toNumber(c - this.anchor[k])));
    return x + halfWidth <= this.radius && y + halfHeight <= this.radius && Math.max(halfWidth, halfHeight) > this.radius / 200;
  }
}

const SIDES = [[0, 1], [0, -1], [1, 1], [1, -1]];

// Distance inside one side of the square |x|, |y| <= half; for doubles and BigInts alike.
function depth(point, half, [axis, sign]) {
  return sign > 0 ? half - point[axis] : half + point[axis];
}

function between(a, b, da, db) {
  return [0, 1].map((k) => a[k] + ((b[k] - a[k]) * da) / (da - db));
}

function clipPolygon(points, half) {
  for (const side of SIDES) {
    const kept = [];
    points.forEach((a, k) => {
      const b = points[(k + 1) % points.length];
      const [da, db] = [depth(a, half, side), depth(b, half, side)];
      if (da >= 0) kept.push(a);
      if ((da > 0 && db < 0) || (da < 0 && db > 0)) kept.push(between(a, b, da, db));
    });
    points = kept;
  }
  return points;
}

function clipSegment(a, b, half) {
  for (const side of SIDES) {
    const [da, db] = [depth(a, half, side), depth(b, half, side)];
    if (da < 0 && db < 0) return null;
    if (da < 0) a = between(a, b, da, db);
    else if (db < 0) b = between(b, a, db, da);
  }
  return [a, b];
}
