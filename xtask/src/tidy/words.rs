//! Names for our things, leftovers, and what is of no concern to a reader.

use super::rooms::found;
use super::{Complaints, Source, Token};

/// Left behind by somebody in a hurry.
const LEFT: [&str; 3] = ["todo !", "dbg !", "unimplemented !"];

/// What others call our things. Ours are virtual thread, carrier, unpark and so on.
const OTHERS: [&str; 8] =
    ["fiber", "fibers", "coroutine", "green thread", "worker", "workers", "waker", "reap"];

/// Words that stand for something else, and why.
const QUOTED: [(&str, &str, &str); 1] =
    [("ffi/tests/measure.c", "workers", "a parameter's name in the harness of other runtimes")];

/// Macros that are for the time before a commit.
pub(super) fn leftovers(source: &Source, tokens: &[Token], complaints: &mut Complaints) {
    for left in LEFT {
        for line in found(tokens, left) {
            complaints.add(source, line, format!("`{}` is left", left.replace(' ', "")));
        }
    }
}

/// Words of code and comments, and of the pages.
pub(super) fn check(source: &Source, complaints: &mut Complaints) {
    // The lists above would find themselves.
    if source.name.starts_with("xtask/src/tidy") {
        return;
    }
    for (number, line) in (1..).zip(source.text.lines()) {
        let line = line.to_lowercase();
        let others = OTHERS.iter().filter(|_| source.has_our_words());
        for word in others.filter(|word| has(&line, word)) {
            if !QUOTED.iter().any(|(file, quoted, _)| *file == source.name && quoted == word) {
                complaints.add(source, number, format!("we do not say `{word}`"));
            }
        }
        if line.contains("fixme") {
            complaints.add(source, number, "somebody is to be asked");
        }
    }
}

/// Whether `word` stands in `line` by itself, or as a part of a name; not in names that begin with
/// an underscore, which are somebody else's, such as a sanitizer's.
fn has(line: &str, word: &str) -> bool {
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let mut places = line.match_indices(word);
    places.any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        let name = before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next();
        let foreign = name.is_some_and(|name| name.starts_with("__"));
        let path = word.starts_with('/');
        path || !letter(before.chars().next_back()) && !letter(after.chars().next()) && !foreign
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::source;
    use super::super::tokens;
    use super::*;

    fn complaints(name: &str, text: &str) -> usize {
        let mut complaints = Complaints::default();
        check(&source(name, text), &mut complaints);
        complaints.0.len()
    }

    #[test]
    fn a_word_is_found_in_names_and_sentences_but_not_inside_another() {
        for text in ["// a Fiber", "let worker_count = 1;", "reap(x)", "green thread"] {
            assert_eq!(complaints("core/src/a.rs", text), 1, "{text}");
        }
        for text in ["it reappears", "__tsan_switch_to_fiber(x)", "networker"] {
            assert_eq!(complaints("core/src/a.rs", text), 0, "{text}");
        }
        assert_eq!(complaints("xtask/src/demo.rs", "worker"), 0);
        for name in ["api/src/a.rs", "examples/rust/src/a.rs", "examples/c/a.c", "docs/a.md"] {
            assert_eq!(complaints(name, "// a worker"), 1, "{name}");
        }
        assert_eq!(complaints("ffi/tests/measure.c", "workers"), 0);
    }

    #[test]
    fn leftovers_are_found_in_code_only() {
        for (text, expected) in [("fn f() { todo!() }", 1), ("// todo!()\nfn f() {}", 0)] {
            let mut complaints = Complaints::default();
            leftovers(&source("a.rs", text), &tokens(text.parse().unwrap()), &mut complaints);
            assert_eq!(complaints.0.len(), expected);
        }
    }
}
