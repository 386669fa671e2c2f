//! Keys do what the help says, whatever is on the screen.

use super::*;
use crate::top::sample;

fn press(app: &mut App, code: KeyCode) -> Action {
    app.key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn type_in(app: &mut App, text: &str) {
    for letter in text.chars() {
        assert_eq!(press(app, KeyCode::Char(letter)), Action::None);
    }
}

fn names(app: &App) -> Vec<String> {
    let name = |row: &Row<'_>| match row {
        Row::Thread(thread) => thread.name.clone().unwrap_or_default(),
        Row::Process(host) => host.pid.to_string(),
        _ => String::new(),
    };
    app.rows().iter().map(name).collect()
}

#[test]
fn threads_are_sorted_by_every_key_and_reversed() {
    let mut app = sample::app();
    let orders = [
        ("cpu", ["worker-2", "worker-1", "MainThread"]),
        ("lock", ["worker-1", "MainThread", "worker-2"]),
        ("gil", ["MainThread", "worker-1", "worker-2"]),
        ("wait", ["MainThread", "worker-1", "worker-2"]),
        ("state", ["worker-2", "worker-1", "MainThread"]),
        ("name", ["MainThread", "worker-1", "worker-2"]),
        ("tid", ["MainThread", "worker-1", "worker-2"]),
    ];
    for (key, order) in orders {
        assert_eq!((app.sort(), names(&app)), (key, order.map(String::from).to_vec()), "{key}");
        press(&mut app, KeyCode::Char('s'));
    }
    assert_eq!(app.sort(), "cpu");
    press(&mut app, KeyCode::Char('S'));
    assert_eq!(app.sort(), "tid");
    press(&mut app, KeyCode::Char('r'));
    assert_eq!(names(&app), ["worker-2", "worker-1", "MainThread"]);
}

#[test]
fn a_filter_is_typed_and_cleared() {
    let mut app = sample::app();
    press(&mut app, KeyCode::Char('/'));
    type_in(&mut app, "qL1x");
    press(&mut app, KeyCode::Backspace);
    assert_eq!(names(&app).len(), 3, "nothing is filtered before it is finished");
    press(&mut app, KeyCode::Backspace);
    press(&mut app, KeyCode::Backspace);
    press(&mut app, KeyCode::Backspace);
    type_in(&mut app, "l1");
    press(&mut app, KeyCode::Enter);
    assert_eq!(names(&app), ["worker-1"], "the lock it waits for is called L1");
    press(&mut app, KeyCode::Esc);
    assert_eq!(names(&app).len(), 3);
    press(&mut app, KeyCode::Char('/'));
    type_in(&mut app, "zzz");
    press(&mut app, KeyCode::Esc);
    assert_eq!(names(&app).len(), 3, "given up");
}

#[test]
fn a_pause_keeps_the_view_except_for_the_last_one() {
    let mut app = sample::app();
    press(&mut app, KeyCode::Char('p'));
    let mut later = sample::view();
    later.span_s = 9.0;
    app.take(later.clone());
    assert_eq!(app.view.as_ref().map(|view| view.span_s), Some(3.0));
    later.ended = Some("process 4711 ended".into());
    app.take(later);
    assert_eq!(app.view.as_ref().map(|view| view.span_s), Some(9.0));
}

#[test]
fn the_selection_stays_on_the_page_and_enter_opens_what_is_selected() {
    let mut app = sample::app();
    for code in [KeyCode::Up, KeyCode::PageUp, KeyCode::Home] {
        press(&mut app, code);
        assert_eq!(app.selected, 0);
    }
    for code in [KeyCode::End, KeyCode::Down, KeyCode::PageDown] {
        press(&mut app, code);
        assert_eq!(app.selected, 2);
    }
    assert_eq!(press(&mut app, KeyCode::Enter), Action::None);
    assert!(app.stack);
    press(&mut app, KeyCode::Esc);
    assert!(!app.stack);

    let mut app = App::new(&sample::args(None), true);
    assert_eq!(press(&mut app, KeyCode::Enter), Action::None, "nothing to choose from yet");
    app.set_processes(sample::processes());
    assert_eq!(press(&mut app, KeyCode::Enter), Action::Open(11), "the busiest first");
    app.go(Screen::Process(11));
    assert_eq!(press(&mut app, KeyCode::Char('b')), Action::List);
}

#[test]
fn keys_return_actions_for_the_main_loop() {
    let mut app = sample::app();
    assert_eq!(press(&mut app, KeyCode::Char('q')), Action::Quit);
    assert_eq!(app.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Action::Quit);
    assert_eq!(app.key(KeyEvent::new(KeyCode::Char('z'), KeyModifiers::CONTROL)), Action::Suspend);
    assert_eq!(press(&mut app, KeyCode::Char('t')), Action::Span(ViewSpan::Whole));
    assert_eq!(press(&mut app, KeyCode::Char('t')), Action::Span(ViewSpan::Recent));
    press(&mut app, KeyCode::Char('e'));
    assert_eq!(press(&mut app, KeyCode::Enter), Action::Export("ungil-top-4711.json".into()));
    assert_eq!(press(&mut app, KeyCode::Esc), Action::None, "there is no list to go back to");
}

#[test]
fn no_key_panics_on_any_page() {
    let codes = [
        KeyCode::Char('s'),
        KeyCode::Char('r'),
        KeyCode::Char('1'),
        KeyCode::Char('4'),
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::End,
        KeyCode::Enter,
        KeyCode::Char('h'),
        KeyCode::Char('x'),
        KeyCode::Char('e'),
        KeyCode::Esc,
        KeyCode::Char('/'),
        KeyCode::F(5),
        KeyCode::Enter,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Null,
    ];
    for mut app in [
        sample::app(),
        App::new(&sample::args(None), false),
        App::new(&sample::args(Some(1)), false),
    ] {
        for round in 0..codes.len() {
            for code in codes.iter().cycle().skip(round).take(codes.len()) {
                press(&mut app, *code);
                let _ = app.rows();
            }
        }
    }
}
