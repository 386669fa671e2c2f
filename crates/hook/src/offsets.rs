//! The few of `_Py_DebugOffsets` that a walk over one's own frames needs.
//!
//! `ungil-remote` parses the whole table from outside. This file has ten positions of it because the library is compiled alone;
//! `hook_offsets.rs` among the tests of `ungil-profile` holds both against each other.

/// Bytes of `_PyRuntime` that [`Offsets::parse`] may look at.
pub const LENGTH: usize = 584;

/// Offsets, in bytes, within CPython's own structures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offsets {
    /// `Py_Version` of the interpreter.
    pub version: u64,
    /// Whether the build has no GIL.
    pub free_threaded: bool,
    /// `PyThreadState.current_frame`.
    pub current_frame: usize,
    /// `_PyInterpreterFrame.previous`.
    pub previous: usize,
    /// `_PyInterpreterFrame.f_executable`.
    pub executable: usize,
    /// `PyCodeObject.co_filename`.
    pub filename: usize,
    /// `PyCodeObject.co_qualname`.
    pub qualname: usize,
    /// `PyCodeObject.co_linetable`.
    pub linetable: usize,
    /// `PyCodeObject.co_firstlineno`.
    pub firstlineno: usize,
    /// `PyObject.ob_type`.
    pub ob_type: usize,
    /// `PyTypeObject.tp_name`.
    pub tp_name: usize,
    /// `PyTypeObject.tp_flags`.
    pub tp_flags: usize,
}

/// Where each lies in `_Py_DebugOffsets`, in the order of the fields above; from `pycore_runtime.h` of 3.13 and
/// `pycore_debug_offsets.h` of 3.14 and 3.15, which are the same for builds with and without the GIL.
const POSITIONS: [(u64, [usize; 10]); 3] = [
    (0x030d, [184, 232, 240, 280, 296, 304, 312, 360, 376, 392]),
    (0x030e, [208, 256, 264, 320, 336, 344, 352, 408, 424, 440]),
    (0x030f, [208, 320, 328, 384, 400, 408, 416, 472, 488, 504]),
];

impl Offsets {
    /// From the first bytes of `_PyRuntime`; `None` when this is not a CPython of 3.13 to 3.15 or an offset is absurd.
    pub fn parse(runtime: &[u8]) -> Option<Offsets> {
        let word = |at: usize| Some(u64::from_le_bytes(runtime.get(at..at + 8)?.try_into().ok()?));
        if runtime.get(..8)? != b"xdebugpy" {
            return None;
        }
        let version = word(8)?;
        let (_, positions) = POSITIONS.iter().find(|(minor, _)| *minor == version >> 16)?;
        let mut offsets = [0usize; 10];
        for (offset, at) in offsets.iter_mut().zip(positions) {
            *offset = usize::try_from(word(*at)?).ok().filter(|o| *o < 1 << 12 && o % 4 == 0)?;
        }
        let [
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
        ] = offsets;
        let free_threaded = word(16)? != 0;
        Some(Offsets {
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
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime(minor: u64) -> Vec<u8> {
        let mut bytes = vec![0; 1024];
        bytes[..8].copy_from_slice(b"xdebugpy");
        bytes[8..16].copy_from_slice(&(minor << 16).to_le_bytes());
        bytes
    }

    #[test]
    fn each_minor_version_has_its_own_positions() {
        let mut bytes = runtime(0x030f);
        bytes[320..328].copy_from_slice(&8u64.to_le_bytes());
        assert_eq!(Offsets::parse(&bytes).map(|o| o.previous), Some(8));
        assert_eq!(Offsets::parse(&runtime(0x030e)).map(|o| o.previous), Some(0));
    }

    #[test]
    fn what_is_not_a_known_cpython_is_refused() {
        assert_eq!(Offsets::parse(&runtime(0x0310)), None, "3.16");
        assert_eq!(Offsets::parse(&runtime(0x030e)[..200]), None, "short");
        let mut absurd = runtime(0x030d);
        absurd[232..240].copy_from_slice(&(1u64 << 20).to_le_bytes());
        assert_eq!(Offsets::parse(&absurd), None);
        assert_eq!(Offsets::parse(&[0; 1024]), None);
    }
}
