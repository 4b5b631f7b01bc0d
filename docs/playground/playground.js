// Draw the two pictures of a network, let neurons be dragged, and connect the buttons.
"use strict";

(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const WIDTH = 420, HEIGHT = 320, MARGIN = 30;
  const CELLS = 40; // of the map of two inputs, along a side

  const element = (name, attributes) => {
    const node = document.createElementNS(SVG, name);
    Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
    return node;
  };

  // A linear scale from [low, high] to pixels [from, to], and back.
  const scale = (low, high, from, to) => {
    const forward = (value) => from + (value - low) / (high - low) * (to - from);
    forward.back = (pixel) => low + (pixel - from) / (to - from) * (high - low);
    return forward;
  };

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const text = (number) => (number === 0 ? "0" : number.toPrecision(3).replace(/\.?0+e/, "e"));
  const path = (points) => "M" + points.map((point) => point.join(" ")).join("L");
  const normal = () => { // N(0, 1) by Box and Muller
    const radius = Math.sqrt(-2 * Math.log(1 - Math.random()));
    return radius * Math.cos(2 * Math.PI * Math.random());
  };

  const drawn = (inputs, neurons) => ({
    W: Array.from({ length: neurons }, () => Array.from({ length: inputs }, normal)),
    b: Array.from({ length: neurons }, normal),
    c: Array.from({ length: neurons }, normal),
    a: 0,
  });

  // What the two sections have in common: the state, the buttons and the readout.
  class Section {
    constructor(id, inputs, neurons) {
      this.root = document.getElementById(id);
      this.functionPicture = this.root.querySelector(".function");
      this.neuronPicture = this.root.querySelector(".neurons");
      this.root.append(document.getElementById("controls").content.cloneNode(true));
      this.readout = this.root.querySelector(".readout");
      this.box = { low: Array(inputs).fill(0), high: Array(inputs).fill(1) };
      this.size = [inputs, neurons];
      this.root.querySelectorAll("button").forEach((button) =>
        button.addEventListener("click", () => this.act(button.dataset.action)));
      this.start(drawn(...this.size));
    }

    start(net) {
      this.net = net;
      this.original = Reduced.copy(net);
      this.constant = 0;
      this.draw();
    }

    act(action) {
      if (action === "restart") return this.start(drawn(...this.size));
      if (action === "normalise") this.net = Reduced.normalise(this.net);
      if (action === "expand") this.net = Reduced.expand(this.net);
      if (action === "clip" || action === "reduce") {
        const net = action === "reduce" ? Reduced.normalise(this.net) : this.net;
        const clipped = Reduced.clip(net, this.box);
        this.net = clipped.net;
        this.constant += clipped.constant;
      }
      if (action === "move" || action === "reduce") {
        this.net = Reduced.moveConstant(this.net, this.constant);
        this.constant = 0;
      }
      return this.draw();
    }

    // A neuron was moved by hand: that is a new function.
    moved(j, w, b) {
      this.net.W[j] = w;
      this.net.b[j] = b;
      this.original = Reduced.moveConstant(this.net, this.constant);
      this.draw();
    }

    draw() {
      this.drawFunction();
      this.drawNeurons();
      const difference = Reduced.largestDifference(this.original, this.net, this.box);
      const kinds = this.net.W.map((_, j) => Reduced.kind(this.net, j, this.box));
      const count = (kind) => `${kinds.filter((own) => own === kind).length} ${kind}`;
      const waiting = this.constant === 0 ? "" : ` A constant of ${text(this.constant)} waits to be moved.`;
      this.readout.textContent = `Largest difference to the network before: ${text(difference)}.${waiting} ` +
        `Neurons: ${["unstable", "dead", "always on"].map(count).join(", ")}. Output bias: ${text(this.net.a)}.`;
      this.readout.dataset.difference = difference;
      this.readout.dataset.constant = this.constant;
      this.readout.dataset.network = JSON.stringify(this.net);
    }

    // Add a draggable dot; `place(x, y)` returns the neuron's [w, b] at a point of the picture.
    addNeuron(j, x, y, radius, place) {
      const kind = Reduced.kind(this.net, j, this.box).replace(" ", "-");
      const dot = element("circle", {
        class: `neuron ${kind}`, cx: x, cy: y, r: radius, tabindex: 0, role: "button",
        "aria-label": `neuron ${j + 1}, ${kind}`, "data-neuron": j,
      });
      const move = (to_x, to_y) => {
        const moved = place(clamp(to_x, MARGIN, WIDTH - MARGIN), clamp(to_y, MARGIN, HEIGHT - MARGIN));
        if (moved) this.moved(j, ...moved);
        this.neuronPicture.querySelector(`[data-neuron="${j}"]`).focus();
      };
      dot.addEventListener("pointerdown", (down) => {
        down.preventDefault();
        const follow = (event) => {
          const box = this.neuronPicture.getBoundingClientRect();
          move((event.clientX - box.left) * WIDTH / box.width, (event.clientY - box.top) * HEIGHT / box.height);
        };
        const end = () => {
          window.removeEventListener("pointermove", follow);
          window.removeEventListener("pointerup", end);
        };
        window.addEventListener("pointermove", follow);
        window.addEventListener("pointerup", end);
      });
      dot.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: [-4, 0], ArrowRight: [4, 0], ArrowUp: [0, -4], ArrowDown: [0, 4] }[event.key];
        if (step) {
          event.preventDefault();
          move(x + step[0], y + step[1]);
        }
      });
      this.neuronPicture.append(dot);
    }

    drawAxes(picture, xLabel, yLabel, x0, y0) {
      picture.append(
        element("line", { class: "axis", x1: MARGIN, x2: WIDTH - MARGIN, y1: y0, y2: y0 }),
        element("line", { class: "axis", x1: x0, x2: x0, y1: MARGIN, y2: HEIGHT - MARGIN }),
      );
      [[xLabel, WIDTH - MARGIN, y0 - 6, "end"], [yLabel, x0, MARGIN - 8, "middle"]].forEach(([label, x, y, anchor]) => {
        const node = element("text", { x, y, "text-anchor": anchor });
        node.textContent = label;
        picture.append(node);
      });
    }
  }

  class OneInput extends Section {
    drawFunction() {
      const picture = this.functionPicture;
      picture.replaceChildren();
      const values = (net) => Reduced.points(this.box, 101, net).map((x) => [x[0], Reduced.evaluate(net, x)]);
      const before = values(this.original), now = values(this.net);
      const heights = [...before, ...now].map((point) => point[1]);
      const low = Math.min(...heights, 0), high = Math.max(...heights, 0);
      const room = 0.05 * (high - low) || 1;
      const X = scale(0, 1, MARGIN, WIDTH - MARGIN), Y = scale(low - room, high + room, HEIGHT - MARGIN, MARGIN);
      this.drawAxes(picture, "x", "N(x)", X(0), Y(0));
      const line = (points, name) => picture.append(
        element("path", { class: name, d: path(points.map(([x, y]) => [X(x), Y(y)])) }));
      line(before, "before");
      line(now, "graph");
      this.net.W.forEach((w, j) => {
        const x = -this.net.b[j] / w[0];
        if (x > 0 && x < 1) picture.append(element("circle", {
          class: "breakpoint", cx: X(x), cy: Y(Reduced.evaluate(this.net, [x])), r: 4 }));
      });
    }

    drawNeurons() {
      const picture = this.neuronPicture;
      picture.replaceChildren();
      const reach = 1.1 * Math.max(2, ...this.net.W.map((w) => Math.abs(w[0])), ...this.net.b.map(Math.abs));
      const X = scale(-reach, reach, MARGIN, WIDTH - MARGIN), Y = scale(-reach, reach, HEIGHT - MARGIN, MARGIN);
      // the breakpoint -b / w is in [0, 1] between the lines b = 0 and b = -w
      [1, -1].forEach((sign) => picture.append(element("path", { class: "band", d: path([
        [X(0), Y(0)], [X(sign * reach), Y(0)], [X(sign * reach), Y(-sign * reach)]]) + "Z" })));
      this.drawAxes(picture, "w", "b", X(0), Y(0));
      [1, -1].forEach((sign) => picture.append(element("line", {
        class: "space", x1: X(sign), x2: X(sign), y1: Y(0), y2: Y(-sign) })));
      this.net.W.forEach((w, j) => this.addNeuron(j, X(w[0]), Y(this.net.b[j]), 7, (x, y) => {
        const moved = X.back(x);
        return Math.abs(moved) < 1e-3 ? null : [[moved], Y.back(y)]; // w = 0 has no direction
      }));
    }
  }

  class TwoInputs extends Section {
    drawFunction() {
      const picture = this.functionPicture;
      picture.replaceChildren();
      const side = HEIGHT - 2 * MARGIN, left = (WIDTH - side) / 2;
      const X = scale(0, 1, left, left + side), Y = scale(0, 1, HEIGHT - MARGIN, MARGIN);
      const middle = (k) => (k + 0.5) / CELLS;
      const values = Array.from({ length: CELLS * CELLS }, (_, k) =>
        Reduced.evaluate(this.net, [middle(k % CELLS), middle(Math.floor(k / CELLS))]));
      const low = Math.min(...values), range = Math.max(...values) - low || 1;
      const size = side / CELLS;
      values.forEach((value, k) => {
        const light = 25 + 60 * (value - low) / range;
        picture.append(element("rect", {
          x: left + (k % CELLS) * size, y: HEIGHT - MARGIN - (Math.floor(k / CELLS) + 1) * size,
          width: size + 0.5, height: size + 0.5, fill: `hsl(205 45% ${light}%)` }));
      });
      this.net.W.forEach((w, j) => {
        const ends = fold(w, this.net.b[j]);
        if (ends.length === 2) picture.append(element("line", { class: "fold",
          x1: X(ends[0][0]), y1: Y(ends[0][1]), x2: X(ends[1][0]), y2: Y(ends[1][1]) }));
      });
    }

    drawNeurons() {
      const picture = this.neuronPicture;
      picture.replaceChildren();
      const units = this.net.W.map((w) => w.map((value) => value / Reduced.norm(w)));
      const thresholds = this.net.b.map((b, j) => b / Reduced.norm(this.net.W[j]));
      const reach = 1.1 * Math.max(2, ...thresholds.map(Math.abs));
      const X = scale(-Math.PI, Math.PI, MARGIN, WIDTH - MARGIN), Y = scale(-reach, reach, HEIGHT - MARGIN, MARGIN);
      const angles = Array.from({ length: 181 }, (_, k) => -Math.PI + 2 * Math.PI * k / 180);
      const ends = angles.map((t) => Reduced.interval([Math.cos(t), Math.sin(t)], this.box));
      picture.append(element("path", { class: "band", d: path([
        ...angles.map((t, k) => [X(t), Y(ends[k][0])]),
        ...angles.map((t, k) => [X(t), Y(ends[k][1])]).reverse()]) + "Z" }));
      this.drawAxes(picture, "angle", "b / |w|", X(0), Y(0));
      units.forEach((w, j) => {
        const length = Reduced.norm(this.net.W[j]);
        const radius = clamp(7 * Math.sqrt(length), 4, 16);
        this.addNeuron(j, X(Math.atan2(w[1], w[0])), Y(thresholds[j]), radius, (x, y) => {
          const t = X.back(x);
          return [[length * Math.cos(t), length * Math.sin(t)], length * Y.back(y)];
        });
      });
    }
  }

  // The two points where the line w . x + b = 0 leaves the unit square; none if it misses it.
  function fold(w, b) {
    const found = [];
    [0, 1].forEach((i) => [0, 1].forEach((value) => {
      if (w[1 - i] === 0) return;
      const other = -(w[i] * value + b) / w[1 - i];
      if (other >= 0 && other <= 1) found.push(i === 0 ? [value, other] : [other, value]);
    }));
    found.sort((p, q) => p[0] - q[0] || p[1] - q[1]);
    return found.length < 2 ? [] : [found[0], found[found.length - 1]];
  }

  if (typeof window.PointerEvent === "undefined" || typeof Element.prototype.replaceChildren === "undefined") {
    const problem = document.getElementById("problem");
    problem.textContent = "This browser is too old for the playground: it needs one of 2021 or later.";
    problem.hidden = false;
    return;
  }
  window.playground = { one: new OneInput("one", 1, 6), two: new TwoInputs("two", 2, 5) };
})();
