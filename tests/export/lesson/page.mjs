// The page's own modules under Node: reads jobs as JSON from standard input, answers them in order.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const folder = pathToFileURL(`${process.argv[2]}/`);
const load = (name) => import(new URL(`${name}.mjs`, folder));
const network = await load("network");
const { matrix, stacked } = await load("matrix");
const { encodedRows, readNetwork, unpacked } = await load("decode");
const { posed, prepare } = await load("prepare");
const { judge, judgeAlone, flipped, puzzles } = await load("shapes");
const { forwardLines, backwardLines, shapesOf } = await load("derivation");

const rows = ({ rows: count, cols, data }) => Array.from({ length: count }, (_, i) => [...data.slice(i * cols, (i + 1) * cols)]);

/** Everything that the network makes of X, with targets Y, and one step. */
function passes(net, X, Y, { reg, rate }) {
  const pass = network.forward(net, X);
  const gradient = network.backward(net, pass, Y, reg);
  const next = network.step(net, gradient, rate);
  return {
    scores: rows(pass.scores),
    answers: rows(pass.answers),
    loss: network.meanLoss(net, pass, Y, reg),
    gradient: { W: gradient.W.map(rows), b: gradient.b.map((b) => [...b.data]) },
    inputGradient: rows(gradient.A[0]),
    next: { W: next.W.map(rows), b: next.b.map((b) => [...b.data]) },
  };
}

const JOBS = {
  known: () => ({ activations: Object.keys(network.ACTIVATIONS), losses: Object.keys(network.LOSSES) }),
  passes({ net, X, Y, ...options }) {
    const read = { ...net, W: net.W.map(stacked), b: net.b.map((b) => matrix(1, b.length, b)) };
    return passes(read, stacked(X), stacked(Y), options);
  },
  lesson({ path, raw, Y, ...options }) {
    const facts = factsOf(path);
    return passes(readNetwork(facts.network), encodedRows(facts.encoding, raw), stacked(Y), options);
  },
  unpacked: ({ packed }) => [...unpacked(packed)],
  encoded: ({ encoding, raw }) => rows(encodedRows(encoding, raw.map((row) => row.map((v) => v ?? NaN)))),
  facts: ({ path }) => factsOf(path),
  prepare({ height, width, data, shape, frame }) {
    const pixels = prepare({ height, width, data: Float64Array.from(data) }, shape, frame);
    return pixels && [...pixels];
  },
  posed: ({ images, height, width, pose }) => images.map((row) => [...posed(Float64Array.from(row), height, width, pose)]),
  /** Every way to lay two cards of every puzzle, and which of them is let in. */
  puzzles: ({ sizes, samples }) => puzzles(sizes, samples).map(({ target, cards }) => {
    const hand = cards.flatMap((card) => [card, flipped(card)]);
    return {
      target,
      ways: hand.flatMap((left) => hand.map((right) => ({
        left, right, ...judge(left, right, target),
        alone: judgeAlone(left, "left", target).fits && judgeAlone(right, "right", target).fits,
      }))),
    };
  }),
  lines({ path, raw, Y }) {
    const facts = factsOf(path);
    const net = readNetwork(facts.network);
    const pass = network.forward(net, encodedRows(facts.encoding, raw));
    const standing = { net, Y: stacked(Y), pass, gradient: network.backward(net, pass, stacked(Y)), losses: [] };
    return [...forwardLines(net), ...backwardLines(net)].map((line) => ({
      formula: line.formula, kind: line.kind, shapes: shapesOf(line, standing),
      operands: line.operands(standing).map((o) => rows(o.matrix)),
    }));
  },
};

function factsOf(path) {
  const [, text] = readFileSync(path, "utf8").match(/<script type="application\/json" id="facts">(.*?)<\/script>/s);
  return JSON.parse(text);
}

const jobs = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(jobs.map(({ job, ...about }) => JOBS[job](about)),
  (_, value) => (typeof value === "number" && !Number.isFinite(value) ? String(value) : value)));
