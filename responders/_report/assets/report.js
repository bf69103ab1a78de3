"use strict";
(() => {
const $ = (id) => document.getElementById(id);
const words = JSON.parse($("words").textContent);
const said = (key, values = {}) => words[key].replace(/\{(\w+)(:,)?\}/g, (_, name) => values[name]);
const make = (tag, text, kind) => {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
};
const pad = (number, width = 2) => String(number).padStart(width, "0");

// Light or dark
const root = document.documentElement;
$("theme").hidden = false;
$("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme:dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});

// Copying
document.querySelectorAll(".copy").forEach((button) => { button.hidden = false; });
document.addEventListener("click", async (event) => {
  const button = event.target.closest(".copy");
  if (!button) return;
  const code = button.previousElementSibling;
  const before = button.dataset.said || button.textContent;
  button.dataset.said = before;
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = said("copied");
    setTimeout(() => { button.textContent = before; }, 1500);
  } catch {
    getSelection().selectAllChildren(code);
  }
});

// Tables: a filter for the long ones, and labels for phones
document.querySelectorAll("table.filter").forEach((table) => {
  table.classList.add("cards");
  const labels = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  for (const row of table.tBodies[0].rows) {
    [...row.cells].forEach((cell, place) => { if (cell.colSpan === 1) cell.dataset.label = labels[place]; });
  }
  if (table.tBodies[0].rows.length < 13) return;
  const field = make("input", undefined, "filtering");
  field.type = "search";
  field.placeholder = said("search.hint");
  field.setAttribute("aria-label", field.placeholder);
  field.addEventListener("input", () => {
    const wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !wanted.every((word) => text.includes(word));
    }
  });
  table.parentElement.before(field);
});

// Where the reader is
const links = new Map([...document.querySelectorAll(".toc a")].map((link) => [link.hash.slice(1), link]));
if ("IntersectionObserver" in window && links.size) {
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) links.get(entry.target.id)?.classList.toggle("here", entry.isIntersecting);
  }, { rootMargin: "-20% 0px -70%" });
  document.querySelectorAll("main > section").forEach((section) => seen.observe(section));
}

// The timeline
const data = $("table") && JSON.parse($("table").textContent);
if (!data || !data.times.length) return;
const count = data.times.length;
const none = new Int32Array(count);
const column = (name) => data[name] || none;
const [action, what, detail, actor, account, hash, technique, local] =
  ["action", "what", "detail", "actor", "account", "hash", "techniques", "local"].map(column);
const [kind, device, source, line, node, marks] = ["kind", "device", "source", "line", "node", "marks"].map(column);
const texts = data.texts;
const ALERT = 1, DEFENDER = 2, BULKHEAD = 4, HIDDEN = 8, CLIPPED = 16;
const times = new Float64Array(count);
let timed = 0, last = 0;
for (let place = 0; place < count; place++) {
  const step = data.times[place];
  if (step === null) { times[place] = NaN; continue; }
  last += step; times[place] = last; timed++;
}
const zone = data.zone.length > 1 || (data.zone[0] && data.zone[0][1]) ? data.zone : null;
const stamp = (at) => {
  const t = new Date(at);
  return `${t.getUTCFullYear()}-${pad(t.getUTCMonth() + 1)}-${pad(t.getUTCDate())} ${pad(t.getUTCHours())}:${pad(t.getUTCMinutes())}:${pad(t.getUTCSeconds())}.${pad(t.getUTCMilliseconds(), 3)}`;
};
const there = (at) => {
  if (!zone) return "";
  let away = zone[0][1];
  for (const [since, minutes] of zone) if (at >= since) away = minutes;
  const sign = away < 0 ? "-" : "+", minutes = Math.abs(away);
  return `${stamp(at + away * 60000).slice(0, 19)} ${sign}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`;
};
const when = (place) => Number.isNaN(times[place]) ? (texts[local[place]] || said("untimed")) : stamp(times[place]) + "Z";

// What is wanted
const off = new Set();
let only = 0, shown = new Int32Array(0), chosen = -1, lower = null;
const q = $("q"), rows = $("rows"), space = $("space");
const moment = (text, late) => {
  const match = /^\s*(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d)(?::(\d\d)(?::(\d\d))?)?)?/.exec(text);
  if (!match) return NaN;
  const [, y, m, d, hh, mm, ss] = match;
  const at = Date.UTC(+y, m - 1, +d, +(hh || 0), +(mm || 0), +(ss || 0));
  return late ? at + (ss ? 999 : mm ? 59999 : hh ? 3599999 : 86399999) : at;
};
const matching = (word) => {
  lower ||= texts.map((text) => text.toLowerCase());
  const found = new Uint8Array(texts.length);
  for (let place = 0; place < found.length; place++) if (lower[place].includes(word)) found[place] = 1;
  return found;
};
const filter = () => {
  const sets = q.value.toLowerCase().split(/\s+/).filter(Boolean).map(matching);
  const from = moment($("f-from").value, false), until = moment($("f-until").value, true);
  const one = $("f-device").value, of = $("f-source").value;
  const alerts = $("only-alerts").checked, ours = $("hide-ours").checked;
  const found = [];
  for (let place = 0; place < count; place++) {
    if (off.has(kind[place])) continue;
    if (one !== "" && device[place] !== +one) continue;
    if (of !== "" && source[place] !== +of) continue;
    if (only && node[place] !== only) continue;
    if (alerts && !(marks[place] & ALERT)) continue;
    if (ours && marks[place] & (DEFENDER | BULKHEAD)) continue;
    if (times[place] < from || times[place] > until) continue;
    if ((from === from || until === until) && times[place] !== times[place]) continue;
    let all = true;
    for (const set of sets) {
      if (!(set[what[place]] || set[detail[place]] || set[actor[place]] || set[action[place]] || set[account[place]] || set[hash[place]] || set[technique[place]])) { all = false; break; }
    }
    if (all) found.push(place);
  }
  shown = Int32Array.from(found);
  chosen = -1;
  $("count").textContent = shown.length ? said("counted", { shown: shown.length.toLocaleString(), total: count.toLocaleString() }) : said("rows.none");
  $("f-node").hidden = !only;
  rows.scrollTop = 0;
  draw();
};

// A search waits for the typing to end, but never until after the next key among the rows
let waits = 0;
const settle = () => { if (waits) { clearTimeout(waits); waits = 0; filter(); } };

// Only what can be seen is there
let height = 32;
const many = data.devices.length > 1;
const cell = (text, kinds) => make("span", text, kinds);
const rowOf = (index) => {
  const place = shown[index];
  const made = make("div", undefined, "row");
  const bits = marks[place], name = data.kinds[kind[place]];
  if (name === "response") made.classList.add("re");
  else if (name === "note") made.classList.add("no");
  else if (bits & ALERT) made.classList.add("al");
  if (bits & (DEFENDER | BULKHEAD)) made.classList.add("us");
  if (index === chosen) made.classList.add("on");
  made.id = "r" + index;
  made.setAttribute("role", "option");
  made.setAttribute("aria-selected", index === chosen);
  made.style.top = index * height + "px";
  made.append(cell(when(place), "st"));
  if (zone) made.append(cell(Number.isNaN(times[place]) ? "" : there(times[place]).slice(11, 19), "lz"));
  if (many) made.append(cell(data.devices[device[place]] || "", "dn"));
  made.append(cell(words["kind." + name] || name, "kd"), cell(texts[action[place]], "ac"), cell(texts[actor[place]], "ar"));
  const told = cell(undefined, "wh");
  if (bits & HIDDEN) told.append(make("b", "⚠ "));
  told.append(texts[what[place]]);
  if (detail[place]) told.append(" ", cell(texts[detail[place]]));
  made.append(told);
  return made;
};
const draw = () => {
  height = (matchMedia("(max-width:760px)").matches ? 3.7 : 2) * parseFloat(getComputedStyle(root).fontSize);
  space.style.height = Math.max(1, shown.length * height) + "px";
  const first = Math.max(0, Math.floor(rows.scrollTop / height) - 8);
  const end = Math.min(shown.length, first + Math.ceil(rows.clientHeight / height) + 16);
  const made = document.createDocumentFragment();
  for (let index = first; index < end; index++) made.append(rowOf(index));
  space.replaceChildren(made);
  if (chosen >= 0) rows.setAttribute("aria-activedescendant", "r" + chosen);
  else rows.removeAttribute("aria-activedescendant");
};
let asked = false;
const later = () => { if (!asked) { asked = true; requestAnimationFrame(() => { asked = false; draw(); }); } };
rows.addEventListener("scroll", later, { passive: true });
addEventListener("resize", later);

// One event whole
const fields = $("fields"), panel = $("detail");
const tell = (index) => {
  const place = shown[index];
  chosen = index;
  fields.replaceChildren();
  const add = (label, text) => { if (text) fields.append(make("dt", label), make("dd", text)); };
  const bits = marks[place], at = times[place];
  add(said("col.time"), when(place));
  if (at === at) add(said("col.local"), there(at));
  add(said("col.device"), data.devices[device[place]]);
  add(said("col.action"), texts[action[place]]);
  add(said("col.what"), texts[what[place]]);
  add(said("col.detail"), texts[detail[place]]);
  add(said("col.actor"), texts[actor[place]]);
  add(said("col.account"), texts[account[place]]);
  add(said("hash"), texts[hash[place]]);
  add(said("techniques"), texts[technique[place]]);
  const told = [bits & ALERT && "alerted", bits & DEFENDER && "collector.defender", bits & BULKHEAD && "collector.bulkhead", bits & HIDDEN && "hidden", bits & CLIPPED && "clipped"];
  add(said("marks"), told.filter(Boolean).map((key) => said(key)).join(", "));
  const from = data.sources[source[place]];
  add(said("col.source"), from && from + (line[place] ? ", " + said("line", { line: line[place] }) : ""));
  if (node[place]) {
    const link = make("a", said("tree.show"), "go");
    link.href = "#p" + node[place];
    fields.append(make("dt"), make("dd"));
    fields.lastChild.append(link);
  }
  panel.hidden = false;
  draw();
};
const unfold = () => {
  const at = document.getElementById(location.hash.slice(1));
  for (let up = at && at.parentElement; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
  if (at) at.scrollIntoView({ block: "center" });
};
addEventListener("hashchange", unfold);
space.addEventListener("click", (event) => {
  const row = event.target.closest(".row");
  if (row) tell(+row.id.slice(1));
});
const close = () => { panel.hidden = true; chosen = -1; draw(); rows.focus(); };
$("close").addEventListener("click", close);
rows.addEventListener("keydown", (event) => {
  settle();
  const page = Math.max(1, Math.floor(rows.clientHeight / height) - 1);
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -count, End: count };
  if (event.key === "Escape") { close(); return; }
  if (event.key === "Enter" && chosen < 0 && shown.length) { event.preventDefault(); tell(Math.floor(rows.scrollTop / height)); return; }
  if (!(event.key in steps) || !shown.length) return;
  event.preventDefault();
  const next = Math.min(shown.length - 1, Math.max(0, (chosen < 0 ? -1 : chosen) + steps[event.key]));
  const top = next * height;
  if (top < rows.scrollTop) rows.scrollTop = top;
  if (top + height > rows.scrollTop + rows.clientHeight) rows.scrollTop = top + height - rows.clientHeight;
  tell(next);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) { event.preventDefault(); q.focus(); }
});

// The controls
const options = (select, names, held) => {
  const present = new Set(held);
  names.forEach((name, place) => {
    if (!present.has(place)) return;
    const option = make("option", name);
    option.value = place;
    select.append(option);
  });
};
options($("f-device"), data.devices, device);
options($("f-source"), data.sources, source);
$("lab-device").hidden = !many;
const tally = new Map();
for (let place = 0; place < count; place++) tally.set(kind[place], (tally.get(kind[place]) || 0) + 1);
[...tally.keys()].sort((one, other) => one - other).forEach((number) => {
  const name = data.kinds[number];
  const chip = make("button", words["kind." + name] || name, "chip");
  chip.type = "button";
  chip.append(make("i", tally.get(number).toLocaleString()));
  chip.setAttribute("aria-pressed", "true");
  chip.addEventListener("click", () => {
    if (off.has(number)) off.delete(number); else off.add(number);
    chip.setAttribute("aria-pressed", String(!off.has(number)));
    filter();
  });
  $("kinds").append(chip);
});
for (const id of ["q", "f-from", "f-until"]) $(id).addEventListener("input", () => { clearTimeout(waits); waits = setTimeout(settle, 120); });
for (const id of ["f-device", "f-source", "only-alerts", "hide-ours"]) $(id).addEventListener("change", filter);
const choose = (number) => {
  only = number;
  if (number) $("f-node").textContent = said("node.filter", { name: document.querySelector(`#p${number} b`).textContent });
  filter();
};
$("f-node").addEventListener("click", () => choose(0));
$("clear").addEventListener("click", () => {
  for (const id of ["q", "f-from", "f-until", "f-device", "f-source"]) $(id).value = "";
  for (const id of ["only-alerts", "hide-ours"]) $(id).checked = false;
  off.clear();
  document.querySelectorAll("#kinds .chip").forEach((chip) => chip.setAttribute("aria-pressed", "true"));
  choose(0);
});
const has = new Set(node);
document.querySelectorAll("button.events").forEach((button) => {
  const number = +button.dataset.node;
  if (!has.has(number)) return;
  button.hidden = false;
  button.addEventListener("click", () => { choose(number); $("tl").scrollIntoView(); });
});

// Events over time
const bars = 120;
if (timed > 1) {
  let low = Infinity, high = -Infinity;
  for (const at of times) { if (at < low) low = at; if (at > high) high = at; }
  const width = Math.max(1, (high - low) / bars);
  const heap = new Int32Array(bars), red = new Uint8Array(bars);
  for (let place = 0; place < count; place++) {
    if (Number.isNaN(times[place])) continue;
    const bar = Math.min(bars - 1, Math.floor((times[place] - low) / width));
    heap[bar]++;
    if (marks[place] & ALERT) red[bar] = 1;
  }
  const most = Math.log(1 + Math.max(...heap));
  heap.forEach((number, bar) => {
    if (!number) return;
    const box = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const tall = Math.max(3, 46 * Math.log(1 + number) / most);
    for (const [name, value] of Object.entries({ x: bar * 5 + .5, y: 48 - tall, width: 4, height: tall })) box.setAttribute(name, value);
    if (red[bar]) box.setAttribute("class", "a");
    const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
    title.textContent = `${stamp(low + bar * width).slice(0, 16)} · ${number.toLocaleString()}`;
    box.append(title);
    box.addEventListener("click", () => {
      $("f-from").value = stamp(low + bar * width).slice(0, 19);
      $("f-until").value = stamp(low + (bar + 1) * width).slice(0, 19);
      filter();
    });
    $("histogram").append(box);
  });
}

// Paper
const MOST = 150;
addEventListener("beforeprint", () => {
  const body = document.createDocumentFragment();
  for (let index = 0; index < Math.min(MOST, shown.length); index++) {
    const place = shown[index], row = make("tr");
    row.append(make("td", when(place)), make("td", data.devices[device[place]] || ""), make("td", texts[action[place]]), make("td", `${texts[what[place]]} ${texts[detail[place]]}`.slice(0, 300)));
    body.append(row);
  }
  $("printed").tBodies[0].replaceChildren(body);
  const left = $("printed-left");
  left.hidden = shown.length <= MOST;
  left.textContent = said("more.printed", { count: (shown.length - MOST).toLocaleString() });
});

$("tl").hidden = false;
$("unscripted").hidden = true;
filter();
unfold();
})();
