//! Compares the sampling rate of `ungil profile` with that of CPython's own profiler on the same
//! target, the two taking turns.
//!
//! `UNGIL_PYTHONS=… cargo run --release -p ungil-bench --bin look [ROUNDS] [SECONDS]`;
//! `$BENCH_PYTHON` must be a 3.15t. Both are run as their users run them, and each rate is the one
//! that the tool reports. Also measures the share of a core used by sampling at 1 kHz.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use ungil_bench::{AnyResult, python};
use ungil_experiment::stats::median;
use ungil_remote::Python;
use ungil_remote::sample::Sampler;

/// Two busy threads and a sleeping main thread: three stacks per sample.
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

/// Two threads that call and return all the time.
const CALLS: &str = "
import threading, time
def step(n): return n + 1
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
def work():
    while True: fib(15); sorted(range(20), key=step); sum(step(x) for x in range(20))
for _ in range(2): threading.Thread(target=work, daemon=True).start()
time.sleep(100000)
";

/// A target process; killed on drop.
struct Target(Child);

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> AnyResult<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let seconds: f64 = arguments.next().map_or(Ok(3.0), |text| text.parse())?;
    let python = python();
    for (name, program) in [("two busy threads", TARGET), ("calls and returns", CALLS)] {
        let target =
            Target(Command::new(&python).args(["-c", program]).stdin(Stdio::null()).spawn()?);
        std::thread::sleep(Duration::from_secs(1));
        let pid = target.0.id();
        let (mut whole, mut bare, mut theirs, mut torn, mut errors) =
            (vec![], vec![], vec![], vec![], vec![]);
        let (mut slow, mut wakes) = (vec![], vec![]);
        for _ in 0..rounds {
            for rate in ["100khz", "1000khz"] {
                let (samples, error) = tachyon(&python, pid, rate, seconds)?;
                theirs.push(samples);
                errors.push(error);
            }
            let fast = profile(pid, "1000khz", seconds)?;
            whole.push(fast.samples_hz);
            torn.push(fast.torn);
            slow.push(profile(pid, "1khz", seconds)?.cores);
            wakes.push(wake_up_cost(seconds));
            bare.push(sampling_rate(pid, seconds)?);
        }
        let middle = |values: &[f64]| median(values).unwrap_or(f64::NAN);
        let worst = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
        println!("{name}, {rounds} rounds in turns, medians:");
        println!(
            "  ungil profile       {:9.0} samples/s, {:.3} % of stacks torn at worst",
            middle(&whole),
            worst(&torn) * 100.0
        );
        println!("  sampling alone      {:9.0} samples/s", middle(&bare));
        println!(
            "  profiling.sampling  {:9.0} samples/s, {:9.0} at best, {:.2} % errors at worst",
            middle(&theirs),
            worst(&theirs),
            worst(&errors)
        );
        println!(
            "  {:.1} times its median, {:.1} times its best",
            middle(&whole) / middle(&theirs),
            middle(&whole) / worst(&theirs)
        );
        println!(
            "  ungil profile at 1 kHz takes {:.2} % of a core; waking up 1000 times a second and doing nothing, {:.2} %",
            middle(&slow) * 100.0,
            middle(&wakes) * 100.0
        );
    }
    Ok(())
}

/// Returns samples per second at full speed, without processing them.
fn sampling_rate(pid: u32, seconds: f64) -> AnyResult<f64> {
    let mut sampler = Sampler::new(Python::attach(pid)?)?;
    let (begin, mut thorough) = (Instant::now(), Instant::now());
    let mut samples = 0_u64;
    while begin.elapsed().as_secs_f64() < seconds {
        let now = Instant::now();
        let is_thorough = now >= thorough;
        if is_thorough {
            thorough = now + Duration::from_millis(2);
        }
        sampler.look(is_thorough)?;
        samples += 1;
    }
    Ok(samples as f64 / begin.elapsed().as_secs_f64())
}

/// Runs `python -m profiling.sampling attach -a` and returns what it reports: samples per second,
/// and errors in per cent.
fn tachyon(python: &str, pid: u32, rate: &str, seconds: f64) -> AnyResult<(f64, f64)> {
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
    let text =
        String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
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
    let samples = samples.ok_or_else(|| format!("profiling.sampling reported no rate:\n{text}"))?;
    Ok((samples, after("Error rate").unwrap_or(0.0)))
}

/// Figures that `ungil profile` reports.
struct Capture {
    /// Samples per second.
    samples_hz: f64,
    /// Fraction of the threads' stacks that was torn.
    torn: f64,
    /// CPU time of the profiler per second.
    cores: f64,
}

/// Runs `ungil profile` as its users do, including the recording.
fn profile(pid: u32, rate: &str, seconds: f64) -> AnyResult<Capture> {
    let dir = tempfile::tempdir()?;
    let duration = format!("{seconds}s");
    let out = Command::new(ungil_bench::ungil()?)
        .args([
            "profile",
            &pid.to_string(),
            "--rate",
            rate,
            "--quiet",
            "--json",
            "--duration",
            &duration,
        ])
        .current_dir(dir.path())
        .output()?;
    let summary: serde_json::Value = serde_json::from_slice(&out.stdout)?;
    let of = |name: &str| summary["totals"][name].as_f64().unwrap_or(f64::NAN);
    let (captured, torn) = (of("captured"), of("torn"));
    Ok(Capture {
        samples_hz: captured / of("duration_ns") * 1e9,
        torn: torn / (captured * 3.0),
        cores: of("own_cpu_ns") / of("duration_ns"),
    })
}

/// Returns the share of a core used by waking up a thousand times a second and doing nothing, the
/// lower bound of any profiler.
fn wake_up_cost(seconds: f64) -> f64 {
    let cpu = || rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let (begin, before) = (Instant::now(), cpu());
    let mut due = begin;
    while begin.elapsed().as_secs_f64() < seconds {
        due += Duration::from_millis(1);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    let after = cpu();
    let used =
        (after.tv_sec - before.tv_sec) as f64 + (after.tv_nsec - before.tv_nsec) as f64 / 1e9;
    used / begin.elapsed().as_secs_f64()
}
