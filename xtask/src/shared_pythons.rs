//! Installs Pythons whose interpreter is a shared library: Debian's libpython, embedded in a
//! program of three lines.
//!
//! The other interpreters of the tests are static. Debian's have other patch releases and are
//! position independent, so that lookups by address or version are tested on another layout. The
//! packages are unpacked, not installed, with the C library they were built for.

use crate::{Done, run, target};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Versions, and the Debian suite that has each.
const SHARED: [(&str, &str); 2] = [("3.13", "trixie"), ("3.14", "sid")];
/// Where libraries are in a package.
#[cfg(target_arch = "x86_64")]
const LIBRARIES: &str = "unpacked/usr/lib/x86_64-linux-gnu";
#[cfg(target_arch = "aarch64")]
const LIBRARIES: &str = "unpacked/usr/lib/aarch64-linux-gnu";
#[cfg(target_arch = "x86_64")]
const LOADER: &str = "ld-linux-x86-64.so.2";
#[cfg(target_arch = "aarch64")]
const LOADER: &str = "ld-linux-aarch64.so.1";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Installs the interpreters. The returned folder has one folder per version with a launcher
/// `python`.
pub(crate) fn install() -> Result<PathBuf, String> {
    let folder = target().join("shared");
    for (version, suite) in SHARED {
        let place = folder.join(version);
        if !place.join("python").is_file() {
            // Removes what an interrupted attempt left.
            let _ = fs::remove_dir_all(&place);
            download(&place, version, suite)?;
            embed(&place, version)?;
        }
    }
    Ok(folder)
}

/// Downloads Debian's packages with separate apt lists and settings, like `ungil pythons install`.
fn download(place: &Path, version: &str, suite: &str) -> Done {
    let apt = place.join("apt");
    for part in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(apt.join(part)).map_err(|e| format!("{}: {e}", apt.display()))?;
    }
    let archive = format!("deb [signed-by={KEYRING}] {} {suite} main\n", mirror()?);
    fs::write(apt.join("sources.list"), archive).map_err(|e| format!("{}: {e}", apt.display()))?;
    let at = apt.display();
    let settings = [
        format!("Dir::State::Lists={at}/lists"),
        format!("Dir::Cache={at}/cache"),
        format!("Dir::Etc::SourceList={at}/sources.list"),
        "Dir::Etc::SourceParts=/dev/null".into(),
        "Dir::Etc::PreferencesParts=/dev/null".into(),
        "Acquire::Languages=none".into(),
        "APT::Sandbox::User=".into(),
        "APT::Update::Post-Invoke=".into(),
        "APT::Update::Post-Invoke-Success=".into(),
    ];
    let command = || {
        let mut command = Command::new("apt-get");
        command
            .current_dir(&apt)
            .arg("-q")
            .args(settings.iter().flat_map(|setting| ["-o", setting]));
        command
    };
    run(command().arg("update"))?;
    let parts = ["", "-minimal", "-stdlib"].map(|part| format!("libpython{version}{part}"));
    run(command().arg("download").args(parts).args(["libc6", "libexpat1", "zlib1g"]))?;
    let files = fs::read_dir(&apt).map_err(|e| format!("{at}: {e}"))?;
    for file in files
        .flatten()
        .map(|entry| entry.path())
        .filter(|p| p.extension().is_some_and(|e| e == "deb"))
    {
        run(Command::new("dpkg-deb").arg("-x").arg(file).arg(place.join("unpacked")))?;
    }
    Ok(())
}

/// Returns the URI of the Debian archive that this machine uses.
fn mirror() -> Result<String, String> {
    let targets = Command::new("apt-get")
        .args(["indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"])
        .output()
        .map_err(|e| format!("apt-get: {e}"))?;
    let text = String::from_utf8_lossy(&targets.stdout);
    let found = text.lines().find(|line| line.starts_with("Debian ") && !line.contains("security"));
    let uri = found.and_then(|line| line.split_whitespace().nth(1));
    uri.map(str::to_owned).ok_or_else(|| "apt knows no Debian archive".into())
}

/// Builds a program that embeds Python, and a launcher that runs it with the libraries beside it.
fn embed(place: &Path, version: &str) -> Done {
    let written = |name: &str, text: &str| -> Result<PathBuf, String> {
        let path = place.join(name);
        fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(path)
    };
    let source = "int Py_BytesMain(int, char **);\nint main(int n, char **v) { return Py_BytesMain(n, v); }\n";
    let source = written("embed.c", source)?;
    run(Command::new("cc")
        .arg(source)
        .arg("-o")
        .arg(place.join("embed"))
        .arg(format!("-L{}", place.join(LIBRARIES).display()))
        .arg(format!("-l:libpython{version}.so.1.0"))
        .arg("-Wl,--allow-shlib-undefined"))?;
    // The libraries need their own C library, which needs its own loader.
    let launcher = format!(
        "#!/bin/sh\nhere=$(dirname \"$0\")\nlibraries=$here/{LIBRARIES}\nPYTHONHOME=$here/unpacked/usr \
         exec \"$libraries/{LOADER}\" --library-path \"$libraries\" \"$here/embed\" \"$@\"\n"
    );
    let launcher = written("python", &launcher)?;
    let runnable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&launcher, runnable).map_err(|e| format!("{}: {e}", launcher.display()))
}
