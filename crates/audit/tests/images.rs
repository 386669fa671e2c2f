//! Parses images of every format and compares the result with what was put into them. Unsupported
//! files are rejected with the reason.

mod synthetic;

use std::process::Command;
use synthetic::{Fills, IMPORT, elf, macho, pe, universal, without_sections};
use ungil_audit::image::{Arch, Image, ImageError, PointerTarget};

const ARCHES: [Arch; 2] = [Arch::X86_64, Arch::Aarch64];

fn one(bytes: &[u8]) -> Image<'_> {
    let mut images = Image::parse(bytes).expect("it is read");
    assert_eq!(images.len(), 1);
    images.remove(0)
}

/// Linker options that change the layout of calls, relocations and hash tables.
const LINKERS: [&[&str]; 7] = [
    &[],
    &["-Wl,-z,now"],
    &["-Wl,-z,lazy", "-Wl,--hash-style=sysv"],
    &["-Wl,-z,lazy", "-Wl,--hash-style=gnu"],
    &["-fno-plt"],
    &["-Wl,-z,pack-relative-relocs"],
    &["-Wl,-Bsymbolic", "-s"],
];
#[cfg(target_arch = "x86_64")]
const GUARDED: &[&str] = &["-fcf-protection=full", "-Wl,-z,lazy"];
#[cfg(not(target_arch = "x86_64"))]
const GUARDED: &[&str] = &["-mbranch-protection=standard", "-Wl,-z,lazy"];

/// Returns the targets of calls (`call rel32`, `bl`) in the first hundred bytes from `address` on.
fn calls(image: &Image<'_>, address: u64) -> Vec<u64> {
    let code = image.code(address).expect("code");
    let code = &code[..code.len().min(100)];
    match image.arch {
        Arch::X86_64 => {
            let at = code.windows(5).enumerate().filter(|(_, bytes)| bytes[0] == 0xe8);
            at.map(|(at, bytes)| {
                let displacement = i32::from_le_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]);
                address.wrapping_add(at as u64 + 5).wrapping_add_signed(displacement.into())
            })
            .collect()
        }
        Arch::Aarch64 => {
            let words =
                code.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).enumerate();
            words
                .filter(|(_, word)| word >> 26 == 0b10_0101)
                .map(|(at, word)| {
                    let words = i64::from((word << 6) as i32 >> 6);
                    address.wrapping_add(4 * at as u64).wrapping_add_signed(words * 4)
                })
                .collect()
        }
    }
}

#[test]
fn parses_elf_of_all_linker_options() {
    for options in LINKERS.into_iter().chain([GUARDED]) {
        let linked = elf(options);
        for bytes in [linked.image.bytes.clone(), without_sections(&linked.image.bytes)] {
            let image = one(&bytes);
            linked.image.check(&image);
            assert!(
                !image.exports.contains_key("made_local"),
                "{options:?}: thread-local symbols have no address"
            );
            assert!(!image.exports.contains_key("made_hidden"), "{options:?}");
            if !options.contains(&"-fno-plt") {
                let called = calls(&image, linked.image.init);
                assert!(
                    called.iter().any(|&to| image.stub(to) == Some(IMPORT)),
                    "{options:?}: {called:x?}"
                );
            }
        }
    }
}

#[test]
fn resolves_stubs_for_functions_of_the_image() {
    let linked = elf(&["-Wl,-z,lazy", "-fno-inline", "-fsemantic-interposition"]);
    let image = one(&linked.image.bytes);
    let own = image.exports["made_called"];
    let called = calls(&image, linked.image.init);
    assert!(
        called.iter().any(|&to| image.jump(to) == Some(PointerTarget::Inside(own))),
        "{called:x?} to {own:x}"
    );
}

#[test]
fn symbols_match_nm() {
    let linked = elf(&[]);
    let image = one(&linked.image.bytes);
    let out = Command::new("nm")
        .args(["-D", "--without-symbol-versions"])
        .arg(&linked.path)
        .output()
        .expect("nm runs");
    let text = String::from_utf8(out.stdout).expect("text");
    let lines: Vec<Vec<&str>> =
        text.lines().map(|line| line.split_whitespace().collect()).collect();
    let mut imports: Vec<&str> =
        lines.iter().filter(|line| line.len() == 2).map(|line| line[1]).collect();
    let mut seen: Vec<&str> = image.imports.iter().map(String::as_str).collect();
    imports.sort_unstable();
    seen.sort_unstable();
    assert_eq!(seen, imports);
    // Thread-local symbols are excluded: their value in `nm` is not an address.
    let exports = lines.iter().filter(|line| line.len() == 3 && line[2] != "made_local");
    let exports: Vec<(String, u64)> = exports
        .map(|line| (line[2].to_owned(), u64::from_str_radix(line[0], 16).expect("a number")))
        .collect();
    for (name, address) in &exports {
        assert_eq!(image.exports.get(name), Some(address), "{name}");
    }
    assert_eq!(image.exports.len(), exports.len());
}

#[test]
fn parses_pe() {
    for arch in ARCHES {
        let expected = pe(arch);
        let image = one(&expected.bytes);
        expected.check(&image);
        assert_eq!(image.exports.len(), 1, "a forwarder has no address");
        assert_eq!(image.pointer(expected.import + 8), Some(PointerTarget::Import("#77")));
        let late = expected.text + 0x80;
        assert_eq!(
            image.pointer(late),
            Some(PointerTarget::Import("PyList_New")),
            "not the address of its resolver"
        );
        assert_eq!(image.libraries, ["libpython314t.dll", "late.dll"]);
    }
}

#[test]
fn parses_macho_with_all_kinds_of_fixups() {
    for arch in ARCHES {
        for fills in [Fills::Chain, Fills::OffsetChain, Fills::Opcodes] {
            for symbols in [true, false] {
                let expected = macho(arch, fills, symbols);
                let image = one(&expected.bytes);
                expected.check(&image);
                assert_eq!(image.exports.len(), 1, "{fills:?}: the leading underscore is removed");
                assert_eq!(image.imports, [IMPORT], "{fills:?}");
                let cell = expected.text + 0x10;
                assert_eq!(
                    image.pointer(cell),
                    Some(PointerTarget::Import(IMPORT)),
                    "{fills:?}: not the address of its resolver"
                );
            }
        }
    }
}

#[test]
fn parses_universal_files() {
    let (intel, arm) =
        (macho(Arch::X86_64, Fills::Opcodes, true), macho(Arch::Aarch64, Fills::OffsetChain, true));
    let bytes = universal(&[&intel, &arm]);
    let images = Image::parse(&bytes).expect("it is read");
    assert_eq!(images.len(), 2);
    intel.check(&images[0]);
    arm.check(&images[1]);
}

#[test]
fn parses_unaligned_images() {
    for expected in [pe(Arch::X86_64), macho(Arch::X86_64, Fills::Opcodes, true), elf(&[]).image] {
        for skew in 1..8 {
            let bytes = [&vec![0; skew][..], &expected.bytes].concat();
            expected.check(&one(&bytes[skew..]));
        }
    }
}

fn why(bytes: &[u8]) -> String {
    Image::parse(bytes).expect_err("it is not read").to_string()
}

#[test]
fn rejects_unsupported_files_with_the_reason() {
    let not = ImageError::NotABinary.to_string();
    for bytes in [
        &b""[..],
        b"M",
        b"#!/bin/sh\n",
        b"/* GNU ld script */",
        b"MZ and nothing",
        b"\xca\xfe\xba\xbe\0\0\0\x34java",
    ] {
        assert_eq!(why(bytes), not, "{bytes:?}");
    }
    let elf = elf(&[]).image.bytes;
    let with = |bytes: &[u8], at: usize, new: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[at..at + new.len()].copy_from_slice(new);
        why(&bytes)
    };
    assert!(with(&elf, 5, &[2]).contains("big-endian"));
    assert!(with(&elf, 18, &[3, 0]).contains("32-bit x86"));
    assert!(with(&elf, 18, &[40, 0]).contains("32-bit Arm"));
    assert!(with(&elf, 18, &[243, 0]).contains("RISC-V"));
    assert!(with(&elf, 18, &[0xcd, 0xab]).contains("machine 43981"));
    assert!(with(&elf, 4, &[1]).contains("32-bit"));
    assert!(with(&elf, 16, &[1, 0]).contains("not linked"));
    assert!(why(&elf[..0x40]).contains("damaged"));
    let pe = pe(Arch::X86_64).bytes;
    assert!(with(&pe, 0x84, &[0x4c, 0x01]).contains("32-bit x86"));
    assert!(with(&pe, 0x84, &[0x41, 0xa6]).contains("ARM64EC"));
    assert!(why(&pe[..0x100]).contains("damaged"));
    let mach = macho(Arch::Aarch64, Fills::Chain, true).bytes;
    assert!(with(&mach, 0, &[0xce]).contains("32-bit"));
    assert!(with(&mach, 0, &[0xfe, 0xed, 0xfa, 0xcf]).contains("big-endian"));
    assert!(with(&mach, 8, &[2]).contains("arm64e"));
    assert!(with(&mach, 12, &[1]).contains("type 1"));
    assert!(why(&mach[..0x100]).contains("damaged"));
}
