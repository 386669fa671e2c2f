//! Runs a whole audit: reads the targets, analyzes their modules and combines the results.
//!
//! The kind of a target is determined by its name and content. Binaries are analyzed on all CPUs,
//! with one file in memory per thread.

mod binaries;
mod import_chains;
mod index_queries;
mod skipping;
mod targets;

use crate::claims::{self, ClaimCheck};
use crate::import_graph::{ImportChain, ImportGraph, module_name};
use crate::inventory::{Distribution, ExtensionFile};
use crate::requirements::{Requirement, RequirementsError};
use crate::source::{Hazard, audit_program};
use crate::target::Build;
use crate::{environment, files};
use binaries::{analyze, analyze_all};
use import_chains::ProgramGraph;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use targets::TargetKind;

/// Maximum size of a binary in bytes.
const MAX_BINARY_BYTES: u64 = 2 << 30;
/// Maximum size of a source that is read: one byte more than the parser accepts, so that the parser
/// reports the error.
const MAX_SOURCE_BYTES: u64 = (8 << 20) + 1;

/// Options of an audit.
#[derive(Debug, Clone, Default)]
pub struct AuditOptions {
    /// Paths to audit.
    pub targets: Vec<PathBuf>,
    /// The build to audit for. Default: the build in the path of an audited environment, else
    /// 3.14t.
    pub build: Option<Build>,
    /// Also read the sources of installed distributions and wheels.
    pub sources: bool,
    /// Entry points of the program: names of modules, or files. Default: the sources among the
    /// targets, else the packages that no other package requires.
    pub from: Vec<String>,
}

/// Result of an audit.
#[derive(Debug, Clone, Serialize)]
pub struct Audit {
    /// Version of the JSON format.
    pub schema: &'static str,
    /// The build that the verdicts apply to.
    pub build: Build,
    pub distributions: Vec<AuditedDistribution>,
    /// Extension modules that belong to no distribution.
    pub loose: Vec<ExtensionFile>,
    /// The shortest import chain to each reachable module that enables the GIL.
    pub chains: Vec<ImportChain>,
    /// Requirements from lock files and requirements files.
    pub wanted: Vec<Requirement>,
    /// Hazards in sources, highest confidence first.
    pub hazards: Vec<Hazard>,
    /// Number of source files that were read.
    pub sources: usize,
    /// What could not be read or followed.
    pub notes: Vec<String>,
    /// Folders of `sys.path`.
    #[serde(skip)]
    pub folders: Vec<PathBuf>,
    /// Number of Python files in environments that belong to no distribution and were not read.
    #[serde(skip)]
    python_files: usize,
}

/// A distribution, and how its claims compare with its modules.
#[derive(Debug, Clone, Serialize)]
pub struct AuditedDistribution {
    #[serde(flatten)]
    pub distribution: Distribution,
    #[serde(flatten)]
    pub claim_check: ClaimCheck,
}

/// Why an audit cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("cannot read '{}': {why}", path.display())]
    Unreadable { path: PathBuf, why: String },
    /// The target is of no supported kind.
    #[error("'{}' is not an environment, wheel, extension module, source or lock file", .0.display())]
    Unknown(PathBuf),
    /// An entry point given with `--from` is neither a module nor a file.
    #[error("'{0}' is neither a module of the audited code nor a file")]
    NoEntry(String),
}

impl Audit {
    /// Returns every module with its distribution.
    pub fn modules(&self) -> impl Iterator<Item = (Option<&Distribution>, &ExtensionFile)> {
        let owned = self.distributions.iter().flat_map(|one| {
            one.distribution.modules.iter().map(move |found| (Some(&one.distribution), found))
        });
        owned.chain(self.loose.iter().map(|found| (None, found)))
    }

    /// Returns every module that the build can import, with its distribution. The rest is in
    /// [`Audit::skipped`].
    pub fn importable(&self) -> impl Iterator<Item = (Option<&Distribution>, &ExtensionFile)> {
        self.modules().filter(|(_, found)| found.skipped.is_none())
    }
}

/// Runs an audit.
///
/// # Errors
///
/// A target does not exist or is of no supported kind. Problems within a target are reported in
/// [`Audit::notes`].
pub fn audit(options: &AuditOptions) -> Result<Audit, AuditError> {
    let kinds = options.targets.iter().map(|path| Ok((path, targets::classify(path)?)));
    let kinds: Vec<(&PathBuf, TargetKind)> = kinds.collect::<Result<_, AuditError>>()?;
    let build_of_path = kinds.iter().find_map(|(_, kind)| match kind {
        TargetKind::Environment(folders) => {
            folders.iter().find_map(|folder| environment::build_of(folder))
        }
        _ => None,
    });
    let build = options.build.or(build_of_path).unwrap_or(Build {
        major: 3,
        minor: 14,
        free_threaded: true,
    });
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
                        "the packages of the base interpreter in {} were not read: pass it as a \
                         target too",
                        base.display()
                    )
                };
                audit.notes.extend(environment::base(path).map(note));
                audit.add_environment(&folders, options.sources, &mut graph);
            }
            TargetKind::Wheel => audit.add_wheel(path, options.sources, &mut graph)?,
            TargetKind::Module => audit.add_module(path),
            TargetKind::Sources => audit.add_sources(path, &mut graph),
            TargetKind::Requirements => audit.add_requirements(path)?,
        }
    }
    audit.find_import_chains(graph, &options.from)?;
    audit
        .hazards
        .sort_by(|a, b| (b.confidence, &a.file, a.line).cmp(&(a.confidence, &b.file, b.line)));
    Ok(audit)
}

impl Audit {
    fn add_distribution(&mut self, distribution: Distribution) {
        let claim_check = claims::check(&distribution, self.build);
        self.distributions.push(AuditedDistribution { distribution, claim_check });
    }

    /// Reads an environment. Returns the names of the modules that belong to no distribution.
    fn add_environment(
        &mut self,
        folders: &[PathBuf],
        sources: bool,
        graph: &mut ProgramGraph,
    ) -> Vec<String> {
        let mut found = environment::read(folders);
        skipping::in_environment(&mut found, self.build);
        analyze_all(found.modules_mut(), self.build);
        graph.add(ImportGraph::of_environment(&found, self.build));
        let own = found.sources.iter().map(|(_, path)| module_name(path)).collect();
        if sources {
            // Each distribution is a program of its own: threads in one do not make a fork in
            // another worse.
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
        found.distributions.into_iter().for_each(|one| self.add_distribution(one));
        own
    }

    fn add_module(&mut self, path: &Path) {
        let mut found = targets::module(path);
        found.iter_mut().for_each(|found| found.skip_by_name(self.build, &[]));
        analyze_all(found.iter_mut(), self.build);
        self.loose.extend(found);
    }

    fn add_wheel(
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
                Ok(bytes) => analyze(found, &bytes, self.build),
                Err(error) => found.unreadable = Some(error.to_string()),
            }
        }
        let enables_gil = |found: &ExtensionFile| {
            found.is_importable_by(self.build) && found.enables_gil() == Some(true)
        };
        let is_searched = distribution.modules.iter().any(enables_gil);
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
                self.add_report(audit_program(texts));
            }
        }
        self.add_distribution(distribution);
        Ok(())
    }

    /// Reads one source, or a folder of sources with the modules built in it.
    fn add_sources(&mut self, path: &Path, graph: &mut ProgramGraph) {
        let own = if path.is_file() {
            self.read_sources([path.to_owned()]);
            vec![graph.add_program(path)]
        } else {
            self.add_environment(&[path.to_owned()], true, graph)
        };
        graph.programs.extend(own);
    }

    fn add_requirements(&mut self, path: &Path) -> Result<(), AuditError> {
        let platform = crate::target::Platform::here().unwrap_or(crate::target::Platform {
            system: crate::target::System::Linux,
            arch: crate::image::Arch::X86_64,
        });
        let requirements = crate::requirements::read(path, self.build, platform);
        let requirements = requirements.map_err(|error| AuditError::Unreadable {
            path: path.to_owned(),
            why: match error {
                RequirementsError::Io { why, .. } => why.to_string(),
                RequirementsError::Toml { why, .. } => format!("not a lock file: {why}"),
            },
        })?;
        let (build, platform) = (self.build, Some(platform));
        self.wanted
            .extend(requirements.wanted.into_iter().map(|one| one.with_wheel(build, platform)));
        self.notes.extend(requirements.notes);
        Ok(())
    }

    /// Reads the sources of one program.
    fn read_sources<I: IntoIterator<Item = PathBuf, IntoIter: Send>>(&mut self, paths: I) {
        let notes = Mutex::new(Vec::new());
        let texts =
            paths.into_iter().filter_map(|path| match files::read(&path, MAX_SOURCE_BYTES) {
                Ok(bytes) => Some((path, bytes)),
                Err(error) => {
                    let note = format!("cannot read '{}': {error}", path.display());
                    notes.lock().map(|mut notes| notes.push(note)).ok();
                    None
                }
            });
        let program = audit_program(texts);
        self.notes.extend(notes.into_inner().unwrap_or_default());
        self.add_report(program);
    }

    fn add_report(&mut self, program: crate::source::ProgramReport) {
        self.sources += program.files;
        self.hazards.extend(program.hazards);
        let unread = program
            .unread
            .iter()
            .map(|(path, why)| format!("'{}' was not read: {why}", path.display()));
        self.notes.extend(unread);
        let left = program.left_out.iter();
        self.notes.extend(left.map(|(path, n)| {
            format!("'{}' has {n} more hazards than the limit for one file", path.display())
        }));
    }
}
