// Networks of one hidden ReLU layer, and their way into the reduced space.
//
//     N(x) = a + sum_j c_j s(w_j . x + b_j),    s(z) = max(z, 0),    x in a box
//
// A network is {W: [[...], ...], b: [...], c: [...], a: number}: a row of W is a neuron, as in the
// Python library. Nothing here changes its arguments. A test compares `reduce` with `rn.reduce`.
"use strict";

const Reduced = (() => {
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const dot = (u, v) => sum(u.map((value, i) => value * v[i]));
  const norm = (w) => Math.hypot(...w);

  const copy = (net) => ({ W: net.W.map((w) => [...w]), b: [...net.b], c: [...net.c], a: net.a });

  const preActivation = (net, j, x) => dot(net.W[j], x) + net.b[j];

  const evaluate = (net, x) =>
    net.a + sum(net.c.map((c, j) => c * Math.max(preActivation(net, j, x), 0)));

  // The interval [-h(w), h(-w)] of thresholds that put the hyperplane of a unit w into the box.
  function interval(w, box) {
    const lowest = sum(w.map((value, i) => Math.min(value * box.low[i], value * box.high[i])));
    const highest = sum(w.map((value, i) => Math.max(value * box.low[i], value * box.high[i])));
    return [-highest, -lowest];
  }

  // Unit rows: s(alpha z) = alpha s(z), so the length of w goes to the outgoing weight.
  function normalise(net) {
    const result = copy(net);
    net.W.forEach((w, j) => {
      const length = norm(w);
      if (length > 0) {
        result.W[j] = w.map((value) => value / length);
        result.b[j] = net.b[j] / length;
        result.c[j] = net.c[j] * length;
      }
    });
    return result;
  }

  // Thresholds to their intervals. An always-on neuron loses b - t: the constant c (b - t).
  function clip(net, box) {
    const result = copy(net);
    let constant = 0;
    net.W.forEach((w, j) => {
      const [low, high] = interval(w, box);
      if (norm(w) === 0) {
        constant += net.c[j] * Math.max(net.b[j], 0); // the neuron is a constant itself
        result.W[j] = w.map((_, i) => (i === 0 ? 1 : 0));
        result.b[j] = interval(result.W[j], box)[0];
        result.c[j] = 0;
      } else if (net.b[j] > high) {
        constant += net.c[j] * (net.b[j] - high);
        result.b[j] = high;
      } else if (net.b[j] < low) {
        result.b[j] = low;
      }
    });
    return { net: result, constant };
  }

  const moveConstant = (net, constant) => ({ ...copy(net), a: net.a + constant });

  function reduce(net, box) {
    const clipped = clip(normalise(net), box);
    return moveConstant(clipped.net, clipped.constant);
  }

  // A random network of the same orbit: factors alpha for the rows, 1 / alpha for the weights c.
  function expand(net, random = Math.random) {
    const result = copy(net);
    net.W.forEach((w, j) => {
      const alpha = 2 ** (4 * random() - 2);
      result.W[j] = w.map((value) => value * alpha);
      result.b[j] = net.b[j] * alpha;
      result.c[j] = net.c[j] / alpha;
    });
    return result;
  }

  // "dead", "always on" or "unstable" on the box.
  function kind(net, j, box) {
    const [low, high] = interval(net.W[j], box);
    if (net.b[j] <= low) return "dead";
    return net.b[j] >= high ? "always on" : "unstable";
  }

  // Points of a grid over the box, and in one dimension the breakpoints inside it.
  function points(box, perSide, ...nets) {
    const side = (i) => Array.from({ length: perSide }, (_, k) =>
      box.low[i] + (box.high[i] - box.low[i]) * k / (perSide - 1));
    if (box.low.length === 2) return side(0).flatMap((x) => side(1).map((y) => [x, y]));
    const breakpoints = nets.flatMap((net) => net.W.map((w, j) => -net.b[j] / w[0]));
    const inside = breakpoints.filter((x) => x > box.low[0] && x < box.high[0]);
    return [...side(0), ...inside].sort((x, y) => x - y).map((x) => [x]);
  }

  function largestDifference(f, g, box) {
    const perSide = box.low.length === 1 ? 401 : 41;
    const all = points(box, perSide, f, g);
    return Math.max(...all.map((x) => Math.abs(evaluate(f, x) - evaluate(g, x))));
  }

  return {
    clip, copy, evaluate, expand, interval, kind, largestDifference, moveConstant, norm, normalise,
    points, preActivation, reduce,
  };
})();
