//! What an extension module says of the GIL, by reading its init function.
//!
//! A module says it in one of three ways: in the slots of the definition that `PyInit_X` hands
//! over, in the slots that `PyModExport_X` hands over, or, if `PyInit_X` makes the module itself,
//! by calling `PyUnstable_Module_SetGIL`. All three show in what the init function does, so it is
//! that which is read, instruction by instruction: [`walk`]. Searching the binary for something
//! that looks like a definition finds what is never used, and does not find what is made at run
//! time.

mod arm;
mod flow;
mod imports;
mod machine;
mod memory;
mod modules;
mod named;
mod outcome;
mod reach;
mod slots;
mod state;
#[cfg(test)]
mod tests;
mod toolchain;
mod value;
mod walk;
mod x86;

use crate::image::Image;
use crate::model::{Evidence, Init, Judgement, Verdict};
use imports::Role;
use outcome::{Outcome, Walked};
use slots::{Reading, Said};
use value::Value;

/// The most modules of one binary: more than any has, mypyc's groups of modules among them.
const MODULES: usize = 4_096;
/// The most instructions that are followed of one binary, all its modules together.
const STEPS: u32 = 1_000_000;

/// Judges every extension module that a binary holds: one for each `PyInit_X` or `PyModExport_X`
/// that it exports. None, if it is no extension module. Two of one name where it exports both: 3.15
/// takes the second, older versions know the first alone.
#[must_use]
pub fn judge(image: &Image) -> Vec<Judgement> {
    let mut found: Vec<(&str, u64, bool)> = Vec::new();
    for (symbol, &address) in &image.exports {
        let Some((name, exports)) = init_of(symbol) else { continue };
        if found.len() < MODULES {
            found.push((name, address, exports));
        }
    }
    if found.is_empty() {
        return Vec::new();
    }
    let roles = imports::roles(image);
    let toolchain = toolchain::of(image);
    let mut judgements = Vec::new();
    let mut steps = STEPS;
    for (name, address, exports) in found {
        let (verdict, init, evidence) = if steps > 0 {
            one(image, &roles, name, address, exports, &mut steps)
        } else {
            (
                Verdict::Unknown("the binary has more modules than can be followed".into()),
                None,
                Vec::new(),
            )
        };
        judgements.push(Judgement {
            name: name.to_owned(),
            verdict,
            init,
            toolchain: Some(toolchain),
            evidence,
        });
    }
    judgements
}

/// The module whose init function a symbol is, and whether it is one that exports slots. A name
/// that is not ASCII is in Punycode, after a `U` (PEP 489).
fn init_of(symbol: &str) -> Option<(&str, bool)> {
    let (name, exports) = match symbol.strip_prefix("PyModExport") {
        Some(rest) => (rest, true),
        None => (symbol.strip_prefix("PyInit")?, false),
    };
    let name = name.strip_prefix("U_").or_else(|| name.strip_prefix('_'))?;
    (!name.is_empty()).then_some((name, exports))
}

type Judged = (Verdict, Option<Init>, Vec<Evidence>);

fn one(
    image: &Image,
    roles: &[Role],
    name: &str,
    address: u64,
    exports: bool,
    steps: &mut u32,
) -> Judged {
    let has = |role| roles.contains(&role);
    if !exports
        && !has(Role::DefInit)
        && !has(Role::SetGil)
        && (has(Role::Create) || has(Role::Named))
    {
        let what = "it makes its module itself, and imports neither PyModuleDef_Init nor PyUnstable_Module_SetGIL";
        let evidence = vec![Evidence { what: what.into(), address: Some(address) }];
        return (Verdict::DoesNotDeclare, Some(Init::SinglePhase), evidence);
    }
    let walked = walk::walk(image, roles, address, exports, steps);
    let judged = of_outcomes(&walked, exports);
    if !matches!(judged.0, Verdict::Unknown(_)) || exports || !has(Role::DefInit) {
        return judged;
    }
    // The second evidence: a definition of that name among the file's own data.
    let only_defines = !has(Role::SetGil)
        || walked.outcomes.iter().all(|one| !matches!(one, Outcome::Module { .. }));
    match named::definition(image, name).filter(|_| only_defines) {
        Some(reading) => {
            let (verdict, mut evidence) = of_reading(reading);
            let what = "found by its name, since the init function could not be followed to it";
            evidence.push(Evidence { what: what.into(), address: None });
            (verdict, Some(Init::MultiPhase), evidence)
        }
        None => judged,
    }
}

fn of_reading(reading: Reading) -> (Verdict, Vec<Evidence>) {
    let verdict = match reading.said {
        Said::NotUsed => Verdict::Declares,
        Said::Used => Verdict::SwitchesOn,
        Said::Nothing => Verdict::DoesNotDeclare,
        Said::Unknown(why) => Verdict::Unknown(why),
        Said::Nonsense => Verdict::Unknown("its PyModuleDef has no name".into()),
    };
    (verdict, reading.evidence)
}

/// The one thing that all ways through an init function come to, if they do.
fn of_outcomes(walked: &Walked, exports: bool) -> Judged {
    let mut all: Vec<Judged> = Vec::new();
    for outcome in walked.outcomes.iter().filter(|outcome| !is_before(outcome, &walked.outcomes)) {
        let judged = match outcome {
            Outcome::Definition(reading, _) | Outcome::Slots(reading)
                if reading.said == Said::Nonsense =>
            {
                continue;
            }
            Outcome::Definition(reading, at) => {
                let (verdict, mut evidence) = of_reading(reading.clone());
                let what = "PyModuleDef_Init is called".to_owned();
                evidence.insert(0, Evidence { what, address: Some(*at) });
                (verdict, Some(Init::MultiPhase), evidence)
            }
            Outcome::Slots(reading) => {
                let (verdict, evidence) = of_reading(reading.clone());
                (verdict, Some(Init::ModExport), evidence)
            }
            Outcome::Module { gil, made, passed } => of_module(*gil, *made, *passed),
        };
        if !all.iter().any(|(verdict, init, _)| *verdict == judged.0 && *init == judged.1) {
            all.push(judged);
        }
    }
    let gap = if walked.cut_off {
        Some("its init function is too long to follow to every end".to_owned())
    } else {
        walked.lost.map(|at| format!("its init function could not be followed beyond {at:#x}"))
    };
    let what = if exports { "slots" } else { "a definition or a module" };
    match (all.len(), gap) {
        (0, gap) => {
            let why = gap.unwrap_or_else(|| match walked.astray {
                true => "no way through its init function could be followed to its end".into(),
                false => "every way through its init function fails".into(),
            });
            (
                Verdict::Unknown(format!("{why}, and none was found that hands over {what}")),
                None,
                Vec::new(),
            )
        }
        // A module that is seen to say nothing may say it where the walk did not get.
        (1, Some(gap))
            if all[0].0 == Verdict::DoesNotDeclare && all[0].1 == Some(Init::SinglePhase) =>
        {
            let (_, init, evidence) = all.swap_remove(0);
            (Verdict::Unknown(gap), init, evidence)
        }
        (1, _) => {
            let (verdict, init, mut evidence) = all.swap_remove(0);
            if walked.cut_off {
                let what = "its init function is longer than was followed".into();
                evidence.push(Evidence { what, address: None });
            }
            (verdict, init, evidence)
        }
        _ => {
            let init = all[0].1;
            let evidence = all.into_iter().flat_map(|(_, _, evidence)| evidence).collect();
            let why = "ways through its init function differ in what they say";
            (Verdict::Unknown(why.into()), init, evidence)
        }
    }
}

/// Whether an outcome has slots that are blank, and another has the same ones filled. A static
/// variable of C++ is filled on the way that initialises it, and that is the way of the first
/// import.
fn is_before(outcome: &Outcome, all: &[Outcome]) -> bool {
    let slots = |one: &Outcome| match one {
        Outcome::Definition(reading, _) | Outcome::Slots(reading) => reading.slots,
        Outcome::Module { .. } => None,
    };
    matches!(slots(outcome), Some((at, true)) if all.iter().any(|one| slots(one) == Some((at, false))))
}

fn of_module(gil: Option<(Value, u64)>, made: Option<u64>, passed: Option<u64>) -> Judged {
    let mut evidence = Vec::new();
    if let Some(made) = made {
        evidence.push(Evidence { what: "it makes its module itself".into(), address: Some(made) });
    }
    let mut found =
        |what: &str, at| evidence.push(Evidence { what: what.into(), address: Some(at) });
    let verdict = match (gil, passed) {
        (Some((Value::Known(1), at)), _) => {
            found("PyUnstable_Module_SetGIL is told 1 (not used)", at);
            Verdict::Declares
        }
        (Some((Value::Known(0), at)), _) => {
            found("PyUnstable_Module_SetGIL is told 0 (used)", at);
            Verdict::SwitchesOn
        }
        (Some((_, at)), _) => {
            found("PyUnstable_Module_SetGIL is called", at);
            Verdict::Unknown(
                "what PyUnstable_Module_SetGIL is told is made at run time, or differs between modules"
                    .into(),
            )
        }
        (None, Some(at)) => {
            found("a call that could not be followed", at);
            Verdict::Unknown(format!(
                "the call at {at:#x}, which may say it, could not be followed"
            ))
        }
        (None, None) if made.is_none() => Verdict::Unknown(
            "it hands over what other code makes, and that is not in this binary or not seen"
                .into(),
        ),
        (None, None) => Verdict::DoesNotDeclare,
    };
    (verdict, Some(Init::SinglePhase), evidence)
}
