//! Determines what an extension module declares about the GIL by symbolic execution of its init
//! function.
//!
//! A module declares it in one of three places: in the slots of the definition that `PyInit_X`
//! returns, in the slots that `PyModExport_X` returns, or, if `PyInit_X` creates the module itself
//! (single-phase initialization), in a call of `PyUnstable_Module_SetGIL`. All three are visible in
//! the init function, which is executed symbolically ([`symbolic_exec`]). Searching the binary for
//! bytes that look like a definition would find unused definitions and miss those built at run
//! time.

mod arm;
mod call_graph;
mod created_modules;
mod definition_scan;
mod flow;
mod import_roles;
mod machine;
mod memory;
mod outcome;
mod slots;
mod state;
mod symbolic_exec;
#[cfg(test)]
mod tests;
mod toolchain;
mod value;
mod x86;

use crate::image::Image;
use crate::model::{Evidence, Init, ModuleAnalysis, Verdict};
use import_roles::ImportRole;
use outcome::{Execution, PathOutcome};
use slots::{GilSetting, SlotReading};
use value::Value;

/// Maximum number of modules in one binary. No real binary has as many, not even mypyc's module
/// groups.
const MAX_MODULES: usize = 4_096;
/// Maximum number of instructions executed for one binary, over all its modules.
const MAX_STEPS: u32 = 1_000_000;

/// Analyzes every extension module of a binary: one for each exported `PyInit_X` or
/// `PyModExport_X`.
///
/// Returns an empty list if the binary is not an extension module. A name appears twice if the
/// binary exports both functions: 3.15 and later use `PyModExport_X`, older versions know only
/// `PyInit_X`.
#[must_use]
pub fn analyze(image: &Image) -> Vec<ModuleAnalysis> {
    let mut found: Vec<(&str, u64, bool)> = Vec::new();
    for (symbol, &address) in &image.exports {
        let Some((name, exports)) = module_of_symbol(symbol) else { continue };
        if found.len() < MAX_MODULES {
            found.push((name, address, exports));
        }
    }
    if found.is_empty() {
        return Vec::new();
    }
    let roles = import_roles::roles(image);
    let toolchain = toolchain::detect(image);
    let mut analyses = Vec::new();
    let mut steps = MAX_STEPS;
    for (name, address, exports) in found {
        let (verdict, init, evidence) = if steps > 0 {
            analyze_init(image, &roles, name, address, exports, &mut steps)
        } else {
            (
                Verdict::Unknown("the binary has more modules than the analysis covers".into()),
                None,
                Vec::new(),
            )
        };
        analyses.push(ModuleAnalysis {
            name: name.to_owned(),
            verdict,
            init,
            toolchain: Some(toolchain),
            evidence,
        });
    }
    analyses
}

/// Returns the name of the module whose init function a symbol is, and whether it is a
/// `PyModExport` function. Names that are not ASCII are in Punycode after a `U` (PEP 489).
fn module_of_symbol(symbol: &str) -> Option<(&str, bool)> {
    let (name, exports) = match symbol.strip_prefix("PyModExport") {
        Some(rest) => (rest, true),
        None => (symbol.strip_prefix("PyInit")?, false),
    };
    let name = name.strip_prefix("U_").or_else(|| name.strip_prefix('_'))?;
    (!name.is_empty()).then_some((name, exports))
}

type InitVerdict = (Verdict, Option<Init>, Vec<Evidence>);

fn analyze_init(
    image: &Image,
    roles: &[ImportRole],
    name: &str,
    address: u64,
    exports: bool,
    steps: &mut u32,
) -> InitVerdict {
    let has = |role| roles.contains(&role);
    if !exports
        && !has(ImportRole::DefInit)
        && !has(ImportRole::SetGil)
        && (has(ImportRole::Create) || has(ImportRole::CreateByName))
    {
        let what = "single-phase initialization, and neither PyModuleDef_Init nor \
                    PyUnstable_Module_SetGIL is imported";
        let evidence = vec![Evidence { what: what.into(), address: Some(address) }];
        return (Verdict::DoesNotDeclare, Some(Init::SinglePhase), evidence);
    }
    let execution = symbolic_exec::execute(image, roles, address, exports, steps);
    let result = combine(&execution, exports);
    if !matches!(result.0, Verdict::Unknown(_)) || exports || !has(ImportRole::DefInit) {
        return result;
    }
    // Fallback: look for a definition of that name in the data of the file.
    let only_defines = !has(ImportRole::SetGil)
        || execution.outcomes.iter().all(|one| !matches!(one, PathOutcome::Module { .. }));
    match definition_scan::find_definition(image, name).filter(|_| only_defines) {
        Some(reading) => {
            let (verdict, mut evidence) = verdict_of(reading);
            let what = "found by name, because the init function could not be followed to it";
            evidence.push(Evidence { what: what.into(), address: None });
            (verdict, Some(Init::MultiPhase), evidence)
        }
        None => result,
    }
}

fn verdict_of(reading: SlotReading) -> (Verdict, Vec<Evidence>) {
    let verdict = match reading.gil {
        GilSetting::NotUsed => Verdict::Declares,
        GilSetting::Used => Verdict::SwitchesOn,
        GilSetting::Unset => Verdict::DoesNotDeclare,
        GilSetting::Unknown(why) => Verdict::Unknown(why),
        GilSetting::NotADefinition => Verdict::Unknown("its PyModuleDef has no name".into()),
    };
    (verdict, reading.evidence)
}

/// Combines the outcomes of all paths into one verdict, if they agree.
fn combine(execution: &Execution, exports: bool) -> InitVerdict {
    let mut all: Vec<InitVerdict> = Vec::new();
    for outcome in
        execution.outcomes.iter().filter(|outcome| !is_superseded(outcome, &execution.outcomes))
    {
        let result = match outcome {
            PathOutcome::Definition(reading, _) | PathOutcome::Slots(reading)
                if reading.gil == GilSetting::NotADefinition =>
            {
                continue;
            }
            PathOutcome::Definition(reading, at) => {
                let (verdict, mut evidence) = verdict_of(reading.clone());
                let what = "PyModuleDef_Init is called".to_owned();
                evidence.insert(0, Evidence { what, address: Some(*at) });
                (verdict, Some(Init::MultiPhase), evidence)
            }
            PathOutcome::Slots(reading) => {
                let (verdict, evidence) = verdict_of(reading.clone());
                (verdict, Some(Init::ModExport), evidence)
            }
            PathOutcome::Module { gil, created_at, skipped_call } => {
                verdict_of_module(*gil, *created_at, *skipped_call)
            }
        };
        if !all.iter().any(|(verdict, init, _)| *verdict == result.0 && *init == result.1) {
            all.push(result);
        }
    }
    let gap = if execution.truncated {
        Some("its init function is too long to follow completely".to_owned())
    } else {
        execution
            .lost_at
            .map(|at| format!("its init function could not be followed beyond {at:#x}"))
    };
    let what = if exports { "slots" } else { "a definition or a module" };
    match (all.len(), gap) {
        (0, gap) => {
            let why = gap.unwrap_or_else(|| match execution.unbalanced_stack {
                true => "no path through its init function could be followed to the end".into(),
                false => "every path through its init function fails".into(),
            });
            (Verdict::Unknown(format!("{why}, so no path returns {what}")), None, Vec::new())
        }
        // A path that was not followed may still call `PyUnstable_Module_SetGIL`.
        (1, Some(gap))
            if all[0].0 == Verdict::DoesNotDeclare && all[0].1 == Some(Init::SinglePhase) =>
        {
            let (_, init, evidence) = all.swap_remove(0);
            (Verdict::Unknown(gap), init, evidence)
        }
        (1, _) => {
            let (verdict, init, mut evidence) = all.swap_remove(0);
            if execution.truncated {
                let what = "the init function was followed only in part".into();
                evidence.push(Evidence { what, address: None });
            }
            (verdict, init, evidence)
        }
        _ => {
            let init = all[0].1;
            let evidence = all.into_iter().flat_map(|(_, _, evidence)| evidence).collect();
            let why = "paths through its init function disagree about the GIL";
            (Verdict::Unknown(why.into()), init, evidence)
        }
    }
}

/// Returns whether an outcome has blank slots that are filled in another outcome. A static variable
/// in C++ is filled on the path that initializes it, which is the path of the first import.
fn is_superseded(outcome: &PathOutcome, all: &[PathOutcome]) -> bool {
    let slots = |one: &PathOutcome| match one {
        PathOutcome::Definition(reading, _) | PathOutcome::Slots(reading) => reading.slots,
        PathOutcome::Module { .. } => None,
    };
    let Some((at, true)) = slots(outcome) else { return false };
    all.iter().any(|one| slots(one) == Some((at, false)))
}

fn verdict_of_module(
    gil: Option<(Value, u64)>,
    created_at: Option<u64>,
    skipped_call: Option<u64>,
) -> InitVerdict {
    let mut evidence = Vec::new();
    if let Some(created_at) = created_at {
        evidence.push(Evidence {
            what: "the init function creates the module (single-phase initialization)".into(),
            address: Some(created_at),
        });
    }
    let mut found =
        |what: &str, at| evidence.push(Evidence { what: what.into(), address: Some(at) });
    let verdict = match (gil, skipped_call) {
        (Some((Value::Known(1), at)), _) => {
            found("PyUnstable_Module_SetGIL is called with 1 (not used)", at);
            Verdict::Declares
        }
        (Some((Value::Known(0), at)), _) => {
            found("PyUnstable_Module_SetGIL is called with 0 (used)", at);
            Verdict::SwitchesOn
        }
        (Some((_, at)), _) => {
            found("PyUnstable_Module_SetGIL is called", at);
            Verdict::Unknown(
                "the argument of PyUnstable_Module_SetGIL is computed at run time, or differs \
                 between modules"
                    .into(),
            )
        }
        (None, Some(at)) => {
            found("a call that could not be followed", at);
            Verdict::Unknown(format!(
                "the call at {at:#x}, which may set the GIL mode, could not be followed"
            ))
        }
        (None, None) if created_at.is_none() => Verdict::Unknown(
            "it returns a module that other code creates, outside this binary or not visible to \
             the analysis"
                .into(),
        ),
        (None, None) => Verdict::DoesNotDeclare,
    };
    (verdict, Some(Init::SinglePhase), evidence)
}
