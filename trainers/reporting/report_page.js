"use strict";
/* The figures. Every text reaches the page as a text node, so that no message of a player can become markup. */
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const KINDS = ["ask", "enumerate", "answer"];

function el(name, attributes, ...children) {
  const svg = name.startsWith("svg:");
  const made = svg ? document.createElementNS(SVG, name.slice(4)) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}
const fixed = (x, digits = 3) => (x === null || x === undefined || Number.isNaN(x) ? "–" : x.toFixed(digits));
const signed = (x, digits = 3) => (x >= 0 ? "+" : "−") + Math.abs(x).toFixed(digits);
const within = (v, show = fixed) => `${show(v.mean)} [${show(v.low)}, ${show(v.high)}]`;
const number = (x) => x.toLocaleString("en-US");
const mean = (listed) => listed.reduce((a, b) => a + b, 0) / listed.length;
const levels = (cells, by) => [...new Set(cells.map((c) => c.costs[by]))].sort((a, b) => a - b);

function table(head, rows, attributes) {
  const line = (cells, tag) => el("tr", {}, ...cells.map((c, k) =>
    el(k && tag === "td" ? "td" : "th", { scope: tag === "th" ? "col" : k ? "" : "row" }, String(c))));
  return el("table", attributes, el("thead", {}, line(head, "th")), el("tbody", {}, ...rows.map((r) => line(r, "td"))));
}

/* A colour between stops for a share in [0, 1], and the ink that can be read on it. */
const SCALES = {
  reward: [[247, 252, 240], [123, 204, 196], [8, 88, 158], [8, 48, 107]],
  gap: [[255, 247, 236], [253, 187, 132], [215, 48, 31], [127, 0, 0]],
  difference: [[153, 52, 4], [254, 196, 79], [250, 250, 250], [116, 169, 207], [4, 90, 141]],
};
function shade(scale, share) {
  const stops = SCALES[scale], at = Math.max(0, Math.min(1, share)) * (stops.length - 1);
  const k = Math.min(stops.length - 2, Math.floor(at));
  const rgb = stops[k].map((low, i) => Math.round(low + (stops[k + 1][i] - low) * (at - k)));
  const light = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
  return `background:rgb(${rgb});color:${light > 140 ? "#000" : "#fff"}`;
}

function heat(title, cells, values, scale, share, show, notes) {
  const turns = levels(cells, "turn"), words = levels(cells, "word");
  const at = new Map(cells.map((c, k) => [`${c.costs.turn} ${c.costs.word}`, k]));
  const rows = turns.map((turn) => el("tr", {}, el("th", { scope: "row" }, String(turn)), ...words.map((word) => {
    const k = at.get(`${turn} ${word}`);
    if (k === undefined) return el("td", {});
    const told = `question ${turn}, word ${word}, ${cells[k].seen ? "seen" : "unseen"}: ${notes ? notes[k] : show(values[k])}`;
    return el("td", { style: shade(scale, share(values[k])), class: cells[k].seen ? "seen" : "", title: told },
      show(values[k]));
  })));
  const head = el("tr", {}, el("th", { scope: "col" }, "q \\ w"), ...words.map((w) => el("th", { scope: "col" }, String(w))));
  return el("figure", {}, el("h3", {}, title),
    el("table", { class: "heat", "aria-label": title }, el("thead", {}, head), el("tbody", {}, ...rows)));
}

function drawScores(run) {
  const { seen, unseen, yardstick, floor } = run.summary, parts = [seen, unseen].filter((part) => part);
  const rows = Object.keys(seen).map((n) => [n === "optimum" ? yardstick : n, ...parts.map((part) => within(part[n]))]);
  $("score-table").replaceChildren(table(["", "seen costs", "unseen costs"].slice(0, 1 + parts.length), rows));
  $("score-note").textContent = "Mean [95% bootstrap interval over questions]. Normalised score: 0 = the " +
    (floor.length > 1 ? "best single fixed strategy over the same costs" : `team ${floor[0]}`) + `, 1 = the ${yardstick}.`;
}

/* All numbers at each costs, with the heading of each column. */
function drawCells(run) {
  const { cells, measures, yardstick } = run.summary;
  const best = Object.keys(cells[0].optimum ?? {}), others = Object.keys(cells[0].fixed);
  const head = [...Object.keys(cells[0].costs), "costs", ...measures, ...best.map((m) => `${yardstick} ${m}`), ...others];
  $("cell-table").replaceChildren(table(head, cells.map((c) => [...Object.values(c.costs), c.seen ? "seen" : "unseen",
    ...measures.map((m) => fixed(c[m])), ...best.map((m) => fixed(c.optimum[m])), ...others.map((m) => fixed(c.fixed[m]))])));
}

function drawSurfaces(run) {
  const { cells, yardstick } = run.summary, { agent, optimum, gap } = run.surfaces;
  const low = Math.min(...agent, ...optimum), top = Math.max(...optimum), most = Math.max(0.1, ...gap);
  const share = (x) => (x - low) / (top - low || 1);
  const two = (x) => fixed(x, 2);
  $("heat").replaceChildren(
    heat("agent: reward", cells, agent, "reward", share, two),
    heat(`${yardstick}: reward`, cells, optimum, "reward", share, two),
    heat(`gap: ${yardstick} less agent`, cells, gap, "gap", (x) => x / most, two));
}

function drawMix(run) {
  const seen = document.querySelector("input[name=part]:checked").value === "seen";
  const cells = run.summary.cells.filter((c) => c.seen === seen);
  const keys = el("p", { class: "keys", style: "flex-basis:100%" }, ...KINDS.map((kind) =>
    el("span", {}, el("i", { style: `background:var(--${kind})` }), kind)));
  $("bars").replaceChildren(keys, ...[["turn", "cost of a question"], ["word", "cost of a word"]].map(
    ([by, label]) => bars(cells, by, label, run.summary.yardstick)));
}

function bars(cells, by, label, yardstick) {
  const listed = levels(cells, by), width = 440, high = 190, step = (width - 40) / listed.length;
  const picture = el("svg:svg", { viewBox: `0 0 ${width} 262`, role: "img", "aria-label": `Moves by ${label}` });
  for (const share of [0, 0.5, 1]) {
    const y = 14 + high * (1 - share);
    picture.append(el("svg:line", { class: "axis", x1: 36, x2: width, y1: y, y2: y }),
      el("svg:text", { x: 30, y: y + 4, "text-anchor": "end" }, `${100 * share}%`));
  }
  listed.forEach((level, k) => {
    const here = cells.filter((c) => c.costs[by] === level), x = 40 + k * step, wide = Math.min(46, step * 0.4);
    [[(c) => c, 1], [(c) => c.optimum, 0.5]].forEach(([of, opacity], side) => {
      let y = 14 + high;
      for (const kind of KINDS) {
        const share = mean(here.map((c) => of(c)[kind] ?? 0));
        const told = `${side ? yardstick : "agent"}, ${label} ${level}: ${kind} ${(100 * share).toFixed(1)}%`;
        y -= share * high;
        picture.append(el("svg:rect", { x: x + side * (wide + 2) + 4, y, width: wide, height: Math.max(0, share * high),
          style: `fill:var(--${kind});opacity:${opacity}` }, el("svg:title", {}, told)));
      }
    });
    const both = (m) => `${mean(here.map((c) => c[m])).toFixed(2)} / ${mean(here.map((c) => c.optimum[m])).toFixed(2)}`;
    const middle = x + wide + 5;
    for (const [text, y] of [[String(level), 219], [`q ${both("asks")}`, 236], [`w ${both("words")}`, 252]])
      picture.append(el("svg:text", { x: middle, y, "text-anchor": "middle" }, text));
  });
  return el("figure", {}, el("h3", {}, label), picture);
}

const MARKS = {
  agent: (x, y) => el("svg:circle", { cx: x, cy: y, r: 4.5 }),
  optimum: (x, y) => el("svg:path", { d: `M${x - 5} ${y}H${x + 5}M${x} ${y - 5}V${y + 5}`, "stroke-width": 2 }),
  other: (x, y) => el("svg:path", { d: `M${x} ${y - 6}L${x + 5} ${y + 4}H${x - 5}Z` }),
};

function drawFrontier(run) {
  const low = Math.min(...run.frontier.flatMap((panel) => Object.values(panel.points).flat().map((p) => p[1])));
  $("scatter").replaceChildren(...run.frontier.map((panel) => scatter(run, panel, Math.floor(low * 10) / 10)));
}

function scatter(run, panel, low) {
  const width = 360, height = 262, left = 38, base = 224;
  const most = Math.max(1e-9, ...Object.values(panel.points).flat().map((p) => p[0])) * 1.05;
  const X = (x) => left + (x / most) * (width - left - 12), Y = (y) => base - ((y - low) / (1 - low || 1)) * (base - 14);
  const picture = el("svg:svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Accuracy by ${panel.label}` });
  for (let k = 0; k <= 4; k++) {
    const y = low + ((1 - low) * k) / 4, x = (most * k) / 4;
    picture.append(el("svg:line", { class: "axis", x1: left, x2: width, y1: Y(y), y2: Y(y) }),
      el("svg:text", { x: left - 5, y: Y(y) + 4, "text-anchor": "end" }, y.toFixed(2)),
      el("svg:text", { x: X(x), y: base + 16, "text-anchor": "middle" }, most < 0.05 ? x.toFixed(3) : x.toFixed(most < 3 ? 2 : 1)));
  }
  picture.append(el("svg:text", { x: (left + width) / 2, y: height - 6, "text-anchor": "middle" }, panel.label));
  const agentLast = Object.keys(panel.points).sort((a, b) => (a === "agent") - (b === "agent"));
  for (const name of agentLast) {
    const points = panel.points[name], known = name === "agent" || name === "optimum";
    const colour = `var(--${known ? name : "fixed"})`;
    const line = panel.lines[name].map((k) => `${X(points[k][0])} ${Y(points[k][1])}`);
    picture.append(el("svg:path", { d: `M${line.join("L")}`, style: `fill:none;stroke:${colour};opacity:.6` }));
    points.forEach(([x, y], k) => {
      const cell = run.summary.cells[k], at = points.length > 1 ? `, question ${cell.costs.turn}, word ${cell.costs.word}` : "";
      const mark = MARKS[known ? name : "other"](X(x), Y(y));
      mark.setAttribute("style", `fill:${colour};stroke:${name === "optimum" ? colour : "var(--paper)"}`);
      mark.append(el("svg:title", {}, `${name}${at}: accuracy ${fixed(y)}, ${panel.label} ${fixed(x)}`));
      picture.append(mark);
    });
    if (!known && points.length === 1) {
      const [x, y] = points[0], right = x > most / 2;
      picture.append(el("svg:text", { x: X(x) + (right ? -8 : 8), y: Y(y) + 13, "text-anchor": right ? "end" : "start" }, name));
    }
  }
  const keys = el("p", { class: "keys" }, ...[["agent", run.summary.agent], ["optimum", run.summary.yardstick], ["fixed", "fixed strategies"]]
    .map(([name, shown]) => el("span", {}, el("i", { style: `background:var(--${name})` }), shown)));
  return el("figure", {}, picture, keys);
}

function drawComparison() {
  const found = data.comparison;
  if (!found) return;
  $("comparison").hidden = $("to-comparison").hidden = false;
  const left = Object.entries(found.left_out).filter(([, count]) => count).map(([name, count]) => `${name}: ${number(count)}`);
  $("compared").textContent = `Second run minus first, on the same ${number(found.questions)} questions at the same ` +
    `${found.cells.length} costs, which all runs were measured at` +
    (left.length ? ` (questions left out of ${left.join(", ")})` : "") +
    ". Paired by question; mean [95% bootstrap interval over questions]. Bold: the interval leaves 0 out.";
  const rows = found.pairs.flatMap((pair) => ["all", "unseen", "seen"].filter((p) => p in pair).map((part) => {
    const cells = Object.values(pair[part]).map((v) =>
      el("td", v.low > 0 || v.high < 0 ? { style: "font-weight:700" } : {}, within(v, signed)));
    return el("tr", {}, el("th", { scope: "row" }, `${pair.second} − ${pair.first}`), el("td", {}, part), ...cells);
  }));
  const head = ["", "costs", ...Object.keys(found.pairs[0].all)].map((h) => el("th", { scope: "col" }, h));
  $("pair-table").replaceChildren(el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows)));
  $("pair").append(...found.pairs.map((pair, k) => el("option", { value: k }, `${pair.second} − ${pair.first}`)));
  $("choose-pair").hidden = found.pairs.length < 2;
  const draw = () => {
    const pair = found.pairs[Number($("pair").value)], values = pair.cells.map((v) => v.mean);
    const most = Math.max(1e-9, ...values.map(Math.abs));
    const title = `reward: ${pair.second} − ${pair.first}`, told = pair.cells.map((v) => within(v, signed));
    const names = Object.keys(found.cells[0].costs), two = names.length === 2 && "turn" in found.cells[0].costs;
    $("pair-heat").replaceChildren(two
      ? heat(title, found.cells, values, "difference", (x) => 0.5 + x / (2 * most), (x) => signed(x, 2), told)
      : table([...names, "costs", title], found.cells.map((c, k) =>
        [...Object.values(c.costs), c.seen ? "seen" : "unseen", told[k]])));
  };
  $("pair").addEventListener("change", draw);
  draw();
}

function drawProvenance(run) {
  const s = run.summary, git = s.versions?.git;
  const facts = {
    agent: s.agent, game: s.env, questions: `${number(s.questions)} (${s.split}), ${number(s.questions_left_out ?? 0)} left out`,
    episodes: `${number(s.episodes)}, of which ${number(s.failed ?? 0)} failed`, seed: s.seed,
    "knobs of the scripted players": JSON.stringify(s.knobs), git: git ? git.commit + (git.modified ? ", modified" : "") : "no checkout",
    python: s.versions?.python, platform: s.versions?.platform,
    packages: Object.entries(s.versions?.packages ?? {}).map(([name, v]) => `${name} ${v ?? "–"}`).join(", "),
  };
  const rows = Object.entries(facts).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value ?? "–"))]);
  const parts = [el("dl", {}, ...rows)];
  if (run.config) parts.push(el("details", {}, el("summary", {}, "Settings of the training (config.json)"),
    el("pre", {}, JSON.stringify(run.config, null, 2))));
  parts.push(el("details", {}, el("summary", {}, "Monotonicity and failures (summary.json)"), el("pre", {},
    JSON.stringify({ monotonicity: s.monotonicity, failure_reasons: s.failure_reasons }, null, 2))));
  $("facts").replaceChildren(...parts);
}

function drawRun() {
  const run = data.runs[Number($("run").value)], s = run.summary;
  $("about").textContent = `${s.agent} on ${s.env}: ${number(s.questions)} ${s.split} questions, ` +
    `${s.cells.length} costs, ${number(s.episodes)} episodes; seed ${s.seed}`;
  for (const id of ["mix", "frontier", "two-costs"]) $(id).hidden = !run.surfaces;
  const figures = run.surfaces ? [drawCells, drawSurfaces, drawMix, drawFrontier] : [drawCells];
  for (const draw of [drawScores, ...figures, drawProvenance]) draw(run);
}
$("run").append(...data.runs.map((run, k) => el("option", { value: k }, run.name)));
$("choose").hidden = data.runs.length < 2;
$("run").addEventListener("change", drawRun);
for (const radio of document.querySelectorAll("input[name=part]"))
  radio.addEventListener("change", () => drawMix(data.runs[Number($("run").value)]));
drawRun();
drawComparison();
