//! `api/surface.txt`: every public item of the crate for programs in Rust, as the compiler sees it.
//!
//! rustdoc writes what it knows as JSON, and `public-api` makes a line of each item, always in the
//! same order: by module, and each type with what it has, whatever the order of the source. Of what
//! the compiler derives for a type by itself only `Send` and `Sync` are listed: those are promises.
//! The others are about unwinding and moving, or the compiler's own, which come and go.
//!
//! The JSON is unstable, so rustdoc has to be allowed to write it, for this crate alone. Its format
//! goes with the compiler: one that `public-api` cannot read needs another version of it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The crate, and the folder of its package.
const CRATE: &str = "drift";
const FOLDER: &str = "api";

/// Auto traits and marks of the compiler that are nobody's promise.
const UNLISTED: [&str; 6] = [
    "core::marker::Freeze",
    "core::marker::StructuralPartialEq",
    "core::marker::Unpin",
    "core::marker::UnsafeUnpin",
    "core::panic::unwind_safe::RefUnwindSafe",
    "core::panic::unwind_safe::UnwindSafe",
];

/// What a user looks up, in the words of rustdoc.
const KINDS: [&str; 7] =
    ["function", "struct", "enum", "trait", "type_alias", "macro", "proc_macro"];

#[derive(clap::Args)]
pub struct SurfaceArguments {
    /// Writes the list instead of comparing with it.
    #[arg(long)]
    bless: bool,
}

/// Compares the surface with its list, or writes the list.
///
/// # Errors
/// When the crate does not build, or its surface differs.
pub fn run(arguments: &SurfaceArguments) -> Result<()> {
    if !arguments.bless {
        return check();
    }
    let found = read()?;
    fs::write(list(), &found).context("the list")?;
    println!("surface: wrote {} items to {FOLDER}/surface.txt", found.lines().count());
    Ok(())
}

/// Compares the surface with the reviewed list.
///
/// # Errors
/// Every line that differs, and the way out.
pub fn check() -> Result<()> {
    let found = read()?;
    // No list yet is one with nothing on it: everything is new.
    let listed = fs::read_to_string(list()).unwrap_or_default();
    let difference = difference(&listed, &found);
    for line in &difference {
        println!("{line}");
    }
    ensure!(
        difference.is_empty(),
        "the surface of `{CRATE}` differs from {FOLDER}/surface.txt in {} lines; \
         if it is meant: cargo xtask surface --bless",
        difference.len()
    );
    println!("surface: {} items, as {FOLDER}/surface.txt says", found.lines().count());
    Ok(())
}

fn list() -> PathBuf {
    crate::root().join(FOLDER).join("surface.txt")
}

/// The surface, an item on each line.
fn read() -> Result<String> {
    // A folder of its own: elsewhere the permission below would have everything built again.
    let target = crate::target().join("surface");
    let mut rustdoc = crate::step::cargo(&["rustdoc", "--quiet", "--lib", "-p", CRATE]);
    rustdoc.arg("--target-dir").arg(&target).env("RUSTC_BOOTSTRAP", CRATE);
    // What is wrong with the documentation is told by the lane that is for it.
    rustdoc.args(["--", "-Zunstable-options", "--output-format=json", "--cap-lints=allow"]);
    ensure!(rustdoc.status().context("cargo")?.success(), "rustdoc refuses `{CRATE}`");
    let json = target.join("doc").join(CRATE).with_extension("json");
    let surface = listed(&json)?;
    documented(&fs::read_to_string(&json)?, &surface)?;
    Ok(surface)
}

/// Every public type, macro and function has a running example, or is called in one of its file:
/// that of its type. What may fail says how.
fn documented(json: &str, surface: &str) -> Result<()> {
    let json: Value = serde_json::from_str(json)?;
    let items = json["index"].as_object().context("rustdoc's index")?;
    let mut docs_of: HashMap<&str, String> = HashMap::new();
    for item in items.values() {
        let file = item["span"]["filename"].as_str().unwrap_or_default();
        docs_of.entry(file).or_default().push_str(item["docs"].as_str().unwrap_or_default());
    }
    let mut complaints = Vec::new();
    for item in items.values() {
        let kind = KINDS.into_iter().find(|kind| !item["inner"][kind].is_null());
        // Fields, variants and what a trait demands are part of something that is public.
        let (Some(kind), "public") = (kind, item["visibility"].as_str().unwrap_or_default()) else {
            continue;
        };
        let docs = item["docs"].as_str().unwrap_or_default();
        let name = item["name"].as_str().unwrap_or_default();
        let file = item["span"]["filename"].as_str().unwrap_or_default();
        let place = format!("{file}:{}", item["span"]["begin"][0]);
        let is_called = [".", "::"].iter().any(|before| {
            docs_of[file].contains(&format!("{before}{name}(")) && kind == "function"
        });
        // Public in a module that is not: part of another type's type, or a seal.
        let declares = |line: &str| {
            line.starts_with(&format!("pub {kind} "))
                && line.split(['<', '(', ' ', ':']).any(|word| word == name)
        };
        let is_inner = name == "Sealed"
            || !["function", "macro"].contains(&kind) && !surface.lines().any(declares);
        if !docs.contains("# Examples") && !is_called && !is_inner {
            complaints.push(format!("{place}: {kind} `{name}` has no example"));
        }
        let output = &item["inner"]["function"]["sig"]["output"]["resolved_path"];
        let fails = output["path"].as_str().is_some_and(|path| path.ends_with("Result"));
        if fails && !docs.contains("# Errors") {
            complaints.push(format!("{place}: {kind} `{name}` does not say how it fails"));
        }
    }
    complaints.sort();
    complaints.iter().for_each(|complaint| println!("surface: {complaint}"));
    ensure!(complaints.is_empty(), "{} public items lack something", complaints.len());
    Ok(())
}

fn listed(json: &Path) -> Result<String> {
    let surface = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .sorted(true)
        .build()
        .with_context(|| {
            let format = format(json).unwrap_or_else(|| "unknown".to_owned());
            format!(
                "public-api cannot read format {format} of this compiler's rustdoc: try another \
                 version of it in xtask/Cargo.toml"
            )
        })?;
    let items = surface.items().map(ToString::to_string).filter(|item| is_listed(item));
    let text: String = items.map(|item| item + "\n").collect();
    if text.is_empty() {
        bail!("{} names no public item", json.display());
    }
    Ok(text)
}

fn format(json: &Path) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(json).ok()?).ok()?;
    Some(json.get("format_version")?.to_string())
}

/// All but `impl TRAIT for TYPE` of the unlisted traits, whatever stands between `impl` and it.
fn is_listed(item: &str) -> bool {
    let Some((head, _)) = item.split_once(" for ") else { return true };
    let of = head.rsplit([' ', '!']).next().unwrap_or(head);
    !(item.starts_with("impl") && UNLISTED.contains(&of))
}

/// Lines that only one of the two has, in their order; if there are none, the order itself.
fn difference(listed: &str, found: &str) -> Vec<String> {
    let gone = without(listed, found).map(|line| format!("-{line}"));
    let new = without(found, listed).map(|line| format!("+{line}"));
    let lines: Vec<_> = gone.chain(new).collect();
    match lines.is_empty() && listed != found {
        true => vec!["the same lines in another order".to_owned()],
        false => lines,
    }
}

/// The lines of `text` that `other` has not, or not so often.
fn without<'a>(text: &'a str, other: &'a str) -> impl Iterator<Item = &'a str> {
    let mut left: HashMap<&str, usize> = HashMap::new();
    for line in other.lines() {
        *left.entry(line).or_default() += 1;
    }
    text.lines().filter(move |line| match left.get_mut(line) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_new_gone_or_there_less_often_are_shown() {
        assert_eq!(difference("a\nb\n", "a\nc\n"), ["-b", "+c"]);
        assert_eq!(difference("a\na\n", "a\n"), ["-a"]);
        assert_eq!(difference("a\n", "a\n"), [""; 0]);
        assert_eq!(difference("a\nb\n", "b\na\n").len(), 1);
    }

    #[test]
    fn of_auto_traits_only_send_and_sync_are_listed() {
        for (item, listed) in [
            ("impl core::marker::Send for drift::A", true),
            ("impl<T> !core::marker::Sync for drift::A<T>", true),
            ("impl<T> core::marker::Unpin for drift::A<T> where T: core::marker::Unpin", false),
            ("impl !core::marker::Freeze for drift::A", false),
            ("impl core::clone::Clone for drift::A", true),
            ("pub fn drift::wait(impl core::marker::Unpin for drift::A)", true),
        ] {
            assert_eq!(is_listed(item), listed, "{item}");
        }
    }
}
