//! What may be used only in some places.

use super::{Complaints, Source, Token};

/// Something with a home.
struct Rule {
    /// Tokens, separated by spaces; a last `*` takes any ending of its token.
    what: &'static str,
    /// Beginnings of the paths where it may stand.
    homes: &'static [&'static str],
    /// Whether models and unit tests may use it anywhere.
    tests: bool,
    why: &'static str,
}

/// Other exceptions: file, what, and the reason.
const EXCEPTIONS: [(&str, &str, &str); 9] = [
    ("core/src/lib.rs", "extern crate std", "models and unit tests need it"),
    ("asm/src/lib.rs", "extern crate std", "unit tests need it"),
    ("ffi/src/lib.rs", "extern crate std", "a build that unwinds takes std's panic handler"),
    ("core/src/sched/carrier.rs", "extern \"C\"", "the entry that `asm::init` calls"),
    ("sim/src/world.rs", "extern \"C\"", "the entry that `asm::init` calls"),
    ("fuzz/fuzz_targets/handle.rs", "extern \"C\"", "the callbacks of a C program"),
    ("pal/tests/host.rs", "target_os", "there is a `Host` on Linux only"),
    ("pal/tests/host/filter.rs", "target_arch", "a signal's context has registers"),
    ("ffi/src/panic.rs", "libc : :", "abort, which flushes nothing and cannot be a system call"),
];

const RULES: [Rule; 16] = [
    rule("core : : sync : : atomic", &["core/src/prim/"], false, "comes from core/src/prim"),
    rule("std : : sync : : atomic", STD, true, "comes from core/src/prim"),
    rule("loom : :", &["core/src/prim/"], true, "is for core/src/prim and models"),
    rule("asm !", &["asm/", "targets/"], false, "is for asm"),
    rule("global_asm !", &["asm/", "targets/"], false, "is for asm"),
    rule("naked_asm !", &["asm/", "targets/"], false, "is for asm"),
    rule("libc : :", &["pal/"], false, "is for pal"),
    rule("rustix : :", &["pal/", "ffi/"], false, "is for pal, and for ffi's test helpers"),
    rule("target_os", TARGETS, false, "differs in asm and pal/src/sys only"),
    rule("target_arch", TARGETS, false, "differs in asm and pal/src/sys only"),
    rule("target_vendor", TARGETS, false, "differs in asm and pal/src/sys only"),
    rule("target_family", TARGETS, false, "differs in asm and pal/src/sys only"),
    rule("target_env", TARGETS, false, "differs in asm and pal/src/sys only"),
    rule("extern \"C*", FOREIGN, true, "is for ffi, asm, pal/src/sys, targets"),
    rule("extern crate alloc", STD, false, "is not to be had: no heap below api"),
    rule("extern crate std", STD, true, "is not to be had: no_std below api"),
];

/// What uses std freely: whatever is above the runtime, or beside it.
const STD: &[&str] = &["api/", "benches/", "examples/", "sim/", "tests/"];
/// Packages that may depend on what talks to the kernel, and the list of versions.
const SYSTEM: &[&str] = &["pal/", "ffi/", "Cargo.toml"];
/// Where C calls us, or we C.
const FOREIGN: &[&str] = &["ffi/", "asm/", "pal/src/sys/", "targets/"];
const TARGETS: &[&str] = &["asm/", "pal/src/sys/", "targets/"];

const fn rule(
    what: &'static str,
    homes: &'static [&'static str],
    tests: bool,
    why: &'static str,
) -> Rule {
    Rule { what, homes, tests, why }
}

/// Tools may do as they like.
pub(super) fn check(source: &Source, tokens: &[Token], complaints: &mut Complaints) {
    if source.name.starts_with("xtask/") {
        return;
    }
    for rule in &RULES {
        let home = rule.homes.iter().any(|home| source.name.starts_with(home));
        let excepted = |(file, what, _): &(&str, &str, &str)| {
            *file == source.name && what.trim_end_matches('"') == rule.what.trim_end_matches('*')
        };
        if home || rule.tests && source.is_test() || EXCEPTIONS.iter().any(excepted) {
            continue;
        }
        for line in found(tokens, rule.what) {
            let what = rule.what.replace(" : : ", "::").replace(" : :", "").replace(" !", "!");
            complaints.add(source, line, format!("`{}` {}", what.replace('*', "\""), rule.why));
        }
    }
}

/// Of a `Cargo.toml`: nobody depends on libc or rustix who may not use them.
pub(super) fn manifest(source: &Source, complaints: &mut Complaints) {
    if source.name.starts_with("xtask/") || SYSTEM.iter().any(|home| source.name.starts_with(home))
    {
        return;
    }
    for (number, line) in (1..).zip(source.text.lines()) {
        let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
        if ["libc", "rustix"].contains(&name) {
            complaints.add(source, number, format!("`{name}` is for pal and ffi"));
        }
    }
}

/// The lines where `what` stands.
pub(super) fn found(tokens: &[Token], what: &str) -> Vec<usize> {
    let wanted: Vec<&str> = what.split(' ').collect();
    let fits = |(token, wanted): (&Token, &&str)| match wanted.strip_suffix('*') {
        Some(beginning) => token.0.starts_with(beginning),
        None => token.0 == **wanted,
    };
    let places = tokens.windows(wanted.len());
    places.filter(|at| at.iter().zip(&wanted).all(fits)).map(|at| at[0].1).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::source;
    use super::super::tokens;
    use super::*;

    fn complaints(name: &str, text: &str) -> Vec<String> {
        let mut complaints = Complaints::default();
        let tokens = tokens(text.parse().unwrap());
        check(&source(name, text), &tokens, &mut complaints);
        complaints.0
    }

    #[test]
    fn each_rule_forbids_elsewhere_and_allows_at_home() {
        for (text, home) in [
            ("use core::sync::atomic::AtomicU8;", "core/src/prim/native.rs"),
            ("use loom::thread;", "core/src/task/state/loom.rs"),
            ("fn f() { naked_asm!(\"ret\") }", "asm/src/x86_64.rs"),
            ("fn f() { libc::abort() }", "ffi/src/panic.rs"),
            ("#[cfg(target_os = \"linux\")] mod a;", "pal/src/sys/mod.rs"),
            ("extern \"C\" fn f() {}", "core/src/sched/carrier.rs"),
            ("extern \"C-unwind\" fn f() {}", "ffi/src/thread.rs"),
            ("extern crate std;", "core/src/lib.rs"),
        ] {
            assert_eq!(complaints(home, text), [""; 0], "{text}");
            let found = complaints("core/src/timer/wheel.rs", text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
        }
        assert_eq!(complaints("ffi/src/lib.rs", "extern crate alloc;").len(), 1);
    }

    #[test]
    fn std_is_free_above_the_runtime_but_what_talks_to_the_kernel_is_not() {
        for home in ["api/src/a.rs", "api/tests/a.rs", "examples/rust/src/a.rs", "sim/src/a.rs"] {
            for text in ["use std::sync::atomic::AtomicU8;", "extern crate alloc;"] {
                assert_eq!(complaints(home, text), [""; 0], "{home}: {text}");
            }
            for text in ["use libc::c_int;", "fn f() { rustix::fd() }", "use loom::thread;"] {
                let loom_test = text.contains("loom") && home.contains("/tests/");
                let expected = usize::from(!loom_test);
                assert_eq!(complaints(home, text).len(), expected, "{home}: {text}");
            }
        }
    }

    #[test]
    fn only_pal_and_ffi_depend_on_libc_and_rustix() {
        let of = |name: &str, text: &str| {
            let mut complaints = Complaints::default();
            manifest(&source(name, text), &mut complaints);
            complaints.0.len()
        };
        let text = "[dependencies]\nlibc.workspace = true\nrustix = \"1\"\nlibcap = \"1\"\n";
        assert_eq!(of("api/Cargo.toml", text), 2);
        assert_eq!(of("examples/rust/Cargo.toml", text), 2);
        assert_eq!((of("pal/Cargo.toml", text), of("Cargo.toml", text)), (0, 0));
    }
}
