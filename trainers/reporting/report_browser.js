/* The transcripts: unpacked into columns, filtered as typed arrays, and only the rows in sight are on the page. */
const ROW = 52; // pixels of a row, as .row in the style sheet

async function unpack(base64) {
  const text = atob(base64), packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  const size = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  let at = 4 + size;
  for (const [name, kind, length] of header.columns) {
    header[name] = kind === "f8" ? new Float64Array(buffer, at, length) : new Uint32Array(buffer, at, length);
    at += length * (kind === "f8" ? 8 : 4);
  }
  return header;
}

/* What every episode earned, and each dialogue's sequence of asker's moves. */
function prepare(store) {
  const dialogues = store.dialogue_stop.length, terms = store.terms.length, summed = new Float64Array(dialogues * terms);
  const patterns = new Map(), ofDialogue = new Uint32Array(dialogues), asker = store.players.indexOf("asker");
  for (let d = 0; d < dialogues; d++) {
    const moves = [];
    for (let l = store.dialogue_lines[d]; l < store.dialogue_lines[d + 1]; l++) {
      if (store.line_player[l] === asker) moves.push(store.kinds[store.line_kind[l]]);
      for (let p = store.line_paid[l]; p < store.line_paid[l + 1]; p++)
        summed[d * terms + store.paid_term[p]] += store.paid_quantity[p];
    }
    const shown = moves.join(" → ") || "none";
    if (!patterns.has(shown)) patterns.set(shown, patterns.size);
    ofDialogue[d] = patterns.get(shown);
  }
  store.price = store.cells.map((cell) => store.terms.map(([, cost]) => (cost ? -cell[store.costs.indexOf(cost)] : 1)));
  const count = store.episode_run.length, reward = new Float64Array(count);
  for (let e = 0; e < count; e++) {
    const prices = store.price[store.episode_cell[e]], d = store.episode_dialogue[e];
    for (let t = 0; t < terms; t++) reward[e] += prices[t] * summed[d * terms + t];
  }
  return Object.assign(store, { reward, patterns: [...patterns.keys()], pattern: ofDialogue, summed });
}

/* Which dialogues and which meanings hold the text, as flags. */
function search(store, text) {
  store.lower ??= store.texts.map((t) => t.toLowerCase());
  const holds = Uint8Array.from(store.lower, (t) => (t.includes(text) ? 1 : 0));
  const dialogue = new Uint8Array(store.dialogue_stop.length), meaning = new Uint8Array(store.meaning_text.length);
  for (let d = 0; d < dialogue.length; d++) {
    dialogue[d] = holds[store.dialogue_detail[d]];
    for (let l = store.dialogue_lines[d]; !dialogue[d] && l < store.dialogue_lines[d + 1]; l++)
      dialogue[d] = holds[store.line_text[l]] | holds[store.line_message[l]];
  }
  for (let m = 0; m < meaning.length; m++) {
    const q = store.meaning_question[m];
    meaning[m] = holds[store.meaning_text[m]] | holds[store.meaning_answers[m]] | holds[store.question_text[q]] |
      holds[store.question_context[q]] | holds[store.question_task[q]];
  }
  return { dialogue, meaning };
}

/* Positions of the episodes that pass. `wanted`: text, run, cell, part, moves, stop (-1 for any), low, high, order. */
function filter(store, wanted) {
  const found = wanted.text ? search(store, wanted.text.toLowerCase()) : null;
  const kept = new Uint32Array(store.reward.length), seen = store.cellSeen;
  let count = 0;
  for (let e = 0; e < kept.length; e++) {
    const d = store.episode_dialogue[e], c = store.episode_cell[e], r = store.episode_run[e];
    if (wanted.run >= 0 && r !== wanted.run) continue;
    if (wanted.cell >= 0 && c !== wanted.cell) continue;
    if (wanted.cell < -1 && seen[r][c] !== (wanted.cell === -2)) continue;
    if (wanted.moves >= 0 && store.pattern[d] !== wanted.moves) continue;
    if (wanted.stop >= 0 && store.dialogue_stop[d] !== wanted.stop) continue;
    if (store.reward[e] < wanted.low || store.reward[e] > wanted.high) continue;
    if (found && !found.dialogue[d] && !found.meaning[store.episode_meaning[e]]) continue;
    kept[count++] = e;
  }
  const order = kept.subarray(0, count);
  if (wanted.order) order.sort((a, b) => (wanted.order === 1 ? 1 : -1) * (store.reward[a] - store.reward[b]) || a - b);
  return order;
}

function marked(text, wanted) {
  const parts = [], small = text.toLowerCase(), what = wanted.toLowerCase();
  let at = 0;
  if (what && small.length === text.length)
    for (let k = small.indexOf(what); k >= 0; k = small.indexOf(what, at)) {
      parts.push(text.slice(at, k), el("mark", {}, text.slice(k, k + what.length)));
      at = k + what.length;
    }
  return [...parts, text.slice(at)];
}

const costsOf = (store, c) => store.costs.map((name, k) => `${name} ${store.cells[c][k]}`).join(", ");

function showEpisode(store, e, wanted) {
  const T = store.texts, d = store.episode_dialogue[e], m = store.episode_meaning[e], q = store.meaning_question[m];
  const c = store.episode_cell[e], prices = store.price[c], say = (text) => marked(text, wanted);
  const lines = [];
  for (let l = store.dialogue_lines[d]; l < store.dialogue_lines[d + 1]; l++) {
    const kind = store.kinds[store.line_kind[l]], paid = [];
    for (let p = store.line_paid[l]; p < store.line_paid[l + 1]; p++) {
      const t = store.paid_term[p];
      paid.push(`${store.terms[t][0]} ${signed(prices[t] * store.paid_quantity[p])}`);
    }
    const message = T[store.line_message[l]];
    lines.push(el("li", { class: KINDS.includes(kind) ? kind : "other" },
      el("span", { class: "small" }, `${store.players[store.line_player[l]]}, ${kind} `),
      el("span", { class: "paid" }, paid.join(", ") || "no reward term"),
      el("p", {}, ...say(T[store.line_text[l]] || "(nothing)")),
      ...(message ? [el("p", { class: "small" }, "as it came: ", ...say(message))] : [])));
  }
  const notes = [];
  for (let k = 0; k < store.meaning_text.length; k++)
    if (store.meaning_question[k] === q)
      notes.push(el("li", k === m ? { class: "meant" } : {}, ...say(T[store.meaning_text[k]]), " — ", ...say(T[store.meaning_answers[k]])));
  const totals = store.terms.map(([name], t) => `${name} ${signed(prices[t] * store.summed[d * store.terms.length + t])}`);
  const counted = store.quantities.map((name) => `${name} ${Number(fixed(store[`quantity_${name}`][d]))}`);
  const facts = [["question", T[store.question_text[q]]], ["context", T[store.question_context[q]]],
    ["meant", T[store.meaning_text[m]]], ["answers", T[store.meaning_answers[m]]]].filter(([, value]) => value);
  $("episode").replaceChildren(
    el("h3", {}, `Episode ${number(store.episode_position[e])}, ${data.runs[store.episode_run[e]].name}`),
    el("dl", {}, ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, ...say(value))]),
      el("dt", {}, "costs"), el("dd", {}, costsOf(store, c)), el("dt", {}, "task"), el("dd", {}, T[store.question_task[q]])),
    el("ol", { class: "said" }, ...lines),
    el("p", {}, el("strong", {}, `reward ${signed(store.reward[e])}`), ` = ${totals.join(", ")}`),
    el("dl", {}, el("dt", {}, "end"), el("dd", {}, T[store.dialogue_stop[d]], ...(T[store.dialogue_detail[d]] ? [": ", ...say(T[store.dialogue_detail[d]])] : [])),
      el("dt", {}, "counted"), el("dd", {}, counted.join(", "))),
    el("h3", {}, "Meanings of the question that were played, with their answers"), el("ul", { class: "notes" }, ...notes));
}

function browse(store) {
  let order = new Uint32Array(0), chosen = 0;
  const list = $("list"), rows = $("rows"), wanted = () => $("f-text").value.trim();
  const draw = () => {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 4);
    const last = Math.min(order.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + 4);
    const shown = [];
    for (let k = first; k < last; k++) {
      const e = order[k], q = store.meaning_question[store.episode_meaning[e]];
      shown.push(el("div", { class: "row", role: "option", id: `e${k}`, style: `top:${k * ROW}px`, "data-at": k,
        "aria-selected": k === chosen, "aria-posinset": k + 1, "aria-setsize": order.length },
        el("span", {}, store.texts[store.question_text[q]]),
        el("span", { class: "small" }, `${signed(store.reward[e])}  ${store.patterns[store.pattern[store.episode_dialogue[e]]]}  ` +
          `(${costsOf(store, store.episode_cell[e])})`)));
    }
    rows.replaceChildren(...shown);
  };
  const choose = (k) => {
    if (!order.length) return;
    chosen = Math.max(0, Math.min(order.length - 1, k));
    const top = chosen * ROW;
    if (top < list.scrollTop) list.scrollTop = top;
    if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
    draw();
    list.setAttribute("aria-activedescendant", `e${chosen}`);
    showEpisode(store, order[chosen], wanted());
  };
  const refresh = () => {
    const begun = performance.now(), limit = (id, none) => ($(id).value === "" ? none : Number($(id).value));
    order = filter(store, { text: wanted(), run: Number($("f-run").value), cell: Number($("f-cell").value),
      moves: Number($("f-moves").value), stop: Number($("f-stop").value), order: Number($("f-order").value),
      low: limit("f-low", -Infinity) - 1e-9, high: limit("f-high", Infinity) + 1e-9 });
    rows.style.height = `${order.length * ROW}px`;
    list.scrollTop = 0;
    const total = order.reduce((sum, e) => sum + store.reward[e], 0);
    $("count").textContent = `${number(order.length)} of ${number(store.reward.length)} episodes` +
      (order.length ? `, mean reward ${signed(total / order.length)}` : ": none passes; clear a filter") +
      (store.left_out ? ` (${number(store.left_out)} more are in the files, not on this page)` : "");
    if (order.length) choose(0);
    else { rows.replaceChildren(); $("episode").replaceChildren(); list.removeAttribute("aria-activedescendant"); }
    $("count").dataset.ms = performance.now() - begun;
  };
  const page = () => Math.floor(list.clientHeight / ROW);
  const keys = { ArrowDown: () => chosen + 1, ArrowUp: () => chosen - 1, PageDown: () => chosen + page(),
    PageUp: () => chosen - page(), Home: () => 0, End: () => order.length - 1 };
  list.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    choose(keys[event.key]());
  });
  list.addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (row) choose(Number(row.dataset.at));
  });
  list.addEventListener("scroll", draw);
  $("filters").addEventListener("input", refresh);
  $("filters").addEventListener("reset", () => setTimeout(refresh));
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  refresh();
}

function fill(store) {
  const add = (id, any, options) => $(id).append(el("option", { value: -1 }, any), ...options.map(([k, shown]) => el("option", { value: k }, shown)));
  const by = (of) => {
    const counts = new Map();
    for (const d of store.episode_dialogue) counts.set(of[d], (counts.get(of[d]) ?? 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1]);
  };
  const sorted = store.cells.map((cell, k) => [k, cell]).sort((a, b) => a[1][0] - b[1][0] || a[1][1] - b[1][1]);
  add("f-run", "any", data.runs.map((run, k) => [k, run.name]));
  add("f-cell", "any", [[-2, "seen"], [-3, "unseen"], ...sorted.map(([k]) => [k, costsOf(store, k)])]);
  add("f-moves", "any", by(store.pattern).slice(0, 60).map(([k, n]) => [k, `${store.patterns[k]} (${number(n)})`]));
  add("f-stop", "any", by(store.dialogue_stop).map(([k, n]) => [k, `${store.texts[k] || "unfinished"} (${number(n)})`]));
  $("l-run").hidden = data.runs.length < 2;
  store.cellSeen = data.runs.map((run) => store.cells.map((cell) =>
    run.summary.cells.some((c) => c.seen && pricesOf(c).every((price, k) => price === cell[k]))));
}

async function open() {
  const packed = $("packed").textContent.trim();
  if (!packed) {
    $("count").textContent = "No stored episodes were found beside the summary.";
    $("filters").hidden = $("browser").hidden = true;
  } else {
    const store = prepare(await unpack(packed));
    fill(store);
    browse(store);
  }
  document.body.dataset.ready = performance.now();
}
open().catch((error) => {
  $("count").textContent = `The episodes cannot be shown: ${error.message}`;
  console.error(error);
});
