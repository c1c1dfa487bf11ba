//! The habits that a machine can check: size, rooms, words, and who may use what.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use syn::spanned::Spanned;
use syn::visit::Visit;
use walkdir::WalkDir;

const COLUMNS: usize = 100;
const LINES: usize = 500;
const FUNCTION: usize = 70;

/// Files that may be longer, and why.
const LONG: [(&str, &str); 0] = [];

/// What may stand only in some places: the text, the places, and why.
const ROOMS: [(&str, &[&str], &str); 8] = [
    ("core::sync::atomic", &["core/src/prim/"], "atomics come from core/src/prim"),
    ("loom::", &["core/src/prim/", "/loom.rs"], "loom is for core/src/prim and models"),
    ("asm!(", &["asm/", "targets/"], "assembly is for asm"),
    (
        "libc::",
        &["pal/", "ffi/src/process.rs", "ffi/src/panic.rs"],
        "libc is for pal; ffi has pthread_atfork and abort, which only the C library can do",
    ),
    ("cfg(target_", &["asm/", "pal/", "targets/"], "targets differ in asm and pal/src/sys only"),
    (
        "extern \"C\"",
        &["asm/", "ffi/", "pal/src/sys/", "pal/tests/", "core/src/sched/carrier.rs"],
        "C functions are for ffi, asm and pal/src/sys; a carrier has the entry that asm calls",
    ),
    ("extern crate alloc", &["api/", "sim/"], "there is no heap below api"),
    (
        "std::",
        &["api/", "sim/", "tests/", "xtask/", "/tests.rs", "/tests/", "/loom.rs", "benches/"],
        "asm, core, pal and ffi are no_std",
    ),
];

/// Left behind by somebody in a hurry.
const LEFT: [&str; 4] = ["todo!(", "dbg!(", "unimplemented!(", "FIXME"];

/// What others call our things; `house words` are in ARCHITECTURE.md.
const WORDS: [&str; 5] = ["fiber", "coroutine", "green thread", "worker", "waker"];

/// Checks every file; prints all that is wrong before it fails.
pub fn run() -> Result<()> {
    let root = crate::root();
    let mut wrong = Vec::new();
    let mut files = 0;
    for entry in WalkDir::new(&root).into_iter().filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        !(name == "target" || name.starts_with('.') && entry.depth() > 0)
    }) {
        let entry = entry?;
        let path = entry.path();
        let name = path.strip_prefix(&root)?.to_string_lossy().replace('\\', "/");
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
        if !["rs", "c", "h"].contains(&ending) {
            continue;
        }
        files += 1;
        let text = fs::read_to_string(path).with_context(|| name.clone())?;
        size(&name, &text, &mut wrong);
        if ending == "rs" {
            rooms(&name, &text, &mut wrong);
            functions(&name, &text, &mut wrong)?;
            unsafe_is_listed(&root, &name, &text, &mut wrong)?;
        }
    }
    for complaint in &wrong {
        println!("tidy: {complaint}");
    }
    ensure!(wrong.is_empty(), "tidy: {} complaints in {files} files", wrong.len());
    println!("tidy: {files} files");
    Ok(())
}

fn size(name: &str, text: &str, wrong: &mut Vec<String>) {
    if name == "ffi/include/drift.h" {
        return;
    }
    let lines = text.lines().count();
    if lines > LINES && !LONG.iter().any(|(long, _)| *long == name) {
        wrong.push(format!("{name} has {lines} lines, of {LINES}"));
    }
    for (number, line) in text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > COLUMNS {
            wrong.push(format!("{name}:{} has {columns} columns, of {COLUMNS}", number + 1));
        }
    }
}

/// Comments may name what code may not use.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or("")
}

fn rooms(name: &str, text: &str, wrong: &mut Vec<String>) {
    if name.starts_with("xtask/") {
        return;
    }
    for (number, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", number + 1);
        for (what, places, why) in ROOMS {
            let allowed = places.iter().any(|room| format!("/{name}").contains(room));
            if !allowed && code(line).contains(what) {
                wrong.push(format!("{place}: `{what}`: {why}"));
            }
        }
        for left in LEFT.iter().filter(|left| line.contains(**left)) {
            wrong.push(format!("{place}: `{left}` is left"));
        }
        let line = line.to_lowercase();
        for word in WORDS.iter().filter(|word| line.contains(**word)) {
            wrong.push(format!("{place}: we do not say `{word}`"));
        }
    }
}

fn functions(name: &str, text: &str, wrong: &mut Vec<String>) -> Result<()> {
    struct Long(Vec<(String, usize, usize)>);
    impl Long {
        fn see(&mut self, name: &syn::Ident, block: &syn::Block) {
            let span = block.span();
            self.0.push((name.to_string(), span.start().line, span.end().line));
        }
    }
    impl<'ast> Visit<'ast> for Long {
        fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
            let naked = function.attrs.iter().any(|attribute| {
                matches!(&attribute.meta, syn::Meta::List(list)
                    if list.tokens.to_string().contains("naked"))
            });
            if !naked {
                self.see(&function.sig.ident, &function.block);
            }
            syn::visit::visit_item_fn(self, function);
        }

        fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
            self.see(&function.sig.ident, &function.block);
            syn::visit::visit_impl_item_fn(self, function);
        }
    }
    let file = syn::parse_file(text).with_context(|| name.to_owned())?;
    let mut long = Long(Vec::new());
    long.visit_file(&file);
    for (function, start, end) in long.0 {
        let lines = end - start + 1;
        if lines > FUNCTION {
            wrong.push(format!("{name}:{start}: `{function}` has {lines} lines, of {FUNCTION}"));
        }
    }
    Ok(())
}

/// A file with `unsafe` says so at its head, and its crate denies it elsewhere.
fn unsafe_is_listed(root: &Path, name: &str, text: &str, wrong: &mut Vec<String>) -> Result<()> {
    let Some((package, _)) = name.split_once("/src/") else { return Ok(()) };
    if !["asm", "core", "pal", "ffi"].contains(&package)
        || name.ends_with("/tests.rs")
        || name.ends_with("/loom.rs")
    {
        return Ok(());
    }
    let uses = text.lines().any(|line| code(line).contains("unsafe {"));
    if uses && !text.contains("allow(unsafe_code") {
        wrong.push(format!("{name}: `unsafe` without its heading and `allow(unsafe_code)`"));
    }
    let head = fs::read_to_string(root.join(package).join("src/lib.rs"))?;
    if !head.contains("#![deny(unsafe_code)]") {
        wrong.push(format!("{package}/src/lib.rs does not deny unsafe_code"));
    }
    Ok(())
}
