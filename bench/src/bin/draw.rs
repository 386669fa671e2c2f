//! How soon a page of `ungil report` is there: its first paint, and the moment its table of runs
//! sorts and filters.
//!
//! `cargo run --release -p ungil-bench --bin draw PAGE.html [ROUNDS]`: real Chromium without a
//! screen, 1400 wide; the first time with a browser just begun, then ROUNDS times in the same one.
//! Milliseconds since navigation, as the browser's own clock has them.

use std::path::PathBuf;
use ungil_bench::Any;
use ungil_experiment::stats::median;
use ungil_tests::BrowserPage;

const READY: &str = "document.documentElement?.dataset.ready && performance.getEntriesByName('first-contentful-paint')[0]";

/// Notes when the page says that it is ready, whoever looks when.
const NOTE: &str = "new MutationObserver(() => performance.mark('ready'))
    .observe(document, { subtree: true, attributes: true, attributeFilter: ['data-ready'] })";

fn main() -> Any<()> {
    let mut arguments = std::env::args().skip(1);
    let page: PathBuf = arguments.next().ok_or("draw PAGE.html [ROUNDS]")?.into();
    let rounds: usize = arguments.next().map_or(Ok(9), |text| text.parse())?;
    let page = std::fs::canonicalize(page)?;
    println!("{:.2} MB", std::fs::metadata(&page)?.len() as f64 / 1e6);
    let mut browser = BrowserPage::open(&page, 1400, "light", READY);
    println!("first: painted after {:.0} ms", at(&mut browser, "first-contentful-paint")?);
    browser.command("Page.addScriptToEvaluateOnNewDocument", serde_json::json!({ "source": NOTE }));
    let (mut painted, mut ready) = (vec![], vec![]);
    for _ in 0..rounds {
        browser.command(
            "Page.navigate",
            serde_json::json!({ "url": format!("file://{}", page.display()) }),
        );
        browser.wait_until(&format!("{READY} && performance.getEntriesByName('ready')[0]"));
        painted.push(at(&mut browser, "first-contentful-paint")?);
        ready.push(at(&mut browser, "ready")?);
    }
    for (what, mut times) in [("painted", painted), ("ready", ready)] {
        times.sort_by(f64::total_cmp);
        let (least, most) = (times.first().ok_or("no round")?, times.last().ok_or("no round")?);
        let middle = median(&times).ok_or("no round")?;
        println!("{what} after {middle:.0} ms, {least:.0} to {most:.0} in {rounds} rounds");
    }
    Ok(())
}

fn at(browser: &mut BrowserPage, name: &str) -> Any<f64> {
    let time = browser.evaluate(&format!("performance.getEntriesByName('{name}')[0].startTime"));
    Ok(time.as_f64().ok_or("a browser that tells no time")?)
}
