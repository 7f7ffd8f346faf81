"use strict";
// All text comes from models and data sets: it is put into the page by textContent only.
const data = JSON.parse(document.getElementById("data").textContent);
const main = data.main, beside = data.beside;
const [ID, CONFIG, SPLIT, ASKED, REASON, DETAIL, LEAK, TURNS] = [0, 1, 2, 3, 4, 5, 6, 7];
const [SPEAKER, TEXT, GOLD, GUESS, CHANCE] = [0, 1, 2, 3, 4];
const ROW = 64; // height of a row in the style sheet
const at = (id) => document.getElementById(id);
const form = at("filters"), list = at("list"), space = at("space");
let found = []; // positions of the dialogues that the filters let pass
let chosen = -1; // position in `found`
let lowered = null; // texts for the search, made at the first one
let round = 0; // of the benchmark's dialogues

// Words of the common label sets have a fixed hue, others one of their letters: the same in every page.
const HUES = {
  anger: 4, angry: 4, mad: 4, frustrated: 22, frustration: 22, disgust: 95, disgusted: 95, fear: 275, fearful: 275,
  scared: 275, joy: 48, joyful: 48, happy: 48, happiness: 48, excited: 34, powerful: 320, peaceful: 165, sad: 215,
  sadness: 215, surprise: 185, surprised: 185,
};
const PLAIN = new Set(["neutral", "no emotion", "other"]);
const hue = (label) => HUES[label] ?? [...label].reduce((sum, c) => (sum * 31 + c.codePointAt(0)) % 360, 7);

function node(kind, words, text) {
  const made = document.createElement(kind);
  if (words) made.className = words;
  if (text !== undefined) made.textContent = text;
  return made;
}

// --- filters ---------------------------------------------------------------------------------

function fill(name, all, entries) {
  const select = form.elements[name];
  select.append(new Option(all, ""), ...entries.map(([text, value]) => new Option(text, value)));
  select.closest("label").hidden = entries.length === 0;
}

function numbered(names) {
  return names.map((name, i) => [name, String(i)]).sort((a, b) => a[0].localeCompare(b[0]));
}

function prepare() {
  const asked = new Set(main.dialogues.map((d) => d[ASKED]));
  fill("config", "All", numbered(main.configs));
  fill("split", "All", numbered(main.splits));
  fill("emotion", "Any", numbered(main.labels));
  fill("asked", "Any", numbered(main.labels).filter(([, i]) => asked.has(Number(i))));
  const reasons = numbered(main.reasons);
  fill("reason", "Kept and dropped", reasons.length ? [["Kept only", "kept"], ["Dropped only", "dropped"], ...reasons] : []);
  at("speakers").append(...main.speakers.slice(0, 500).map((name) => { const o = node("option"); o.value = name; return o; }));
  at("wrong-label").hidden = !main.dialogues.some((d) => d[TURNS].some((t) => t.length > GUESS));
  form.elements.leak.closest("label").hidden = !main.dialogues.some((d) => d[LEAK]);
}

function texts() {
  lowered ??= main.dialogues.map((d) => d[TURNS].map((t) => t[TEXT]).join("\n").toLowerCase());
  return lowered;
}

function filter() {
  const value = (name) => form.elements[name].value;
  const number = (name, other) => (value(name) === "" ? other : Number(value(name)));
  const [config, split, emotion, asked] = ["config", "split", "emotion", "asked"].map((name) => number(name, null));
  const [least, most] = [number("least", 0), number("most", Infinity)];
  const reason = value("reason"), leak = form.elements.leak.checked, wrong = form.elements.wrong.checked;
  const words = value("text").trim().toLowerCase(), name = value("speaker").trim().toLowerCase();
  const speakers = name && new Set(main.speakers.flatMap((s, i) => (s.toLowerCase().includes(name) ? [i] : [])));
  const haystack = words && texts();
  found = [];
  main.dialogues.forEach((d, i) => {
    const turns = d[TURNS];
    const passes = (config === null || d[CONFIG] === config) && (split === null || d[SPLIT] === split) &&
      (asked === null || d[ASKED] === asked) && (!leak || d[LEAK]) && turns.length >= least && turns.length <= most &&
      (reason === "" || (reason === "kept" ? d[REASON] < 0 : reason === "dropped" ? d[REASON] >= 0 : d[REASON] === Number(reason))) &&
      (emotion === null || turns.some((t) => t[GOLD] === emotion)) && (!speakers || turns.some((t) => speakers.has(t[SPEAKER]))) &&
      (!wrong || turns.some((t) => t.length > GUESS && t[GUESS] !== t[GOLD])) && (!words || haystack[i].includes(words));
    if (passes) found.push(i);
  });
}

function refresh(keep) {
  filter();
  const place = found.indexOf(keep);
  space.style.height = `${found.length * ROW}px`;
  const all = main.dialogues.length;
  at("count").textContent = found.length === all ? `${all.toLocaleString("en")} dialogues`
    : `${found.length.toLocaleString("en")} of ${all.toLocaleString("en")} dialogues`;
  choose(found.length ? Math.max(place, 0) : -1);
}

// --- the list: only the rows in sight exist -----------------------------------------------------

function draw() {
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 5);
  const last = Math.min(found.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + 5);
  const rows = [];
  for (let i = first; i < last; i++) rows.push(row(i));
  if (chosen >= 0 && (chosen < first || chosen >= last)) rows.push(row(chosen)); // the active one always exists
  space.replaceChildren(...rows);
}

function row(i) {
  const d = main.dialogues[found[i]];
  const made = node("div", "row");
  made.id = `row-${i}`;
  made.style.top = `${i * ROW}px`;
  made.setAttribute("role", "option");
  made.setAttribute("aria-selected", String(i === chosen));
  made.setAttribute("aria-setsize", String(found.length));
  made.setAttribute("aria-posinset", String(i + 1));
  const start = d[TURNS].length ? d[TURNS][0][TEXT] : "";
  const reason = d[REASON] >= 0 ? `dropped: ${main.reasons[d[REASON]]} · ` : "";
  made.append(node("b", "", d[ID]), node("span", "", `${reason}${d[TURNS].length} turns · ${start.slice(0, 120)}`));
  made.addEventListener("click", () => choose(i));
  return made;
}

function choose(i) {
  chosen = i;
  if (i < 0) {
    draw();
    list.removeAttribute("aria-activedescendant");
    show(null);
    return;
  }
  const top = i * ROW;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
  draw();
  list.setAttribute("aria-activedescendant", `row-${i}`);
  show(main.dialogues[found[i]]);
}

const pace = () => Math.max(1, Math.floor(list.clientHeight / ROW) - 1);
const MOVES = {
  ArrowDown: () => chosen + 1, ArrowUp: () => chosen - 1, PageDown: () => chosen + pace(), PageUp: () => chosen - pace(),
  Home: () => 0, End: () => found.length - 1,
};

// --- conversations -------------------------------------------------------------------------------

function bubbles(pack, turns) {
  const order = new Map();
  return turns.map((turn) => {
    if (!order.has(turn[SPEAKER])) order.set(turn[SPEAKER], order.size);
    const label = turn[GOLD] < 0 ? null : pack.labels[turn[GOLD]];
    const plain = label === null || PLAIN.has(label);
    const made = node("li", `turn${order.get(turn[SPEAKER]) % 2 ? " even" : ""}${plain ? " plain" : ""}`);
    if (!plain) made.style.setProperty("--h", hue(label));
    const who = node("div", "who");
    who.append(node("b", "", pack.speakers[turn[SPEAKER]]), node("span", "mark", label ?? "no label"));
    if (turn.length > GUESS) {
      const right = turn[GUESS] === turn[GOLD];
      const words = `${right ? "✓" : "✗"} predicted ${pack.labels[turn[GUESS]]}, ${turn[CHANCE]} %`;
      who.append(node("span", right ? "guess" : "guess wrong", words));
    }
    made.append(who, node("p", "", turn[TEXT]));
    return made;
  });
}

function facts(pack, d) {
  const words = [pack.configs[d[CONFIG]], pack.splits[d[SPLIT]], `${d[TURNS].length} turns`];
  if (d[ASKED] >= 0) words.push(`asked for ${pack.labels[d[ASKED]]}`);
  if (d[LEAK]) words.push("holds a line of a benchmark");
  return words.join(" · ");
}

function show(d) {
  at("name").textContent = d ? d[ID] : "No dialogue passes these filters";
  at("facts").textContent = d ? facts(main, d) : "";
  at("said").textContent = "";
  at("turns").replaceChildren(...(d ? bubbles(main, d[TURNS]) : []));
  for (const id of ["copy-link", "copy-json"]) at(id).disabled = !d;
  if (!d) return;
  if (d[REASON] >= 0) {
    const why = node("div", "dropped", `Dropped: ${main.reasons[d[REASON]]}${d[DETAIL] ? `, ${d[DETAIL]}` : ""}`);
    at("facts").append(why);
  }
  at("conversation").scrollTop = 0;
  history.replaceState(null, "", `#${key(d)}`);
  if (beside) compare(d);
}

// The benchmark's dialogue with the same prevailing emotion and about the same length, then the next such one.
function compare(d) {
  const wanted = d[ASKED] >= 0 ? main.labels[d[ASKED]] : prevailing(main, d);
  const label = beside.labels.indexOf(wanted);
  const likely = beside.dialogues.filter((b) => b[TURNS].some((t) => t[GOLD] === label));
  const some = likely.length ? likely : beside.dialogues;
  const near = [...some].sort((a, b) => Math.abs(a[TURNS].length - d[TURNS].length) - Math.abs(b[TURNS].length - d[TURNS].length));
  const b = near[round % near.length];
  at("beside-name").textContent = b[ID];
  at("beside-facts").textContent = facts(beside, b) + (likely.length ? ` · also has ${wanted}` : "");
  at("beside-turns").replaceChildren(...bubbles(beside, b[TURNS]));
}

function prevailing(pack, d) {
  const counts = new Map();
  for (const t of d[TURNS]) if (t[GOLD] >= 0 && !PLAIN.has(pack.labels[t[GOLD]])) counts.set(t[GOLD], (counts.get(t[GOLD]) ?? 0) + 1);
  const best = [...counts].sort((a, b) => b[1] - a[1])[0];
  return best ? pack.labels[best[0]] : "neutral";
}

// --- links and copies ------------------------------------------------------------------------------

const ids = new Map();
for (const d of main.dialogues) ids.set(d[ID], (ids.get(d[ID]) ?? 0) + 1);
const key = (d) => encodeURIComponent(ids.get(d[ID]) > 1 ? `${main.configs[d[CONFIG]]}/${d[ID]}` : d[ID]);

function linked() {
  const wanted = location.hash.slice(1);
  return wanted ? main.dialogues.findIndex((d) => key(d) === wanted || d[ID] === safely(wanted)) : -1;
}

function safely(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

function record(d) {
  const name = (i) => (i < 0 ? null : main.labels[i]);
  return {
    dialogue_id: d[ID], config: main.configs[d[CONFIG]], split: main.splits[d[SPLIT]], target_emotion: name(d[ASKED]),
    reason: d[REASON] < 0 ? null : main.reasons[d[REASON]],
    utterances: d[TURNS].map((t) => ({
      speaker: main.speakers[t[SPEAKER]], text: t[TEXT], emotion: name(t[GOLD]),
      ...(t.length > GUESS ? { predicted: name(t[GUESS]), probability: t[CHANCE] / 100 } : {}),
    })),
  };
}

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // a page opened from a file may not use the clipboard
    const area = node("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  at("said").textContent = `${what} copied.`;
}

// --- start -------------------------------------------------------------------------------------------

let waiting = 0;
const current = () => (chosen >= 0 ? found[chosen] : -1);
form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(() => refresh(current()), 120); });
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(() => refresh(current()), 0));
list.addEventListener("scroll", () => requestAnimationFrame(draw));
list.addEventListener("keydown", (event) => {
  const move = MOVES[event.key];
  if (!move || !found.length) return;
  event.preventDefault();
  choose(Math.min(found.length - 1, Math.max(0, move())));
});
at("copy-link").addEventListener("click", () => copy(location.href, "Link"));
at("copy-json").addEventListener("click", () => copy(JSON.stringify(record(main.dialogues[current()]), null, 1), "JSON"));
at("another").addEventListener("click", () => { round += 1; if (current() >= 0) compare(main.dialogues[current()]); });
addEventListener("hashchange", () => { const i = linked(); if (i >= 0 && i !== current()) { form.reset(); refresh(i); } });
addEventListener("resize", draw);
if (beside) { at("beside").hidden = false; document.querySelector("main").classList.add("two"); }
if (matchMedia("(max-width: 70rem)").matches) at("panel").open = false;
prepare();
refresh(linked());
document.documentElement.dataset.ready = "yes";
