//! Reads a wheel in place: its distribution and the bytes of its modules. Nothing is unpacked to
//! disk.

use crate::archive::{Archive, ArchiveError, Limits, Member};
use crate::inventory::{Distribution, ExtensionFile};
use crate::metadata::{self, Metadata};
use crate::tags::{WheelName, normalize_name};
use rustc_hash::FxHashSet;
use std::borrow::Cow;
use std::path::PathBuf;

/// A wheel with a valid directory.
#[derive(Debug)]
pub struct Wheel<'a> {
    archive: Archive<'a>,
    /// What it would install. Its modules are not analyzed yet.
    pub distribution: Distribution,
}

impl<'a> Wheel<'a> {
    /// Reads a wheel from its file name, without the folder, and its bytes.
    ///
    /// # Errors
    ///
    /// The archive violates a rule for wheels. Minor problems (no METADATA, a module that RECORD
    /// does not list, tags that differ from the name) are in [`Distribution::notes`].
    pub fn read(file: &str, bytes: &'a [u8], limits: Limits) -> Result<Wheel<'a>, ArchiveError> {
        let archive = Archive::read(bytes, limits)?;
        let mut wheel = Wheel { archive, distribution: Distribution::default() };
        let mut distribution = Distribution::default();
        let name = WheelName::parse(file);
        if name.is_none() {
            distribution.notes.push(
                "its file name is not that of a wheel, so the tags of its WHEEL file are used"
                    .to_owned(),
            );
        }
        wheel.describe(&mut distribution, name);
        for member in wheel.archive.members() {
            if let Some(path) = installed(&member.path) {
                distribution.add_file(path, PathBuf::from(&member.path));
            }
        }
        distribution.finish();
        wheel.check_record(&mut distribution);
        wheel.distribution = distribution;
        Ok(wheel)
    }

    /// Returns the bytes of a module.
    ///
    /// # Errors
    ///
    /// The module is too large, damaged or missing.
    pub fn module(&self, found: &ExtensionFile) -> Result<Cow<'_, [u8]>, ArchiveError> {
        let path = found.file.to_str().unwrap_or_default();
        self.file(path)
    }

    /// Returns the Python files that it would install, with their paths.
    pub fn sources(&self) -> impl Iterator<Item = (&str, Result<Cow<'_, [u8]>, ArchiveError>)> {
        let sources = |member: &&Member| crate::inventory::is_python(&member.path);
        let members = self.archive.members().iter().filter(sources);
        members.filter_map(|member| Some((installed(&member.path)?, self.archive.bytes(member))))
    }

    fn file(&self, path: &str) -> Result<Cow<'_, [u8]>, ArchiveError> {
        let missing = || ArchiveError::Damaged { path: path.to_owned(), why: "missing".to_owned() };
        let member = self.archive.member(path).ok_or_else(missing)?;
        self.archive.bytes(member)
    }

    /// Reads a file of the `.dist-info` folder. Errors are noted.
    fn info(&self, folder: &str, file: &str, notes: &mut Vec<String>) -> Option<Cow<'_, [u8]>> {
        let path = format!("{folder}/{file}");
        let member = self.archive.member(&path)?;
        if member.size > metadata::MAX_METADATA_BYTES as u64 {
            notes.push(format!("its {file} of {} bytes is too large", member.size));
            return None;
        }
        self.archive.bytes(member).map_err(|error| notes.push(error.to_string())).ok()
    }

    fn info_folder(&self, name: Option<&WheelName>) -> Option<&str> {
        let folders = self.archive.members().iter().filter_map(|member| {
            let (folder, file) = member.path.split_once('/')?;
            (folder.ends_with(".dist-info") && file == "METADATA").then_some(folder)
        });
        let wanted = name.map(|name| normalize_name(&format!("{}-{}", name.name, name.version)));
        let is_wanted =
            |folder: &&str| folder.strip_suffix(".dist-info").map(normalize_name) == wanted;
        let mut all = folders.clone();
        folders.into_iter().find(is_wanted).or_else(|| all.next())
    }

    fn describe(&self, distribution: &mut Distribution, name: Option<WheelName>) {
        let folder = self.info_folder(name.as_ref());
        let notes = &mut Vec::new();
        match folder.and_then(|folder| self.info(folder, "METADATA", notes)) {
            Some(bytes) => distribution.apply_metadata(Metadata::parse(&bytes)),
            None => notes.push("it has no METADATA".to_owned()),
        }
        let tags = folder.and_then(|folder| self.info(folder, "WHEEL", notes));
        let tags = tags.map(|bytes| metadata::wheel_tags(&bytes)).unwrap_or_default();
        if let Some(bytes) = folder.and_then(|folder| self.info(folder, "top_level.txt", notes)) {
            distribution.top_level = metadata::top_level(&bytes);
        }
        match name {
            Some(name) => {
                // Installers use the name. A WHEEL file with fewer tags is outdated; one with other
                // ABIs is wrong.
                let abis = |abi: &String| tags.iter().any(|set| set.abi.contains(abi));
                if !tags.is_empty() && !name.tags.abi.iter().all(abis) {
                    let listed =
                        tags.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                    notes.push(format!(
                        "its file name has the tags {}, its WHEEL file {listed}",
                        name.tags
                    ));
                }
                if distribution.name.is_empty() {
                    (distribution.name, distribution.version) = (name.name, name.version);
                } else if normalize_name(&distribution.name) != normalize_name(&name.name) {
                    notes.push(format!(
                        "its METADATA is for '{}', not for '{}'",
                        distribution.name, name.name
                    ));
                }
                distribution.wheel_tags = vec![name.tags];
            }
            None => distribution.wheel_tags = tags,
        }
        distribution.notes.append(notes);
    }

    /// Notes modules that RECORD does not list: they would be installed all the same.
    fn check_record(&self, distribution: &mut Distribution) {
        let notes = &mut Vec::new();
        let record = self.archive.members().iter().find(|member| {
            member.path.ends_with(".dist-info/RECORD") && member.path.matches('/').count() == 1
        });
        let Some(bytes) = record
            .and_then(|member| self.info(member.path.strip_suffix("/RECORD")?, "RECORD", notes))
        else {
            distribution.notes.append(notes);
            distribution.notes.push("it has no RECORD".to_owned());
            return;
        };
        let listed: FxHashSet<String> = metadata::record(&bytes).into_iter().collect();
        for found in &distribution.modules {
            if !found.file.to_str().is_some_and(|path| listed.contains(path)) {
                notes.push(format!("RECORD does not list '{}'", found.file.display()));
            }
        }
        distribution.notes.append(notes);
    }
}

/// Returns where a member would be in site-packages; `None` if it goes elsewhere.
/// `NAME.data/platlib/` and `purelib/` are installed into site-packages as well (PEP 427).
fn installed(path: &str) -> Option<&str> {
    let Some((folder, rest)) = path.split_once('/') else { return Some(path) };
    if folder.ends_with(".dist-info") {
        return None;
    }
    if folder.ends_with(".data") {
        let (kind, rest) = rest.split_once('/')?;
        return matches!(kind, "platlib" | "purelib").then_some(rest);
    }
    Some(path)
}
