//! Finds stubs: code that only jumps through a cell, used to call functions of other libraries.
//!
//! Linkers lay out their tables differently (with a resolver entry first, with landing pads, with
//! two tables), so a stub is identified by the cell that its jump reads, not by its position. It is
//! recorded under every address at which it can be entered. Encodings: Intel SDM volume 2 (`JMP`,
//! `ENDBR64`), Arm ARM C6.2 (`ADRP`, `LDR (immediate)`, `LDR (literal)`, `BR`).

use super::builder::Builder;
use super::{Arch, Image, ImageError};

/// Instructions between load and jump: an addition for the resolver, and pointer authentication.
const MAX_BETWEEN_LOAD_AND_JUMP: usize = 2;

/// Code to search.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CodeRegion {
    /// A linker's table: stubs may also lead to functions of this image.
    Table,
    /// All code: a jump may also read a variable of the program, so only stubs for imports count.
    Anywhere,
}

impl Builder<'_> {
    /// Records all stubs in code that starts at `address`.
    pub(super) fn stubs(
        &mut self,
        address: u64,
        code: &[u8],
        region: CodeRegion,
    ) -> Result<(), ImageError> {
        let found = match self.image.arch {
            Arch::X86_64 => x86_64(&mut self.image, address, code, region),
            Arch::Aarch64 => aarch64(&mut self.image, address, code, region),
        };
        found.ok_or_else(|| self.damaged("it has more stubs than fit in the file"))
    }
}

/// Target of a stub.
#[derive(Clone, Copy)]
enum StubTarget {
    Import(usize),
    Inside(u64),
}

fn stub_target(image: &Image<'_>, cell: u64, region: CodeRegion) -> Option<StubTarget> {
    let inside = || image.pointers.get(&cell).filter(|_| region == CodeRegion::Table);
    image
        .cells
        .get(&cell)
        .map(|&import| StubTarget::Import(import))
        .or_else(|| inside().map(|&at| StubTarget::Inside(at)))
}

/// Records a stub. Returns `None` if there are more than one per eight bytes of the file, the size
/// of a cell.
fn record_stub(image: &mut Image<'_>, address: u64, target: StubTarget) -> Option<()> {
    if image.stubs.len() + image.jumps.len() > image.file.len() / 8 {
        return None;
    }
    match target {
        StubTarget::Import(import) => drop(image.stubs.insert(address, import)),
        StubTarget::Inside(target) => drop(image.jumps.insert(address, target)),
    }
    Some(())
}

/// Finds `jmp *disp32(%rip)`, possibly after `endbr64`, `mov $index, %r11d` (mold) or a prefix.
fn x86_64(image: &mut Image<'_>, address: u64, code: &[u8], region: CodeRegion) -> Option<()> {
    for at in memchr::memmem::find_iter(code, &[0xff, 0x25]) {
        let Some(displacement) = code.get(at + 2..).and_then(|rest| rest.first_chunk::<4>()) else {
            continue;
        };
        let jump = address.wrapping_add(at as u64);
        let cell =
            jump.wrapping_add(6).wrapping_add_signed(i32::from_le_bytes(*displacement).into());
        let Some(target) = stub_target(image, cell, region) else { continue };
        let before = |bytes: &[u8]| code.get(..at).is_some_and(|code| code.ends_with(bytes));
        let endbr = [0xf3, 0x0f, 0x1e, 0xfa];
        let mut back = 0;
        if before(&[0xf2]) || before(&[0x48]) {
            // `bnd` of old linkers, or the REX prefix that marks a tail call on Windows.
            back = 1;
            record_stub(image, jump.wrapping_sub(back), target)?;
        }
        let mold = at >= 10 && code.get(at - 6..at - 4) == Some(&[0x41, 0xbb]);
        if mold {
            back = 6;
        }
        let entry = code.get(..at.saturating_sub(back as usize));
        if entry.is_some_and(|code| code.ends_with(&endbr)) {
            record_stub(image, jump.wrapping_sub(back + 4), target)?;
        }
        record_stub(image, jump, target)?;
    }
    Some(())
}

/// Finds `adrp xN, page; ldr xM, [xN, #offset]; …; br xM` and `ldr xM, cell; br xM`, possibly after
/// a landing pad or a no-op.
fn aarch64(image: &mut Image<'_>, address: u64, code: &[u8], region: CodeRegion) -> Option<()> {
    // Instructions are aligned to four bytes.
    let skew = (4 - address % 4) % 4;
    let start = address.wrapping_add(skew);
    let words = code.get(skew as usize..).unwrap_or_default().as_chunks::<4>().0;
    let word = |at: usize| words.get(at).map(|bytes| u32::from_le_bytes(*bytes));
    for at in 0..words.len() {
        let pc = start.wrapping_add(4 * at as u64);
        let Some((cell, register, used)) = loads(pc, word(at), word(at + 1)) else { continue };
        let Some(target) = stub_target(image, cell, region) else { continue };
        let jump = 0xd61f_0000 | register << 5;
        if !(at + used..=at + used + MAX_BETWEEN_LOAD_AND_JUMP).any(|next| word(next) == Some(jump))
        {
            continue;
        }
        record_stub(image, pc, target)?;
        // `bti c` and `nop`.
        if at > 0 && matches!(word(at - 1), Some(0xd503_245f | 0xd503_201f)) {
            record_stub(image, pc.wrapping_sub(4), target)?;
        }
    }
    Some(())
}

/// Returns the cell loaded by the instructions at `pc`, the target register, and the number of
/// instructions.
fn loads(pc: u64, first: Option<u32>, second: Option<u32>) -> Option<(u64, u32, usize)> {
    let first = first?;
    if first & 0xff00_0000 == 0x5800_0000 {
        let words = (first << 8) as i32 >> 13;
        return Some((pc.wrapping_add_signed(i64::from(words) * 4), first & 31, 1));
    }
    let load = second?;
    if first & 0x9f00_0000 != 0x9000_0000
        || load & 0xffc0_0000 != 0xf940_0000
        || load >> 5 & 31 != first & 31
    {
        return None;
    }
    // The page offset has 21 bits: the high 19 and the low 2 are separate; sign-extended.
    let pages = ((first >> 5 & 0x7_ffff) << 2 | first >> 29 & 3) as i32;
    let pages = i64::from(pages << 11 >> 11);
    let page = (pc & !0xfff).wrapping_add_signed(pages << 12);
    Some((page.wrapping_add(u64::from(load >> 10 & 0xfff) * 8), load & 31, 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Format, PointerTarget};

    /// Returns the stubs in `code` at 0x1000. The cell of the import is at 0x2010, and a cell with
    /// a pointer to 0x1000 at 0x2018.
    fn found(arch: Arch, code: &[u8], region: CodeRegion) -> Vec<(u64, String)> {
        let mut file = vec![0; 0x2000];
        file[..code.len()].copy_from_slice(code);
        let mut build = Builder::new(Format::Elf, arch, &file);
        build.segment(0x1000, 0x2000, 0, 0x2000, true).expect("a segment");
        let import = build.import(b"imported");
        build.cell(0x2010, import).expect("a cell");
        build.pointer(0x2018, 0x1000).expect("a cell");
        build.stubs(0x1000, code, region).expect("entries");
        let image = &build.image;
        let target = |at| match image.jump(at)? {
            PointerTarget::Import(name) => Some((at, name.to_owned())),
            PointerTarget::Inside(to) => Some((at, format!("{to:#x}"))),
        };
        (0x1000..0x1100).filter_map(target).collect()
    }

    fn imported(at: &[u64]) -> Vec<(u64, String)> {
        at.iter().map(|&at| (at, "imported".to_owned())).collect()
    }

    /// Encodes a jump after `before`.
    fn jump(before: &[u8], cell: u32) -> Vec<u8> {
        let end = 0x1000 + before.len() as u32 + 6;
        [before, &[0xff, 0x25], &(cell - end).to_le_bytes()].concat()
    }

    #[test]
    fn finds_x86_64_stubs_of_every_linker() {
        let endbr = [0xf3, 0x0f, 0x1e, 0xfa];
        let find = |before: &[u8]| found(Arch::X86_64, &jump(before, 0x2010), CodeRegion::Anywhere);
        assert_eq!(find(&[]), imported(&[0x1000]));
        assert_eq!(find(&[0x48]), imported(&[0x1000, 0x1001]), "a tail call on Windows");
        assert_eq!(find(&endbr), imported(&[0x1000, 0x1004]));
        assert_eq!(
            find(&[&endbr[..], &[0xf2]].concat()),
            imported(&[0x1000, 0x1004, 0x1005]),
            "bnd"
        );
        assert_eq!(
            find(&[&endbr[..], &[0x41, 0xbb, 7, 0, 0, 0]].concat()),
            imported(&[0x1000, 0x100a]),
            "mold"
        );
        assert_eq!(
            find(&[0x90, 0x90, 0x90, 0x90]),
            imported(&[0x1004]),
            "other instructions before the jump do not count"
        );
    }

    #[test]
    fn cells_of_the_image_count_only_in_tables() {
        let code = jump(&[], 0x2018);
        assert_eq!(found(Arch::X86_64, &code, CodeRegion::Table), [(0x1000, "0x1000".to_owned())]);
        assert_eq!(found(Arch::X86_64, &code, CodeRegion::Anywhere), []);
        assert_eq!(found(Arch::X86_64, &jump(&[], 0x2020), CodeRegion::Table), [], "not a cell");
    }

    #[test]
    fn finds_aarch64_stubs_of_every_linker() {
        let find = |words: &[u32]| {
            let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            found(Arch::Aarch64, &code, CodeRegion::Anywhere)
        };
        // adrp x16, 0x2000; ldr x17, [x16, #0x10]; add x16, x16, #0x10; br x17
        let (page, load, add, br) = (0xb000_0010, 0xf940_0a11, 0x9100_4210, 0xd61f_0220);
        assert_eq!(find(&[page, load, add, br]), imported(&[0x1000]), "ELF");
        assert_eq!(find(&[0xd503_245f, page, load, add, br]), imported(&[0x1000, 0x1004]), "bti c");
        assert_eq!(find(&[page, load, add, 0xd503_219f, br]), imported(&[0x1000]), "autia1716");
        // ldr x16, [x16, #0x10]; br x16
        assert_eq!(find(&[page, 0xf940_0a10, 0xd61f_0200]), imported(&[0x1000]), "Mach-O and PE");
        // nop; ldr x16, 0x2010; br x16
        let near = 0x5800_0010 | (((0x2010 - 0x1004) / 4) << 5);
        assert_eq!(
            find(&[0xd503_201f, near, 0xd61f_0200]),
            imported(&[0x1000, 0x1004]),
            "Mach-O, near"
        );
        assert_eq!(find(&[page, load, add, 0xd63f_0220]), [], "a call, not a jump");
        assert_eq!(find(&[page, load, add, 0xd61f_0200]), [], "a jump through another register");
        // adrp with a negative page offset refers to another cell.
        assert_eq!(find(&[0xf0ff_fff0, load, add, br]), []);
    }
}
