//! Runs the GitHub Action's script with real interpreters against a fake of GitHub's API.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, Sender, channel};
use ungil_tests::{TestDir, binary, python};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../action/run.py");
const ONE_SHORT_BLOCK: &str =
    "--workers 1 --blocks 1 --max-blocks 1 --warmup 0 --energy off --quiet";

/// A request of the script: method, path, body.
type Request = (String, String, Value);

/// A fake of the API for issue comments. Lists answer with one element of `pages` for each page,
/// writes answer with `status`.
struct FakeApi {
    url: String,
    requests: Receiver<Request>,
}

impl FakeApi {
    fn start(pages: Vec<Value>, status: u16) -> FakeApi {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, &pages, status, &sender);
            }
        });
        FakeApi { url, requests }
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.try_iter().collect()
    }
}

fn answer(mut stream: TcpStream, pages: &[Value], status: u16, sender: &Sender<Request>) {
    let mut reader = BufReader::new(&stream);
    let mut line = String::new();
    reader.read_line(&mut line).expect("a request");
    let mut parts = line.split(' ').map(str::to_owned);
    let (method, path) = (parts.next().expect("a method"), parts.next().expect("a path"));
    let (mut length, mut authorized) = (0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).expect("a header");
        let header = header.trim().to_lowercase();
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().expect("a length");
        }
        authorized |= header == "authorization: bearer secret";
        if header.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the body");
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let (status, text) = match (authorized, method.as_str()) {
        (false, _) => (401, "{}".to_owned()),
        (_, "GET") => {
            let page = path.rsplit_once("&page=").expect("a page").1;
            let page: usize = page.parse().expect("a number");
            (200, pages.get(page - 1).unwrap_or(&json!([])).to_string())
        }
        _ => (status, "{}".to_owned()),
    };
    sender.send((method, path, body)).expect("the test still runs");
    write!(stream, "HTTP/1.1 {status} -\r\nConnection: close\r\nContent-Length: ")
        .and_then(|()| write!(stream, "{}\r\n\r\n{text}", text.len()))
        .expect("the script reads the answer");
}

/// Runs the script for pull request 7 with these inputs.
fn action(dir: &TestDir, api: &str, inputs: &[(&str, &str)]) -> Output {
    dir.write("event.json", r#"{"pull_request": {"number": 7}}"#);
    let mut command = Command::new(python("3.14"));
    command
        .arg(SCRIPT)
        .current_dir(dir.path())
        .env("UNGIL", binary())
        .env("RUNNER_TEMP", dir.path())
        .env("GITHUB_API_URL", api)
        .env("GITHUB_EVENT_PATH", dir.join("event.json"))
        .env("GITHUB_OUTPUT", dir.join("output"))
        .env("GITHUB_REPOSITORY", "owner/project")
        .env("GITHUB_STEP_SUMMARY", dir.join("summary.md"))
        .env("INPUT_COMMENT", "true")
        .env("INPUT_PYTHON", "3.14,3.14t")
        .env("INPUT_TITLE", "Free threading")
        .env("INPUT_TOKEN", "secret")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    for (name, value) in inputs {
        command.env(format!("INPUT_{name}"), value);
    }
    command.output().expect("the interpreter starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Creates a directory with a workload that fails if its environment contains the token.
fn workload() -> TestDir {
    let dir = TestDir::new();
    dir.write(
        "work.py",
        "import os\nassert 'secret' not in os.environ.values()\nprint(sum(range(1000)))\n",
    );
    dir
}

#[test]
fn writes_a_summary_and_a_comment() {
    let (dir, api) = (workload(), FakeApi::start(vec![], 201));
    let out = action(&dir, &api.url, &[("COMPARE", &format!("work.py {ONE_SHORT_BLOCK}"))]);
    assert!(out.status.success(), "{}{}", text(&out.stdout), text(&out.stderr));

    let summary = dir.read("summary.md").expect("a summary");
    assert!(summary.starts_with("# Free threading\n\n# work.py: "), "{summary}");
    assert!(summary.contains("95 % interval") && summary.contains("| 3.14t/1 |"), "{summary}");
    let output = dir.read("output").expect("an output");
    let record = output.trim().strip_prefix("record=").expect("the path of the record");
    assert!(Path::new(record).is_file(), "{output}");

    let comments = "/repos/owner/project/issues/7/comments";
    let requests = api.requests();
    let [(get, list, _), (post, create, body)] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!((get.as_str(), list.as_str()), ("GET", &*format!("{comments}?per_page=100&page=1")));
    assert_eq!((post.as_str(), create.as_str()), ("POST", comments));
    let comment = body["body"].as_str().expect("a text");
    let start = "<!-- ungil: free-threading -->\n## Free threading\n\n| arm | ratio (wall";
    assert!(comment.starts_with(start), "{comment}");
    assert!(comment.contains("| 3.14/1 | 1 |  | 1 | baseline |"), "{comment}");
    assert!(comment.contains("| 3.14t/1 | ") && comment.contains(" to "), "{comment}");
    assert!(comment.contains("<summary>Full report</summary>"), "{comment}");
}

#[test]
fn updates_its_own_comment() {
    let foreign = json!({"id": 1, "body": "quoted: <!-- ungil: free-threading -->"});
    let other = json!({"id": 2, "body": "<!-- ungil: other -->\n## other"});
    let own = json!({"id": 3, "body": "<!-- ungil: free-threading -->\n## Free threading"});
    let api = FakeApi::start(vec![json!([foreign, other]), json!([own])], 200);
    let dir = TestDir::new();
    dir.write("fine.py", "print(1)\n");
    let out = action(&dir, &api.url, &[("AUDIT", "fine.py")]);
    assert!(out.status.success(), "{}{}", text(&out.stdout), text(&out.stderr));
    let requests = api.requests();
    let methods: Vec<&str> = requests.iter().map(|request| request.0.as_str()).collect();
    assert_eq!(methods, ["GET", "GET", "PATCH"]);
    assert_eq!(requests[2].1, "/repos/owner/project/issues/comments/3");
}

#[test]
fn crossed_bound_and_finding_fail_the_action() {
    let (dir, api) = (workload(), FakeApi::start(vec![], 201));
    dir.write(
        "race.py",
        "import threading\ncounter = 0\ndef work():\n    global counter\n    counter += 1\n\
         for _ in range(4):\n    threading.Thread(target=work).start()\n",
    );
    let compare = "work.py --workers 1 --blocks 5 --max-blocks 5 --warmup 0 --energy off --quiet";
    let inputs = [
        ("COMPARE", compare),
        ("FAIL_IF", "time(3.14t,1) > 100\ntime(3.14t,1) > 0.001\n"),
        ("AUDIT", "race.py"),
        ("FAIL_ON", "gil,hazard"),
    ];
    let out = action(&dir, &api.url, &inputs);
    assert_eq!(out.status.code(), Some(3), "{}{}", text(&out.stdout), text(&out.stderr));
    let requests = api.requests();
    let comment = requests.last().expect("a comment").2["body"].as_str().expect("a text");
    for part in
        ["A bound of `fail-if` is crossed", "A finding of `fail-on` is present", "race.py:5"]
    {
        assert!(comment.contains(part), "{part}: {comment}");
    }
}

#[test]
fn token_without_write_permission_is_a_warning() {
    let (dir, api) = (TestDir::new(), FakeApi::start(vec![], 403));
    dir.write("fine.py", "print(1)\n");
    let out = action(&dir, &api.url, &[("AUDIT", "fine.py")]);
    assert!(out.status.success(), "{}{}", text(&out.stdout), text(&out.stderr));
    assert!(text(&out.stdout).contains("::warning::the comment could not be written: HTTP Error"));
    assert!(dir.read("summary.md").expect("a summary").contains("1 source file read"));
    let silent = action(&dir, &api.url, &[("AUDIT", "fine.py"), ("COMMENT", "false")]);
    assert!(silent.status.success() && !text(&silent.stdout).contains("warning"));
}

#[test]
fn reports_invalid_inputs() {
    let dir = TestDir::new();
    for (inputs, message) in [
        (&[][..], "::error::neither `compare` nor `audit` is set"),
        (&[("COMPARE", "work.py 'half")], "::error::the input `compare` has unbalanced quotes"),
        (&[("COMPARE", "missing.py")], "::error::ungil compare ended with exit code 2"),
    ] {
        let out = action(&dir, "http://127.0.0.1:1", inputs);
        assert_eq!(out.status.code(), Some(1), "{}{}", text(&out.stdout), text(&out.stderr));
        assert!(text(&out.stdout).contains(message), "{}{}", text(&out.stdout), text(&out.stderr));
    }
}

#[test]
fn default_version_is_that_of_the_workspace() {
    let action =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../action/action.yml"))
            .expect("the action");
    let version = action.split_once("  version:\n").expect("the input").1;
    let default = version.lines().find_map(|line| line.trim().strip_prefix("default: "));
    assert_eq!(default, Some(env!("CARGO_PKG_VERSION")));
}
