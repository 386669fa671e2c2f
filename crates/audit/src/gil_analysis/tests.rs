//! Init functions written as machine code: cases that no available compiler generates, and hostile
//! ones.

use super::analyze;
use crate::image::{Arch, Format, Image, Segment};
use crate::model::{Init, Verdict};
use proptest::prelude::*;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

const CODE: u64 = 0x1000;
const DATA: u64 = 0x8000;
const CREATE: u64 = 0x1800;
const SET_GIL: u64 = 0x1810;
const DEF_INIT: u64 = 0x1820;

/// Returns an image with this init function at [`CODE`], data after it, and stubs for three
/// imports.
fn image(arch: Arch, file: &[u8], code: usize) -> Image<'_> {
    let imports = ["PyModule_Create2", "PyUnstable_Module_SetGIL", "PyModuleDef_Init"];
    let segment = |start: u64, file: std::ops::Range<usize>, executable| Segment {
        addresses: start..start + 0x1000,
        file,
        executable,
    };
    Image {
        format: Format::Elf,
        arch,
        file,
        segments: vec![segment(CODE, 0..code, true), segment(DATA, code..file.len(), false)],
        exports: BTreeMap::from([
            ("PyInit_x".to_owned(), CODE),
            ("PyModExport_x".to_owned(), CODE),
        ]),
        imports: imports.map(str::to_owned).to_vec(),
        pointers: FxHashMap::default(),
        cells: FxHashMap::default(),
        stubs: FxHashMap::from_iter([(CREATE, 0), (SET_GIL, 1), (DEF_INIT, 2)]),
        jumps: FxHashMap::default(),
        libraries: Vec::new(),
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn init_verdict(image: &Image) -> (Verdict, Option<Init>) {
    let analysis = analyze(image).into_iter().find(|one| one.init != Some(Init::ModExport));
    analysis.map(|one| (one.verdict, one.init)).expect("PyInit_x is analyzed")
}

/// Encodes `bl` as the n-th instruction.
fn call(n: u64, to: u64) -> u32 {
    0x9400_0000 | ((to - (CODE + 4 * n)) / 4) as u32
}

#[test]
fn follows_arm_code_that_calls_set_gil() {
    for (flag, verdict) in [(0xd280_0021, Verdict::Declares), (0xd280_0001, Verdict::SwitchesOn)] {
        let code = words(&[
            0xa9be_7bfd, // stp x29, x30, [sp, #-32]!
            0xf900_0bf3, // str x19, [sp, #16]
            call(2, CREATE),
            0xaa00_03f3, // mov x19, x0
            0xb400_0060, // cbz x0, +12
            flag,        // mov x1, #1 or #0
            call(6, SET_GIL),
            0xaa13_03e0, // mov x0, x19
            0xf940_0bf3, // ldr x19, [sp, #16]
            0xa8c2_7bfd, // ldp x29, x30, [sp], #32
            0xd65f_03c0, // ret
        ]);
        let image = image(Arch::Aarch64, &code, code.len());
        assert_eq!(init_verdict(&image), (verdict, Some(Init::SinglePhase)));
    }
}

#[test]
fn reads_arm_slots_stored_in_pairs() {
    let code = words(&[
        0xd000_0028, // adrp x8, 0x7000
        0x9140_0508, // add x8, x8, #0x1000
        0x5280_0089, // mov w9, #4
        0xb900_0109, // str w9, [x8]
        0xb240_03ea, // mov x10, #1 (orr)
        0xa900_fd0a, // stp x10, xzr, [x8, #8]
        0xf900_0d1f, // str xzr, [x8, #24]
        0xd102_0100, // sub x0, x8, #128
        0xaa08_03e0, // mov x0, x8
        0xd65f_03c0, // ret
    ]);
    let image = image(Arch::Aarch64, &code, code.len());
    let analysis = analyze(&image).into_iter().find(|one| one.init == Some(Init::ModExport));
    assert_eq!(analysis.map(|one| one.verdict), Some(Verdict::Declares));
}

#[test]
fn reports_cyclic_slots_as_unknown() {
    // lea rax, [rip + DATA]; ret: an array with a subslots slot that refers to itself.
    let offset = u32::try_from(DATA - (CODE + 7)).expect("near").to_le_bytes();
    let mut file = [&[0x48, 0x8d, 0x05][..], &offset, &[0xc3]].concat();
    let code = file.len();
    file.extend([92, 0, 0, 0, 0, 0, 0, 0]);
    file.extend(DATA.to_le_bytes());
    let image = image(Arch::X86_64, &file, code);
    let analysis = analyze(&image).into_iter().find(|one| one.init == Some(Init::ModExport));
    assert!(
        matches!(analysis.map(|one| one.verdict), Some(Verdict::Unknown(why)) if why.contains("cycle"))
    );
}

#[test]
fn gives_up_on_endless_code() {
    // A jump to itself, a call of itself, an endless push.
    for code in [&[0xeb, 0xfe][..], &[0xe8, 0xfb, 0xff, 0xff, 0xff], &[0x50, 0xeb, 0xfd]] {
        let image = image(Arch::X86_64, code, code.len());
        assert!(matches!(init_verdict(&image).0, Verdict::Unknown(_)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn analyzes_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..512), code in 0usize..512) {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            let image = image(arch, &bytes, code.min(bytes.len()));
            prop_assert_eq!(analyze(&image).len(), 2);
        }
    }

    #[test]
    fn analyzes_any_arm_instructions(code in prop::collection::vec(
        (any::<u32>(), prop::sample::select(vec![0x1000_0000u32, 0x2800_0000, 0x3800_0000, 0x0b00_0000, 0x1400_0000, 0x3400_0000])),
        0..128,
    )) {
        let code = words(&code.into_iter().map(|(word, kind)| word & 0x80ff_ffff | kind).collect::<Vec<_>>());
        let image = image(Arch::Aarch64, &code, code.len());
        prop_assert_eq!(analyze(&image).len(), 2);
    }
}
