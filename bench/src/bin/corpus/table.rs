//! Renders the outcomes as Markdown.

use crate::outcome::{CheckedModule, Outcome, PackageStatus};
use std::fmt::Write;
use ungil_bench::AnyResult;

/// Renders the whole page.
pub(crate) fn document(
    outcomes: &[Outcome],
    builds: &[&str],
    installer: &str,
) -> AnyResult<String> {
    let mut page = String::from(
        "# `ungil audit` against the interpreter\n\n\
         The verdict of the audit on every extension module of the packages in `bench/corpus.txt`, and what the\n\
         interpreter did when it imported that module (`--verify`). Made by\n\n\
         <!-- not run: installs 161 packages -->\n\
         ```console\n$ cargo build --release -p ungil -p ungil-bench && target/release/corpus\n```\n\n\
         It installs each package by name, wheels only, into a folder of its own. Only a package's own modules\n\
         are counted, not those of its requirements. *Not seen* are modules whose file the import never reached.\n",
    );
    writeln!(
        page,
        "\nLinux {}, ungil {}, {installer}.\n",
        std::env::consts::ARCH,
        env!("CARGO_PKG_VERSION")
    )?;
    summary(&mut page, outcomes, builds)?;
    for build in builds {
        writeln!(page, "\n## {build}\n")?;
        let of_build = || outcomes.iter().filter(|one| one.build == *build);
        writeln!(
            page,
            "| package | version | wheel | modules | declare | re-enable it | unknown | agree | differ | not seen |"
        )?;
        writeln!(page, "|---|---|---|--:|--:|--:|--:|--:|--:|--:|")?;
        for one in of_build().filter(|one| !one.modules().is_empty()) {
            row(&mut page, one)?;
        }
        let names = |want: &dyn Fn(&Outcome) -> bool| {
            let names = of_build()
                .filter(|one| want(one))
                .map(|one| format!("{} {}", one.name, one.version));
            names.collect::<Vec<_>>().join(", ")
        };
        let no_wheel = names(&|one| matches!(one.what, PackageStatus::NoWheel));
        let pure = names(&|one| {
            matches!(one.what, PackageStatus::Audited { .. }) && one.modules().is_empty()
        });
        for (what, which) in
            [("There is no wheel", no_wheel), ("The wheel has no extension module", pure)]
        {
            if !which.is_empty() {
                writeln!(page, "\n{what}: {which}.")?;
            }
        }
        for one in of_build() {
            if let PackageStatus::Failed(why) = &one.what {
                writeln!(page, "\nNot installed: {} {}: {}", one.name, one.version, cell(why))?;
            }
        }
        details(&mut page, &of_build().collect::<Vec<_>>())?;
    }
    Ok(page)
}

/// Counts of modules.
#[derive(Default)]
struct Counts {
    modules: usize,
    declare: usize,
    switch: usize,
    unknown: usize,
    agree: usize,
    differ: usize,
    unseen: usize,
}

impl<'a> FromIterator<&'a CheckedModule> for Counts {
    fn from_iter<I: IntoIterator<Item = &'a CheckedModule>>(modules: I) -> Counts {
        let mut counts = Counts::default();
        for module in modules {
            counts.modules += 1;
            counts.declare += usize::from(module.verdict == Some(false));
            counts.switch += usize::from(module.verdict == Some(true));
            counts.unknown += usize::from(module.verdict.is_none());
            counts.agree += usize::from(module.agrees());
            counts.differ += usize::from(module.differs());
            counts.unseen += usize::from(module.seen.is_none());
        }
        counts
    }
}

fn summary(page: &mut String, outcomes: &[Outcome], builds: &[&str]) -> std::fmt::Result {
    writeln!(
        page,
        "| build | packages | with modules | modules | declare | re-enable it | unknown | agree | differ | not seen |"
    )?;
    writeln!(page, "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")?;
    for build in builds {
        let of_build: Vec<&Outcome> = outcomes.iter().filter(|one| one.build == *build).collect();
        let with = of_build.iter().filter(|one| !one.modules().is_empty()).count();
        let counts: Counts = of_build.iter().flat_map(|one| one.modules()).collect();
        let share = 100.0 * counts.unknown as f64 / counts.modules.max(1) as f64;
        writeln!(
            page,
            "| {build} | {} | {with} | {} | {} | {} | {} ({share:.1} %) | {} | {} | {} |",
            of_build.len(),
            counts.modules,
            counts.declare,
            counts.switch,
            counts.unknown,
            counts.agree,
            counts.differ,
            counts.unseen
        )?;
    }
    Ok(())
}

fn row(page: &mut String, one: &Outcome) -> std::fmt::Result {
    let PackageStatus::Audited { tags, modules, .. } = &one.what else { return Ok(()) };
    let c: Counts = modules.iter().collect();
    write!(page, "| {} | {} | {} | {} |", one.name, one.version, cell(tags), c.modules)?;
    let rest = [c.declare, c.switch, c.unknown, c.agree, c.differ, c.unseen];
    let rest = rest.map(|count| if count == 0 { String::new() } else { count.to_string() });
    writeln!(page, " {} |", rest.join(" | "))
}

/// Lists the modules that differ, are unknown or were not imported.
fn details(page: &mut String, outcomes: &[&Outcome]) -> std::fmt::Result {
    let list = |page: &mut String, title: &str, line: &dyn Fn(&CheckedModule) -> Option<String>| {
        let all =
            outcomes.iter().flat_map(|one| one.modules().iter().map(move |module| (one, module)));
        let lines: Vec<String> = all
            .filter_map(|(one, module)| {
                Some(format!("- {} {}: `{}`{}", one.name, one.version, module.name, line(module)?))
            })
            .collect();
        if lines.is_empty() {
            Ok(())
        } else {
            write!(page, "\n### {title}\n\n{}\n", lines.join("\n"))
        }
    };
    list(page, "Verdict and interpreter differ", &|module| {
        let words = |on: bool| if on { "switches it on" } else { "declares" };
        let (verdict, seen) =
            module.verdict.zip(module.seen).filter(|(verdict, seen)| verdict != seen)?;
        Some(format!(": the audit says {}, it {}", words(verdict), words(seen)))
    })?;
    list(page, "Unknown", &|module| {
        let seen = match module.seen {
            Some(true) => "it switches the GIL on",
            Some(false) => "the GIL stays off",
            None => "not seen",
        };
        module.because.as_deref().map(|why| format!(": {} ({seen})", cell(why)))
    })?;
    list(page, "Not seen", &|module| {
        if module.seen.is_some() {
            return None;
        }
        Some(format!(
            ": {}",
            cell(module.error.as_deref().unwrap_or("its import never came to its file"))
        ))
    })?;
    for one in outcomes {
        if let PackageStatus::Audited { missing: Some(why), modules, .. } = &one.what
            && !modules.is_empty()
        {
            writeln!(
                page,
                "\n{} {} was imported without what it requires: {}",
                one.name,
                one.version,
                cell(why)
            )?;
        }
    }
    Ok(())
}

/// Escapes a text for a table cell and shortens it.
fn cell(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace('|', "\\|").replace('<', "&lt;").chars().take(300).collect()
}
