//! Checks the offset table against each interpreter's own data.

use cpython_layout::{AsyncioOffsets, COOKIE, DebugOffsets, LayoutError, MAX_SIZE};
use object::{Object, ObjectSection};
use proptest::prelude::*;
use std::process::Command;
use ungil_tests::{BUILDS, python};

/// Returns the output of a Python program, split at whitespace.
fn output(build: &str, program: &str) -> Vec<String> {
    let out =
        Command::new(python(build)).args(["-c", program]).output().expect("the interpreter runs");
    assert!(out.status.success(), "{build}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).split_whitespace().map(str::to_owned).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|two| u8::from_str_radix(str::from_utf8(two).expect("ASCII"), 16).expect("hex"))
        .collect()
}

/// Returns the table's bytes in that interpreter, and `sys.hexversion`, the size of the object
/// header, the size of a type, and offsets derived from objects.
fn table(build: &str) -> (Vec<u8>, Vec<u64>) {
    let words = output(
        build,
        "import ctypes, sys, types
word = ctypes.c_uint64
runtime = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, '_PyRuntime'))
print(ctypes.string_at(runtime, 1024).hex())
def where(object, value):
    # The first word of the object that is the address of the value.
    return next(k for k in range(0, 400, 8) if word.from_address(id(object) + k).value == id(value))
class Type:
    def method(): pass
code = Type.method.__code__
print(sys.hexversion, object.__basicsize__, type.__basicsize__, types.CodeType.__basicsize__, dict.__basicsize__,
      where([], list), where(code, code.co_filename), where(code, code.co_qualname), where(code, code.co_linetable),
      next(k for k in range(0, 100, 4) if ctypes.c_int.from_address(id(code) + k).value == code.co_firstlineno))",
    );
    (bytes(&words[0]), words[1..].iter().map(|n| n.parse().expect("a number")).collect())
}

#[test]
fn tables_match_the_objects_of_every_build() {
    for build in BUILDS {
        let (bytes, facts) = table(build);
        let offsets = DebugOffsets::parse(&bytes).unwrap_or_else(|why| panic!("{build}: {why}"));
        let version = offsets.version;
        let hex =
            u64::from_be_bytes([0, 0, 0, 0, version.major, version.minor, version.micro, 0xf0]);
        assert_eq!(offsets.free_threaded, build.ends_with('t'), "{build}");
        let code = offsets.code_object;
        // Variable-sized objects have one element in the C structure and none in `__basicsize__`.
        let found = [
            hex,
            offsets.pyobject.size,
            offsets.heap_type_object.map_or(facts[2], |t| t.size),
            code.co_code_adaptive,
            offsets.dict_object.size,
            offsets.pyobject.ob_type,
            code.filename,
            code.qualname,
            code.linetable,
            code.firstlineno,
        ];
        assert_eq!(found[..], facts[..], "{build}");
        let minor = version.minor;
        assert_eq!(offsets.interpreter_state.threads_main.is_some(), minor >= 14, "{build}");
        assert_eq!(offsets.gc.generation_stats.is_some(), minor >= 15, "{build}");
        assert_eq!(offsets.thread_state.holds_gil.is_some(), minor >= 15, "{build}");
        assert_eq!(offsets.llist_node.is_some(), minor >= 14, "{build}");
        assert_eq!(
            offsets.interpreter_frame.tlbc_index.unwrap_or(0) != 0,
            offsets.free_threaded,
            "{build}"
        );
        assert_eq!(
            offsets.debugger_support.map_or(512, |d| d.debugger_script_path_size),
            512,
            "{build}"
        );
    }
}

#[test]
fn rejects_tables_of_another_version() {
    for build in BUILDS {
        let (bytes, _) = table(build);
        let refused = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = bytes.clone();
            change(&mut bytes);
            DebugOffsets::parse(&bytes).expect_err("refused")
        };
        assert_eq!(refused(&|b| b[0] = b'y'), LayoutError::NoTable);
        assert_eq!(refused(&|b| b.truncate(20)), LayoutError::NoTable);
        assert!(matches!(refused(&|b| b.truncate(500)), LayoutError::Short { .. }));
        assert!(matches!(refused(&|b| b[10] = 16), LayoutError::Unknown(v) if v.minor == 16));
        assert!(matches!(refused(&|b| b[10] = 12), LayoutError::Unknown(_)));
        assert!(matches!(refused(&|b| b[8] = 0), LayoutError::NoVersion(_)));
        assert!(matches!(
            refused(&|b| b[16] = 2),
            LayoutError::Misfit { field: "free_threaded", .. }
        ));
        // A field more or less, as in a pre-release, shifts all following ones.
        for at in (24..500).step_by(8) {
            refused(&|b| drop(b.splice(at..at, [0; 8])));
            refused(&|b| drop(b.drain(at..at + 8)));
        }
        // Parsing the table as another version.
        for minor in (13..=15).filter(|&m| m != bytes[10]) {
            refused(&|b| b[10] = minor);
        }
        let message = |e: LayoutError| e.to_string();
        assert!(message(refused(&|b| b[46] = 0xff)).contains("interpreters_head"), "{build}");
        assert!(
            message(refused(&|b| (b[8], b[47]) = (0xb1, 1))).contains("pre-release"),
            "{build}"
        );
    }
}

#[test]
fn parses_asyncio_tables() {
    for build in BUILDS {
        let words = output(
            build,
            "import sys, _asyncio; print(_asyncio.Task.__basicsize__, getattr(_asyncio, '__file__', sys.executable))",
        );
        let file = std::fs::read(&words[1]).expect("a file");
        let elf = object::File::parse(&*file).expect("an ELF file");
        let Some(section) = elf.section_by_name(".AsyncioDebug") else {
            assert_eq!(build, "3.13");
            continue;
        };
        let asyncio = AsyncioOffsets::parse(section.data().expect("its bytes")).expect("a table");
        let (bytes, _) = table(build);
        let offsets = DebugOffsets::parse(&bytes).expect("a table");
        assert_eq!(asyncio.task_size.to_string(), words[0], "{build}");
        assert_eq!(asyncio.interpreter_size, offsets.interpreter_state.size, "{build}");
        assert!(asyncio.running_loop >= offsets.thread_state.size, "{build}");
    }
}

proptest! {
    /// Arbitrary bytes are rejected or parsed, and what is parsed has been checked.
    #[test]
    fn arbitrary_bytes_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..MAX_SIZE + 16), minor in 12u8..17, threaded in 0u8..3) {
        let _ = AsyncioOffsets::parse(&bytes);
        let _ = DebugOffsets::parse(&bytes);
        if let Some(head) = bytes.first_chunk_mut::<24>() {
            head[..8].copy_from_slice(COOKIE);
            head[8..].copy_from_slice(&[0xf0, 1, minor, 3, 0, 0, 0, 0, threaded, 0, 0, 0, 0, 0, 0, 0]);
        }
        prop_assert!(DebugOffsets::parse(&bytes).is_err());
    }
}
