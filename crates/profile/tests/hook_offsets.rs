//! The few offsets that the library loaded into a target reads by itself, against the whole table that is read from outside.

use std::process::Command;
use ungil_hook::offsets::{LENGTH, Offsets};
use ungil_remote::DebugOffsets;
use ungil_tests::{BUILDS, python};

/// What `_PyRuntime` of an interpreter begins with.
const PROGRAM: &str = "import ctypes
print(ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, '_PyRuntime')), 1024).hex())";

fn runtime(build: &str) -> Vec<u8> {
    let out = Command::new(python(build)).args(["-c", PROGRAM]).output().expect("the interpreter runs");
    assert!(out.status.success(), "{build}: {}", String::from_utf8_lossy(&out.stderr));
    let byte = |two: &[u8]| u8::from_str_radix(str::from_utf8(two).expect("ASCII"), 16).expect("hex");
    out.stdout.trim_ascii().chunks(2).map(byte).collect()
}

#[test]
fn the_library_and_the_reader_outside_agree_on_every_build() {
    for build in BUILDS {
        let bytes = runtime(build);
        let all = DebugOffsets::parse(&bytes).unwrap_or_else(|why| panic!("{build}: {why}"));
        let few = Offsets::parse(&bytes[..LENGTH]).unwrap_or_else(|| panic!("{build} is not known"));
        let version = u32::from_be_bytes([all.version.major, all.version.minor, all.version.micro, 0xf0]);
        let outside = [
            version.into(),
            all.free_threaded.into(),
            all.thread_state.current_frame,
            all.interpreter_frame.previous,
            all.interpreter_frame.executable,
            all.code_object.filename,
            all.code_object.qualname,
            all.code_object.linetable,
            all.code_object.firstlineno,
            all.pyobject.ob_type,
            all.type_object.tp_name,
            all.type_object.tp_flags,
        ];
        let Offsets {
            version,
            free_threaded,
            current_frame,
            previous,
            executable,
            filename,
            qualname,
            linetable,
            firstlineno,
            ob_type,
            tp_name,
            tp_flags,
        } = few;
        let offsets = [
            current_frame,
            previous,
            executable,
            filename,
            qualname,
            linetable,
            firstlineno,
            ob_type,
            tp_name,
            tp_flags,
        ];
        let inside: Vec<u64> =
            [version, free_threaded.into()].into_iter().chain(offsets.map(|offset| offset as u64)).collect();
        assert_eq!(inside, outside, "{build}");
    }
}
