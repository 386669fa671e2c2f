//! How fast looks are, beside CPython's own profiler on the same target in the same run, the two taking turns.
//!
//! `UNGIL_PYTHONS=… cargo run --release -p ungil-bench --bin look [ROUNDS] [SECONDS]`; `$BENCH_PYTHON` is a 3.15t. Also says what part of a
//! core looking at 1 kHz takes.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use ungil_bench::{Any, python};
use ungil_experiment::stats::median;
use ungil_remote::Python;
use ungil_remote::sample::Looker;

/// Two busy threads, and a main thread that sleeps: the target of the rates in the reference.
const TARGET: &str = "
import threading, time
def leaf(n):
    total = 0
    for i in range(n): total += i * i
    return total
def middle(n): return leaf(n) + leaf(n // 2)
def work():
    while True: middle(200)
for _ in range(2): threading.Thread(target=work, daemon=True).start()
time.sleep(100000)
";

/// And one that calls and returns all the time.
const CALLS: &str = "
import threading, time
def step(n): return n + 1
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
def work():
    while True: fib(15); sorted(range(20), key=step); sum(step(x) for x in range(20))
for _ in range(2): threading.Thread(target=work, daemon=True).start()
time.sleep(100000)
";

/// Ends its process with itself.
struct Target(Child);

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> Any<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let seconds: f64 = arguments.next().map_or(Ok(3.0), |text| text.parse())?;
    let python = python();
    for (name, program) in [("two busy threads", TARGET), ("calls and returns", CALLS)] {
        let target = Target(Command::new(&python).args(["-c", program]).stdin(Stdio::null()).spawn()?);
        std::thread::sleep(Duration::from_secs(1));
        let (mut ours, mut theirs, mut torn, mut errors) = (vec![], vec![], vec![], vec![]);
        for _ in 0..rounds {
            for rate in ["100khz", "1mhz"] {
                let (samples, error) = tachyon(&python, target.0.id(), rate, seconds)?;
                theirs.push(samples);
                errors.push(error);
            }
            let (looks, bad) = looks(target.0.id(), seconds)?;
            ours.push(looks);
            torn.push(bad);
        }
        let best = theirs.iter().copied().fold(0.0, f64::max);
        println!(
            "{name}: ungil {:.0} looks/s (median of {rounds}; {:.3} % of stacks torn); profiling.sampling at best {best:.0} samples/s ({:.2} % errors); {:.1} times",
            median(&ours).unwrap_or(f64::NAN),
            torn.iter().copied().fold(0.0, f64::max) * 100.0,
            errors.iter().copied().fold(0.0, f64::max),
            median(&ours).unwrap_or(f64::NAN) / best
        );
        println!("  at 1 kHz: {:.2} % of a core", cost(target.0.id(), seconds)? * 100.0);
    }
    Ok(())
}

/// Looks a second, as fast as they go, and the part of stacks that was torn.
fn looks(pid: u32, seconds: f64) -> Any<(f64, f64)> {
    let mut looker = Looker::new(Python::attach(pid)?)?;
    let (begin, mut thorough) = (Instant::now(), Instant::now());
    let (mut looks, mut torn, mut seen) = (0_u64, 0_u64, 0_u64);
    while begin.elapsed().as_secs_f64() < seconds {
        let now = Instant::now();
        let is_thorough = now >= thorough;
        if is_thorough {
            thorough = now + Duration::from_micros(250);
        }
        torn += u64::from(looker.look(is_thorough)?.torn);
        seen += looker.threads().len() as u64;
        looks += 1;
    }
    Ok((looks as f64 / begin.elapsed().as_secs_f64(), torn as f64 / seen as f64))
}

/// What `python -m profiling.sampling attach -a` says of itself: samples a second, and errors in per cent.
fn tachyon(python: &str, pid: u32, rate: &str, seconds: f64) -> Any<(f64, f64)> {
    let whole = seconds.ceil().max(1.0) as u64;
    let out = Command::new(python)
        .args([
            "-m",
            "profiling.sampling",
            "attach",
            "-a",
            "-r",
            rate,
            "-d",
            &whole.to_string(),
            &pid.to_string(),
        ])
        .env("NO_COLOR", "1")
        .output()?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    let after = |mark: &str| {
        let rest = text.split(mark).nth(1)?;
        let digits: String = rest
            .trim_start_matches([':', ' '])
            .chars()
            .take_while(|c| c.is_ascii_digit() || ".,".contains(*c))
            .collect();
        digits.replace(',', "").trim_end_matches('.').parse::<f64>().ok()
    };
    let samples = after("Sample rate").or_else(|| Some(after("Captured")? / whole as f64));
    let samples = samples.ok_or_else(|| format!("profiling.sampling says no rate:\n{text}"))?;
    Ok((samples, after("Error rate").unwrap_or(0.0)))
}

/// Part of a core that `ungil profile` takes at 1 kHz, as it says itself.
fn cost(pid: u32, seconds: f64) -> Any<f64> {
    let dir = tempfile::tempdir()?;
    let out = Command::new(ungil_bench::ungil()?)
        .args([
            "profile",
            &pid.to_string(),
            "--rate",
            "1khz",
            "--quiet",
            "--json",
            "--duration",
            &format!("{seconds}s"),
        ])
        .current_dir(dir.path())
        .output()?;
    let summary: serde_json::Value = serde_json::from_slice(&out.stdout)?;
    let of = |name: &str| summary["totals"][name].as_f64().unwrap_or(f64::NAN);
    Ok(of("own_cpu_ns") / of("duration_ns"))
}
