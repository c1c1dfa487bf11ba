//! The tables at the end.

use std::time::Duration;

use serde_json::Value;

use super::Measured;
use super::client::SLEEP;
use super::process::number;

/// Everything that was measured.
pub struct Report {
    /// Connections of the client.
    pub connections: u32,
    /// Carriers of the virtual threads.
    pub carriers: u32,
    /// The load on virtual threads.
    pub figures: Figures,
    /// The virtual threads beside the connections.
    pub others: Others,
    /// The same load on OS threads.
    pub threads: Figures,
}

/// One server under load.
pub struct Figures {
    /// The client's last line.
    pub result: Value,
    /// Seen from outside the server.
    pub(super) measured: Measured,
    /// Bytes by which the server grew from before the first connection.
    pub grown: u64,
}

/// The sleepers and the rings.
pub struct Others {
    /// The server's first line.
    pub ready: Value,
    /// The phase without load.
    pub quiet: Value,
    /// The phase under load.
    pub loaded: Value,
    /// CPUs that they kept busy without load.
    pub quiet_cpu: f64,
}

impl Figures {
    fn cpu_per_request(&self) -> Duration {
        self.measured.cpu.div_f64(number(&self.result, "requests").max(1.0))
    }

    fn latency(&self, key: &str) -> String {
        time(number(&self.result, key))
    }
}

/// A row: what, then the same of virtual threads and of OS threads.
type Row = [String; 3];

impl Report {
    /// The table, ready to print.
    pub fn table(&self) -> String {
        let connections = format!("{} connections, echo", grouped(self.connections.into()));
        let mut rows =
            vec![[connections, "a virtual thread each".into(), "an OS thread each".into()]];
        self.add_load(&mut rows);
        self.add_others(&mut rows);
        draw(&rows)
    }

    fn add_load(&self, rows: &mut Vec<Row>) {
        let both = [&self.figures, &self.threads];
        let mut row = |name: &str, of: &dyn Fn(&Figures) -> String| {
            rows.push([name.to_owned(), of(both[0]), of(both[1])]);
        };
        row("requests per second", &|f| grouped(number(&f.result, "per_second")));
        row("latency p50", &|f| f.latency("p50_us"));
        row("latency p99", &|f| f.latency("p99_us"));
        row("latency p99.9", &|f| f.latency("p99_9_us"));
        row("server CPU per request", &|f| time(f.cpu_per_request().as_secs_f64() * 1e6));
        row("memory per connection", &|f| bytes(f.grown as f64 / f64::from(self.connections)));
        row("threads of the kernel", &|f| grouped(f.measured.os_threads as f64));
        rows.push(["carriers".to_owned(), self.carriers.to_string(), "-".to_owned()]);
    }

    fn add_others(&self, rows: &mut Vec<Row>) {
        let Others { ready, quiet, loaded, quiet_cpu } = &self.others;
        if number(ready, "others") == 0.0 {
            return;
        }
        let mut row = |name: &str, value: String| {
            rows.push([name.to_owned(), value, "-".to_owned()]);
        };
        let ring_members = number(ready, "others") - number(ready, "sleepers");
        row("asleep besides", grouped(number(ready, "sleepers")));
        row("parked in rings besides", grouped(ring_members));
        row("  started in", time(number(ready, "start_ms") * 1e3));
        row("  memory of one, its stack included", bytes(number(ready, "rss_per_vt")));
        row("  page tables of one", bytes(number(ready, "tables_per_vt")));
        row("  CPU of all, before the load", format!("{:.1} % of one", quiet_cpu * 100.0));
        for (when, phase) in [("before the load", quiet), ("under load", loaded)] {
            for (key, what) in [("late_p50_us", "p50"), ("late_p99_us", "p99")] {
                row(&format!("sleepers late {when}, {what}"), time(number(phase, key)));
            }
            row(&format!("sleepers late {when}, most"), time(number(phase, "late_max_us")));
        }
        row("sleeps that ended", grouped(number(quiet, "woken") + number(loaded, "woken")));
        row("  early", grouped(number(quiet, "early") + number(loaded, "early")));
    }
}

/// The table of the server in Rust.
pub fn http(connections: u32, carriers: u32, figures: &Figures) -> String {
    let (result, measured) = (&figures.result, &figures.measured);
    let sleep = &result["sleep"];
    let connections_named = format!("{} connections, HTTP/1.1", grouped(connections.into()));
    let mut rows = vec![[connections_named, "a virtual thread each".to_owned()]];
    let mut row = |name: &str, value: String| rows.push([name.to_owned(), value]);
    row("requests per second", grouped(number(result, "per_second")));
    row("latency p50", figures.latency("p50_us"));
    row("latency p99", figures.latency("p99_us"));
    row("latency p99.9", figures.latency("p99_9_us"));
    row("server CPU per request", time(figures.cpu_per_request().as_secs_f64() * 1e6));
    row("memory per connection", bytes(figures.grown as f64 / f64::from(connections)));
    row("memory of the server", bytes(measured.memory as f64));
    row("threads of the kernel", grouped(measured.os_threads as f64));
    row("carriers of the connections", carriers.to_string());
    if !sleep.is_null() {
        let (os_threads, memory) = measured.asleep;
        row(&format!("asleep at once, {} s", SLEEP.as_secs()), grouped(number(sleep, "at_once")));
        row("  memory of the server", bytes(memory as f64));
        row("  threads of the kernel", grouped(os_threads as f64));
        for (key, what) in [("late_p50_us", "p50"), ("late_p99_us", "p99"), ("late_max_us", "most")]
        {
            row(&format!("  replies late, {what}"), time(number(sleep, key)));
        }
        row("  early", grouped(number(sleep, "early")));
    }
    draw(&rows)
}

/// Names to the left, figures to the right, a line under the first row.
fn draw<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let (name, first) = (&row[0], widths[0]);
        text.push_str(&format!("{name:<first$}"));
        for (figure, width) in row.iter().zip(widths).skip(1) {
            text.push_str(&format!("   {figure:>width$}"));
        }
        text.push('\n');
        if index == 0 {
            text.push_str(&widths.map(|width| "─".repeat(width)).join("───"));
            text.push('\n');
        }
    }
    text
}

/// A whole number with its thousands apart.
pub fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && digit.is_ascii_digit() && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn time(microseconds: f64) -> String {
    match microseconds {
        few if few < 1_000.0 => format!("{few:.1} µs"),
        some if some < 1_000_000.0 => format!("{:.2} ms", some / 1e3),
        many => format!("{:.2} s", many / 1e6),
    }
}

fn bytes(count: f64) -> String {
    match count {
        few if few < 10_240.0 => format!("{} B", grouped(few)),
        some if some < 10_485_760.0 => format!("{:.1} KiB", some / 1024.0),
        many => format!("{:.1} MiB", many / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_their_letters() {
        let rows = [["a", "bb", "c"], ["late", "1 µs", "-"]].map(|row| row.map(str::to_owned));
        assert_eq!(draw(&rows), "a        bb   c\n───────────────\nlate   1 µs   -\n");
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(0.0), "0");
        assert_eq!(grouped(999.4), "999");
        assert_eq!(grouped(1_000.0), "1 000");
        assert_eq!(grouped(1_234_567.0), "1 234 567");
    }

    #[test]
    fn times_and_sizes_take_the_unit_that_fits() {
        assert_eq!(time(12.34), "12.3 µs");
        assert_eq!(time(1_500.0), "1.50 ms");
        assert_eq!(time(2_500_000.0), "2.50 s");
        assert_eq!(bytes(4_300.0), "4 300 B");
        assert_eq!(bytes(65_536.0), "64.0 KiB");
        assert_eq!(bytes(20_971_520.0), "20.0 MiB");
    }
}
