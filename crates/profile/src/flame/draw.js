// Draws the visible boxes that are wide enough on a canvas. A canvas, not elements: a profile of
// 100,000 boxes is drawn in milliseconds. #detail has the same information for screen readers.

const ROW = 19, NARROW = 0.6;

class Graph {
  constructor(canvas, space, scroll) {
    Object.assign(this, { canvas, space, scroll, boxes: [], zoom: null, picked: null, hovered: null, matches: null });
    this.ink = canvas.getContext("2d");
    this.queued = false;
  }

  show(view) {
    this.view = view;
    this.zoom = view.root;
    this.picked = this.hovered = null;
    this.rows = 0;
    this.redraw();
  }

  redraw() {
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame(() => { this.queued = false; this.draw(); });
  }

  size(node) {
    return this.view.widths === "before" ? node.before : node.after;
  }

  children(node) {
    expand(this.view.profile, node, this.view.lines);
    if (!node.sorted) {
      node.children.sort((a, b) => Math.max(b.after, b.before) - Math.max(a.after, a.before) || a.key - b.key);
      node.sorted = true;
    }
    return node.children;
  }

  // Computes the position of every visible box and the maximum depth.
  layout(width) {
    const boxes = [], path = [];
    for (let node = this.zoom.parent; node; node = node.parent) path.unshift(node);
    for (const node of path) boxes.push({ node, x: 0, w: width, row: node.depth });
    let deepest = this.zoom.depth;
    const stack = [[this.zoom, 0, width]], total = this.size(this.zoom);
    while (stack.length) {
      const [node, x, w] = stack.pop();
      boxes.push({ node, x, w, row: node.depth });
      deepest = Math.max(deepest, node.depth);
      let at = x, rest = 0, small = 0;
      if (w < NARROW || !total) continue;
      for (const child of this.children(node)) {
        const size = this.size(child) / total * width;
        if (size >= NARROW) { stack.push([child, at, size]); at += size; } else if (size > 0) { rest += size; small++; }
      }
      if (rest >= NARROW) boxes.push({ node: null, small, x: at, w: rest, row: node.depth + 1 });
    }
    return { boxes, deepest };
  }

  draw() {
    const width = this.scroll.clientWidth, scale = devicePixelRatio || 1, { boxes, deepest } = this.layout(width);
    this.boxes = boxes;
    // The frame is as tall as its boxes, within the window. It grows and never shrinks, so that the
    // content below does not move.
    this.rows = Math.max(this.rows, deepest + 2);
    this.scroll.style.height = Math.min(this.rows * ROW, innerHeight * 0.7) + "px";
    const seen = this.scroll.clientHeight, tall = Math.max((deepest + 1) * ROW, seen);
    this.space.style.height = tall + "px";
    if (this.canvas.width !== Math.round(width * scale) || this.canvas.height !== Math.round(seen * scale)) {
      this.canvas.width = Math.round(width * scale);
      this.canvas.height = Math.round(seen * scale);
      this.canvas.style.height = seen + "px";
    }
    const top = this.scroll.scrollTop, ink = this.ink, style = getComputedStyle(document.documentElement);
    ink.setTransform(scale, 0, 0, scale, 0, 0);
    ink.clearRect(0, 0, width, seen);
    ink.font = "12px system-ui, sans-serif";
    ink.textBaseline = "middle";
    const dark = isDark(), text = style.getPropertyValue("--ink").trim();
    for (const b of boxes) {
      b.y = (this.view.flame ? tall - (b.row + 1) * ROW : b.row * ROW) - top;
      if (b.y > seen || b.y < -ROW) continue;
      const w = Math.max(b.w - (b.w > 3 ? 1 : 0), 0.5), matched = b.node && this.matches && b.node.key >= 0 && this.matches(b.node.key);
      ink.globalAlpha = b.node && this.passed(b.node) || this.matches && !matched ? 0.45 : 1;
      ink.fillStyle = b.node ? this.colour(b.node, dark) : dark ? "#33353c" : "#e4e4e8";
      ink.fillRect(b.x, b.y, w, ROW - 1);
      if (matched) {
        ink.fillStyle = style.getPropertyValue("--mark").trim();
        ink.fillRect(b.x, b.y + ROW - 4, w, 3);
      }
      if (b.node && b.w > 26) this.label(b, text);
      ink.globalAlpha = 1;
      if (b.node && (b.node === this.picked || b.node === this.hovered)) {
        ink.strokeStyle = text;
        ink.lineWidth = b.node === this.picked ? 2 : 1;
        ink.strokeRect(b.x + 1, b.y + 1, Math.max(w - 2, 1), ROW - 3);
      }
    }
    this.canvas.dataset.boxes = boxes.length;
  }

  // Whether the box is an ancestor of the zoomed box.
  passed(node) {
    return node.depth < this.zoom.depth;
  }

  label(b, text) {
    const ink = this.ink, x = Math.max(b.x, 0) + 4, available = b.w - 8;
    let name = this.view.describe(b.node.key).name;
    const full = ink.measureText(name).width;
    if (full > available) {
      let fits = Math.floor(name.length * available / full);
      while (fits > 0 && ink.measureText(name.slice(0, fits) + "…").width > available) fits--;
      if (fits < 2) return;
      name = name.slice(0, fits) + "…";
    }
    ink.fillStyle = text;
    ink.fillText(name, x, b.y + ROW / 2);
  }

  colour(node, dark) {
    const { differs, profile } = this.view, l = dark ? 30 : 78;
    if (differs) {
      const whole = Math.max(profile.total, 1), change = (node.after - node.before) / whole, own = Math.max(node.after, node.before) / whole;
      if (!own || Math.abs(change) < 0.0005) return `hsl(220 4% ${dark ? 27 : 87}%)`;
      // The share of change within the box, so that it is visible in small boxes too.
      const strength = Math.min(1, 0.2 + 0.8 * Math.abs(change) / own);
      return `hsl(${change > 0 ? 4 : 214} ${30 + 45 * strength}% ${dark ? 25 + 14 * strength : 88 - 22 * strength}%)`;
    }
    const { kind, hue } = this.view.describe(node.key);
    const fixed = { all: [220, 5], wait1: [2, 72], wait2: [28, 85], wait3: [282, 45], wait4: [208, 22], wait5: [140, 35], wait6: [45, 30], gc: [282, 45], native: [170, 25], task: [235, 45], type: [200, 45], note: [220, 3] }[kind];
    if (fixed) return `hsl(${fixed[0]} ${fixed[1]}% ${l}%)`;
    let hash = 7;
    for (const c of hue) hash = (hash * 31 + c.charCodeAt(0)) >>> 0;
    return `hsl(${38 + hash % 34} ${dark ? 42 : 68}% ${l - 3 + (node.key * 7 + node.depth) % 6}%)`;
  }

  at(x, y) {
    return this.boxes.find(b => b.node && x >= b.x && x < b.x + Math.max(b.w, 1) && y >= b.y && y < b.y + ROW)?.node || null;
  }

  zoomTo(node) {
    this.zoom = node;
    this.picked = node;
    this.scroll.scrollTop = this.view.flame ? this.scroll.scrollHeight : 0;
    this.redraw();
  }

  // Moves the selection to the caller, the widest callee, or a neighbour.
  move(to) {
    const from = this.picked || this.zoom;
    let next = null;
    if (!this.picked) next = from;
    else if (to === "in") next = this.children(from).find(c => this.size(c) > 0);
    else if (to === "out") next = from.parent;
    else if (from.parent) {
      const row = this.children(from.parent).filter(c => this.size(c) > 0);
      next = row[row.indexOf(from) + (to === "next" ? 1 : -1)];
    }
    if (!next) return;
    this.picked = next;
    if (next.depth < this.zoom.depth) this.zoom = next;
    const y = this.view.flame ? this.space.clientHeight - (next.depth + 1) * ROW : next.depth * ROW;
    if (y < this.scroll.scrollTop) this.scroll.scrollTop = y;
    if (y + ROW > this.scroll.scrollTop + this.scroll.clientHeight) this.scroll.scrollTop = y + ROW - this.scroll.clientHeight;
    this.redraw();
  }
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}
