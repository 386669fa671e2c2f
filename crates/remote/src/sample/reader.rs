//! The system call of a look: which pieces are read, in which order, into which bytes.

use super::thread_slot::ThreadSlot;
use crate::memory::{Memory, Piece, ReadError, half, word};
use cpython_layout::DebugOffsets;

/// Upper bound for the offsets of the fields read in a thread state.
const MAX_STATE_SIZE: u64 = 1024;

/// Offsets of the fields that a look reads, and the buffer of the current look.
#[derive(Debug)]
pub(super) struct SampleReader {
    pub(super) at: SampleOffsets,
    buffer: Vec<u8>,
}

/// Offsets of the fields that a look reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct SampleOffsets {
    pub(super) state: usize,
    pub(super) prev: usize,
    pub(super) interp: usize,
    pub(super) current: usize,
    pub(super) ident: usize,
    pub(super) native: usize,
    pub(super) holds_gil: Option<usize>,
    pub(super) chunk: u64,
    /// Number of bytes read of a thread state.
    pub(super) state_len: usize,
    pub(super) previous: usize,
    pub(super) executable: usize,
    pub(super) instr_ptr: usize,
    pub(super) owner: usize,
    /// `tlbc_index`; `None` in builds with the GIL.
    pub(super) copy: Option<usize>,
    /// Number of bytes of a frame before its locals.
    pub(super) head_len: usize,
    pub(super) co_first_line: usize,
    pub(super) co_len: u64,
    pub(super) co_qualname: usize,
    /// Whether a frame's code is cleared when the frame ends, so that dead frames can be
    /// recognized.
    pub(super) clears: bool,
}

impl SampleReader {
    pub(super) fn new(offsets: &DebugOffsets, state: u64) -> SampleReader {
        let (thread, frame) = (&offsets.thread_state, &offsets.interpreter_frame);
        let ends = [
            thread.prev,
            thread.interp,
            thread.current_frame,
            thread.thread_id,
            thread.native_thread_id,
            state,
            thread.holds_gil.unwrap_or(0),
        ];
        let state_len = ends.into_iter().max().unwrap_or(0).min(MAX_STATE_SIZE) + 8;
        let at = SampleOffsets {
            state: state as usize,
            prev: thread.prev as usize,
            interp: thread.interp as usize,
            current: thread.current_frame as usize,
            ident: thread.thread_id as usize,
            native: thread.native_thread_id as usize,
            holds_gil: thread.holds_gil.map(|offset| offset as usize),
            chunk: thread.datastack_chunk,
            state_len: state_len as usize,
            previous: frame.previous as usize,
            executable: frame.executable as usize,
            instr_ptr: frame.instr_ptr as usize,
            owner: frame.owner as usize,
            copy: frame.tlbc_index.filter(|&offset| offset != 0).map(|offset| offset as usize),
            head_len: frame.localsplus.min(4096) as usize,
            co_first_line: offsets.code_object.firstlineno as usize,
            co_len: offsets.code_object.co_code_adaptive.min(4096),
            co_qualname: offsets.code_object.qualname as usize,
            clears: offsets.build.frame.clears_executable,
        };
        SampleReader { at, buffer: Vec::new() }
    }

    /// Reads the `heads` and then all pieces of `slots`, and assigns each slot its bytes. Returns
    /// whether all heads were read.
    ///
    /// # Errors
    /// Only errors that concern the whole process, including that the first head cannot be read:
    /// the process runs another program. A slot with an unreadable piece has no bytes.
    pub(super) fn fetch(
        &mut self,
        memory: &dyn Memory,
        heads: Vec<Piece<'_>>,
        slots: &mut [ThreadSlot],
        thorough: bool,
    ) -> Result<bool, ReadError> {
        let mut total = 0;
        for slot in slots.iter_mut() {
            slot.lay_out(&self.at, thorough, &mut total);
        }
        self.buffer.resize(total, 0);
        let mut rest = self.buffer.as_mut_slice();
        let (heads_end, mut whole) = (heads.len(), true);
        let mut pieces = heads;
        pieces.reserve(slots.len() * 4);
        let mut owners: Vec<u32> = vec![u32::MAX; heads_end];
        for (index, slot) in slots.iter().enumerate() {
            for (address, len) in slot.pieces(&self.at) {
                let (into, after) = std::mem::take(&mut rest).split_at_mut(len);
                pieces.push(Piece { address, into });
                owners.push(index as u32);
                rest = after;
            }
        }
        let mut done = 0;
        while done < pieces.len() {
            done += memory.read_many(&mut pieces[done..])?;
            if done < heads_end {
                if done == 0 {
                    return Err(ReadError::Unmapped(pieces[0].address));
                }
                (whole, done) = (false, heads_end);
                continue;
            }
            // The piece that stopped the call cannot be read: skip its thread and read the others.
            if let Some(&owner) = owners.get(done) {
                slots[owner as usize].fail();
                done += owners[done..].iter().take_while(|&&other| other == owner).count();
            }
        }
        Ok(whole)
    }

    /// Returns bytes of the current look.
    pub(super) fn bytes(&self, from: usize, len: usize) -> &[u8] {
        self.buffer.get(from..from.saturating_add(len)).unwrap_or(&[])
    }
}

/// Header of a frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) previous: u64,
    pub(super) code: u64,
    pub(super) pointer: u64,
    pub(super) copy: u32,
    pub(super) owner: u8,
}

impl SampleOffsets {
    pub(super) fn head(&self, bytes: &[u8]) -> FrameHead {
        FrameHead {
            previous: word(bytes, self.previous),
            code: word(bytes, self.executable) & !crate::frames::TAGS,
            pointer: word(bytes, self.instr_ptr),
            copy: self.copy.map_or(0, |at| half(bytes, at)),
            owner: bytes.get(self.owner).copied().unwrap_or(u8::MAX),
        }
    }
}
