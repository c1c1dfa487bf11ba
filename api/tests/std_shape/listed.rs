//! That what `docs/coming-from.md` says is here, is.

use std::path::Path;
use std::{env, fs};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn what_the_page_calls_the_same_is_public() {
    let (page, surface) = (read("docs/coming-from.md"), read("api/surface.txt"));
    let rows = page.split("## From std").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut seen = 0;
    let mut missing = Vec::new();
    for row in rows.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split('|').collect();
        let of = quoted(cells[1]).next().unwrap().rsplit("::").next().unwrap();
        for method in quoted(cells[2]) {
            seen += 1;
            let is_it = |line: &str| {
                let plain = line.split('(').next().unwrap();
                let name = plain.rsplit("::").next().unwrap().split('<').next().unwrap();
                let is_of =
                    plain.contains(&format!("::{of}::")) || plain.contains(&format!("::{of}<"));
                line.contains("fn ") && name == method && is_of
            };
            if !surface.lines().any(is_it) {
                missing.push(format!("{of}::{method}"));
            }
        }
    }
    assert!(seen > 100, "{seen} methods in the table");
    assert!(missing.is_empty(), "not in api/surface.txt: {missing:?}");
}
