//! Consistency checks for an offset table.
//!
//! A table of the wrong version, or arbitrary bytes, must not make the reader follow wrong
//! addresses. Every offset must lie in its structure, and offsets that follow from C's layout rules
//! (such as the end of an object header) must have exactly that value.

use crate::debug_offsets::MAX_STRUCTURE_SIZE;
use crate::{DebugOffsets, LayoutError};

impl DebugOffsets {
    /// Checks that the entries are consistent.
    ///
    /// # Errors
    /// [`LayoutError::Misfit`] names the first entry that is wrong.
    pub(crate) fn check(&self) -> Result<(), LayoutError> {
        let misfit =
            |field, value, why| LayoutError::Misfit { version: self.version, field, value, why };
        // The current group and its size. The size is a group's first entry; some groups have none.
        let mut structure = ("", 0);
        self.entries(|group, field, value| {
            if value > MAX_STRUCTURE_SIZE {
                return Err(misfit(field, value, "larger than any structure of CPython"));
            }
            if field.ends_with(".size") {
                structure = (group, value);
            } else if group == structure.0 && !field.ends_with("size") && value >= structure.1 {
                return Err(misfit(field, value, "outside its structure"));
            }
            Ok(())
        })?;
        let header = if self.free_threaded { 32 } else { 16 };
        let fixed = [
            ("pyobject.size", self.pyobject.size, header),
            ("pyobject.ob_type", self.pyobject.ob_type, header - 8),
            ("tuple_object.ob_size", self.tuple_object.ob_size, header),
            ("list_object.ob_size", self.list_object.ob_size, header),
            ("list_object.ob_item", self.list_object.ob_item, header + 8),
            ("float_object.ob_fval", self.float_object.ob_fval, header),
            ("long_object.lv_tag", self.long_object.lv_tag, header),
            ("bytes_object.ob_size", self.bytes_object.ob_size, header),
            ("unicode_object.length", self.unicode_object.length, header),
            ("type_object.tp_name", self.type_object.tp_name, header + 8),
            ("llist_node.next", self.llist_node.map_or(0, |n| n.next), 0),
            ("llist_node.prev", self.llist_node.map_or(8, |n| n.prev), 8),
        ];
        for (field, value, expected) in fixed {
            if value != expected {
                return Err(misfit(
                    field,
                    value,
                    "different from the fixed offset in this kind of build",
                ));
            }
        }
        let pointers = [
            ("interpreter_state.threads_head", self.interpreter_state.threads_head),
            ("interpreter_state.next", self.interpreter_state.next),
            ("thread_state.current_frame", self.thread_state.current_frame),
            ("thread_state.native_thread_id", self.thread_state.native_thread_id),
            ("interpreter_frame.instr_ptr", self.interpreter_frame.instr_ptr),
            ("code_object.co_code_adaptive", self.code_object.co_code_adaptive),
        ];
        for (field, value) in pointers {
            if value == 0 || value % 8 != 0 {
                return Err(misfit(field, value, "not a valid offset for a pointer"));
            }
        }
        Ok(())
    }
}
