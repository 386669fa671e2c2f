//! Parses the export trie of a Mach-O image, which is present even if the symbol table was
//! stripped.
//!
//! Source: Apple's `mach-o/loader.h` (`dyld_info_command`, `EXPORT_SYMBOL_FLAGS`). A node holds the
//! export for the name on the path to it, and edges with parts of names. A hostile file need not
//! contain a tree: it may have cycles, or so many paths that visiting all would never end. So
//! visited nodes and bytes of names are counted.

use super::ImageError;
use super::builder::{Builder, c_name};
use object::macho::{self, ExportSymbolFlags};

const DAMAGED: &str = "its table of exports contradicts itself";

/// A node on the current path, with its unread edges.
struct TrieNode<'a> {
    edges: &'a [u8],
    left: u8,
    /// Length of its name.
    name: usize,
}

pub(super) struct ExportTrie<'a> {
    data: &'a [u8],
    /// Start of the image, to which exported addresses are relative.
    base: u64,
    /// Name of the current node.
    name: Vec<u8>,
}

impl<'a> ExportTrie<'a> {
    /// Records all exports of a trie.
    pub(super) fn read(
        build: &mut Builder<'a>,
        base: u64,
        data: &'a [u8],
    ) -> Result<(), ImageError> {
        if data.is_empty() {
            return Ok(());
        }
        let mut trie = ExportTrie { data, base, name: Vec::new() };
        let mut way = vec![trie.node(build, 0)?];
        // In a tree one edge leads to each node, and together they take at least five bytes.
        let mut nodes = data.len() / 4;
        while let Some(node) = way.last_mut() {
            if node.left == 0 {
                way.pop();
                continue;
            }
            node.left -= 1;
            trie.name.truncate(node.name);
            let part = build.name(node.edges)?;
            trie.name.extend_from_slice(part);
            node.edges = node.edges.get(part.len() + 1..).unwrap_or_default();
            let child = number(&mut node.edges).ok_or_else(|| build.damaged(DAMAGED))?;
            nodes = nodes.checked_sub(1).ok_or_else(|| build.damaged(DAMAGED))?;
            way.push(trie.node(build, child)?);
        }
        Ok(())
    }

    /// Reads a node, records its export, and returns its edges.
    fn node(&mut self, build: &mut Builder<'a>, offset: u64) -> Result<TrieNode<'a>, ImageError> {
        let start = usize::try_from(offset).ok().and_then(|offset| self.data.get(offset..));
        let export = start.and_then(|mut rest| {
            let len = usize::try_from(number(&mut rest)?).ok()?;
            let (export, rest) = rest.split_at_checked(len)?;
            let (&left, edges) = rest.split_first()?;
            Some((export, left, edges))
        });
        let (mut export, left, edges) = export.ok_or_else(|| build.damaged(DAMAGED))?;
        if !export.is_empty() {
            let flags = number(&mut export).ok_or_else(|| build.damaged(DAMAGED))?;
            let flags = ExportSymbolFlags(flags);
            // Not re-exported, thread-local or absolute.
            let regular = flags.kind() == macho::EXPORT_SYMBOL_FLAGS_KIND_REGULAR;
            if regular && !flags.contains(macho::EXPORT_SYMBOL_FLAGS_REEXPORT) {
                let address = number(&mut export).ok_or_else(|| build.damaged(DAMAGED))?;
                build.charge_name(self.name.len())?;
                build.export(c_name(&self.name), self.base.wrapping_add(address));
            }
        }
        Ok(TrieNode { edges, left, name: self.name.len() })
    }
}

/// Reads a ULEB128 number and advances `rest`.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        let bits = u64::from(byte & 0x7f);
        if bits.checked_shl(shift)? >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
