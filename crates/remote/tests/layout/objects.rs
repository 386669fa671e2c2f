//! Objects, code and frames.

use crate::LayoutTarget;
use cpython_layout::FrameState;
use cpython_layout::structures::{BOUND_SELF, FRAME_GLOBALS, FUNCTION_CODE};

pub(crate) fn objects(target: &LayoutTarget) {
    let offsets = target.python.offsets();
    let header = offsets.pyobject.size;
    target.points("function", header + FUNCTION_CODE, "code");
    target.points("method", header, "method_function");
    target.points("method", header + BOUND_SELF, "instance");
    target.points("builtin", header + BOUND_SELF, "builtin_self");
    target.points("cell", header, "contents");
    target.points("module", header, "module_dict");
    let state_at = offsets.gen_object.map_or(header + 51, |generator| generator.gi_frame_state);
    let state = |name| {
        let byte = target.memory().u8(target.printed(name) + state_at).expect("a state");
        offsets.build.frame.state(byte)
    };
    assert_eq!(state("generator"), FrameState::Created, "{}", target.build);
    assert_eq!(state("coroutine"), FrameState::Awaiting, "{}", target.build);
    assert_eq!(state("looper_coroutine"), FrameState::Executing, "{}", target.build);
    assert_eq!(offsets.build.object_mutex.is_some(), target.free_threaded());
}

pub(crate) fn code_and_frames(target: &LayoutTarget) {
    let offsets = target.python.offsets();
    let half = |offset: u64| {
        u64::from(target.memory().u32(target.printed("code") + offset).expect("code"))
    };
    assert_eq!(
        half(offsets.code_object.stack_size()),
        target.printed("stack_size"),
        "{}",
        target.build
    );
    assert_eq!(half(offsets.code_object.locals()), target.printed("locals"), "{}", target.build);
    // `inner` begins by copying its free variables: COPY_FREE_VARS, then RESUME.
    assert_eq!(half(offsets.code_object.first_traceable()), 1, "{}", target.build);
    let frame = target.word(target.printed("frame") + offsets.pyobject.size + 8);
    assert_eq!(target.word(frame + FRAME_GLOBALS), target.printed("globals"), "{}", target.build);
    let executable = frame + offsets.interpreter_frame.executable;
    assert_eq!(target.word(executable) & !7, target.printed("main_code"), "{}", target.build);
}
