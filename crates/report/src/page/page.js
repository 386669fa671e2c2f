"use strict";
// Sorts and filters the table of runs, saves records, and inserts details when they are opened.
(async () => {
  const at = (id) => document.getElementById(id);
  const data = JSON.parse(at("data").textContent);
  const unpack = async (id) => {
    const text = at(id).textContent;
    if (!text) return null;
    const bytes = Uint8Array.fromBase64?.(text) ?? Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };

  // Details. Their content was escaped when the page was generated.
  const closed = [...document.querySelectorAll("details.record")];
  let inner = null;
  const fill = async (details) => {
    const place = details.querySelector(".inner");
    if (place.childElementCount > 1 || !at("details").textContent) return;
    inner ??= unpack("details").then((bytes) => JSON.parse(new TextDecoder().decode(bytes)));
    place.innerHTML = (await inner)[closed.indexOf(details)];
  };
  for (const details of closed) details.addEventListener("toggle", () => details.open && fill(details));
  if (at("details").textContent) inner = unpack("details").then((bytes) => JSON.parse(new TextDecoder().decode(bytes)));
  const wanted = location.hash && document.querySelector(`details${CSS.escape(location.hash).replace("\\#", "#")}`);
  if (wanted) wanted.open = true;
  const texts = await inner;
  addEventListener("beforeprint", () => {
    closed.forEach((details, i) => {
      if (texts && details.querySelector(".inner").childElementCount < 2) details.querySelector(".inner").innerHTML = texts[i];
      details.open = true;
    });
  });

  // Records.
  const all = await unpack("packed");
  const files = [];
  let from = 0;
  for (const record of data.records) {
    files.push(all.subarray(from, from + record.bytes));
    from += record.bytes;
  }
  data.records.forEach((record, i) => {
    const item = document.createElement("li");
    if (record.given) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "take";
      button.textContent = `Save ${record.file}`;
      button.addEventListener("click", () => {
        const link = document.createElement("a");
        link.href = URL.createObjectURL(new Blob([files[i]], { type: "application/jsonl" }));
        link.download = record.file;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      });
      item.append(button, ` ${record.bytes.toLocaleString("en")} bytes`);
    } else {
      item.textContent = `${record.file}: ${record.length.toLocaleString("en")} bytes`;
    }
    at("files").append(item);
  });

  // Runs.
  const runs = [];
  data.records.forEach((record, i) => {
    for (const line of new TextDecoder().decode(files[i]).split("\n")) {
      if (!line.includes('"type":"run"')) continue;
      let run;
      try { run = JSON.parse(line); } catch { continue; } // a line that is cut off
      if (run.type === "run") runs.push({ record: record.name, ...run });
    }
  });
  const outcome = (run) => ({ ok: "ok", exited: `exit code ${run.outcome.code}`, signaled: `signal ${run.outcome.signal}`, timed_out: "timed out" })[run.outcome.kind] ?? `not counted: ${run.outcome.why}`;
  const digits = (v) => Number.isInteger(v) ? String(v) : v.toFixed(Math.abs(v) >= 99.95 ? 0 : Math.abs(v) >= 9.995 ? 1 : 2);
  const units = { s: [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]], J: [[1e3, "kJ"], [1, "J"], [1e-3, "mJ"]], B: [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [1024, "KiB"], [1, "B"]], "%": [[0.01, "%"]] };
  const show = (v, unit) => {
    if (v === undefined) return "";
    if (!units[unit]) return Math.abs(v) >= 1e6 ? digits(v / 1e6) + " M" : Math.abs(v) >= 1e4 ? digits(v / 1e3) + " k" : digits(v) + unit;
    const [size, name] = units[unit].find(([size]) => Math.abs(v) >= size) ?? units[unit].at(-1);
    return `${digits(v / size)} ${name}`;
  };
  const keys = new Set(runs.flatMap((run) => Object.keys(run.metrics)));
  const known = new Set(data.columns.map(([key]) => key));
  const load = /throughput|latency|request|failed/;
  const shown = ["wall_s", "cpu_s", "busy_cores", "rss_peak_bytes", "pss_peak_bytes", "lock_wait_s", "gil_wait_s", "gc_s", "energy_j", "startup_s", "voluntary_switches"];
  const metrics = data.columns.filter(([key]) => (shown.includes(key) || load.test(key)) && keys.has(key));
  for (const key of [...keys].filter((key) => !known.has(key)).slice(0, 8)) metrics.push([key, key, ""]);
  const columns = [
    ...(data.records.length > 1 ? [{ title: "workload", text: (r) => r.record, value: (r) => r.record }] : []),
    { title: "arm", text: (r) => r.arm, value: (r) => r.arm },
    { title: "block", number: true, text: (r) => r.block === 0 ? "warm-up" : String(r.block), value: (r) => r.block },
    { title: "order", number: true, text: (r) => String(r.order + 1), value: (r) => r.order },
    { title: "outcome", text: outcome, value: outcome },
    ...metrics.map(([key, title, unit]) => ({ title, number: true, text: (r) => show(r.metrics[key], unit), value: (r) => r.metrics[key] ?? -Infinity })),
    { title: "hazards", wide: true, text: (r) => [...new Set((r.hazards ?? []).map((h) => h.kind))].join(", "), value: (r) => (r.hazards ?? []).length },
  ];
  // A number in the filter matches a whole block number or exit code: "3" does not match "3.14".
  const named = runs.map((r) => ` ${r.record} ${r.arm} block ${r.block} ${r.block === 0 ? "warm-up" : ""} ${outcome(r)} ${r.outcome.kind === "ok" ? "" : "failed"} `.toLowerCase());
  const searchTexts = runs.map((r, i) => named[i] + (r.hazards ?? []).map((h) => `${h.kind} ${h.says}`).join(" ").toLowerCase());
  const table = at("run-table");
  const head = table.tHead.insertRow();
  let order = null, limit = 200;
  columns.forEach((column, i) => {
    const cell = document.createElement("th");
    cell.scope = "col";
    if (column.number) cell.className = "n";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = column.title;
    button.addEventListener("click", () => {
      const down = order && order.column === i && order.sign === 1;
      order = { column: i, sign: down ? -1 : 1 };
      for (const other of head.cells) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      draw();
    });
    cell.append(button);
    head.append(cell);
  });
  const names = new Intl.Collator("en", { numeric: true });
  const draw = () => {
    const wanted = at("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const some = runs.map((_, i) => i).filter((i) => wanted.every((word) => /^\d+$/.test(word) ? named[i].includes(` ${word} `) : searchTexts[i].includes(word)));
    if (order) {
      const { value } = columns[order.column];
      const compare = (a, b) => typeof a === "string" ? names.compare(a, b) : a < b ? -1 : a > b ? 1 : 0;
      some.sort((a, b) => order.sign * compare(value(runs[a]), value(runs[b])));
    }
    const rows = some.slice(0, limit).map((i) => {
      const row = document.createElement("tr");
      if (runs[i].outcome.kind !== "ok") row.className = "off";
      for (const column of columns) {
        const cell = row.insertCell();
        if (column.number || column.wide) cell.className = column.wide ? "w" : "n";
        cell.textContent = column.text(runs[i]);
      }
      return row;
    });
    table.tBodies[0].replaceChildren(...rows);
    const [n, seen] = [some.length, rows.length];
    at("count").textContent = `${n} of ${runs.length} runs${seen < n ? `, the first ${seen} shown` : ""}`;
    at("more").hidden = seen === n;
    at("more").textContent = `Show all ${n}`;
  };
  at("filter").addEventListener("input", draw);
  at("filter").form.addEventListener("submit", (event) => event.preventDefault());
  at("more").addEventListener("click", () => { limit = Infinity; draw(); });
  draw();
  document.documentElement.dataset.ready = "yes";
})();
