//! Measures how fast a page of `ungil report` loads: its first paint, and the moment its table of
//! runs can be sorted and filtered.
//!
//! `cargo run --release -p ungil-bench --bin draw PAGE.html [ROUNDS]`. Uses headless Chromium, 1400
//! pixels wide: once in a new browser, then ROUNDS times in the same one. Times are milliseconds
//! since navigation by the browser's clock.

use std::path::PathBuf;
use ungil_bench::AnyResult;
use ungil_experiment::stats::median;
use ungil_tests::BrowserPage;

const READY: &str = "document.documentElement?.dataset.ready && performance.getEntriesByName('first-contentful-paint')[0]";

/// Records when the page becomes ready, independent of polling.
const NOTE: &str = "new MutationObserver(() => performance.mark('ready'))
    .observe(document, { subtree: true, attributes: true, attributeFilter: ['data-ready'] })";

fn main() -> AnyResult<()> {
    let mut arguments = std::env::args().skip(1);
    let page: PathBuf = arguments.next().ok_or("draw PAGE.html [ROUNDS]")?.into();
    let rounds: usize = arguments.next().map_or(Ok(9), |text| text.parse())?;
    let page = std::fs::canonicalize(page)?;
    println!("{:.2} MB", std::fs::metadata(&page)?.len() as f64 / 1e6);
    let mut browser = BrowserPage::open(&page, 1400, "light", READY);
    println!("first: painted after {:.0} ms", entry_time(&mut browser, "first-contentful-paint")?);
    browser.command("Page.addScriptToEvaluateOnNewDocument", serde_json::json!({ "source": NOTE }));
    let (mut painted, mut ready) = (vec![], vec![]);
    for _ in 0..rounds {
        browser.command(
            "Page.navigate",
            serde_json::json!({ "url": format!("file://{}", page.display()) }),
        );
        browser.wait_until(&format!("{READY} && performance.getEntriesByName('ready')[0]"));
        painted.push(entry_time(&mut browser, "first-contentful-paint")?);
        ready.push(entry_time(&mut browser, "ready")?);
    }
    for (what, mut times) in [("painted", painted), ("ready", ready)] {
        times.sort_by(f64::total_cmp);
        let (least, most) = (times.first().ok_or("no round")?, times.last().ok_or("no round")?);
        let middle = median(&times).ok_or("no round")?;
        println!("{what} after {middle:.0} ms, {least:.0} to {most:.0} in {rounds} rounds");
    }
    Ok(())
}

fn entry_time(browser: &mut BrowserPage, name: &str) -> AnyResult<f64> {
    let time = browser.evaluate(&format!("performance.getEntriesByName('{name}')[0].startTime"));
    Ok(time.as_f64().ok_or("the browser returned no time")?)
}
