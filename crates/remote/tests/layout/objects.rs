//! Objects, code, frames and tasks.

use crate::Target;

pub(crate) fn objects(target: &Target) {
    let at = &target.python.layout().objects;
    target.points("function", at.function_globals, "globals");
    target.points("function", at.function_code, "code");
    target.points("function", at.function_closure, "closure");
    target.points("function", at.function_qualname, "qualname");
    target.points("method", at.method_function, "method_function");
    target.points("method", at.method_self, "instance");
    target.points("builtin", at.builtin_self, "builtin_self");
    let name = target.word(target.word(target.said("builtin") + at.builtin_method));
    assert_eq!(target.memory().c_string(name, 32).expect("a name"), b"append");
    target.points("descriptor", at.descriptor_type, "dict");
    target.points("descriptor", at.descriptor_name, "get");
    target.points("cell", at.cell, "contents");
    target.points("module", at.module_dict, "module_dict");
    target.points("reference", at.weak_reference, "instance");
    target.points("coroutine", at.generator_qualname, "coroutine_name");
    target.points("generator", at.generator_qualname, "generator_name");
    let state =
        |name| target.memory().u8(target.said(name) + at.generator_state).expect("a state").cast_signed();
    assert_eq!(state("coroutine"), at.awaiting, "{}", target.build);
    assert_eq!(state("looper_coroutine"), at.executing, "{}", target.build);
    assert_eq!(target.word(target.said("set") + at.set_used), target.said("set_used"));
    let mask = target.word(target.said("set") + at.set_mask);
    assert_eq!(mask, 7, "{}: a set of three has eight slots", target.build);
    let table = target.word(target.said("set") + at.set_table);
    let keys: Vec<u64> =
        (0..=mask).map(|slot| target.word(table + 16 * slot)).filter(|&key| key != 0).collect();
    assert!(keys.len() == 3 && keys.contains(&target.said("set_one")), "{}: {keys:x?}", target.build);
    assert_eq!(at.mutex.is_some(), target.free_threaded());
}

pub(crate) fn code_and_frames(target: &Target) {
    let layout = target.python.layout();
    let half = |offset: u64| u64::from(target.memory().u32(target.said("code") + offset).expect("code"));
    assert_eq!(half(layout.code.flags), target.said("flags"), "{}", target.build);
    assert_eq!(half(layout.code.stack_size), target.said("stack_size"), "{}", target.build);
    assert_eq!(half(layout.code.locals), target.said("locals"), "{}", target.build);
    // `inner` begins by copying its free variables: COPY_FREE_VARS, then RESUME.
    assert_eq!(half(layout.code.first_traceable), 1, "{}", target.build);
    let frame = target.word(target.said("frame") + layout.objects.frame_object_frame);
    assert_eq!(target.word(frame + layout.frame.globals), target.said("globals"), "{}", target.build);
    assert_eq!(target.word(frame + layout.frame.locals), target.said("globals"), "{}", target.build);
    let executable = frame + target.python.offsets().interpreter_frame.executable;
    assert_eq!(target.word(executable) & !7, target.said("main_code"), "{}", target.build);
    let outermost = target.python.stack(&target.thread("sleeper")).expect("a stack").frames;
    let own = outermost.first().expect("a frame");
    let function = target.word(own.address + layout.frame.function) & !7;
    assert_eq!(target.word(function + layout.objects.function_code), own.code.address, "{}", target.build);
    assert_eq!(target.word(own.address + layout.frame.builtins), target.said("builtins"), "{}", target.build);
}

pub(crate) fn tasks(target: &Target) {
    let at = &target.python.layout().tasks;
    target.points("task", at.coroutine, "task_coroutine");
    target.points("task", at.name, "task_name");
    target.points("task", at.event_loop, "loop");
    target.points("waiting_task", at.waiting_for, "waiter");
    target.points("waiter", at.event_loop, "loop");
    assert_eq!(target.memory().u32(target.said("waiter") + at.state), Ok(0), "{}: pending", target.build);
    assert_eq!(target.memory().u32(target.said("finished") + at.state), Ok(2), "{}: finished", target.build);
    assert_ne!(target.word(target.said("waiter") + at.callback), 0, "{}: it wakes the task", target.build);
}
