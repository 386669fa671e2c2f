//! Controls a page in headless Chromium over the DevTools protocol. `--remote-debugging-pipe` uses
//! a pair of pipes, so that no port, driver or library is needed.

use crate::HANG_TIMEOUT;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A page in its own browser process.
#[derive(Debug)]
pub struct BrowserPage {
    browser: Child,
    commands: File,
    answers: Receiver<Value>,
    session: String,
    last_id: u64,
    /// Events received so far: requests, errors, console output.
    pub events: Vec<Value>,
    _home: tempfile::TempDir,
}

impl BrowserPage {
    /// Opens a file and waits until the JavaScript expression `ready` is true.
    pub fn open(file: &Path, width: u32, scheme: &str, ready: &str) -> BrowserPage {
        let mut page = BrowserPage::start();
        let target =
            page.command("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached =
            page.command("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        page.session = attached["sessionId"].as_str().expect("a session id").into();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.command(&format!("{domain}.enable"), json!({}));
        }
        let screen =
            json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        page.command("Emulation.setDeviceMetricsOverride", screen);
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        page.command("Emulation.setEmulatedMedia", json!({"features": features}));
        page.command("Page.navigate", json!({"url": format!("file://{}", file.display())}));
        page.wait_until(ready);
        page
    }

    fn start() -> BrowserPage {
        let home = tempfile::tempdir().expect("a temporary directory");
        let [commands, answers] = ["commands", "answers"].map(|n| home.path().join(n));
        assert!(
            Command::new("mkfifo")
                .arg(&commands)
                .arg(&answers)
                .status()
                .expect("mkfifo runs")
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
        let is_installed = std::env::var_os("PATH")
            .is_some_and(|p| std::env::split_paths(&p).any(|d| d.join("chromium").is_file()));
        assert!(is_installed, "chromium is not installed: `cargo xtask test` installs Debian's");
        let browser = browser.spawn().expect("chromium starts");
        let commands = File::options().write(true).open(commands).expect("the command pipe");
        let pipe = File::open(answers).expect("the answer pipe");
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(pipe).split(0).map_while(Result::ok) {
                let _ = sender.send(serde_json::from_slice(&message).expect("an answer in JSON"));
            }
        });
        BrowserPage {
            browser,
            commands,
            answers,
            session: String::new(),
            last_id: 0,
            events: Vec::new(),
            _home: home,
        }
    }

    /// Sends a DevTools command and waits for its result.
    #[track_caller]
    pub fn command(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let mut message = json!({"id": self.last_id, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        self.commands.write_all(format!("{message}\0").as_bytes()).expect("the command is sent");
        loop {
            let message =
                self.answers.recv_timeout(HANG_TIMEOUT).expect("an answer from the browser");
            if message["id"] == self.last_id {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    /// Evaluates a JavaScript expression in the page and returns its value.
    #[track_caller]
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.command("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until a JavaScript expression is true.
    #[track_caller]
    pub fn wait_until(&mut self, expression: &str) {
        let deadline = Instant::now() + HANG_TIMEOUT;
        while self.evaluate(&format!("!!({expression})")) != true {
            assert!(Instant::now() < deadline, "{expression} is still false: {:#?}", self.events);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Presses a key: `ArrowDown`, `Enter`, `a`.
    #[track_caller]
    pub fn press(&mut self, key: &str) {
        // Buttons react to the key code and the typed text, not to the name of the key.
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
        self.command("Input.dispatchKeyEvent", down);
        self.command("Input.dispatchKeyEvent", up);
    }

    /// Types text into the focused element.
    #[track_caller]
    pub fn insert(&mut self, text: &str) {
        self.command("Input.insertText", json!({"text": text}));
    }

    /// Returns the text of the element with this id.
    #[track_caller]
    pub fn text(&mut self, id: &str) -> String {
        self.evaluate(&format!("document.getElementById({}).textContent", json!(id)))
            .as_str()
            .expect("the text of the element")
            .into()
    }

    /// Opens another file in the same window and waits until it has loaded.
    #[track_caller]
    pub fn navigate(&mut self, file: &Path) {
        self.events.clear();
        self.command("Page.navigate", json!({"url": format!("file://{}", file.display())}));
        let loaded = |event: &Value| event["method"] == "Page.loadEventFired";
        let deadline = Instant::now() + HANG_TIMEOUT;
        while !self.events.iter().any(loaded) {
            assert!(Instant::now() < deadline, "{} did not load", file.display());
            let event = self.answers.recv_timeout(HANG_TIMEOUT).expect("an event from the browser");
            self.events.push(event);
        }
    }

    /// Fails if the page requested anything outside a folder, or logged anything to its console.
    #[track_caller]
    pub fn assert_loads_only_below(&mut self, folder: &Path) {
        self.assert_requests(&format!("file://{}/", folder.display()), true);
    }

    /// Fails if the page requested anything but itself, or logged anything to its console.
    #[track_caller]
    pub fn assert_self_contained(&mut self, file: &Path) {
        self.assert_requests(&format!("file://{}", file.display()), false);
    }

    /// Fails if a request is neither for `own` nor, with `below`, for a URL that starts with `own`.
    #[track_caller]
    fn assert_requests(&mut self, own: &str, below: bool) {
        // Events that precede the answer are in `events` afterwards.
        self.evaluate("1");
        for event in &self.events {
            let params = &event["params"];
            match event["method"].as_str().unwrap_or_default() {
                "Network.requestWillBeSent" => {
                    let url = params["request"]["url"].as_str().expect("a URL");
                    let is_own = if below { url.starts_with(own) } else { url == own };
                    assert!(is_own || url.starts_with("data:"), "the page requested {url}");
                }
                "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded" => {
                    panic!("the page logged: {event}")
                }
                _ => {}
            }
        }
    }
}

impl Drop for BrowserPage {
    fn drop(&mut self) {
        let _ = self.commands.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.browser.try_wait().is_ok_and(|s| s.is_none()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}
