//! Tests the layout of the page of `ungil report` in a real browser: what comes first, and that
//! nothing is cut off.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

mod reports;

use reports::{READY, names, record, report};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use ungil_tests::{BrowserPage, TestDir};

/// Returns a copy of a record with another workload and changed runs. It has no comparison, so that
/// the report computes it from the runs.
fn with_workload(record: &str, workload: Value, change: &dyn Fn(&mut Value)) -> String {
    let mut lines = String::new();
    for line in record.lines() {
        let mut line: Value = serde_json::from_str(line).unwrap();
        match line["type"].as_str().unwrap() {
            "experiment" => line["workload"] = workload.clone(),
            "comparison" => continue,
            "run" => change(&mut line),
            _ => {}
        }
        lines.push_str(&format!("{line}\n"));
    }
    lines
}

/// Creates a folder of two records whose files have long names.
fn folder(dir: &TestDir, text: &str) -> PathBuf {
    fs::create_dir(dir.join("two")).unwrap();
    for (file, script) in [
        ("2026-11-22T214310Z-orders_of_a_whole_year-4635", "orders_of_a_whole_year.py"),
        ("2026-11-22T214333Z-shared_list-4801", "shared_list.py"),
    ] {
        let workload = json!({"kind": "script", "path": format!("/home/me/{script}"), "args": []});
        dir.write(&format!("two/{file}.jsonl"), with_workload(text, workload, &|_| {}));
    }
    report(dir, &["two"])
}

/// Makes a record of a service of which a tenth of the requests fail without the GIL.
fn service(dir: &TestDir) -> PathBuf {
    let text = fs::read_to_string(record(dir, "r.jsonl")).unwrap();
    let workload =
        json!({"kind": "serve", "command": "{python} -m shop {port}", "load": "wrk {url}"});
    let change = |run: &mut Value| {
        let free = run["arm"].as_str().unwrap().starts_with("3.14t");
        let mut add = |key: &str, value: f64| run["metrics"][key] = json!(value);
        add("throughput_per_s", if free { 1500.0 } else { 1000.0 });
        add("latency_p50_s", 0.0021);
        add("latency_p90_s", 0.0153);
        add("latency_p99_s", if free { 0.125 } else { 0.0777 });
        add("latency_mean_s", 0.0042);
        if free {
            add("failed_requests", 150.0);
        }
    };
    dir.write("service.jsonl", with_workload(&text, workload, &change));
    dir.join("service.jsonl")
}

/// Lists the tables that are wider than their box, by the label of the box.
const CUT_OFF_TABLES: &str = "[...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth).map(box => `${box.getAttribute('aria-label')}: ${box.scrollWidth} of ${box.clientWidth}`)";

/// Smallest share of the available width that a drawing fills beside or above its table.
const MIN_FILLED_SHARE: &str = "Math.min(...[...document.querySelectorAll('figure')].filter(f => f.querySelector('.drawing')).map(f => { \
    const drawing = f.querySelector('.drawing').getBoundingClientRect(), table = f.querySelector('.scroll')?.getBoundingClientRect(); \
    const beside = table && table.top < drawing.bottom && table.left > drawing.left; \
    return f.querySelector('svg').getBoundingClientRect().width / ((beside ? table.left : innerWidth) - drawing.left); }))";

/// Checks that `first` comes before `second` on the page.
#[track_caller]
fn assert_order(page: &mut BrowserPage, first: &str, second: &str) {
    let script = format!(
        "(() => {{ const [a, b] = [{}, {}].map(s => document.querySelector(s)); \
         return !!(a && b && a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING); }})()",
        json!(first),
        json!(second)
    );
    assert_eq!(page.evaluate(&script), true, "{first} before {second}");
}

#[test]
fn tables_charts_and_names_of_several_records_fit() {
    let dir = TestDir::new();
    let text = fs::read_to_string(record(&dir, "r.jsonl")).unwrap();
    let file = folder(&dir, &text);
    let mut page = BrowserPage::open(&file, 1400, "light", READY);
    assert_eq!(page.evaluate(CUT_OFF_TABLES), json!([]));
    let filled = page.evaluate(MIN_FILLED_SHARE).as_f64().unwrap();
    assert!(filled > 0.9, "a chart fills {filled} of the available width");
    for width in [1400, 800, 400] {
        let mut page = BrowserPage::open(&file, width, "dark", READY);
        let labels = page.evaluate(
            "[...document.querySelectorAll('[data-chart=overview] svg text')].map(t => t.firstChild.data)",
        );
        for workload in ["orders_of_a_whole_year.py", "shared_list.py"] {
            let named =
                labels.as_array().unwrap().iter().any(|l| l.as_str().unwrap().contains(workload));
            assert!(named, "{workload} at {width}: {labels}");
        }
        // The page never scrolls sideways, and no chart labels overlap.
        assert_eq!(
            page.evaluate("document.documentElement.scrollWidth <= innerWidth"),
            true,
            "at {width}"
        );
        let over = page.evaluate(
            "[...document.querySelectorAll('.drawing > svg')].flatMap(svg => { \
             const all = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]).filter(([, r]) => r.width); \
             return all.filter(([a, r], i) => all.some(([b, s], j) => i < j && r.left < s.right && s.left < r.right && r.top + 3 < s.bottom && s.top + 3 < r.bottom)).map(([a]) => a); })",
        );
        assert_eq!(over, json!([]), "at {width}");
        page.assert_self_contained(&file);
    }
}

#[test]
fn a_page_starts_with_verdict_figures_and_hazards() {
    let dir = TestDir::new();
    let text = fs::read_to_string(record(&dir, "r.jsonl")).unwrap();
    let workload = json!({"kind": "script", "path": "/home/me/orders.py", "args": []});
    let hazard =
        json!([{"kind": "gil-enabled", "says": "importing old_module switched the GIL on"}]);
    dir.write(
        "file-name.jsonl",
        with_workload(&text, workload, &|run| run["hazards"] = hazard.clone()),
    );
    let file = report(&dir, &["file-name.jsonl"]);
    let mut page = BrowserPage::open(&file, 1400, "light", READY);
    let title = page.evaluate("document.title");
    let title = title.as_str().unwrap();
    assert_eq!(page.evaluate("document.querySelector('h1').textContent"), title);
    let json = dir.ungil(["report", "file-name.jsonl", "--format", "md"]).run().ok().stdout;
    assert!(title.starts_with("orders.py: ") && !title.contains("file-name"), "{title}");
    // The verdict is the first sentence without its interval.
    let verdict = title.strip_prefix("orders.py: ").unwrap();
    let first = page.evaluate("document.querySelector('.words li').textContent");
    assert!(
        first.as_str().unwrap().starts_with(verdict) && verdict.len() > 10,
        "{verdict}: {first}"
    );
    let figures = page.evaluate(
        "[...document.querySelectorAll('.figures dt')].map(t => t.textContent.split(/[ ,]/)[0])",
    );
    assert_eq!(figures, json!(["time", "memory", "energy"]));
    assert_order(&mut page, "h1", ".figures");
    assert_order(&mut page, ".figures", ".hazards");
    assert_order(&mut page, ".hazards", ".words");
    assert_order(&mut page, ".words", "[data-chart]");
    let hazards = page.evaluate("document.querySelector('.hazards').textContent");
    assert!(
        hazards.as_str().unwrap().contains("importing old_module switched the GIL on"),
        "{hazards}"
    );
    let places = ["# orders.py: ", "| time |", "### Hazards", "old\\_module", "### Time against"]
        .map(|part| json.find(part).unwrap_or_else(|| panic!("{part}: {json}")));
    assert!(places.is_sorted(), "{places:?}");
    // The same for several records, and for a comparison of two.
    let mut page = BrowserPage::open(&folder(&dir, &text), 800, "light", READY);
    let title = page.evaluate("document.title");
    assert!(
        title
            .as_str()
            .unwrap()
            .starts_with("orders_of_a_whole_year.py, shared_list.py: 3.14t against"),
        "{title}"
    );
    assert_order(&mut page, "[aria-label='Key figures']", "#overview .hazards");
    assert_order(&mut page, "#overview .hazards", "[data-chart]");
    let both = report(&dir, &["file-name.jsonl", "r.jsonl", "-o", "both.html"]);
    let mut page = BrowserPage::open(&both, 800, "light", READY);
    assert_order(&mut page, "#differences [aria-label='Key figures']", "#differences .hazards");
    assert_order(&mut page, "#differences .hazards", "[data-chart]");
}

#[test]
fn a_service_shows_its_percentiles_throughput_and_failures() {
    let dir = TestDir::new();
    let record = service(&dir);
    let file = report(&dir, &[record.to_str().unwrap()]);
    let mut page = BrowserPage::open(&file, 1400, "light", READY);
    assert!(page.evaluate("document.title").as_str().unwrap().starts_with("python -m shop: "));
    let marks = |kind: &str, class: &str| {
        format!("document.querySelectorAll('[data-chart={kind}] svg .{class}').length")
    };
    assert_eq!(page.evaluate(&marks("throughput", "bar")), 4);
    assert_eq!(page.evaluate(&marks("latency", "mark")), 4 * 3);
    assert_eq!(page.evaluate(&marks("failures", "bar")), 2);
    assert_eq!(
        page.evaluate("document.querySelector('.figures dt').textContent.split(',')[0]"),
        "throughput"
    );
    let markdown = dir.ungil(["report", "service.jsonl", "--format", "md"]).run().ok().stdout;
    for (chart, figures) in [
        ("throughput", ["1000", "1500"].as_slice()),
        ("latency", &["2.10", "15.3", "77.7", "125", "4.20"]),
        ("failures", &["150"]),
        ("figures", &["2.10 ms", "15.3 ms", "77.7 ms", "1500/s", "150"]),
    ] {
        let table = page
            .evaluate(&format!("document.querySelector('[data-chart={chart}] table').textContent"));
        for figure in figures {
            assert!(table.as_str().unwrap().contains(figure), "{chart}: {figure}: {table}");
            assert!(markdown.contains(&format!("| {figure} |")), "{figure}: {markdown}");
        }
    }
    let heads = page
        .evaluate("[...document.querySelectorAll('#run-table thead th')].map(t => t.textContent)");
    for head in ["throughput", "p50", "p90", "p99", "failed requests"] {
        assert!(heads.as_array().unwrap().contains(&json!(head)), "{head}: {heads}");
    }
    dir.ungil(["report", "service.jsonl", "--format", "svg"]).run().ok();
    let charts = names(&dir.join("service-charts"));
    for name in ["service-throughput.svg", "service-latency.svg", "service-failures.svg"] {
        assert!(charts.contains(&name.to_string()), "{name}: {charts:?}");
    }
    // Comparing two services: failures in only one of them are a difference.
    let text = fs::read_to_string(&record).unwrap();
    let workload =
        serde_json::from_str::<Value>(text.lines().next().unwrap()).unwrap()["workload"].clone();
    let without = |run: &mut Value| {
        run["metrics"].as_object_mut().unwrap().remove("failed_requests");
    };
    dir.write("first.jsonl", with_workload(&text, workload, &without));
    let both = report(&dir, &["first.jsonl", "service.jsonl", "-o", "both.html"]);
    let mut page = BrowserPage::open(&both, 1400, "light", READY);
    let rows = page.evaluate("[...document.querySelectorAll('#differences [aria-label=\"Further figures\"] tr')].map(r => [...r.cells].map(c => c.textContent).join(' '))");
    let rows = rows.as_array().unwrap();
    let failed: Vec<&Value> =
        rows.iter().filter(|r| r.as_str().unwrap().contains(" failed requests ")).collect();
    assert!(
        failed.iter().any(|r| r.as_str().unwrap().starts_with("3.14t/1 failed requests - 150")),
        "{failed:?}"
    );
    assert!(rows.iter().any(|r| r.as_str().unwrap().contains(" p90 ")), "{rows:?}");
}

#[test]
fn each_python_has_one_colour_in_every_chart() {
    let dir = TestDir::new();
    let text = fs::read_to_string(record(&dir, "r.jsonl")).unwrap();
    fs::create_dir(dir.join("two")).unwrap();
    dir.write("two/a.jsonl", &text);
    // The second record has its arms in another order, and its threads wait.
    let waits = |run: &mut Value| {
        let wall = run["metrics"]["wall_s"].as_f64().unwrap();
        run["metrics"]["lock_wait_s"] = json!(wall);
        run["metrics"]["gil_wait_s"] = json!(wall / 2.0);
    };
    let workload = json!({"kind": "script", "path": "/home/me/orders.py", "args": []});
    let other = with_workload(&text, workload, &waits);
    let (first, rest) = other.split_once('\n').unwrap();
    let mut header: Value = serde_json::from_str(first).unwrap();
    header["arms"].as_array_mut().unwrap().reverse();
    dir.write("two/b.jsonl", format!("{header}\n{rest}"));
    let file = report(&dir, &["two"]);
    let mut page = BrowserPage::open(&file, 1400, "light", READY);
    assert!(
        page.evaluate("document.querySelectorAll('[data-chart=waiting] .bar').length")
            .as_u64()
            .unwrap()
            >= 8
    );
    // Each bar belongs to the nearest row name above it.
    let colours = page.evaluate(
        "(() => { const seen = {}; for (const svg of document.querySelectorAll('.drawing > svg')) { \
         const names = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect().top]).filter(([n]) => /3\\.14t?\\/[12]$/.test(n)); \
         for (const mark of svg.querySelectorAll('.mark, .bar')) { const top = mark.getBoundingClientRect().bottom; \
         const name = names.filter(([, y]) => y < top).at(-1); if (!name) continue; \
         const python = name[0].match(/3\\.14t?(?=\\/[12]$)/)[0], colour = [...mark.classList].find(c => /^s\\d$/.test(c)); \
         (seen[python] ??= []).includes(colour) || seen[python].push(colour); } } return seen; })()",
    );
    let (gil, free) = (&colours["3.14"], &colours["3.14t"]);
    assert_eq!(
        (gil.as_array().unwrap().len(), free.as_array().unwrap().len()),
        (1, 1),
        "{colours}"
    );
    assert_ne!(gil, free);
    // No text colour is also a chart colour.
    let text = page.evaluate("[...document.querySelectorAll('.hazards, .caution, tr.off')].map(e => getComputedStyle(e).color === getComputedStyle(document.body).color)");
    assert!(text.as_array().unwrap().iter().all(|same| same == true), "{text}");
}

#[test]
fn the_tables_of_a_study_fit_on_screen_and_in_print() {
    let dir = TestDir::new();
    let what = "suite --workload mandelbrot,dict_write --python 3.14,3.14t --workers 1,2 --scale 0.0001 --blocks 5 --no-install --energy model -q -o study";
    dir.ungil(what.split(' ')).run().ok();
    let file = report(&dir, &["study"]);
    let mut page = BrowserPage::open(&file, 1400, "light", READY);
    let cut = page.evaluate(CUT_OFF_TABLES);
    assert!(
        cut.as_array().unwrap().iter().all(|name| name.as_str().unwrap().starts_with("Every run:")),
        "{cut}"
    );
    assert!(page.evaluate("document.title").as_str().unwrap().starts_with("Study of "));
    assert_order(&mut page, "#study [aria-label='Key figures']", "#study .hazards");
    assert_order(&mut page, "#study .hazards", "#study .words");
    let labels =
        page.evaluate("[...document.querySelectorAll('#study svg text')].map(t => t.textContent)");
    for label in ["mandelbrot 3.14t", "dict_write shared 3.14t/threads/2"] {
        assert!(labels.as_array().unwrap().contains(&json!(label)), "{label}: {labels}");
    }
    // Every scrolling box is named and reachable by keyboard.
    let named = "[...document.querySelectorAll('.scroll')].every(box => box.tabIndex === 0 && box.getAttribute('role') === 'region' && box.getAttribute('aria-label'))";
    assert_eq!(page.evaluate(named), true);
    page.command("Emulation.setEmulatedMedia", json!({"media": "print"}));
    assert_eq!(page.evaluate("[...document.querySelectorAll('.scroll')].every(box => getComputedStyle(box).overflowX === 'visible')"), true);
}
