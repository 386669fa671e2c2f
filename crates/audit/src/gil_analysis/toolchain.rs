//! Detects the toolchain of an extension module by strings that its runtime leaves in every binary.

use crate::image::Image;
use crate::model::Toolchain;
use aho_corasick::AhoCorasick;
use std::sync::OnceLock;

/// Strings in the binary: names that a runtime looks up, messages, mangled C++ type names.
const MARKS: [(&str, Toolchain); 18] = [
    ("__nb_internals_", Toolchain::Nanobind),
    ("nb_internals_", Toolchain::Nanobind),
    ("N8nanobind", Toolchain::Nanobind),
    ("__pybind11_internals_", Toolchain::Pybind11),
    ("N8pybind11", Toolchain::Pybind11),
    ("pyo3_runtime.PanicException", Toolchain::PyO3),
    ("pyo3::", Toolchain::PyO3),
    ("/pyo3-", Toolchain::PyO3),
    ("pythranized function", Toolchain::Pythran),
    ("__pyx_capi__", Toolchain::Cython),
    ("_cython_", Toolchain::Cython),
    ("cython_runtime", Toolchain::Cython),
    ("swig_runtime_data", Toolchain::Swig),
    ("_init_cffi_1_0_external_module", Toolchain::Cffi),
    ("auto-generated with f2py", Toolchain::F2py),
    ("__mypyc_attrs__", Toolchain::Mypyc),
    ("Boost.Python", Toolchain::Boost),
    ("N5boost6python", Toolchain::Boost),
];

/// Precedence when several toolchains are found.
const ORDER: [Toolchain; 10] = [
    Toolchain::F2py,
    Toolchain::Pythran,
    Toolchain::Cython,
    Toolchain::Nanobind,
    Toolchain::Pybind11,
    Toolchain::PyO3,
    Toolchain::Mypyc,
    Toolchain::Swig,
    Toolchain::Cffi,
    Toolchain::Boost,
];

/// Maximum number of bytes searched in one segment. The strings are among the constants, which come
/// first.
const MAX_SEARCHED: usize = 4 << 20;

/// Detects the toolchain of an image.
pub(crate) fn detect(image: &Image) -> Toolchain {
    static SEARCH: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    let search = SEARCH.get_or_init(|| AhoCorasick::new(MARKS.iter().map(|(mark, _)| mark)).ok());
    let mut found = [false; MARKS.len()];
    if let Some(search) = search {
        for segment in image.segments.iter().filter(|segment| !segment.executable) {
            let bytes = image.file.get(segment.file.clone()).unwrap_or_default();
            for hit in search.find_iter(bytes.get(..MAX_SEARCHED).unwrap_or(bytes)) {
                if let Some(found) = found.get_mut(hit.pattern().as_usize()) {
                    *found = true;
                }
            }
        }
    }
    let found: Vec<Toolchain> = MARKS
        .iter()
        .zip(found)
        .filter(|(_, found)| *found)
        .map(|((_, toolchain), _)| *toolchain)
        .collect();
    ORDER.into_iter().find(|toolchain| found.contains(toolchain)).unwrap_or(Toolchain::C)
}
