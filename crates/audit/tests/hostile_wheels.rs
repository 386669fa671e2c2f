//! Fuzzes wheels, lock files and requirements: each is accepted or rejected, and nothing panics or
//! grows without bound. `UNGIL_FUZZ_S` sets the duration in seconds.

mod common;

use common::{File, file, fuzz_time, info, zip};
use proptest::prelude::Rng;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::path::Path;
use std::time::Instant;
use ungil_audit::archive::{Archive, Limits};
use ungil_audit::image::Arch;
use ungil_audit::requirements;
use ungil_audit::target::{Build, Platform, System};
use ungil_audit::wheel::Wheel;

/// Small enough for the memory of a test.
const LIMITS: Limits = Limits {
    members: 1_000,
    member_bytes: 4 << 20,
    total_bytes: 16 << 20,
    ratio: 200,
    any_ratio_bytes: 1 << 20,
};

/// The seed is fixed so that failures are reproducible; more time adds rounds.
fn random() -> TestRng {
    let seed = *b"a wheel that nobody vouches for!";
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
        .new_rng()
}

/// Changes a few bytes: bit flips, extreme values, pieces copied, removed or duplicated.
fn mutate(bytes: &mut Vec<u8>, rng: &mut TestRng) {
    let below = |rng: &mut TestRng, most: usize| rng.next_u64() as usize % most.max(1);
    for _ in 0..=below(rng, 6) {
        let at = below(rng, bytes.len());
        let len = below(rng, 24).min(bytes.len() - at);
        match below(rng, 6) {
            0 => bytes[at] ^= 1 << below(rng, 8),
            1 => {
                let edge = [0, 1, 0x7f, 0x80, 0xff][below(rng, 5)];
                bytes[at..at + len.min(8)].fill(edge);
            }
            2 => {
                let piece = bytes[at..at + len].to_vec();
                let to = below(rng, bytes.len() - len);
                bytes[to..to + len].copy_from_slice(&piece);
            }
            3 => drop(bytes.drain(at..at + len)),
            4 => {
                let piece = bytes[at..at + len].to_vec();
                let to = below(rng, bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => {
                // The important fields are those of the directory and the end record.
                let from = bytes.len().saturating_sub(400);
                let at = from + below(rng, bytes.len() - from);
                bytes[at] = rng.next_u64() as u8;
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

fn wheels() -> Vec<Vec<u8>> {
    let module = "a/_x.cpython-314t-x86_64-linux-gnu.so";
    let mut files = vec![
        file("a/__init__.py", "from . import _x"),
        file(module, b"\x7fELF and more".repeat(300)),
        File { deflate: false, ..file("a/_y.abi3.so", "stored") },
        file("a/zeros.bin", vec![0; 60_000]),
    ];
    files.extend(info(
        "a",
        "1",
        "Requires-Dist: b; os_name == 'posix'\n",
        &["cp314-cp314t-linux_x86_64"],
        &[module],
    ));
    let many: Vec<File> = (0..60).map(|n| file(&format!("{n}.so"), "x")).collect();
    vec![zip(&files), zip(&files[..1]), zip(&many), zip(&[])]
}

#[test]
fn accepts_or_rejects_damaged_wheels() {
    let (mut rng, ends) = (random(), Instant::now() + fuzz_time());
    let wheels = wheels();
    let (mut rounds, mut good) = (0_u64, 0_u64);
    while rounds < 200 || Instant::now() < ends {
        let mut bytes = wheels[rng.next_u64() as usize % wheels.len()].clone();
        mutate(&mut bytes, &mut rng);
        rounds += 1;
        if let Ok(archive) = Archive::read(&bytes, LIMITS) {
            let mut total = 0;
            for member in archive.members() {
                let read = archive.bytes(member).map_or(0, |bytes| bytes.len() as u64);
                assert!(read == 0 || read == member.size);
                total += read;
            }
            assert!(total <= LIMITS.total_bytes);
        }
        let name = "a-1-cp314-cp314t-linux_x86_64.whl";
        if let Ok(wheel) = Wheel::read(name, &bytes, LIMITS) {
            good += 1;
            for found in &wheel.distribution.modules {
                let _ = wheel.module(found);
            }
            assert!(wheel.sources().count() <= 60);
            serde_json::to_string(&wheel.distribution).unwrap();
        }
    }
    // If mutations only broke the end record, nothing else would be tested.
    assert!(good > rounds / 100 && good < rounds, "{good} of {rounds}");
}

const UV: &str = r#"version = 1
requires-python = ">=3.14"
[[package]]
name = "app"
version = "0.1"
source = { editable = "." }
dependencies = [{ name = "a", marker = "python_full_version >= '3.14' and (os_name == 'posix' or extra == 'x')" }]
[[package]]
name = "a"
version = "1.0"
source = { registry = "https://index.example/simple" }
resolution-markers = ["sys_platform == 'linux'", "sys_platform != 'linux'"]
wheels = [{ url = "https://index.example/a-1.0-cp314-cp314t-manylinux_2_28_x86_64.whl", hash = "sha256:00", size = 1 }]
"#;

const PYLOCK: &str = r#"lock-version = "1.0"
[[packages]]
name = "a"
version = "1.0"
marker = "python_version > '3.9' or (os_name == 'nt' and platform_machine in 'x86_64')"
wheels = [{ name = "a-1.0-cp315-abi3.abi3t-win_amd64.whl", hashes = { sha256 = "00" } }]
[[packages]]
name = "b"
directory = { path = "b", editable = true }
"#;

const TEXT: &str = "a==1.0 ; python_version < '3.15' and (os_name == 'posix') \\\n  \
                    --hash=sha256:00 # a\n-e ./b\n\
    c @ https://index.example/c-1-py3-none-any.whl#sha256=0 ; os_name == 'nt'\n-r other.txt\n-r \
    requirements.txt\nd[x,y] (>=1,<2)\n";

#[test]
fn accepts_or_rejects_damaged_requirements() {
    let (mut rng, ends) = (random(), Instant::now() + fuzz_time());
    let (build, platform): (Build, _) =
        ("3.14t".parse().unwrap(), Platform { system: System::Linux, arch: Arch::X86_64 });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("requirements.txt");
    let (mut rounds, mut good) = (0_u64, 0_u64);
    while rounds < 200 || Instant::now() < ends {
        rounds += 1;
        for (name, text) in [("uv.lock", UV), ("pylock.toml", PYLOCK)] {
            let mut bytes = text.as_bytes().to_vec();
            mutate(&mut bytes, &mut rng);
            let text = String::from_utf8_lossy(&bytes);
            if let Ok(wants) = requirements::lock(&text, Path::new(name), build, platform) {
                good += 1;
                let _: Vec<_> =
                    wants.wanted.iter().map(|one| one.wheel_for(build, Some(platform))).collect();
            }
        }
        if rounds % 16 == 0 {
            let mut bytes = TEXT.as_bytes().to_vec();
            mutate(&mut bytes, &mut rng);
            std::fs::write(&path, &bytes).unwrap();
            requirements::read(&path, build, platform).unwrap();
        }
    }
    assert!(good > rounds / 100, "{good} of {rounds}");
}

#[test]
fn rejects_deeply_nested_lock_files() {
    let (build, platform): (Build, _) =
        ("3.14t".parse().unwrap(), Platform { system: System::Linux, arch: Arch::X86_64 });
    for text in [
        "a = ".to_owned() + &"[".repeat(500_000),
        "a = ".to_owned() + &"{a=".repeat(200_000),
        "[".repeat(500_000),
    ] {
        assert!(requirements::lock(&text, Path::new("uv.lock"), build, platform).is_err());
    }
    let long = format!("[{}]\nx = 1\n", vec!["a"; 100_000].join("."));
    let _ = requirements::lock(&long, Path::new("pylock.toml"), build, platform);
}
