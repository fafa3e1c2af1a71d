// The same pictures without WebGL. Where regions are many, the last picture is moved and scaled
// while the camera moves, and drawn anew when it rests: slower to settle, never slow to follow.

const MANY = 60000; // corners

class CanvasPainter {
  constructor(canvas) {
    this.context = canvas.getContext("2d", { alpha: false });
    this.last = document.createElement("canvas");
  }

  setColours(colours) {
    this.colours = colours;
  }

  setPalette(colours) {
    this.palette = colours;
  }

  upload(scene) {
    return scene;
  }

  free() {}

  draw(scene, frame) {
    const { width, height } = this.context.canvas;
    if (frame.moving && scene.owners.length > MANY && this.camera) return this.move(frame);
    this.paint(scene, frame);
    Object.assign(this.last, { width, height });
    this.last.getContext("2d").drawImage(this.context.canvas, 0, 0);
    this.camera = frame.camera;
  }

  move({ camera, paper }) {
    const { context, last } = this;
    const { width, height } = context.canvas;
    const zoom = camera.scale / this.camera.scale;
    const [x, y] = camera.offset(this.camera.centre);
    context.fillStyle = css(paper);
    context.fillRect(0, 0, width, height);
    context.drawImage(last, width / 2 + x - (zoom * width) / 2, height / 2 - y - (zoom * height) / 2, zoom * width, zoom * height);
  }

  paint(scene, frame) {
    const { context, colours, palette } = this;
    const { width, height } = context.canvas;
    const place = (list, k) => [
      width / 2 + (list[2 * k] - frame.centre[0]) * frame.zoom,
      height / 2 - (list[2 * k + 1] - frame.centre[1]) * frame.zoom,
    ];
    context.fillStyle = css(frame.paper);
    context.fillRect(0, 0, width, height);
    // Paths by colour: one fill a colour is what makes a canvas bearable.
    const paths = new Map();
    for (let from = 0, to; from < scene.owners.length; from = to) {
      const owner = scene.owners[from];
      for (to = from; to < scene.owners.length && scene.owners[to] === owner; ) to++;
      const colour = css(colours.subarray(4 * owner, 4 * owner + 3), colours[4 * owner + 3] / 255);
      if (!paths.has(colour)) paths.set(colour, new Path2D());
      const path = paths.get(colour);
      path.moveTo(...place(scene.positions, from));
      for (let k = from + 1; k < to; k++) path.lineTo(...place(scene.positions, k));
      path.closePath();
    }
    for (const [colour, path] of paths) {
      context.fillStyle = colour;
      context.fill(path);
    }
    const stroke = (ends, kindOf, style) => {
      const byKind = new Map();
      for (let e = 0; e < ends.length / 4; e++) {
        const kind = kindOf(e);
        if (!byKind.has(kind)) byKind.set(kind, new Path2D());
        byKind.get(kind).moveTo(...place(ends, 2 * e));
        byKind.get(kind).lineTo(...place(ends, 2 * e + 1));
      }
      context.lineWidth = style.width;
      for (const [kind, path] of byKind) {
        const [r, g, b, a] = palette.subarray(4 * kind, 4 * kind + 4);
        context.strokeStyle = css([r, g, b], (a / 255) * style.strength);
        if (a) context.stroke(path);
      }
    };
    if (frame.knots) stroke(scene.lines, (e) => scene.kinds[e], frame.knots);
    if (frame.boundary) stroke(scene.boundary, () => 255, frame.boundary);
  }
}
