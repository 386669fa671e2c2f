//! The platform in the file name of an extension module, compared with the platform tag of a wheel.
//!
//! `.cpython-314t-x86_64-linux-gnu.so`, `.cpython-314t-darwin.so`, `.cp314t-win_amd64.pyd`. An
//! interpreter accepts only the suffixes of its own platform. Both sides may leave a part open
//! (`.so` is any Unix, `linux_x86_64` any libc, `universal2` any processor). An open part matches
//! everything, so that no module is skipped because its name is unspecific.

/// An operating system, as precisely as a name states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Os {
    /// Any system but Windows: `.so` without a platform.
    Unix,
    /// Linux with any libc.
    Linux,
    Glibc,
    Musl,
    Darwin,
    Windows,
    Android,
    Ios,
    Wasm,
}

impl Os {
    fn fits(self, other: Os) -> bool {
        let covers = |a: Os, b: Os| match a {
            Os::Unix => b != Os::Windows,
            Os::Linux => matches!(b, Os::Glibc | Os::Musl),
            _ => a == b,
        };
        covers(self, other) || covers(other, self)
    }
}

/// Processors, by their names in file names and wheel tags. The first name of a row is used for
/// all.
const PROCESSORS: [&[&str]; 10] = [
    &["x86_64", "amd64"],
    &["aarch64", "arm64"],
    &["i686", "i386", "win32"],
    &["armv7l", "armv6l", "arm"],
    &["ppc64le", "powerpc64le"],
    &["ppc64", "powerpc64"],
    &["s390x"],
    &["riscv64"],
    &["loongarch64"],
    &["wasm32"],
];

fn processor(is_named: impl Fn(&str) -> bool) -> Option<&'static str> {
    PROCESSORS.iter().find(|names| names.iter().any(|name| is_named(name)))?.first().copied()
}

/// Platform in a file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePlatform {
    os: Os,
    processor: Option<&'static str>,
    /// The platform as written: `win_amd64`, `x86_64-linux-gnu`; the file extension if there is
    /// none.
    pub text: String,
}

impl FilePlatform {
    /// Parses the part of the ABI tag after the ABI itself. `windows` is true for `.pyd`.
    pub(super) fn parse(tag: Option<&str>, windows: bool) -> FilePlatform {
        let bare = if windows { ".pyd" } else { ".so" };
        let (text, name) = (tag.unwrap_or(bare).to_owned(), tag.unwrap_or_default());
        let os = match name {
            _ if windows => Os::Windows,
            name if name.contains("android") => Os::Android,
            name if name.contains("linux-musl") => Os::Musl,
            name if name.contains("linux-gnu") => Os::Glibc,
            name if name.contains("linux") => Os::Linux,
            name if name.starts_with("darwin") => Os::Darwin,
            name if name.contains("iphone") => Os::Ios,
            name if name.contains("emscripten") || name.contains("wasi") => Os::Wasm,
            _ => Os::Unix,
        };
        // `arm-linux-gnueabihf`, `win_amd64`.
        let first = name.split('-').next().unwrap_or_default();
        let named = first.strip_prefix("win_").unwrap_or(first);
        FilePlatform { os, processor: processor(|one| one == named), text }
    }

    /// Returns whether an interpreter for the platform of a wheel tag may load the file. Unknown
    /// tags match.
    #[must_use]
    pub fn fits(&self, tag: &str) -> bool {
        let os = match tag {
            tag if tag.starts_with("manylinux") => Os::Glibc,
            tag if tag.starts_with("musllinux") => Os::Musl,
            tag if tag.starts_with("linux_") => Os::Linux,
            tag if tag.starts_with("macosx_") => Os::Darwin,
            tag if tag.starts_with("win") => Os::Windows,
            tag if tag.starts_with("android_") => Os::Android,
            tag if tag.starts_with("ios_") => Os::Ios,
            tag if tag.starts_with("pyodide_") || tag.starts_with("emscripten_") => Os::Wasm,
            _ => return true,
        };
        let its = processor(|one| {
            tag == one || tag.strip_suffix(one).is_some_and(|rest| rest.ends_with('_'))
        });
        self.os.fits(os) && self.processor.zip(its).is_none_or(|(a, b)| a == b)
    }
}

#[cfg(test)]
mod tests {
    use crate::names::parse;

    #[test]
    fn file_fits_tags_of_its_own_platform() {
        let tags = [
            "manylinux_2_28_x86_64",
            "manylinux2014_aarch64",
            "musllinux_1_2_x86_64",
            "linux_x86_64",
            "macosx_11_0_arm64",
            "macosx_11_0_universal2",
            "win_amd64",
            "win_arm64",
            "win32",
            "any",
        ];
        for (file, fits) in [
            ("_x.cpython-314t-x86_64-linux-gnu.so", "manylinux_2_28_x86_64 linux_x86_64 any"),
            ("_x.cpython-314t-x86_64-linux-musl.so", "musllinux_1_2_x86_64 linux_x86_64 any"),
            ("_x.cpython-314t-aarch64-linux-gnu.so", "manylinux2014_aarch64 any"),
            ("_x.abi3t-x86_64-linux-gnu.so", "manylinux_2_28_x86_64 linux_x86_64 any"),
            ("_x.cpython-314t-darwin.so", "macosx_11_0_arm64 macosx_11_0_universal2 any"),
            ("_x.cp314t-win_amd64.pyd", "win_amd64 any"),
            ("_x.cp314t-win32.pyd", "win32 any"),
            ("_x.pyd", "win_amd64 win_arm64 win32 any"),
            ("_x.cpython-314-aarch64-linux-android.so", "any"),
            (
                "_x.abi3.so",
                "manylinux_2_28_x86_64 manylinux2014_aarch64 musllinux_1_2_x86_64 linux_x86_64 \
                 macosx_11_0_arm64 \
                 macosx_11_0_universal2 any",
            ),
            (
                "_x.cpython-314t-mips64el-linux-gnuabi64.so",
                "manylinux_2_28_x86_64 manylinux2014_aarch64 linux_x86_64 any",
            ),
        ] {
            let platform = parse(file).unwrap().platform;
            let all: Vec<_> = tags.into_iter().filter(|tag| platform.fits(tag)).collect();
            assert_eq!(all.join(" "), fits, "{file}");
        }
    }
}
