//! Parses the Markdown pages of the repository.

pub(crate) mod console;
pub(crate) mod html;

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository")
}

/// A page with its path relative to the root.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// Returns every page for readers: those in the root, in `docs/`, and the package's.
pub(crate) fn pages() -> Vec<Document> {
    let mut files = Vec::new();
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        files.push(root().join(name));
    }
    files.push(root().join("python/README.md"));
    collect(&root().join("docs"), "md", &mut files);
    files.sort();
    files
        .into_iter()
        .map(|file| Document {
            text: fs::read_to_string(&file).expect("a page"),
            name: file.strip_prefix(root()).expect("below the root").display().to_string(),
        })
        .collect()
}

/// Collects the files below a folder whose names end with `ending`.
pub(crate) fn collect(folder: &Path, ending: &str, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, ending, files);
        } else if path.extension().is_some_and(|e| e == ending) {
            files.push(path);
        }
    }
}

/// Annotation of a block by the HTML comment before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// No comment.
    None,
    /// `<!-- not run: REASON -->`.
    NotRun(String),
    /// `<!-- exit CODE -->`: the exit code of the last command.
    Exit(i32),
    /// `<!-- file: NAME -->`: the block is a file that later commands of the page use.
    File(String),
}

/// A fenced block.
#[derive(Debug)]
pub(crate) struct Block {
    /// First line of the block, counted from 1.
    pub(crate) line: usize,
    /// The info string of the fence.
    pub(crate) language: String,
    pub(crate) mark: Mark,
    pub(crate) lines: Vec<String>,
}

impl Block {
    /// Returns the commands of a console block: each line that begins with `$ `.
    pub(crate) fn commands(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.lines.iter().enumerate();
        numbered.filter_map(|(i, line)| Some((self.line + 1 + i, line.strip_prefix("$ ")?)))
    }
}

/// Returns the fenced blocks of a page.
///
/// # Panics
///
/// If a fence is not closed, or a comment before a block is unknown.
pub(crate) fn blocks(page: &Document) -> Vec<Block> {
    let mut found = Vec::new();
    let mut before = "";
    let mut lines = page.text.lines().enumerate();
    while let Some((i, line)) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            if !line.trim().is_empty() {
                before = line;
            }
            continue;
        };
        let mut content = Vec::new();
        loop {
            let (_, line) = lines.next().unwrap_or_else(|| panic!("{}:{i}: no end", page.name));
            if line == "```" {
                break;
            }
            content.push(line.to_string());
        }
        found.push(Block {
            line: i + 1,
            language: language.to_string(),
            mark: mark(before).unwrap_or_else(|| panic!("{}:{i}: {before}", page.name)),
            lines: content,
        });
        before = "";
    }
    found
}

fn mark(before: &str) -> Option<Mark> {
    let Some(comment) = before.strip_prefix("<!--").and_then(|c| c.strip_suffix("-->")) else {
        return Some(Mark::None);
    };
    let comment = comment.trim();
    if let Some(reason) = comment.strip_prefix("not run") {
        let reason = reason.strip_prefix(':')?.trim();
        return (reason.split_whitespace().count() >= 2).then(|| Mark::NotRun(reason.into()));
    }
    if let Some(name) = comment.strip_prefix("file:") {
        return Some(Mark::File(name.trim().into()));
    }
    match comment.strip_prefix("exit ") {
        Some(code) => Some(Mark::Exit(code.trim().parse().ok()?)),
        None => Some(Mark::None),
    }
}

/// Returns the targets of a page's links with their lines, code excluded.
pub(crate) fn links(page: &Document) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (i, line) in page.text.lines().enumerate() {
        if line.starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        // Every second part is between backticks.
        let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for part in plain.split("](").skip(1) {
            if let Some(end) = part.find(')') {
                found.push((i + 1, part[..end].to_string()));
            }
        }
    }
    found
}

/// Returns the anchors of a page's headings, by the rule that forges use.
pub(crate) fn anchors(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        }
        let heading = line.trim_start_matches('#');
        if fenced || heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let slug: String = heading
            .trim()
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let again = found.iter().filter(|f| **f == slug).count();
        found.push(if again > 0 { format!("{slug}-{again}") } else { slug });
    }
    found
}
