//! The way through x86-64 code without carrying it out.

use super::decode;
use crate::image::Image;
use crate::judge::flow::{Outline, Target};
use iced_x86::{FlowControl, Mnemonic, OpKind};

/// Where the instruction at an address leads.
pub(crate) fn outline(image: &Image, address: u64) -> Option<Outline> {
    let instruction = decode(image, address)?;
    let i = &instruction;
    let mut outline =
        Outline { next: i.next_ip(), falls: true, jumps: None, calls: None, names: None };
    let direct = i.op0_kind() == OpKind::NearBranch64;
    let through = || {
        let cell = i.is_ip_rel_memory_operand().then(|| i.ip_rel_memory_address())?;
        let inside = image.pointers.get(&cell).copied().map(Target::Address);
        let import = || {
            image.cells.get(&cell).and_then(|&index| u32::try_from(index).ok()).map(Target::Import)
        };
        inside.or_else(import)
    };
    match i.flow_control() {
        FlowControl::Call | FlowControl::IndirectCall => {
            let indirect = || through().unwrap_or(Target::Unknown);
            outline.calls =
                Some(if direct { Target::Address(i.near_branch_target()) } else { indirect() });
        }
        FlowControl::UnconditionalBranch => {
            outline.falls = false;
            outline.jumps = direct.then(|| i.near_branch_target());
        }
        FlowControl::IndirectBranch => {
            outline.falls = false;
            outline.calls = through();
        }
        FlowControl::ConditionalBranch => outline.jumps = Some(i.near_branch_target()),
        FlowControl::Return | FlowControl::Interrupt | FlowControl::Exception => {
            outline.falls = false
        }
        _ => {
            if i.mnemonic() == Mnemonic::Lea && i.is_ip_rel_memory_operand() {
                outline.names = Some(i.ip_rel_memory_address());
            }
        }
    }
    Some(outline)
}
