//! Programs with little of something, each in a process of its own with 1, 2 and 4 carriers.

#[path = "harness/again.rs"]
mod again;

use std::io::{Read as _, Write as _};
use std::process::Output;

use again::on_carriers;

/// Lines of the runtime's on standard error.
fn lines(output: &Output) -> Vec<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    said.lines().filter(|line| line.contains("drift:")).map(str::to_owned).collect()
}

#[test]
fn a_detached_spawn_that_is_refused_is_told_once() {
    let outputs = on_carriers("a_detached_spawn_that_is_refused_is_told_once", ":", || {
        let too_large = || drift::Builder::new().stack_size(1 << 30).spawn(|| ());
        assert!(too_large().join().is_err(), "a join tells it");
        for _ in 0..3 {
            drop(too_large());
        }
    });
    for lines in outputs.iter().map(lines) {
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("was not started") && lines[0].contains("stack"), "{lines:?}");
    }
}

#[test]
fn a_program_with_few_starts_within_128_mib() {
    let test = "a_program_with_few_starts_within_128_mib";
    let outputs = on_carriers(test, "ulimit -v 131072", || {
        let listener = drift::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let server = drift::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"well").unwrap();
        });
        let client = drift::spawn(move || {
            let mut said = String::new();
            drift::net::TcpStream::connect(at).unwrap().read_to_string(&mut said).unwrap();
            said
        });
        let sleepers =
            (0..8).map(|_| drift::spawn(|| drift::sleep(drift::Duration::from_millis(10)).is_ok()));
        assert!(sleepers.collect::<Vec<_>>().iter().all(|one| one.join().unwrap()));
        server.join().unwrap();
        assert_eq!(client.join().unwrap(), "well");
    });
    for lines in outputs.iter().map(lines) {
        assert!(lines.is_empty(), "{lines:?}");
    }
}
