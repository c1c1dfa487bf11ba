//! The habits that a machine can check: size, rooms, words, and who may use what.
//!
//! | file       | checks                                                                   |
//! |------------|--------------------------------------------------------------------------|
//! | `size.rs`  | columns of a line, lines of a file and of a function                     |
//! | `layers.rs`| that imports point one way: the layers of `core`, and no circles         |
//! | `rooms.rs` | what may be used only in some places: atomics, assembly, libc, targets   |
//! | `words.rs` | names for our things, leftovers, and what is of no concern to a reader   |
//! | this one   | which files there are; who may be unsafe                                 |

mod layers;
mod rooms;
mod size;
mod words;

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use proc_macro2::{TokenStream, TokenTree};
use walkdir::WalkDir;

/// The crates that the rules of the runtime are for.
const RUNTIME: [&str; 5] = ["asm/", "core/", "pal/", "ffi/", "api/"];

/// Programs that show it: its words are theirs.
const EXAMPLES: &str = "examples/";

/// Over what a file, or the files of a crate, rely on.
const HEADINGS: [&str; 2] = ["//! # Safety", "//! # Unsafe"];

/// A file of the workspace.
struct Source {
    /// Its path from the workspace's folder, with slashes.
    name: String,
    text: String,
}

impl Source {
    fn is(&self, ending: &str) -> bool {
        self.name.ends_with(ending)
    }

    /// Models and unit tests, which lie beside what they test.
    fn is_test(&self) -> bool {
        ["/tests.rs", "/loom.rs"].iter().any(|end| self.is(end)) && !self.is("prim/loom.rs")
            || self.name.contains("/tests/")
            || self.name.starts_with("tests/")
    }

    /// Whether our names for our things are to be used in it.
    fn has_our_words(&self) -> bool {
        let folders = RUNTIME.iter().chain([&EXAMPLES]);
        folders.into_iter().any(|folder| self.name.starts_with(folder)) || self.is(".md")
    }
}

/// What is wrong, and where.
#[derive(Default)]
struct Complaints(Vec<String>);

impl Complaints {
    fn add(&mut self, source: &Source, line: usize, what: impl std::fmt::Display) {
        self.0.push(format!("{}:{line}: {what}", source.name));
    }
}

/// Checks every file; prints all that is wrong before it fails.
///
/// # Errors
/// When a file cannot be read or parsed, or something is wrong.
pub fn run() -> Result<()> {
    let sources = sources()?;
    let mut complaints = Complaints::default();
    for source in &sources {
        check(source, &mut complaints).with_context(|| source.name.clone())?;
    }
    layers::check(&sources, &mut complaints)?;
    for folder in RUNTIME {
        unsafe_is_listed(folder, &sources, &mut complaints)?;
    }
    for complaint in &complaints.0 {
        println!("tidy: {complaint}");
    }
    ensure!(complaints.0.is_empty(), "{} complaints", complaints.0.len());
    println!("tidy: nothing to say about {} files", sources.len());
    Ok(())
}

fn sources() -> Result<Vec<Source>> {
    let root = crate::root();
    let endings = ["rs", "c", "cpp", "h", "md", "toml", "yml", "S", "ld"];
    let mut sources = Vec::new();
    let walk = WalkDir::new(&root).sort_by_file_name().into_iter();
    for entry in
        walk.filter_entry(|entry| entry.file_name() != "target" && entry.file_name() != ".git")
    {
        let entry = entry?;
        let ending = entry.path().extension().and_then(|ending| ending.to_str());
        if entry.file_type().is_file() && ending.is_some_and(|ending| endings.contains(&ending)) {
            let name = entry.path().strip_prefix(&root)?.to_string_lossy().replace('\\', "/");
            let text = fs::read_to_string(entry.path()).with_context(|| name.clone())?;
            sources.push(Source { name, text });
        }
    }
    Ok(sources)
}

fn check(source: &Source, complaints: &mut Complaints) -> Result<()> {
    if [".rs", ".c", ".cpp", ".h"].iter().any(|ending| source.is(ending)) {
        size::lines(source, complaints);
    }
    if source.is(".rs") {
        let file = syn::parse_file(&source.text)?;
        let tokens = tokens(source.text.parse().map_err(|error| anyhow::anyhow!("{error}"))?);
        size::functions(source, &file, complaints);
        rooms::check(source, &tokens, complaints);
        words::leftovers(source, &tokens, complaints);
    } else if [".c", ".cpp", ".h"].iter().any(|ending| source.is(ending)) {
        size::c_functions(source, complaints);
    } else if source.is("Cargo.toml") {
        rooms::manifest(source, complaints);
    }
    words::check(source, complaints);
    Ok(())
}

/// A word of the program and its line. Comments and documentation are none.
type Token = (String, usize);

fn tokens(stream: TokenStream) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest: Vec<TokenTree> = stream.into_iter().collect();
    rest.reverse();
    while let Some(tree) = rest.pop() {
        match tree {
            TokenTree::Group(group) => {
                let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                let document =
                    matches!(inside.first(), Some(TokenTree::Ident(name)) if name == "doc");
                if !document {
                    tokens.push((opening(group.delimiter()), group.span_open().start().line));
                    rest.extend(inside.into_iter().rev());
                }
            }
            other => tokens.push((other.to_string(), other.span().start().line)),
        }
    }
    tokens
}

fn opening(delimiter: proc_macro2::Delimiter) -> String {
    use proc_macro2::Delimiter::{Brace, Bracket, None, Parenthesis};
    match delimiter {
        Parenthesis => "(",
        Brace => "{",
        Bracket => "[",
        None => "",
    }
    .to_owned()
}

/// The root of a crate denies unsafe code and lists, under one of the headings, the files that
/// allow it; each of them says under such a heading what it relies on.
fn unsafe_is_listed(folder: &str, all: &[Source], complaints: &mut Complaints) -> Result<()> {
    let src = format!("{folder}src/");
    let root = format!("{src}lib.rs");
    let root = all.iter().find(|source| source.name == root);
    let root = root.with_context(|| format!("{folder} has no src/lib.rs"))?;
    if !root.text.contains("#![deny(unsafe_code)]") {
        complaints.add(root, 1, "does not deny `unsafe_code`");
    }
    let listed = listed(&root.text);
    let mut used = BTreeSet::new();
    let ours = |source: &&Source| source.name.starts_with(&src) && !source.is_test();
    for source in all.iter().filter(ours).filter(|source| source.is(".rs")) {
        let allows = |line: &str| line.starts_with("#![allow(unsafe_code");
        let allowed = source.text.lines().position(allows).map(|line| line + 1);
        let tokens = tokens(source.text.parse().map_err(|error| anyhow::anyhow!("{error}"))?);
        let Some(line) = allowed.or(rooms::found(&tokens, "unsafe {").first().copied()) else {
            continue;
        };
        let module = module(source.name.strip_prefix(&src).context("filtered")?);
        let covers = |entry: &&String| {
            **entry == module || module.strip_prefix(&***entry).is_some_and(|m| m.starts_with('/'))
        };
        let entries: Vec<_> = listed.iter().filter(covers).collect();
        if entries.is_empty() && !listed.contains("*") {
            complaints.add(source, line, format!("`{module}` is not in {}", root.name));
        }
        used.extend(entries);
        if allowed.is_some() && !source.text.lines().any(|line| HEADINGS.contains(&line)) {
            complaints.add(source, line, "allows unsafe code without a `# Safety` section");
        }
    }
    for entry in listed.iter().filter(|entry| **entry != "*" && !used.contains(entry)) {
        complaints.add(root, 1, format!("lists `{entry}`, where nothing is unsafe"));
    }
    Ok(())
}

/// `task/mod.rs` is `task`, `task/slab.rs` is `task/slab`.
fn module(file: &str) -> String {
    let file = file.strip_suffix(".rs").unwrap_or(file);
    file.strip_suffix("/mod").unwrap_or(file).to_owned()
}

/// The names in backticks under the heading that are files; `*` for "All files".
fn listed(root: &str) -> BTreeSet<String> {
    let head = root.lines().take_while(|line| line.starts_with("//!"));
    let section = head.skip_while(|line| !HEADINGS.contains(line)).skip(1);
    let section: String = section.take_while(|line| !line.starts_with("//! # ")).collect();
    let mut listed = BTreeSet::new();
    if section.contains("All files") {
        listed.insert("*".to_owned());
    }
    // Files come first; "and the" begins what else there is, such as attributes.
    let files = section.split("and the ").next().unwrap_or_default();
    listed.extend(files.split('`').skip(1).step_by(2).map(module));
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn source(name: &str, text: &str) -> Source {
        Source { name: name.to_owned(), text: text.to_owned() }
    }

    fn listing(text: &str, file: &str) -> Vec<String> {
        let root = format!("//! Root.\n//!\n//! # Unsafe\n//! {text}\n#![deny(unsafe_code)]\n");
        let sources = [source("core/src/lib.rs", &root), source("core/src/task/slab.rs", file)];
        let mut complaints = Complaints::default();
        unsafe_is_listed("core/", &sources, &mut complaints).unwrap();
        complaints.0
    }

    #[test]
    fn an_unsafe_file_must_be_listed_and_a_listed_one_unsafe() {
        let file = "//! Slab.\n//!\n//! # Safety\n//! Pins.\n#![allow(unsafe_code)]\n";
        assert_eq!(listing("`task/slab`.", file), [""; 0]);
        assert_eq!(listing("All files below.", file), [""; 0]);
        assert_eq!(listing("Those in `task`.", file), [""; 0]);
        assert_eq!(listing("None.", file).len(), 1);
        assert_eq!(listing("`task/slab`, `task/join`.", file).len(), 1);
        assert_eq!(listing("`task/slab`.", &file.replace("# Safety", "# Rest")).len(), 1);
        assert_eq!(listing("`task/slab`.", "//! Slab.\n").len(), 1);
    }

    #[test]
    fn documentation_and_comments_are_no_tokens() {
        let text = "/// asm!(\n// libc\nfn f() { \"dbg!\"; /* asm! */ }";
        let words: Vec<_> = tokens(text.parse().unwrap()).into_iter().map(|t| t.0).collect();
        assert_eq!(words, ["#", "fn", "f", "(", "{", "\"dbg!\"", ";"]);
    }
}
