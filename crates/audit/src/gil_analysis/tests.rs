//! Init functions written as bytes: what no compiler at hand makes, and what nobody would.

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

/// An image whose init function is these bytes at [`CODE`], with data behind it and entries for
/// three imports.
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

fn of_init(image: &Image) -> (Verdict, Option<Init>) {
    let judgement = analyze(image).into_iter().find(|one| one.init != Some(Init::ModExport));
    judgement.map(|one| (one.verdict, one.init)).expect("PyInit_x is judged")
}

/// `bl` from the n-th instruction.
fn call(n: u64, to: u64) -> u32 {
    0x9400_0000 | ((to - (CODE + 4 * n)) / 4) as u32
}

#[test]
fn arm_code_that_tells_is_followed() {
    for (told, verdict) in [(0xd280_0021, Verdict::Declares), (0xd280_0001, Verdict::SwitchesOn)] {
        let code = words(&[
            0xa9be_7bfd, // stp x29, x30, [sp, #-32]!
            0xf900_0bf3, // str x19, [sp, #16]
            call(2, CREATE),
            0xaa00_03f3, // mov x19, x0
            0xb400_0060, // cbz x0, +12
            told,        // mov x1, #1 or #0
            call(6, SET_GIL),
            0xaa13_03e0, // mov x0, x19
            0xf940_0bf3, // ldr x19, [sp, #16]
            0xa8c2_7bfd, // ldp x29, x30, [sp], #32
            0xd65f_03c0, // ret
        ]);
        let image = image(Arch::Aarch64, &code, code.len());
        assert_eq!(of_init(&image), (verdict, Some(Init::SinglePhase)));
    }
}

#[test]
fn arm_slots_stored_in_pairs_are_read() {
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
    let judgement = analyze(&image).into_iter().find(|one| one.init == Some(Init::ModExport));
    assert_eq!(judgement.map(|one| one.verdict), Some(Verdict::Declares));
}

#[test]
fn slots_that_name_each_other_in_a_circle_are_unknown() {
    // lea rax, [rip + DATA]; ret: an array whose slot of more slots is itself.
    let offset = u32::try_from(DATA - (CODE + 7)).expect("near").to_le_bytes();
    let mut file = [&[0x48, 0x8d, 0x05][..], &offset, &[0xc3]].concat();
    let code = file.len();
    file.extend([92, 0, 0, 0, 0, 0, 0, 0]);
    file.extend(DATA.to_le_bytes());
    let image = image(Arch::X86_64, &file, code);
    let judgement = analyze(&image).into_iter().find(|one| one.init == Some(Init::ModExport));
    assert!(
        matches!(judgement.map(|one| one.verdict), Some(Verdict::Unknown(why)) if why.contains("circle"))
    );
}

#[test]
fn code_that_never_ends_is_given_up() {
    // jmp to itself; call of itself; a push for ever.
    for code in [&[0xeb, 0xfe][..], &[0xe8, 0xfb, 0xff, 0xff, 0xff], &[0x50, 0xeb, 0xfd]] {
        let image = image(Arch::X86_64, code, code.len());
        assert!(matches!(of_init(&image).0, Verdict::Unknown(_)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..512), code in 0usize..512) {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            let image = image(arch, &bytes, code.min(bytes.len()));
            prop_assert_eq!(analyze(&image).len(), 2);
        }
    }

    #[test]
    fn any_arm_instructions_are_judged(code in prop::collection::vec(
        (any::<u32>(), prop::sample::select(vec![0x1000_0000u32, 0x2800_0000, 0x3800_0000, 0x0b00_0000, 0x1400_0000, 0x3400_0000])),
        0..128,
    )) {
        let code = words(&code.into_iter().map(|(word, kind)| word & 0x80ff_ffff | kind).collect::<Vec<_>>());
        let image = image(Arch::Aarch64, &code, code.len());
        prop_assert_eq!(analyze(&image).len(), 2);
    }
}
