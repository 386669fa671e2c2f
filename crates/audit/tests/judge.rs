//! Modules of every way of saying something of the GIL, built here, judged, and imported: the interpreter has the last word.

use std::path::{Path, PathBuf};
use std::process::Command;
use ungil_audit::image::Image;
use ungil_audit::judge::judge;
use ungil_audit::model::{Init, Judgement, Toolchain, Verdict};
use ungil_tests::{Place, python};

/// A way of saying it, its number in `fixtures.c`, and what is to be found.
struct Way(u32, Init, Verdict);

const SINCE_3_14: [fn() -> Way; 11] = [
    || Way(1, Init::MultiPhase, Verdict::Declares),
    || Way(2, Init::MultiPhase, Verdict::SwitchesOn),
    || Way(3, Init::MultiPhase, Verdict::DoesNotDeclare),
    || Way(4, Init::MultiPhase, Verdict::DoesNotDeclare),
    || Way(5, Init::SinglePhase, Verdict::DoesNotDeclare),
    || Way(6, Init::SinglePhase, Verdict::Declares),
    || Way(7, Init::SinglePhase, Verdict::SwitchesOn),
    || Way(8, Init::SinglePhase, Verdict::Declares),
    || Way(9, Init::MultiPhase, Verdict::Declares),
    || Way(10, Init::MultiPhase, Verdict::DoesNotDeclare),
    || Way(11, Init::SinglePhase, Verdict::Declares),
];

const SINCE_3_15: [fn() -> Way; 5] = [
    || Way(20, Init::ModExport, Verdict::Declares),
    || Way(21, Init::ModExport, Verdict::SwitchesOn),
    || Way(22, Init::ModExport, Verdict::DoesNotDeclare),
    || Way(23, Init::ModExport, Verdict::Declares),
    || Way(24, Init::ModExport, Verdict::Declares),
];

/// Runs a program to its end and gives what it wrote.
fn output(command: &mut Command) -> String {
    let out = command.output().expect("the program runs");
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

fn headers(build: &str) -> String {
    let code = "import sysconfig; print(sysconfig.get_path('include'))";
    output(Command::new(python(build)).args(["-c", code]))
}

/// Builds `fixtures.c` in one of its ways, with these flags as well.
fn build(place: &Place, headers: &str, how: u32, flags: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judge/fixtures.c");
    let path = place.at("fixture.so");
    let define = format!("-DHOW={how}");
    output(
        Command::new("cc")
            .args(["-shared", "-fPIC", "-DM=fixture", &define, "-I", headers])
            .args(flags)
            .arg(&source)
            .arg("-o")
            .arg(&path),
    );
    path
}

fn judged(path: &Path) -> Judgement {
    let bytes = std::fs::read(path).expect("the module just built");
    let images = Image::parse(&bytes).expect("an image");
    let mut judgements = judge(images.first().expect("one image"));
    assert_eq!(judgements.len(), 1, "one module");
    judgements.remove(0)
}

/// Whether the interpreter switches its GIL on when it imports the module.
fn switches_on(build: &str, module: &Path) -> bool {
    let code = "import sys, fixture; print(sys._is_gil_enabled())";
    let folder = module.parent().expect("a folder");
    let said = output(
        Command::new(python(build))
            .args(["-W", "ignore", "-c", code])
            .env("PYTHONPATH", folder)
            .env_remove("PYTHON_GIL"),
    );
    said == "True"
}

fn agree(build_name: &str, ways: &[fn() -> Way], flags: &[&str]) {
    let headers = headers(build_name);
    for Way(how, init, verdict) in ways.iter().map(|way| way()) {
        let place = Place::new();
        let module = build(&place, &headers, how, flags);
        let found = judged(&module);
        let told = format!("way {how} for {build_name} with {flags:?}: {found:?}");
        assert_eq!(found.verdict, verdict, "{told}");
        assert_eq!(found.init, Some(init), "{told}");
        assert_eq!(found.name, "fixture");
        assert_eq!(found.toolchain, Some(Toolchain::C), "{told}");
        assert!(!found.evidence.is_empty(), "{told}");
        assert_eq!(found.verdict.switches_on(), Some(switches_on(build_name, &module)), "{told}");
    }
}

#[test]
fn every_way_of_3_14_is_what_the_interpreter_makes_of_it() {
    agree("3.14t", &SINCE_3_14, &["-O2"]);
}

#[test]
fn unoptimised_code_is_read_as_well() {
    agree("3.14t", &SINCE_3_14, &["-O0"]);
}

#[test]
fn calls_without_a_table_and_guarded_ones_are_read_as_well() {
    agree("3.14t", &SINCE_3_14, &["-O1", "-fno-plt", "-fcf-protection=full", "-fstack-protector-all"]);
}

#[test]
fn every_way_of_3_15_is_what_the_interpreter_makes_of_it() {
    agree("3.15t", &SINCE_3_14, &["-O2"]);
    agree("3.15t", &SINCE_3_15, &["-O2"]);
    agree("3.15t", &SINCE_3_15, &["-O0"]);
}

#[test]
fn the_numbers_of_slots_are_told_apart() {
    for (build_name, slot) in [("3.14t", "slot 4 "), ("3.15t", "slot 87 ")] {
        let place = Place::new();
        let found = judged(&build(&place, &headers(build_name), 1, &["-O2"]));
        assert!(found.evidence.iter().any(|one| one.what.starts_with(slot)), "{build_name}: {found:?}");
    }
}

#[test]
fn what_the_file_does_not_say_is_unknown_with_the_reason() {
    for how in [12, 13, 14] {
        let place = Place::new();
        let found = judged(&build(&place, &headers("3.14t"), how, &["-O2"]));
        assert!(matches!(&found.verdict, Verdict::Unknown(why) if !why.is_empty()), "way {how}: {found:?}");
        assert_eq!(found.verdict.switches_on(), None);
    }
}

#[test]
fn a_library_that_is_no_module_is_none() {
    let place = Place::new();
    let source = place.write("plain.c", "int answer(void) { return 42; }\n");
    let path = place.at("plain.so");
    output(Command::new("cc").args(["-shared", "-fPIC"]).arg(&source).arg("-o").arg(&path));
    let bytes = std::fs::read(&path).expect("the library");
    let images = Image::parse(&bytes).expect("an image");
    assert!(images.iter().flat_map(judge).next().is_none());
}
