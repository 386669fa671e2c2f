//! Control flow of x86-64 instructions, decoded without a state.

use super::decode;
use crate::gil_analysis::flow::{CallTarget, StaticFlow};
use crate::image::Image;
use iced_x86::{FlowControl, Mnemonic, OpKind};

/// Returns the control flow of the instruction at an address.
pub(crate) fn static_flow(image: &Image, address: u64) -> Option<StaticFlow> {
    let instruction = decode(image, address)?;
    let i = &instruction;
    let mut flow = StaticFlow {
        next: i.next_ip(),
        falls_through: true,
        jump: None,
        call: None,
        data_ref: None,
    };
    let direct = i.op0_kind() == OpKind::NearBranch64;
    let through = || {
        let cell = i.is_ip_rel_memory_operand().then(|| i.ip_rel_memory_address())?;
        let inside = image.pointers.get(&cell).copied().map(CallTarget::Address);
        let import = || {
            image
                .cells
                .get(&cell)
                .and_then(|&index| u32::try_from(index).ok())
                .map(CallTarget::Import)
        };
        inside.or_else(import)
    };
    match i.flow_control() {
        FlowControl::Call | FlowControl::IndirectCall => {
            let indirect = || through().unwrap_or(CallTarget::Unknown);
            flow.call =
                Some(if direct { CallTarget::Address(i.near_branch_target()) } else { indirect() });
        }
        FlowControl::UnconditionalBranch => {
            flow.falls_through = false;
            flow.jump = direct.then(|| i.near_branch_target());
        }
        FlowControl::IndirectBranch => {
            flow.falls_through = false;
            flow.call = through();
        }
        FlowControl::ConditionalBranch => flow.jump = Some(i.near_branch_target()),
        FlowControl::Return | FlowControl::Interrupt | FlowControl::Exception => {
            flow.falls_through = false
        }
        _ => {
            if i.mnemonic() == Mnemonic::Lea && i.is_ip_rel_memory_operand() {
                flow.data_ref = Some(i.ip_rel_memory_address());
            }
        }
    }
    Some(flow)
}
