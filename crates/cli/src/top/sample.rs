//! A view for tests: a main thread that waits for a worker, a worker that waits for a lock, and one
//! that runs.

use super::app::{App, ProcessList, ProcessRow};
use crate::args::{Sort, Top};
use ungil_profile::live::*;
use ungil_remote::frames::CodeLine;
use ungil_remote::gc::{CollectionTotals, Generation};
use ungil_remote::stop_the_world::Pauses;
use ungil_remote::{ThreadState, WaitTarget};

pub(crate) fn args(pid: Option<u32>) -> Top {
    Top {
        pid,
        interval: 0.5,
        rate: 50,
        span: 3.0,
        sort: Sort::Cpu,
        filter: String::new(),
        once: false,
        views: None,
        json: false,
    }
}

pub(crate) fn app() -> App {
    let mut app = App::new(&args(Some(4711)), true);
    app.take(view());
    app
}

pub(crate) fn processes() -> ProcessList {
    let row = |pid, command: &str, cores| ProcessRow {
        pid,
        version: "3.15.1".into(),
        free_threaded: true,
        cores: Some(cores),
        rss_bytes: 20 << 20,
        threads: 3,
        command: command.into(),
    };
    ProcessList {
        pythons: vec![
            row(10, "python quiet.py", 0.0),
            row(11, "/home/somebody/projects/service/.venv/bin/python busy.py", 1.5),
        ],
        refused: Some("2 processes (the first: 1) could not be read: it belongs to user 0".into()),
    }
}

fn thread(name: &str, tid: u32, state: ThreadState, cores: f64) -> ThreadView {
    let mut shares = Shares::default();
    match state {
        ThreadState::Running => shares.running = 1.0,
        ThreadState::Lock => (shares.lock, shares.running) = (0.75, 0.25),
        _ => shares.event = 1.0,
    }
    let frame = |function: &str, line| CodeLine {
        function: function.into(),
        file: "/srv/app.py".into(),
        line: Some(line),
    };
    let wait = |kind: WaitTarget, name: Option<&str>, held: Option<&str>| WaitView {
        object: "0x7f00".into(),
        kind,
        name: name.map(Into::into),
        since_s: Some(3.25),
        held_by: held.map(Into::into),
    };
    ThreadView {
        name: Some(name.into()),
        tid,
        interpreter: 0,
        state,
        call: None,
        shares,
        cores: Some(cores),
        wait: match state {
            ThreadState::Lock => Some(wait(WaitTarget::Lock, Some("L1"), Some("worker-2"))),
            ThreadState::Event => Some(wait(WaitTarget::ThreadEnd, None, Some("worker-1"))),
            _ => None,
        },
        stack: vec![frame("work", tid % 100), frame("<module>", 1)],
    }
}

pub(crate) fn view() -> View {
    let place = CodeLine { function: "work".into(), file: "/srv/app.py".into(), line: Some(31) };
    let generation =
        Generation { collections: 12, collected: 3456, uncollectable: 0, duration_s: Some(0.125) };
    View {
        schema: "ungil.top/2",
        process: ProcessView {
            pid: 4711,
            command: "python app.py".into(),
            version: "3.15.1".into(),
            free_threaded: true,
            gil_on: false,
            interpreters: 1,
            cores: Some(1.25),
            age_s: 75.0,
        },
        span: ViewSpan::Recent,
        span_s: 3.0,
        cost: MonitoringCost { looks: 150, rate_hz: 50.0, asked_hz: 50.0, torn: 0, cores: 0.0042 },
        threads: vec![
            thread("MainThread", 4711, ThreadState::Event, 0.0),
            thread("worker-1", 4712, ThreadState::Lock, 0.25),
            thread("worker-2", 4713, ThreadState::Running, 1.0),
        ],
        other_threads: OtherThreads { count: 2, cores: Some(0.0) },
        lines: vec![LineView {
            code_line: place.clone(),
            threads: Shares { running: 1.25, lock: 0.75, ..Shares::default() },
            total: 2.0,
        }],
        objects: vec![ObjectView {
            object: "0x7f00".into(),
            kind: WaitTarget::Lock,
            name: Some("L1".into()),
            waiting: 0.75,
            share: 1.0,
            waiters: 1,
            most_waiters: 2,
            held_by: Some("worker-2".into()),
            at: Some(place),
        }],
        collector: CollectorView {
            collecting: false,
            generations: vec![generation; 3],
            span: CollectionTotals {
                count: [2, 1, 0],
                collected: 7,
                seconds: 0.06,
                exact: true,
                longest_s: 0.02,
                lost: 0,
            },
        },
        world: StopTheWorldView {
            possible: true,
            now: false,
            requester: None,
            span: Pauses::default(),
        },
        gil: None,
        memory: MemoryView {
            rss_bytes: 30 << 20,
            rss_peak_bytes: Some(40 << 20),
            pss_bytes: Some(20 << 20),
            ..MemoryView::default()
        },
        notes: Vec::new(),
        ended: None,
    }
}
