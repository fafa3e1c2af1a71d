// Draws scenes with WebGL 2: regions as triangles coloured through a texture, lines as
// instanced quads with soft edges. A frame costs two or three draw calls, whatever the scene.

const FILL_VERTEX = `#version 300 es
layout(location = 0) in vec2 position;
layout(location = 1) in uint owner;
uniform vec2 centre, zoom;
uniform highp sampler2D colours;
flat out vec4 colour;
void main() {
  colour = texelFetch(colours, ivec2(owner % 1024u, owner / 1024u), 0);
  gl_Position = vec4((position - centre) * zoom, 0, 1);
}`;
const FILL_FRAGMENT = `#version 300 es
precision highp float;
flat in vec4 colour;
out vec4 result;
void main() { result = vec4(colour.rgb * colour.a, colour.a); }`;
const LINE_VERTEX = `#version 300 es
layout(location = 0) in vec4 ends;
layout(location = 1) in float kind;
uniform vec2 centre, zoom, viewport;
uniform float width;
uniform highp sampler2D palette;
out float across;
flat out vec4 colour;
void main() {
  vec2 a = (ends.xy - centre) * zoom * viewport * 0.5;
  vec2 b = (ends.zw - centre) * zoom * viewport * 0.5;
  float span = length(b - a);
  vec2 along = span > 0.0 ? (b - a) / span : vec2(1, 0);
  float end = float(gl_VertexID & 1), side = float(gl_VertexID >> 1) * 2.0 - 1.0;
  across = side * (width * 0.5 + 1.0);
  colour = texelFetch(palette, ivec2(int(kind), 0), 0);
  vec2 at = mix(a, b, end) + vec2(-along.y, along.x) * across;
  gl_Position = colour.a > 0.0 ? vec4(at / viewport * 2.0, 0, 1) : vec4(2, 2, 2, 1);
}`;
const LINE_FRAGMENT = `#version 300 es
precision highp float;
in float across;
flat in vec4 colour;
uniform float width, strength;
out vec4 result;
void main() {
  float cover = clamp(width * 0.5 + 0.5 - abs(across), 0.0, 1.0) * min(width, 1.0) * strength * colour.a;
  result = vec4(colour.rgb * cover, cover);
}`;

class WebglPainter {
  // null where there is no WebGL, or only a software one: a 2-D canvas is faster than that.
  static create(canvas, cells) {
    if (location.hash !== "#webgl" && !hardware()) return null;
    const gl = canvas.getContext("webgl2", { antialias: true, alpha: false });
    return gl && new WebglPainter(gl, cells);
  }

  constructor(gl, cells) {
    this.gl = gl;
    this.rows = Math.ceil(cells / 1024);
    this.fill = program(gl, FILL_VERTEX, FILL_FRAGMENT, ["centre", "zoom", "colours"]);
    this.line = program(gl, LINE_VERTEX, LINE_FRAGMENT, ["centre", "zoom", "viewport", "width", "strength", "palette"]);
    this.colours = texture(gl);
    this.palette = texture(gl);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  // RGBA a polygon, by owner.
  setColours(colours) {
    const { gl } = this;
    const padded = new Uint8Array(4 * 1024 * this.rows);
    padded.set(colours);
    gl.bindTexture(gl.TEXTURE_2D, this.colours);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 1024, this.rows, 0, gl.RGBA, gl.UNSIGNED_BYTE, padded);
  }

  // RGBA a layer of knot lines.
  setPalette(colours) {
    const { gl } = this;
    gl.bindTexture(gl.TEXTURE_2D, this.palette);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, colours.length / 4, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, colours);
  }

  upload(scene) {
    const { gl } = this;
    const buffers = [];
    const array = (data, target = gl.ARRAY_BUFFER) => {
      const buffer = gl.createBuffer();
      gl.bindBuffer(target, buffer);
      gl.bufferData(target, data, gl.STATIC_DRAW);
      buffers.push(buffer);
    };
    const cells = gl.createVertexArray();
    gl.bindVertexArray(cells);
    array(new Float32Array(scene.positions));
    attribute(gl, 0, 2);
    array(new Uint32Array(scene.owners));
    gl.enableVertexAttribArray(1);
    gl.vertexAttribIPointer(1, 1, gl.UNSIGNED_INT, 0, 0);
    array(new Uint32Array(scene.triangles), gl.ELEMENT_ARRAY_BUFFER);
    const lines = (ends, kinds) => {
      const vertexArray = gl.createVertexArray();
      gl.bindVertexArray(vertexArray);
      array(new Float32Array(ends));
      attribute(gl, 0, 4, 1);
      array(new Float32Array(kinds));
      attribute(gl, 1, 1, 1);
      return { vertexArray, count: ends.length / 4 };
    };
    const knots = lines(scene.lines, scene.kinds);
    const boundary = lines(scene.boundary, new Float32Array(scene.boundary.length / 4).fill(255));
    gl.bindVertexArray(null);
    return { cells, count: scene.triangles.length, knots, boundary, buffers };
  }

  free(uploaded) {
    uploaded.buffers.forEach((buffer) => this.gl.deleteBuffer(buffer));
    [uploaded.cells, uploaded.knots.vertexArray, uploaded.boundary.vertexArray].forEach((v) => this.gl.deleteVertexArray(v));
  }

  // frame: centre and zoom (pixels a unit) in scene units, paper, line widths in pixels.
  draw(uploaded, frame) {
    const { gl } = this;
    const [width, height] = [gl.drawingBufferWidth, gl.drawingBufferHeight];
    const zoom = [(2 * frame.zoom) / width, (2 * frame.zoom) / height];
    gl.viewport(0, 0, width, height);
    gl.clearColor(...frame.paper.map((c) => c / 255), 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.useProgram(this.fill.program);
    gl.uniform2f(this.fill.centre, ...frame.centre);
    gl.uniform2f(this.fill.zoom, ...zoom);
    bind(gl, 0, this.colours, this.fill.colours);
    gl.bindVertexArray(uploaded.cells);
    gl.drawElements(gl.TRIANGLES, uploaded.count, gl.UNSIGNED_INT, 0);
    gl.useProgram(this.line.program);
    gl.uniform2f(this.line.centre, ...frame.centre);
    gl.uniform2f(this.line.zoom, ...zoom);
    gl.uniform2f(this.line.viewport, width, height);
    bind(gl, 0, this.palette, this.line.palette);
    for (const [lines, style] of [[uploaded.knots, frame.knots], [uploaded.boundary, frame.boundary]]) {
      if (!style || !lines.count) continue;
      gl.uniform1f(this.line.width, style.width);
      gl.uniform1f(this.line.strength, style.strength);
      gl.bindVertexArray(lines.vertexArray);
      gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, lines.count);
    }
    gl.bindVertexArray(null);
  }
}

// Asked of a canvas of its own: one that has had a WebGL context can have no other.
function hardware() {
  const gl = document.createElement("canvas").getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  const known = gl?.getExtension("WEBGL_debug_renderer_info");
  const name = known ? gl.getParameter(known.UNMASKED_RENDERER_WEBGL) : "";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return gl !== null && !/swiftshader|llvmpipe|software/i.test(name);
}

function attribute(gl, location, size, divisor = 0) {
  gl.enableVertexAttribArray(location);
  gl.vertexAttribPointer(location, size, gl.FLOAT, false, 0, 0);
  gl.vertexAttribDivisor(location, divisor);
}

function bind(gl, slot, picture, uniform) {
  gl.activeTexture(gl.TEXTURE0 + slot);
  gl.bindTexture(gl.TEXTURE_2D, picture);
  gl.uniform1i(uniform, slot);
}

function texture(gl) {
  const out = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, out);
  for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, filter, gl.NEAREST);
  return out;
}

function program(gl, vertex, fragment, uniforms) {
  const linked = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(linked, shader);
  }
  gl.linkProgram(linked);
  if (!gl.getProgramParameter(linked, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(linked));
  return { program: linked, ...Object.fromEntries(uniforms.map((name) => [name, gl.getUniformLocation(linked, name)])) };
}
