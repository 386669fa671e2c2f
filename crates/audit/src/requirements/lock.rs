//! Parses the lock files `uv.lock` and `pylock.toml`. They list the wheels of each version, so the
//! wheel that an installer would use is known without querying the index.

use super::{Requirement, Requirements};
use crate::marker;
use crate::tags::{WheelName, normalize_name};
use crate::target::{Build, Platform};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;

/// A wheel or another file, in either format.
#[derive(Deserialize)]
struct Artifact {
    name: Option<String>,
    filename: Option<String>,
    url: Option<String>,
    path: Option<String>,
    hash: Option<String>,
    #[serde(default)]
    hashes: FxHashMap<String, String>,
}

impl Artifact {
    fn hash_count(&self) -> usize {
        self.hashes.len() + usize::from(self.hash.is_some())
    }

    fn wheel(&self) -> Option<WheelName> {
        let named = self.name.as_deref().or(self.filename.as_deref());
        if let Some(name) = named {
            return WheelName::parse(name);
        }
        let location = self.url.as_deref().or(self.path.as_deref())?;
        let location = location.split(['?', '#']).next()?;
        let file = location.rsplit(['/', '\\']).next()?;
        // In a URL only the plus of a local version and the exclamation mark of an epoch are
        // encoded.
        WheelName::parse(&file.replace("%2B", "+").replace("%2b", "+").replace("%21", "!"))
    }
}

/// Returns the wheels of a package. Invalid names are noted.
fn wheels(package: &str, artifacts: &[Artifact], notes: &mut Vec<String>) -> Vec<WheelName> {
    let wheels: Vec<WheelName> = artifacts.iter().filter_map(Artifact::wheel).collect();
    if wheels.len() < artifacts.len() {
        let invalid = artifacts.len() - wheels.len();
        notes.push(format!("{invalid} wheels of '{package}' have an invalid file name"));
    }
    wheels
}

#[derive(Deserialize)]
struct UvLock {
    #[serde(default)]
    package: Vec<UvPackage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct UvPackage {
    name: String,
    version: Option<String>,
    #[serde(default)]
    source: FxHashMap<String, toml::Value>,
    #[serde(default)]
    resolution_markers: Vec<String>,
    #[serde(default)]
    dependencies: Vec<UvDependency>,
    #[serde(default)]
    optional_dependencies: FxHashMap<String, Vec<UvDependency>>,
    #[serde(default)]
    dev_dependencies: FxHashMap<String, Vec<UvDependency>>,
    #[serde(default)]
    wheels: Vec<Artifact>,
    sdist: Option<toml::Value>,
}

#[derive(Deserialize)]
struct UvDependency {
    name: String,
    marker: Option<String>,
}

/// Parses `uv.lock`. A package applies to a target if a path of dependencies with true markers
/// leads to it. All groups and extras are assumed to be wanted.
pub(super) fn uv(content: &str, build: Build, platform: Platform) -> Result<Requirements, String> {
    let lock: UvLock = toml::from_str(content).map_err(|error| error.to_string())?;
    let reached = reached(&lock.package, build, platform);
    let mut requirements = Requirements::default();
    for package in &lock.package {
        let kind = ["editable", "virtual", "directory", "path", "git", "url"];
        let local = kind.into_iter().find_map(|kind| Some((kind, package.source.get(kind)?)));
        if matches!(local, Some(("virtual" | "editable", _))) {
            continue; // the project itself
        }
        // Several versions of a package may be locked, each for some targets.
        let forks =
            package.resolution_markers.iter().map(|marker| marker::holds(marker, build, platform));
        let here = any(forks).unwrap_or(Some(true));
        let way = reached.get(&normalize_name(&package.name)).copied().unwrap_or(Some(false));
        requirements.wanted.push(Requirement {
            name: package.name.clone(),
            version: package.version.clone(),
            applies: both(here, way),
            from: local.map(|(kind, location)| {
                format!("{kind} {}", location.as_str().unwrap_or_default())
            }),
            hashes: package.wheels.iter().map(Artifact::hash_count).sum(),
            wheels: wheels(&package.name, &package.wheels, &mut requirements.notes),
            sdist: package.sdist.is_some(),
            ..Requirement::default()
        });
    }
    Ok(requirements)
}

fn any(answers: impl Iterator<Item = Option<bool>>) -> Option<Option<bool>> {
    answers
        .reduce(|a, b| if a == Some(true) || b == Some(true) { Some(true) } else { Some(a? || b?) })
}

fn both(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    if a == Some(false) || b == Some(false) { Some(false) } else { Some(a? && b?) }
}

/// Returns the names reachable through dependencies from the projects themselves, or from packages
/// that nothing depends on: certainly (`Some(true)`) or possibly (`None`).
fn reached(
    packages: &[UvPackage],
    build: Build,
    platform: Platform,
) -> FxHashMap<String, Option<bool>> {
    let mut edges: FxHashMap<String, Vec<(String, Option<bool>)>> = FxHashMap::default();
    let mut wanted_by_another = FxHashSet::default();
    for package in packages {
        let optional =
            package.optional_dependencies.values().chain(package.dev_dependencies.values());
        for dependency in package.dependencies.iter().chain(optional.flatten()) {
            let name = normalize_name(&dependency.name);
            // Markers with an extra cannot be evaluated here, and all extras are assumed to be
            // wanted.
            let marker = dependency.marker.as_deref().filter(|marker| !marker.contains("extra"));
            let holds = marker.map_or(Some(true), |marker| marker::holds(marker, build, platform));
            if holds != Some(false) {
                edges.entry(normalize_name(&package.name)).or_default().push((name.clone(), holds));
            }
            if name != normalize_name(&package.name) {
                wanted_by_another.insert(name);
            }
        }
    }
    let own = |package: &&UvPackage| {
        package.source.contains_key("virtual") || package.source.contains_key("editable")
    };
    let mut starts: Vec<String> =
        packages.iter().filter(own).map(|package| normalize_name(&package.name)).collect();
    if starts.is_empty() {
        let names = packages.iter().map(|package| normalize_name(&package.name));
        starts = names.filter(|name| !wanted_by_another.contains(name)).collect();
    }
    let mut reached: FxHashMap<String, Option<bool>> = FxHashMap::default();
    let mut next: Vec<(String, Option<bool>)> =
        starts.into_iter().map(|name| (name, Some(true))).collect();
    while let Some((name, how)) = next.pop() {
        // Each name is visited at most twice: first as possible, then as certain.
        let before = reached.get(&name).copied();
        if before == Some(how) || before == Some(Some(true)) {
            continue;
        }
        let onward = edges.get(&name).into_iter().flatten();
        next.extend(onward.map(|(name, holds)| (name.clone(), both(how, *holds))));
        reached.insert(name, how);
    }
    reached
}

#[derive(Deserialize)]
struct Pylock {
    #[serde(rename = "lock-version")]
    lock_version: String,
    #[serde(default)]
    packages: Vec<PylockPackage>,
}

#[derive(Deserialize)]
struct PylockPackage {
    name: String,
    version: Option<String>,
    marker: Option<String>,
    #[serde(default)]
    wheels: Vec<Artifact>,
    sdist: Option<Artifact>,
    archive: Option<Artifact>,
    vcs: Option<toml::Table>,
    directory: Option<toml::Table>,
}

/// Parses `pylock.toml`, in which each package has a marker of its own.
pub(super) fn pylock(
    content: &str,
    build: Build,
    platform: Platform,
) -> Result<Requirements, String> {
    let lock: Pylock = toml::from_str(content).map_err(|error| error.to_string())?;
    let mut requirements = Requirements::default();
    if !lock.lock_version.starts_with("1.") {
        let version: String = lock.lock_version.chars().take(20).collect();
        requirements.notes.push(format!("its lock-version is {version}; only 1.0 is supported"));
    }
    for package in lock.packages {
        let location = |table: &toml::Table| {
            let location =
                table.get("url").or_else(|| table.get("path")).and_then(toml::Value::as_str);
            location.unwrap_or_default().to_owned()
        };
        let from = match (&package.vcs, &package.directory, &package.archive) {
            (Some(vcs), _, _) => Some(format!("vcs {}", location(vcs))),
            (_, Some(directory), _) => Some(format!("directory {}", location(directory))),
            (_, _, Some(archive)) => archive.url.clone().or_else(|| archive.path.clone()),
            _ => None,
        };
        let files = package.wheels.iter().chain(&package.sdist).chain(&package.archive);
        let holds = |marker: &str| marker::holds(marker, build, platform);
        let mut wheels = wheels(&package.name, &package.wheels, &mut requirements.notes);
        wheels.extend(package.archive.as_ref().and_then(Artifact::wheel));
        requirements.wanted.push(Requirement {
            applies: package.marker.as_deref().map_or(Some(true), holds),
            hashes: files.map(Artifact::hash_count).sum(),
            sdist: package.sdist.is_some(),
            name: package.name,
            version: package.version,
            marker: package.marker,
            from,
            wheels,
            ..Requirement::default()
        });
    }
    Ok(requirements)
}
