// The page: selections, search, keys, and the description of a box.

const $ = id => document.getElementById(id);

async function main() {
  const profile = new Profile(await unpack($("data").textContent));
  const choice = { activity: "all", thread: -1, lock: -1 }, view = { profile, differs: profile.differs, lines: false, flame: false, inverted: false, widths: "after", describe: key => profile.describe(key) };
  const graph = new Graph($("graph"), $("space"), $("scroll"));
  let pattern = null;

  $("title").textContent = profile.title;
  $("about").textContent = profile.about;
  $("findings").append(...profile.findings.map(f => element("li", f)));
  $("notes").textContent = profile.notes.join(" · ");
  $("widths").hidden = !profile.differs;
  const fill = (id, all) => $(id).append(...all.map(([value, text]) => element("option", text, { value })));
  const total = (rows, by) => { const t = new Map(); rows[by].forEach((v, i) => t.set(v, (t.get(v) || 0) + rows.weight[i])); return t; };
  const activities = total(profile.after, "activity");
  fill("activity", [["all", "everything"], ...ACTIVITIES.map((a, i) => [i, `${a} (${percent(activities.get(i) || 0, profile.total)})`]).filter(([i]) => activities.has(i))]);
  const threads = total(profile.after, "thread");
  fill("thread", [[-1, `all ${threads.size}`], ...[...threads].sort((a, b) => b[1] - a[1]).map(([t]) => [t, profile.threads[t]])]);
  const locks = total(profile.after, "lock");
  locks.delete(-1);
  fill("lock", [[-1, "all"], ...[...locks].sort((a, b) => b[1] - a[1]).map(([l]) => [l, profile.locks[l]])]);
  $("lock-label").hidden = !locks.size;

  function rebuild() {
    const list = entries(profile, choice), tree = view.inverted ? bottomUp(profile, list) : topDown(profile, list, view.lines);
    view.root = tree.root;
    $("graph").dataset.count = tree.count;
    graph.show(view);
    find();
    say(null);
  }

  function describe(node) {
    const { name, more } = profile.describe(node.key), whole = graph.view.root.after, parts = [];
    parts.push(`${amount(node.after, profile.unit)}, ${percent(node.after, whole)} of what is shown`, `${node.samples} ${node.samples === 1 ? "sample" : "samples"}`);
    if (node.self && node.key >= 0 && node.key < profile.firstWait) parts.push(`${amount(node.self, profile.unit)} itself`);
    if (profile.differs) parts.push(`before ${amount(node.before, profile.unit)}, ${signed(node.after - node.before, profile.total)}`);
    return { name, more, parts };
  }

  function say(node) {
    const to = $("detail");
    to.textContent = "";
    if (!node) return void (to.textContent = `${amount(view.root.after, profile.unit)} of ${profile.what}, ${view.root.samples} samples`);
    const { name, more, parts } = describe(node);
    to.append(element("b", name), ` ${more ? more + " · " : ""}${parts.join(" · ")}`);
  }

  function tip(node, x, y) {
    const to = $("tip");
    to.hidden = !node;
    if (!node) return;
    const { name, more, parts } = describe(node);
    to.replaceChildren(element("b", name), ...[more, ...parts].filter(Boolean).map(p => element("span", p)));
    const box = to.getBoundingClientRect();
    to.style.left = Math.max(4, Math.min(x + 14, innerWidth - box.width - 4)) + "px";
    to.style.top = (y + 18 + box.height > innerHeight ? Math.max(4, y - box.height - 10) : y + 18) + "px";
  }

  // Marks matching boxes, and shows the share that passes through them.
  function find() {
    const text = $("search").value;
    $("search").setCustomValidity("");
    pattern = null;
    if (text) {
      const regex = /^\/(.+)\/?$/.exec(text.replace(/\/$/, ""));
      try {
        pattern = regex ? new RegExp(regex[1], "i") : { test: s => s.toLowerCase().includes(text.toLowerCase()) };
      } catch (error) {
        $("matched").textContent = "not a regular expression";
        graph.matches = null;
        return graph.redraw();
      }
    }
    if (!pattern) {
      graph.matches = null;
      $("matched").textContent = "";
      return graph.redraw();
    }
    const known = new Map();
    const test = key => {
      if (!known.has(key)) { const { name, more } = profile.describe(key); known.set(key, pattern.test(name) || pattern.test(more)); }
      return known.get(key);
    };
    graph.matches = test;
    const { parent, frame } = profile.stacks, through = new Uint8Array(parent.length);
    for (let s = 1; s < parent.length; s++) through[s] = through[parent[s]] || test(profile.frameKey(frame[s], view.lines)) ? 1 : 0;
    let matched = 0;
    for (const [stack, wait, after] of entries(profile, choice)) if (through[stack] || wait >= 0 && test(wait)) matched += after;
    $("matched").textContent = `${percent(matched, view.root.after)} matched (${amount(matched, profile.unit)})`;
    graph.redraw();
  }

  function toggle(id, change) {
    $(id).addEventListener("click", () => {
      const on = $(id).getAttribute("aria-pressed") !== "true";
      $(id).setAttribute("aria-pressed", on);
      change(on);
    });
  }

  const choose = (id, how) => $(id).addEventListener("change", () => { choice[id] = how($(id).value); rebuild(); });
  choose("activity", String);
  choose("thread", Number);
  choose("lock", Number);
  const pick = lock => { $("lock").value = choice.lock = lock; rebuild(); $("scroll").scrollIntoView({ block: "center" }); };
  const search = text => { $("search").value = text; find(); $("scroll").scrollIntoView({ block: "center" }); };
  $("tables").append(...lockTable(profile, pick), ...lineTable(profile, search));
  $("search").addEventListener("input", find);
  toggle("invert", on => { view.inverted = on; rebuild(); });
  toggle("lines", on => { view.lines = on; rebuild(); });
  toggle("widths", on => { view.widths = on ? "before" : "after"; rebuild(); });
  toggle("flip", on => { view.flame = on; graph.draw(); $("scroll").scrollTop = on ? $("scroll").scrollHeight : 0; graph.redraw(); });
  $("theme").addEventListener("click", () => { document.documentElement.dataset.theme = isDark() ? "light" : "dark"; graph.redraw(); });
  const reset = () => { graph.picked = null; graph.zoom = view.root; say(null); graph.redraw(); };
  $("reset").addEventListener("click", reset);

  const canvas = $("graph"), under = event => { const at = canvas.getBoundingClientRect(); return graph.at(event.clientX - at.left, event.clientY - at.top); };
  const hover = (node, event) => { if (node !== graph.hovered) { graph.hovered = node; graph.redraw(); } tip(node, event.clientX, event.clientY); };
  canvas.addEventListener("pointermove", event => { if (event.pointerType === "mouse") hover(under(event), event); });
  canvas.addEventListener("pointerleave", event => hover(null, event));
  canvas.addEventListener("click", event => {
    const node = under(event);
    if (!node) return;
    // Touch has no hover: the first tap describes the box, the second zooms.
    if (event.pointerType === "mouse" || graph.picked === node) graph.zoomTo(node);
    graph.picked = node;
    say(node);
    graph.redraw();
  });
  $("scroll").addEventListener("scroll", () => graph.redraw());
  new ResizeObserver(() => graph.redraw()).observe($("scroll"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => graph.redraw());

  const moves = () => view.flame ? { ArrowUp: "in", ArrowDown: "out" } : { ArrowDown: "in", ArrowUp: "out" };
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "Escape") {
      if ($("search").value) { $("search").value = ""; find(); } else reset();
      return canvas.focus();
    }
    if (typing) { if (event.key === "Enter") canvas.focus(); return; }
    const move = { ...moves(), ArrowLeft: "previous", ArrowRight: "next" }[event.key], press = { i: "invert", l: "lines", f: "flip", t: "theme", b: "widths" }[event.key];
    if (event.key === "/") { $("search").focus(); $("search").select(); }
    else if (move && (event.target === canvas || event.target === document.body)) { graph.move(move); say(graph.picked); }
    else if (event.key === "Enter" && event.target === canvas && graph.picked) { graph.zoomTo(graph.picked); say(graph.picked); }
    else if (event.key === "Backspace") { graph.zoomTo(graph.zoom.parent || graph.zoom); say(graph.zoom); }
    else if (press && !$(press).hidden) $(press).click();
    else return;
    event.preventDefault();
  });

  rebuild();
  // For tests: the graph as it is drawn.
  window.ungil = { profile, graph, choice, view };
  document.documentElement.dataset.ready = "yes";
}

main().catch(error => { $("detail").textContent = `The profile in this page cannot be shown: ${error.message}`; throw error; });
