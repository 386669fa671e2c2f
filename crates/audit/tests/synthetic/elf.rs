//! An ELF image built by the C compiler for this machine.

use super::{SyntheticImage, TEXT};
use std::path::Path;
use std::process::Command;
use ungil_audit::image::{Arch, Format, Image};

/// The cells are exported, so their addresses are known without reading relocations.
const SOURCE: &str = r#"
void *PyModuleDef_Init(void *);
static const char text[] = "package.made";
void *PyInit_made(void);
const void *made_text = text;
void *made_own = (void *)PyInit_made;
void *made_import = (void *)PyModuleDef_Init;
__thread int made_local;
__attribute__((visibility("hidden"))) int made_hidden = 1;
void *made_called(void) { return &made_import; }
void *PyInit_made(void) { made_called(); return (char *)PyModuleDef_Init(&made_text) + made_hidden; }
"#;
/// The library it is linked with.
const LIBRARY: &str = "void *PyModuleDef_Init(void *p) { return p; }";

pub(crate) struct Linked {
    pub(crate) image: SyntheticImage,
    _place: tempfile::TempDir,
    pub(crate) path: std::path::PathBuf,
}

fn cc(place: &Path, arguments: &[&str]) {
    let out = Command::new("cc").current_dir(place).args(arguments).output().expect("cc runs");
    assert!(out.status.success(), "cc {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
}

/// Builds an image with these options.
pub(crate) fn elf(options: &[&str]) -> Linked {
    let place = tempfile::tempdir().expect("a folder");
    let at = |name: &str| place.path().join(name);
    std::fs::write(at("made.c"), SOURCE).expect("written");
    std::fs::write(at("library.c"), LIBRARY).expect("written");
    cc(place.path(), &["-shared", "-fPIC", "-o", "libpython3.14t.so", "library.c"]);
    cc(
        place.path(),
        &[&["-shared", "-fPIC", "-O1", "-o", "made.so", "made.c", "libpython3.14t.so"], options]
            .concat(),
    );
    let path = at("made.so");
    let bytes = std::fs::read(&path).expect("the image");
    // The image's own symbols give the addresses; another test compares them with `nm`.
    let images = Image::parse(&bytes).expect("an image");
    let export =
        |name: &str| *images[0].exports.get(name).unwrap_or_else(|| panic!("{name} is exported"));
    let image = SyntheticImage {
        format: Format::Elf,
        arch: if cfg!(target_arch = "x86_64") { Arch::X86_64 } else { Arch::Aarch64 },
        init: export(super::INIT),
        text: export("made_text"),
        own: export("made_own"),
        import: export("made_import"),
        stub: None,
        bytes: bytes.clone(),
    };
    assert!(SOURCE.contains(TEXT));
    Linked { image, _place: place, path }
}

/// Removes the section headers, like `strip --strip-section-headers`.
pub(crate) fn without_sections(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[0x28..0x30].fill(0);
    bytes[0x3c..0x40].fill(0);
    bytes
}
