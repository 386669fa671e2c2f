//! A page in a real browser without a screen, which is spoken to over a pair of pipes in its
//! DevTools protocol: no port, no driver, no library.

use crate::HANG;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A page in a browser of its own.
#[derive(Debug)]
pub struct Page {
    browser: Child,
    to: File,
    from: Receiver<Value>,
    session: String,
    asked: u64,
    /// Everything the page told meanwhile: requests, errors, what it wrote to its console.
    pub events: Vec<Value>,
    _home: tempfile::TempDir,
}

impl Page {
    /// Opens a file and waits until `ready`, an expression in the page, is true.
    pub fn open(file: &Path, width: u32, scheme: &str, ready: &str) -> Page {
        let mut page = Page::start();
        let target =
            page.ask("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached =
            page.ask("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        page.session = attached["sessionId"].as_str().expect("a browser that answers").into();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.ask(&format!("{domain}.enable"), json!({}));
        }
        let screen =
            json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        page.ask("Emulation.setDeviceMetricsOverride", screen);
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        page.ask("Emulation.setEmulatedMedia", json!({"features": features}));
        page.ask("Page.navigate", json!({"url": format!("file://{}", file.display())}));
        page.until(ready);
        page
    }

    fn start() -> Page {
        let home = tempfile::tempdir().expect("a temporary directory");
        let [commands, answers] = ["commands", "answers"].map(|n| home.path().join(n));
        assert!(
            Command::new("mkfifo")
                .arg(&commands)
                .arg(&answers)
                .status()
                .expect("a browser that answers")
                .success()
        );
        let mut browser = Command::new("sh");
        // The browser reads commands from descriptor 3 and writes answers to 4.
        browser.args(["-c", r#"exec chromium "$@" 3<"$HOME/commands" 4>"$HOME/answers""#, "sh"]);
        browser.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ]);
        browser.args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ]);
        browser.args(["--disable-dev-shm-usage", "--remote-debugging-pipe"]);
        browser.arg(format!("--user-data-dir={}", home.path().join("data").display()));
        browser
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let there = std::env::var_os("PATH")
            .is_some_and(|p| std::env::split_paths(&p).any(|d| d.join("chromium").is_file()));
        assert!(there, "there is no chromium: `cargo xtask test` installs Debian's");
        let browser = browser.spawn().expect("a browser that answers");
        let to = File::options().write(true).open(commands).expect("a browser that answers");
        let answers = File::open(answers).expect("a browser that answers");
        let (told, from) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(answers).split(0).map_while(Result::ok) {
                let _ =
                    told.send(serde_json::from_slice(&message).expect("a browser that answers"));
            }
        });
        Page {
            browser,
            to,
            from,
            session: String::new(),
            asked: 0,
            events: Vec::new(),
            _home: home,
        }
    }

    /// Sends a command and waits for its answer.
    #[track_caller]
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let mut message = json!({"id": self.asked, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).expect("a browser that answers");
        loop {
            let message = self.from.recv_timeout(HANG).expect("an answer from the browser");
            if message["id"] == self.asked {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    /// The value of an expression in the page.
    #[track_caller]
    pub fn value(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.ask("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn until(&mut self, expression: &str) {
        let deadline = Instant::now() + HANG;
        while self.value(&format!("!!({expression})")) != true {
            assert!(
                Instant::now() < deadline,
                "{expression} did not come about: {:#?}",
                self.events
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Presses a key: `ArrowDown`, `Enter`, `a`.
    #[track_caller]
    pub fn press(&mut self, key: &str) {
        // What a button listens to is not the key's name but its number and what it types.
        let (typed, number) = match key {
            "Enter" => (Some("\r"), 13),
            " " => (Some(" "), 32),
            "Tab" => (None, 9),
            one if one.chars().count() == 1 => (Some(one), 0),
            _ => (None, 0),
        };
        let mut down = json!({"type": "keyDown", "key": key});
        if let Some(text) = typed {
            down["text"] = json!(text);
        }
        let mut up = json!({"type": "keyUp", "key": key});
        if number > 0 {
            (down["windowsVirtualKeyCode"], up["windowsVirtualKeyCode"]) =
                (json!(number), json!(number));
        }
        self.ask("Input.dispatchKeyEvent", down);
        self.ask("Input.dispatchKeyEvent", up);
    }

    /// Types a text where the focus is.
    #[track_caller]
    pub fn insert(&mut self, text: &str) {
        self.ask("Input.insertText", json!({"text": text}));
    }

    /// The text of an element.
    #[track_caller]
    pub fn text(&mut self, id: &str) -> String {
        self.value(&format!("document.getElementById({}).textContent", json!(id)))
            .as_str()
            .expect("a browser that answers")
            .into()
    }

    /// Opens another file in the same window, and waits until it is there.
    #[track_caller]
    pub fn follow(&mut self, file: &Path) {
        self.events.clear();
        self.ask("Page.navigate", json!({"url": format!("file://{}", file.display())}));
        let loaded = |event: &Value| event["method"] == "Page.loadEventFired";
        let deadline = Instant::now() + HANG;
        while !self.events.iter().any(loaded) {
            assert!(Instant::now() < deadline, "{} did not load", file.display());
            let event = self.from.recv_timeout(HANG).expect("a browser that answers");
            self.events.push(event);
        }
    }

    /// Fails if the page asked for anything outside of a folder, or complained.
    #[track_caller]
    pub fn stays_within(&mut self, folder: &Path) {
        self.asks_only_for(&format!("file://{}/", folder.display()), true);
    }

    /// Fails if the page asked for anything but itself, or complained.
    #[track_caller]
    pub fn is_content(&mut self, file: &Path) {
        self.asks_only_for(&format!("file://{}", file.display()), false);
    }

    #[track_caller]
    fn asks_only_for(&mut self, own: &str, below: bool) {
        self.value("1");
        for event in &self.events {
            let params = &event["params"];
            match event["method"].as_str().unwrap_or_default() {
                "Network.requestWillBeSent" => {
                    let url = params["request"]["url"].as_str().expect("a browser that answers");
                    let is_own = if below { url.starts_with(own) } else { url == own };
                    assert!(is_own || url.starts_with("data:"), "the page asked for {url}");
                }
                "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded" => {
                    panic!("the page says: {event}")
                }
                _ => {}
            }
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.browser.try_wait().is_ok_and(|s| s.is_none()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}
