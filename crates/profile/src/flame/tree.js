// The profile, and the trees built from it. A tree is rebuilt for each selection of activity,
// thread and lock. Callers are expanded lazily, when a box is drawn.

const ACTIVITIES = ["running", "waiting for a lock", "waiting for the GIL", "suspended (stop-the-world)", "in a system call or idle", "live", "freed"];
const KINDS = ["python", "native", "gc", "task", "type", "note"];
const LOCK = 1;

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text.trim()), c => c.charCodeAt(0));
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(plain).text());
}

class Profile {
  constructor(data) {
    Object.assign(this, data);
    this.differs = !!this.before;
    // Keys of boxes: functions, then their lines (frames), then what was waited for.
    this.firstFrame = this.functions.length;
    this.firstWait = this.firstFrame + this.frames.function.length;
    this.total = sum(this.after.weight);
    // Both profiles are scaled to the same duration.
    this.scale = this.differs && sum(this.before.weight) ? this.total / sum(this.before.weight) : 1;
  }

  place(frame) {
    const f = this.functions[this.frames.function[frame]], line = this.frames.line[frame];
    const file = f[1].split("/").pop();
    return file && line ? `${file}:${line}` : file;
  }

  // Name, details and colour of a box.
  describe(key) {
    if (key < 0) return { name: "all", more: "", kind: "all", hue: "" };
    if (key >= this.firstWait) {
      const wait = key - this.firstWait, activity = wait % ACTIVITIES.length, lock = Math.floor(wait / ACTIVITIES.length) - 1;
      const name = activity === LOCK && lock >= 0 ? `waiting for ${this.locks[lock]}` : ACTIVITIES[activity];
      return { name, more: "", kind: "wait" + activity, hue: "" };
    }
    const frame = key >= this.firstFrame ? key - this.firstFrame : -1;
    const f = this.functions[frame < 0 ? key : this.frames.function[frame]];
    const line = frame < 0 ? f[2] : this.frames.line[frame];
    const name = frame >= 0 && line ? `${f[0]}:${line}` : f[0];
    return { name, more: f[1] && line ? `${f[1]}:${line}` : f[1], kind: KINDS[f[3]], hue: f[1] };
  }

  waitKey(activity, lock) {
    return activity === 0 ? -1 : this.firstWait + (activity === LOCK ? lock + 1 : 0) * ACTIVITIES.length + activity;
  }

  frameKey(frame, lines) {
    return lines ? this.firstFrame + frame : this.frames.function[frame];
  }
}

function sum(numbers) {
  return numbers.reduce((a, b) => a + b, 0);
}

// Returns a predicate for the selected rows.
function wanted(rows, choice) {
  return i => (choice.activity === "all" || choice.activity === String(rows.activity[i])) && (choice.thread < 0 || choice.thread === rows.thread[i]) && (choice.lock < 0 || choice.lock === rows.lock[i]);
}

function box(key, parent) {
  return { key, parent, depth: parent ? parent.depth + 1 : 0, after: 0, before: 0, samples: 0, self: 0, children: [], index: null, entries: null, sorted: false };
}

// Returns the child with that key, and creates it if necessary. Only boxes with many children have
// an index.
function grow(parent, key) {
  const children = parent.children;
  let child = parent.index ? parent.index.get(key) : children.find(c => c.key === key);
  if (!child) {
    child = box(key, parent);
    children.push(child);
    if (parent.index) parent.index.set(key, child);
    else if (children.length > 12) parent.index = new Map(children.map(c => [c.key, c]));
  }
  return child;
}

// Rows of both profiles, as [stack, key of what was waited for, after, before, samples].
function entries(profile, choice) {
  const found = new Map();
  const add = (rows, side) => {
    const want = wanted(rows, choice);
    for (let i = 0; i < rows.stack.length; i++) {
      if (!want(i)) continue;
      const wait = profile.waitKey(rows.activity[i], rows.lock[i]), id = rows.stack[i] * (profile.firstWait + (profile.locks.length + 2) * 8) + wait + 1;
      let entry = found.get(id);
      if (!entry) found.set(id, entry = [rows.stack[i], wait, 0, 0, 0]);
      entry[side] += side === 2 ? rows.weight[i] : rows.weight[i] * profile.scale;
      if (side === 2) entry[4] += rows.samples[i];
    }
  };
  add(profile.after, 2);
  if (profile.before) add(profile.before, 3);
  return [...found.values()];
}

// Builds the tree of callees, root first.
function topDown(profile, list, lines) {
  const { parent, frame } = profile.stacks, root = box(-1, null), used = new Uint8Array(parent.length), nodes = new Array(parent.length);
  for (const entry of list) used[entry[0]] = 1;
  for (let s = parent.length - 1; s > 0; s--) if (used[s]) used[parent[s]] = 1;
  nodes[0] = root;
  const all = [root];
  const step = (node, key) => {
    const before = node.children.length, child = grow(node, key);
    if (node.children.length > before) all.push(child);
    return child;
  };
  for (let s = 1; s < parent.length; s++) if (used[s]) nodes[s] = step(nodes[parent[s]], profile.frameKey(frame[s], lines));
  for (const [stack, wait, after, before, samples] of list) {
    const node = wait < 0 ? nodes[stack] : step(nodes[stack], wait);
    node.after += after; node.before += before; node.samples += samples; node.self += after;
  }
  for (let i = all.length - 1; i > 0; i--) {
    const node = all[i];
    node.parent.after += node.after; node.parent.before += node.before; node.parent.samples += node.samples;
  }
  return { root, count: all.length };
}

// Builds the tree of callers, leaf first; expand() adds the callers.
function bottomUp(profile, list) {
  const root = box(-1, null);
  root.entries = list.map(e => [e[0], e[1], e[2], e[3], e[4]]);
  for (const e of list) { root.after += e[2]; root.before += e[3]; root.samples += e[4]; }
  return { root, count: list.length };
}

function expand(profile, node, lines) {
  if (!node.entries) return;
  const { parent, frame } = profile.stacks;
  for (const [stack, wait, after, before, samples] of node.entries) {
    if (stack === 0 && wait < 0) continue;
    const key = wait >= 0 ? wait : profile.frameKey(frame[stack], lines), child = grow(node, key);
    (child.entries ||= []).push([wait >= 0 ? stack : parent[stack], -1, after, before, samples]);
    child.after += after; child.before += before; child.samples += samples;
  }
  if (node.depth === 0) for (const child of node.children) child.self = child.after;
  node.entries = null;
}
