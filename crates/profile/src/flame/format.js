// Formats numbers and tables.

function amount(value, unit) {
  const steps = unit === "bytes" ? [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [1024, "KiB"], [1, "B"]] : [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]];
  const [by, name] = steps.find(([by]) => Math.abs(value) >= by) || steps[steps.length - 1];
  const n = value / by;
  return `${by === 1 ? Math.round(n) : n >= 100 ? n.toFixed(0) : n >= 10 ? n.toFixed(1) : n.toFixed(2)} ${name}`;
}

function percent(part, whole) {
  return whole ? `${(100 * part / whole).toFixed(Math.abs(part / whole) < 0.0995 ? 2 : 1)} %` : "–";
}

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// Builds a table. A cell is text, {n: text} for a number, or {pick: text, by: function} for a
// button.
function table(title, heads, rows) {
  const made = element("table"), head = element("tr"), wrap = element("div", undefined, { class: "table" });
  for (const h of heads) head.append(element("th", h.n ?? h, { scope: "col", ...(h.n ? { class: "n" } : {}) }));
  made.append(head);
  for (const row of rows) {
    const line = element("tr");
    for (const cell of row) {
      const td = element("td", cell.pick === undefined ? cell.n ?? cell : undefined, cell.n === undefined ? {} : { class: "n" });
      if (cell.pick !== undefined) {
        const button = element("button", cell.pick, { title: "Show this alone" });
        button.addEventListener("click", cell.by);
        td.append(button);
      }
      line.append(td);
    }
    made.append(line);
  }
  wrap.append(made);
  return [element("h2", title), wrap];
}

function label(profile, frame) {
  const name = profile.functions[profile.frames.function[frame]][0], place = profile.place(frame);
  return place ? `${name} (${place})` : name;
}

function most(map) {
  return [...map].sort((a, b) => b[1] - a[1])[0]?.[0];
}

// The table of waiting by lock: total, threads, the line with most waiting, and where the lock is
// held.
function lockTable(profile, pick) {
  const rows = profile.after, locks = new Map();
  for (let i = 0; i < rows.stack.length; i++) {
    if (rows.activity[i] !== LOCK || rows.lock[i] < 0) continue;
    const id = rows.lock[i];
    if (!locks.has(id)) locks.set(id, { weight: 0, threads: new Set(), lines: new Map(), holders: new Map() });
    const lock = locks.get(id), weight = rows.weight[i];
    lock.weight += weight;
    lock.threads.add(rows.thread[i]);
    const count = (map, frame) => map.set(frame, (map.get(frame) || 0) + weight);
    if (rows.stack[i]) count(lock.lines, profile.stacks.frame[rows.stack[i]]);
    if (rows.holder[i] >= 0) count(lock.holders, rows.holder[i]);
  }
  if (!locks.size) return [];
  const where = frame => frame === undefined ? "unknown" : label(profile, frame);
  const list = [...locks].sort((a, b) => b[1].weight - a[1].weight).slice(0, 50);
  return table("Waiting by lock", ["Lock", { n: "Waited" }, { n: "Share" }, { n: "Threads" }, "Waited for most at", "Held most often at"], list.map(([id, l]) => [
    { pick: profile.locks[id], by: () => pick(id) }, { n: amount(l.weight, profile.unit) }, { n: percent(l.weight, profile.total) }, { n: String(l.threads.size) }, where(most(l.lines)), where(most(l.holders)),
  ]));
}

// The table of each line's own running time, or of its change.
function lineTable(profile, search) {
  const lines = new Map();
  const add = (rows, side, scale) => {
    for (let i = 0; i < rows.stack.length; i++) {
      if (!rows.stack[i] || rows.activity[i] !== 0 && profile.unit !== "bytes") continue;
      let s = rows.stack[i];
      // The leaf of an allocation is a type, not a line.
      if (profile.unit === "bytes" && KINDS[profile.functions[profile.frames.function[profile.stacks.frame[s]]][3]] === "type") s = profile.stacks.parent[s] || s;
      const frame = profile.stacks.frame[s], line = lines.get(frame) || [0, 0];
      line[side] += rows.weight[i] * scale;
      lines.set(frame, line);
    }
  };
  add(profile.after, 0, 1);
  if (profile.before) add(profile.before, 1, profile.scale);
  const by = profile.differs ? ([, [a, b]]) => Math.abs(a - b) : ([, [a]]) => a;
  const list = [...lines].sort((a, b) => by(b) - by(a)).slice(0, 20);
  if (!list.length) return [];
  const name = frame => ({ pick: label(profile, frame), by: () => search(profile.functions[profile.frames.function[frame]][0]) });
  if (profile.differs) return table("Largest changes by line", ["Line", { n: "Before" }, { n: "After" }, { n: "Change in share" }], list.map(([frame, [a, b]]) => [name(frame), { n: amount(b, profile.unit) }, { n: amount(a, profile.unit) }, { n: signed(a - b, profile.total) }]));
  return table(profile.unit === "bytes" ? "Most allocated by line" : "Hottest lines", ["Line", { n: "Self" }, { n: "Share" }], list.map(([frame, [a]]) => [name(frame), { n: amount(a, profile.unit) }, { n: percent(a, profile.total) }]));
}

function signed(part, whole) {
  return (part >= 0 ? "+" : "−") + percent(Math.abs(part), whole);
}
