//! What is drawn, on screens of any size, as a test backend sees it.

use super::*;
use crate::top::sample;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

fn screen(app: &App, width: u16, height: u16) -> String {
    buffer(app, width, height)
        .content
        .chunks(usize::from(width))
        .map(line)
        .collect::<Vec<_>>()
        .join("\n")
}

fn buffer(app: &App, width: u16, height: u16) -> ratatui::buffer::Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal.draw(|frame| assert!(draw(frame, app) > 0)).expect("drawn");
    terminal.backend().buffer().clone()
}

fn line(cells: &[ratatui::buffer::Cell]) -> String {
    cells.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_string()
}

#[track_caller]
fn has(screen: &str, texts: &[&str]) {
    for text in texts {
        assert!(screen.contains(text), "no {text:?} on the screen:\n{screen}");
    }
}

#[test]
fn threads_show_what_they_wait_for_and_who_holds_it() {
    let screen = screen(&sample::app(), 154, 24);
    has(
        &screen,
        &[
            "4711   python app.py",
            "CPython 3.15.1 free-threaded, GIL disabled, up 75.0 s",
            "CPU 125 %   threads 3 + 2 without Python",
            "RSS 30.0 MiB (peak 40.0 MiB)   PSS 20.0 MiB",
            "GC 3 in 3.00 s: 2.00 %, longest 20.0 ms",
            "top uses 0.42 % of a core",
            "worker-1                     4712   25.0 lock      RRRLLLLLLLLL   75.0",
            "waits 3.25 s for threading.Lock \"L1\", held by worker-2 at work (app.py:12)",
            "worker-2                     4713    100 running   RRRRRRRRRRRR",
            "waits 3.25 s for worker-1 to end at work (app.py:11)",
        ],
    );
}

#[test]
fn at_80_columns_nothing_is_cut_without_a_mark() {
    let mut app = sample::app();
    let mut view = sample::view();
    view.notes.push("locks are taken in an order that can deadlock: ".repeat(2));
    view.threads[0].state = ThreadState::Suspended;
    app.take(view);
    app.stack = true;
    let threads = screen(&app, 80, 24);
    has(
        &threads,
        &[
            "CPU 125 %   threads 3 + 2 without Python (0 %)   RSS 30.0 MiB (peak 40.0 MiB)",
            "PSS 20.0 MiB",
            "locks are taken in an order that can deadlock: locks are taken in an order that",
            "  can deadlock:",
            "suspended",
            "waits 3.25 s for threadi…",
        ],
    );
    app.help = true;
    let help = screen(&app, 80, 40);
    for text in ["Press any key to return.", "~ marks sampled times.", "thread\n"] {
        assert!(help.contains(text), "no {text:?} on the screen:\n{help}");
    }
}

#[test]
fn every_page_shows_its_rows() {
    let mut app = sample::app();
    app.tab = Tab::Lines;
    has(&screen(&app, 100, 20), &["   125   75.0", "   200 work (app.py:31)", "by running"]);
    app.tab = Tab::Objects;
    has(
        &screen(&app, 120, 20),
        &["  75.0     100     1     2 threading.Lock \"L1\"", "worker-2", "work (app.py:31)"],
    );
    app.tab = Tab::Pauses;
    has(&screen(&app, 100, 20), &["GENERATION", "3456", "125 ms"]);
    app.help = true;
    has(&screen(&app, 100, 40), &["waits for a lock", "back to the list"]);
}

#[test]
fn the_list_of_pythons_shows_the_busiest_first_and_what_was_refused() {
    let mut app = App::new(&sample::args(None), true);
    has(&screen(&app, 80, 10), &["searching"]);
    app.set_processes(sample::processes());
    let screen = screen(&app, 100, 10);
    has(
        &screen,
        &[
            "2 found",
            "2 processes (the first: 1) could not be read",
            "      11 3.15.1t       150  20.0 MiB",
        ],
    );
    assert!(screen.find("busy.py") < screen.find("quiet.py"));
}

#[test]
fn a_stack_opens_below_and_an_ended_target_keeps_its_last_view() {
    let mut app = sample::app();
    app.stack = true;
    has(
        &screen(&app, 120, 24),
        &["worker-2 (4713)", "  work (/srv/app.py:13)", "  <module> (/srv/app.py:1)"],
    );
    let mut last = sample::view();
    last.ended = Some("process 4711 ended".into());
    app.take(last);
    has(
        &screen(&app, 120, 24),
        &["ENDED", "process 4711 ended; this is the last view", "worker-1"],
    );
}

#[test]
fn any_size_is_drawn_and_the_main_columns_stay() {
    let mut apps = vec![sample::app(), App::new(&sample::args(None), true)];
    apps[1].set_processes(sample::processes());
    let mut open = sample::app();
    (open.stack, open.help) = (true, false);
    open.input = Some(Input::Export(
        "a-long-name-of-a-file-that-does-not-fit-into-a-narrow-terminal.json".into(),
    ));
    apps.push(open);
    for app in &mut apps {
        for tab in Tab::ALL {
            app.tab = tab;
            for width in [1, 2, 19, 20, 33, 60, 80, 300] {
                for height in [1, 2, 3, 4, 5, 8, 13, 24, 80] {
                    let _ = screen(app, width, height);
                }
            }
        }
    }
    has(&screen(&sample::app(), 50, 8), &["worker-2", "THREAD"]);
}

#[test]
fn control_characters_of_the_target_are_replaced() {
    let mut view = sample::view();
    let hostile = "x\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}y";
    view.process.command = hostile.into();
    view.notes.push(hostile.into());
    for thread in &mut view.threads {
        thread.name = Some(hostile.into());
        thread.stack[0].function = hostile.into();
        thread.stack[0].file = hostile.into();
    }
    let mut app = sample::app();
    (app.stack, app.filter) = (true, "x".into());
    app.take(view);
    let screen = screen(&app, 160, 24);
    assert!(
        !screen.chars().any(|letter| letter.is_control() && letter != '\n' || letter == '\u{202e}'),
        "{screen:?}"
    );
    has(&screen, &["x\u{fffd}]0;owned\u{fffd}\u{fffd}2J\u{fffd}y"]);
}

#[test]
fn colour_can_be_disabled() {
    let mut app = sample::app();
    let coloured = |app: &App| {
        buffer(app, 140, 24)
            .content
            .iter()
            .any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
    };
    assert!(coloured(&app));
    app.colour = false;
    assert!(!coloured(&app));
}
