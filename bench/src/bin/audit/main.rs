//! Compares `ungil audit` with other tools on one environment of 3.14t: which modules that switch
//! the GIL on each tool finds, and how long it takes. Also measures the start-up time of ungil.
//!
//! `cargo build --release -p ungil -p ungil-bench && target/release/audit [ROUNDS] [IMPORTS]`;
//! `$UNGIL_BIN` selects another ungil.
//!
//! The truth is what the interpreter did when it imported a module, as recorded by `corpus`, which
//! must have run before. The tools take turns for ROUNDS rounds (default 9); ft-readiness, which
//! imports every module and takes minutes, takes part in the first IMPORTS rounds (default 1).

mod other_tools;

use other_tools::{Findings, OtherTools};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use ungil_bench::corpus::{packages, scratch};
use ungil_bench::install::Installer;
use ungil_bench::{AnyResult, ungil};
use ungil_experiment::stats::median;

/// Packages of the environment, in the versions of `bench/corpus.txt`. Where the list has several
/// versions the last (oldest) is used, so that some modules switch the GIL on.
const NAMES: &str = "\
    numpy pandas scipy scikit-learn scikit-image statsmodels matplotlib pillow lxml hiredis fonttools sqlalchemy aiohttp \
    cffi cryptography pyyaml markupsafe pydantic-core charset-normalizer wrapt greenlet psutil rpds-py regex msgpack \
    contourpy kiwisolver coverage tornado websockets httptools uvloop pyzmq bitarray xxhash rapidfuzz osqp h5py pymongo dhi \
    pywavelets pyarrow av imagecodecs h3 biopython fastavro";
/// The build that is audited.
const BUILD: &str = "3.14t";
/// Number of timed starts of ungil.
const STARTS: usize = 60;

fn main() -> AnyResult<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(Ok(9), |text| text.parse())?;
    let imports: usize = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let scratch = scratch()?;
    let python = ungil_pythons::resolve(BUILD, &ungil_pythons::Search::from_env())?.executable;
    let python = Path::new(&python);
    let environment = environment(&scratch, python)?;
    let other_tools = OtherTools::new(&scratch, python)?;

    let modules = truth(&environment, &scratch.join(BUILD))?;
    let bad = modules.iter().filter(|one| one.switches == Some(true)).count();
    let packages: BTreeSet<&str> = modules.iter().map(|one| one.package.as_str()).collect();
    let unseen = modules.iter().filter(|one| one.switches.is_none()).count();
    println!(
        "{} modules of {} packages; {bad} switch the GIL on, {unseen} were not seen\n",
        modules.len(),
        packages.len()
    );

    let mut times: [Vec<f64>; 3] = Default::default();
    let mut findings: [Option<Findings>; 3] = Default::default();
    for round in 0..rounds {
        for arm in (0..3).map(|at| (at + round) % 3).filter(|arm| *arm != 2 || round < imports) {
            let begin = Instant::now();
            let words = match arm {
                0 => other_tools::ungil(&environment, BUILD)?,
                1 => other_tools.abi3t_doctor(&environment, BUILD)?,
                _ => other_tools.ft_readiness(&environment, &modules)?,
            };
            times[arm].push(begin.elapsed().as_secs_f64());
            findings[arm] = Some(words);
            eprintln!(
                "round {round}: {} {:.3} s",
                other_tools::NAMES[arm],
                times[arm].last().unwrap_or(&0.0)
            );
        }
    }
    println!(
        "| tool | time (median) | rounds | finds | misses | false | inconclusive |\n|---|--:|--:|--:|--:|--:|--:|"
    );
    for arm in 0..3 {
        let Some(findings) = &findings[arm] else { continue };
        let time = median(&times[arm]).unwrap_or(f64::NAN);
        println!(
            "| {} | {time:.3} s | {} | {}",
            other_tools::NAMES[arm],
            times[arm].len(),
            findings.table_cells(&modules)
        );
    }
    for (name, findings) in other_tools::NAMES.iter().zip(&findings) {
        let Some(findings) = findings else { continue };
        let wrong = findings.wrong_packages(&modules);
        let wrong = if wrong.is_empty() { "nothing".into() } else { wrong.join(", ") };
        println!("\n{name} is wrong about: {wrong}");
    }
    starts(&modules)
}

/// A module, and what the interpreter did when it imported it.
pub(crate) struct ObservedModule {
    name: String,
    package: String,
    file: PathBuf,
    /// Whether the import switched the GIL on; `None` if the module could not be imported.
    switches: Option<bool>,
}

/// Installs the packages, unless the same list is already installed.
fn environment(scratch: &Path, python: &Path) -> AnyResult<PathBuf> {
    let all = packages()?;
    let pinned = NAMES.split_whitespace().map(|name| {
        let package = all.iter().rfind(|one| one.name == name);
        package.map(|one| one.pinned()).ok_or_else(|| format!("{name} is not in bench/corpus.txt"))
    });
    let pinned: Vec<String> = pinned.collect::<Result<_, _>>()?;
    let (folder, list) = (scratch.join("together"), scratch.join("together.txt"));
    let wanted = pinned.join("\n");
    if std::fs::read_to_string(&list).is_ok_and(|known| known == wanted) {
        return Ok(folder);
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    Installer::new(scratch)?.install_all(python, &folder, &pinned)?;
    std::fs::write(list, wanted)?;
    Ok(folder)
}

/// Returns the modules of the environment with what `corpus` observed when it imported them.
fn truth(environment: &Path, kept: &Path) -> AnyResult<Vec<ObservedModule>> {
    let report = other_tools::report(environment, BUILD)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut modules = Vec::new();
    for one in other_tools::items(&report["distributions"]) {
        let (package, version) = (text(&one["name"]), text(&one["version"]));
        let known = kept
            .join(format!("{}-{version}.json", package.to_lowercase().replace(['_', '.'], "-")));
        let known: Value =
            std::fs::read(known).map_or(Ok(Value::Null), |bytes| serde_json::from_slice(&bytes))?;
        let taken = other_tools::items(&one["modules"])
            .filter(|module| module["judgements"][0].is_object());
        let before = modules.len();
        for module in taken {
            let seen = other_tools::items(&known["what"]["Audited"]["modules"])
                .find(|seen| seen["name"] == module["module"])
                .and_then(|seen| seen["seen"].as_bool());
            let (name, file) = (text(&module["module"]), text(&module["file"]).into());
            modules.push(ObservedModule { name, package: package.clone(), file, switches: seen });
        }
        if modules.len() > before && known.is_null() {
            println!("not in the corpus: {package} {version}");
        }
    }
    Ok(modules)
}

/// Measures how long ungil takes for one module, and for `--help`.
fn starts(modules: &[ObservedModule]) -> AnyResult<()> {
    let mut sizes: Vec<(u64, &ObservedModule)> =
        modules.iter().filter_map(|one| Some((one.file.metadata().ok()?.len(), one))).collect();
    sizes.sort_by_key(|(size, _)| *size);
    let (size, module) = sizes.get(sizes.len() / 2).ok_or("there are no modules")?;
    let (mut help, mut one) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        help.push(start(Command::new(ungil()?).arg("--help"))?);
        one.push(start(Command::new(ungil()?).args(["audit", "--for", BUILD]).arg(&module.file))?);
    }
    println!("\nstarts, {STARTS} each, in turn:");
    for (name, times) in [("ungil --help", &help), ("ungil audit FILE.so", &one)] {
        let most = times.iter().copied().fold(0.0, f64::max) * 1e3;
        println!(
            "  {name:22}median {:.2} ms, at most {most:.2} ms",
            median(times).unwrap_or(f64::NAN) * 1e3
        );
    }
    println!("  FILE.so is {}, of median size ({size} bytes)", module.name);
    Ok(())
}

fn start(command: &mut Command) -> AnyResult<f64> {
    let begin = Instant::now();
    let status =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    let time = begin.elapsed().as_secs_f64();
    if status.success() { Ok(time) } else { Err(format!("ungil ended with {status}").into()) }
}
