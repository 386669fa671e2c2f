//! A whole audit: what was named, read, judged and put together.
//!
//! Each target is what its name and its content say it is. Binaries are judged on as many threads
//! as there are CPUs; a file at a time is in memory for each.

mod binaries;
mod import_chains;
mod index_queries;
mod skipping;
mod targets;

use crate::claims::{self, ClaimCheck};
use crate::import_graph::{ImportChain, ImportGraph, module_name};
use crate::inventory::{Distribution, ExtensionFile};
use crate::requirements::Requirement;
use crate::source::{Hazard, audit_program};
use crate::target::Build;
use crate::{environment, files};
use binaries::{look, read};
use import_chains::ProgramGraph;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use targets::TargetKind;

/// The largest binary that is read, in bytes.
const MAX_BINARY_BYTES: u64 = 2 << 30;
/// The largest source, in bytes: the parser's own bound, and one.
const MAX_SOURCE_BYTES: u64 = (8 << 20) + 1;

/// What is asked of an audit.
#[derive(Debug, Clone, Default)]
pub struct AuditOptions {
    /// What to audit.
    pub targets: Vec<PathBuf>,
    /// The build the verdicts are for; by default the one that an environment's path says, and else
    /// 3.14t.
    pub build: Option<Build>,
    /// Also read the sources of installed distributions and wheels.
    pub sources: bool,
    /// Where the program begins: modules' names or files. By default the sources among the targets,
    /// and else the packages that no other one requires.
    pub from: Vec<String>,
}

/// What an audit found.
#[derive(Debug, Clone, Serialize)]
pub struct Audit {
    /// The format of this.
    pub schema: &'static str,
    /// The build that the verdicts are for.
    pub build: Build,
    /// Distributions, each with its claims held against its modules.
    pub distributions: Vec<AuditedDistribution>,
    /// Extension modules that belong to no distribution.
    pub loose: Vec<ExtensionFile>,
    /// How the modules that switch the GIL on come to be imported: a way to each that an `import`
    /// leads to.
    pub chains: Vec<ImportChain>,
    /// What lock files and requirements want.
    pub wanted: Vec<Requirement>,
    /// What sources do that threads break, the surest first.
    pub hazards: Vec<Hazard>,
    /// How many sources were read.
    pub sources: usize,
    /// What could not be read or followed, in words.
    pub notes: Vec<String>,
    /// The folders to import from.
    #[serde(skip)]
    pub folders: Vec<PathBuf>,
    /// Python files of environments that are no distribution's and were not read.
    #[serde(skip)]
    python_files: usize,
}

/// A distribution and what its claims are worth.
#[derive(Debug, Clone, Serialize)]
pub struct AuditedDistribution {
    /// It.
    #[serde(flatten)]
    pub distribution: Distribution,
    /// Its claims.
    #[serde(flatten)]
    pub claim_check: ClaimCheck,
}

/// Why there is no audit.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A target cannot be read.
    #[error("'{}' cannot be read: {why}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A target is nothing that can be audited.
    #[error("'{}' is no environment, wheel, extension module, source or lock file", .0.display())]
    Unknown(PathBuf),
    /// An entry point given with `--from` is neither a module nor a file.
    #[error("'{0}' is no module of what is audited, and no file")]
    NoEntry(String),
}

impl Audit {
    /// Every module, with its distribution.
    pub fn modules(&self) -> impl Iterator<Item = (Option<&Distribution>, &ExtensionFile)> {
        let owned = self.distributions.iter().flat_map(|one| {
            one.distribution.modules.iter().map(move |found| (Some(&one.distribution), found))
        });
        owned.chain(self.loose.iter().map(|found| (None, found)))
    }

    /// Every module that the build would import, with its distribution; the rest is in
    /// [`Audit::skipped`].
    pub fn importable(&self) -> impl Iterator<Item = (Option<&Distribution>, &ExtensionFile)> {
        self.modules().filter(|(_, found)| found.skipped.is_none())
    }
}

/// Audits.
///
/// # Errors
/// A target is not there, or nothing that can be audited. What is wrong with a part of one is noted
/// in what is returned.
pub fn audit(asked: &AuditOptions) -> Result<Audit, AuditError> {
    let kinds = asked.targets.iter().map(|path| Ok((path, targets::classify(path)?)));
    let kinds: Vec<(&PathBuf, TargetKind)> = kinds.collect::<Result<_, AuditError>>()?;
    let said = kinds.iter().find_map(|(_, kind)| match kind {
        TargetKind::Environment(folders) => {
            folders.iter().find_map(|folder| environment::build_of(folder))
        }
        _ => None,
    });
    let build = asked.build.or(said).unwrap_or(Build { major: 3, minor: 14, free_threaded: true });
    let mut audit = Audit {
        schema: "ungil.audit/1",
        build,
        distributions: Vec::new(),
        loose: Vec::new(),
        chains: Vec::new(),
        wanted: Vec::new(),
        hazards: Vec::new(),
        sources: 0,
        notes: Vec::new(),
        folders: Vec::new(),
        python_files: 0,
    };
    let mut graph = ProgramGraph::default();
    for (path, kind) in kinds {
        match kind {
            TargetKind::Environment(folders) => {
                let note = |base: PathBuf| {
                    format!(
                        "the packages of its base interpreter, in {}, were not read: name that too",
                        base.display()
                    )
                };
                audit.notes.extend(environment::base(path).map(note));
                audit.environment(&folders, asked.sources, &mut graph);
            }
            TargetKind::Wheel => audit.wheel(path, asked.sources, &mut graph)?,
            TargetKind::Module => audit.module(path),
            TargetKind::Sources => audit.tree(path, &mut graph),
            TargetKind::Requirements => audit.wants(path)?,
        }
    }
    audit.find_import_chains(graph, &asked.from)?;
    audit
        .hazards
        .sort_by(|a, b| (b.confidence, &a.file, a.line).cmp(&(a.confidence, &b.file, b.line)));
    Ok(audit)
}

impl Audit {
    fn take(&mut self, distribution: Distribution) {
        let claim_check = claims::check(&distribution, self.build);
        self.distributions.push(AuditedDistribution { distribution, claim_check });
    }

    /// Reads an environment, and returns the modules of the sources in it that are no
    /// distribution's.
    fn environment(
        &mut self,
        folders: &[PathBuf],
        sources: bool,
        graph: &mut ProgramGraph,
    ) -> Vec<String> {
        let mut found = environment::read(folders);
        skipping::in_environment(&mut found, self.build);
        look(found.modules_mut(), self.build);
        graph.add(ImportGraph::of_environment(&found, self.build));
        let own = found.sources.iter().map(|(_, path)| module_name(path)).collect();
        if sources {
            // What starts threads in one distribution says nothing of a fork in another.
            for one in &found.distributions {
                if let Some(folder) = &one.folder {
                    self.read_sources(one.sources.iter().map(|path| folder.join(path)));
                }
            }
            self.read_sources(found.sources.iter().map(|(folder, path)| folder.join(path)));
        }
        self.python_files += found.sources.len();
        self.notes.extend(found.notes);
        self.folders.extend(found.folders);
        self.loose.extend(found.loose);
        found.distributions.into_iter().for_each(|one| self.take(one));
        own
    }

    fn module(&mut self, path: &Path) {
        let mut found = targets::module(path);
        found.iter_mut().for_each(|found| found.skip_by_name(self.build, &[]));
        look(found.iter_mut(), self.build);
        self.loose.extend(found);
    }

    fn wheel(
        &mut self,
        path: &Path,
        sources: bool,
        graph: &mut ProgramGraph,
    ) -> Result<(), AuditError> {
        let unreadable = |why: String| AuditError::Unreadable { path: path.to_owned(), why };
        let bytes =
            files::read(path, MAX_BINARY_BYTES).map_err(|why| unreadable(why.to_string()))?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let wheel = crate::wheel::Wheel::read(name, &bytes, crate::archive::Limits::default());
        let mut wheel = wheel.map_err(|why| unreadable(why.to_string()))?;
        let mut distribution = std::mem::take(&mut wheel.distribution);
        skipping::in_wheel(&mut distribution, self.build);
        for found in distribution.modules.iter_mut().filter(|found| found.skipped.is_none()) {
            match wheel.module(found) {
                Ok(bytes) => read(found, &bytes, self.build),
                Err(error) => found.unreadable = Some(error.to_string()),
            }
        }
        let is_bad = |found: &ExtensionFile| {
            found.is_importable_by(self.build) && found.enables_gil() == Some(true)
        };
        let is_searched = distribution.modules.iter().any(is_bad);
        if sources || is_searched {
            let mut texts = Vec::new();
            for (name, bytes) in wheel.sources() {
                match bytes {
                    Ok(bytes) => texts.push((path.join(name), bytes)),
                    Err(error) => self.notes.push(error.to_string()),
                }
            }
            if is_searched {
                graph.add(ImportGraph::of_distribution(&distribution, path, self.build));
                texts.iter().for_each(|(path, text)| graph.add_text(path.clone(), text.to_vec()));
            }
            if sources {
                self.programs(audit_program(texts));
            }
        }
        self.take(distribution);
        Ok(())
    }

    /// A folder of sources, and the modules that were built in it; or one source.
    fn tree(&mut self, path: &Path, graph: &mut ProgramGraph) {
        let own = if path.is_file() {
            self.read_sources([path.to_owned()]);
            vec![graph.add_program(path)]
        } else {
            self.environment(&[path.to_owned()], true, graph)
        };
        graph.programs.extend(own);
    }

    fn wants(&mut self, path: &Path) -> Result<(), AuditError> {
        let platform = crate::target::Platform::here().unwrap_or(crate::target::Platform {
            system: crate::target::System::Linux,
            arch: crate::image::Arch::X86_64,
        });
        let wants = crate::requirements::read(path, self.build, platform);
        let wants = wants.map_err(|why| AuditError::Unreadable {
            path: path.to_owned(),
            why: why.to_string(),
        })?;
        let (build, platform) = (self.build, Some(platform));
        self.wanted.extend(wants.wanted.into_iter().map(|one| one.with_wheel(build, platform)));
        self.notes.extend(wants.notes);
        Ok(())
    }

    /// Reads the sources of one program.
    fn read_sources<I: IntoIterator<Item = PathBuf, IntoIter: Send>>(&mut self, paths: I) {
        let notes = Mutex::new(Vec::new());
        let texts =
            paths.into_iter().filter_map(|path| match files::read(&path, MAX_SOURCE_BYTES) {
                Ok(bytes) => Some((path, bytes)),
                Err(error) => {
                    let note = format!("'{}' cannot be read: {error}", path.display());
                    notes.lock().map(|mut notes| notes.push(note)).ok();
                    None
                }
            });
        let program = audit_program(texts);
        self.notes.extend(notes.into_inner().unwrap_or_default());
        self.programs(program);
    }

    fn programs(&mut self, program: crate::source::ProgramReport) {
        self.sources += program.files;
        self.hazards.extend(program.hazards);
        let unread = program
            .unread
            .iter()
            .map(|(path, why)| format!("'{}' was not read: {why}", path.display()));
        self.notes.extend(unread);
        let left = program.left_out.iter();
        self.notes
            .extend(left.map(|(path, n)| format!("'{}' has {n} hazards more", path.display())));
    }
}
