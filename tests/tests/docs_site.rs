//! Checks the documentation: the site builds without warnings, references resolve, pages fit narrow
//! and wide windows, and the commands on each page work.
//!
//! Python examples are run by `python/tests/test_docs.py` on each interpreter.
#![allow(clippy::unwrap_used)] // test helpers may unwrap

mod pages;

use pages::{Mark, blocks, console, html, pages, root};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use ungil_tests::{BrowserPage, TestDir, binary};

/// Defines one test per page, which runs the page's commands.
macro_rules! commands {
    ($($test:ident: $page:literal,)*) => {
        /// The pages with a test.
        const PAGES_WITH_TEST: &[&str] = &[$($page),*];
        $(
            #[test]
            fn $test() {
                let pages = pages();
                console::run(pages.iter().find(|page| page.name == $page).expect("the page"));
            }
        )*
    };
}

commands! {
    the_commands_of_the_readme_work: "README.md",
    the_commands_of_the_tutorial_work: "docs/tutorial.md",
    the_commands_of_compare_work: "docs/how-to/compare.md",
    the_commands_of_suite_work: "docs/how-to/suite.md",
    the_commands_of_report_work: "docs/how-to/report.md",
    the_commands_of_pythons_work: "docs/how-to/pythons.md",
    the_commands_of_dump_work: "docs/how-to/dump.md",
    the_commands_of_profile_work: "docs/how-to/profile.md",
    the_commands_of_allocations_work: "docs/how-to/allocations.md",
    the_commands_of_top_work: "docs/how-to/top.md",
    the_commands_of_heap_work: "docs/how-to/heap.md",
    the_commands_of_stress_work: "docs/how-to/stress.md",
    the_commands_of_audit_work: "docs/how-to/audit.md",
    the_commands_of_energy_work: "docs/explanation/energy.md",
    the_commands_of_records_work: "docs/reference/record.md",
    the_commands_of_the_package_work: "docs/structures/README.md",
}

/// Builds the site and returns its folder.
fn build_site(dir: &TestDir) -> PathBuf {
    let site = dir.join("site");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut xtask = Command::new(cargo);
    xtask.current_dir(root()).args(["run", "--quiet", "--package", "xtask", "--", "docs"]);
    let out = xtask.arg(&site).env("UNGIL_BIN", binary()).output().expect("cargo runs");
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "the site has warnings:\n{stderr}");
    site
}

#[test]
fn site_builds_without_warnings_and_pages_fit() {
    let dir = TestDir::new();
    let site = build_site(&dir);
    let mut files = Vec::new();
    pages::collect(&site, "html", &mut files);
    assert!(files.len() > 40, "{} pages", files.len());
    assert_references_resolve(&files);
    assert_pages_fit(&site, &files);
}

/// Fails if a page refers to a missing file or anchor, or loads anything from another site.
#[track_caller]
fn assert_references_resolve(files: &[PathBuf]) {
    let text: BTreeMap<&Path, String> =
        files.iter().map(|file| (file.as_path(), fs::read_to_string(file).unwrap())).collect();
    let ids: BTreeMap<&Path, BTreeSet<String>> = text
        .iter()
        .map(|(file, text)| (*file, html::attributes(text, "id").into_iter().collect()))
        .collect();
    let mut broken = Vec::new();
    for (file, text) in &text {
        for source in html::attributes(text, "src") {
            if html::is_external(&source) && !source.starts_with("data:") {
                broken.push(format!("{} loads {source}", file.display()));
            }
        }
        let references = ["href", "src"].iter().flat_map(|name| html::attributes(text, name));
        for reference in references.filter(|r| !html::is_external(r)) {
            let (path, anchor) = reference.split_once('#').unwrap_or((&reference, ""));
            let path = html::decoded(path.split('?').next().unwrap_or_default());
            let target = match path.as_str() {
                "" => file.to_path_buf(),
                path => file.parent().unwrap().join(path),
            };
            let Ok(target) = target.canonicalize() else {
                broken.push(format!("{}: {reference}: no file", file.display()));
                continue;
            };
            let target_ids = ids.get(target.as_path());
            let anchor = html::decoded(anchor);
            if !anchor.is_empty() && target_ids.is_some_and(|ids| !ids.contains(&anchor)) {
                broken.push(format!("{}: {reference}: no anchor", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// JavaScript: the elements of the article that extend beyond the window, unless an ancestor in the
/// article scrolls.
const TOO_WIDE: &str = "(() => { \
    const article = document.querySelector('article'), page = document.scrollingElement; \
    const wide = [...article.querySelectorAll('*')].filter(element => { \
        if (element.getBoundingClientRect().right <= innerWidth + 1) return false; \
        for (let box = element; box !== article; box = box.parentElement) \
            if (['auto', 'scroll'].includes(getComputedStyle(box).overflowX) && \
                box.getBoundingClientRect().right <= innerWidth + 1) return false; \
        return true; }); \
    return page.scrollWidth > innerWidth ? [`page of ${page.scrollWidth}`] : \
        wide.slice(0, 3).map(e => `${e.tagName} ${e.textContent.trim().slice(0, 60)}`); })()";

/// Opens every page in a window as wide as a phone's and as a desktop's. Fails if its content is
/// wider.
#[track_caller]
fn assert_pages_fit(site: &Path, files: &[PathBuf]) {
    for width in [400, 1400] {
        let mut page = BrowserPage::open(&site.join("index.html"), width, "light", "document.body");
        for file in files {
            page.navigate(file);
            let wide = page.evaluate(TOO_WIDE);
            assert_eq!(
                wide,
                serde_json::json!([]),
                "{} at {width} pixels",
                file.strip_prefix(site).unwrap().display()
            );
            page.assert_loads_only_below(site);
        }
    }
}

#[test]
fn links_between_pages_of_the_repository_resolve() {
    let pages = pages();
    let mut broken = Vec::new();
    for page in &pages {
        for (line, link) in pages::links(page) {
            if html::is_external(&link) {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let own = root().join(&page.name);
            let target = if path.is_empty() { own } else { own.parent().unwrap().join(path) };
            let exists = target.exists();
            let has_anchor = || {
                let text = fs::read_to_string(&target).unwrap_or_default();
                pages::anchors(&text).iter().any(|a| a == anchor)
            };
            if !exists || !anchor.is_empty() && !has_anchor() {
                broken.push(format!("{}:{line}: {link}", page.name));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_command_has_a_test_or_a_reason() {
    let (mut run, mut not_run) = (0, Vec::new());
    let mut pages_with_commands = BTreeSet::new();
    for page in pages() {
        for block in blocks(&page) {
            let location = format!("{}:{}", page.name, block.line);
            if block.language != "console" {
                let hidden = block.lines.iter().any(|line| line.starts_with("$ "));
                assert!(!hidden, "{location}: commands belong into a `console` block");
                // Other blocks contain code, output (`text`), or a Sphinx directive.
                let starts = |line: &String| {
                    let word = line.split(' ').next().unwrap_or_default();
                    ["ungil", "python", "python3", "pip", "cargo", "sudo"].contains(&word)
                };
                assert!(
                    block.language == "text"
                        || block.language.starts_with('{')
                        || !block.lines.iter().any(starts),
                    "{location}: commands start with `$ ` and belong into a `console` block"
                );
                if let Mark::NotRun(reason) = &block.mark {
                    not_run.push(format!("{location}: {reason}"));
                } else if block.language == "python" {
                    run += 1;
                }
                continue;
            }
            assert!(block.commands().next().is_some(), "{location}: no command");
            match &block.mark {
                Mark::NotRun(reason) => not_run.push(format!("{location}: {reason}")),
                _ => {
                    run += 1;
                    pages_with_commands.insert(page.name.clone());
                }
            }
        }
    }
    for page in &pages_with_commands {
        assert!(PAGES_WITH_TEST.contains(&page.as_str()), "{page}: no test runs its commands");
    }
    println!("{run} run; not run:\n{}", not_run.join("\n"));
    let share = not_run.len() as f64 / (run + not_run.len()) as f64;
    assert!(
        share < 0.15,
        "{:.0} % of the commands are not run: {}",
        share * 100.0,
        not_run.join("\n")
    );
}

#[test]
fn readme_is_short() {
    let pages = pages();
    let readme = pages.iter().find(|page| page.name == "README.md").unwrap();
    assert!(readme.text.lines().count() <= 70);
}

/// Returns the options in the help of a command.
fn options(help: &str) -> BTreeSet<String> {
    help.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .map(String::from)
        .collect()
}

#[test]
fn options_named_in_guides_exist() {
    let help = |command: &[&str]| {
        let out = Command::new(binary()).args(command).arg("--help").output().unwrap();
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let mut all = options(&help(&["pythons", "install"]));
    let verbs = [
        "compare", "suite", "report", "pythons", "dump", "profile", "top", "heap", "stress",
        "audit",
    ];
    for verb in verbs {
        all.extend(options(&help(&[verb])));
    }
    for verb in verbs {
        let name = format!("docs/how-to/{verb}.md");
        let pages = pages();
        let page = pages.iter().find(|page| page.name == name).expect("a page for each command");
        // Code spans that start with an option.
        for span in page.text.replace("```", "").split('`').skip(1).step_by(2) {
            let words: Vec<&str> = span.split_whitespace().collect();
            let Some(option) = words.first().filter(|w| w.starts_with("--") && w.len() > 2) else {
                continue;
            };
            let option = option.split('=').next().unwrap_or_default();
            let known = all.contains(option) || ["--", "--workers", "--latency"].contains(&option);
            assert!(known, "{name}: `{span}`: no command has {option}");
        }
    }
}
