//! What the library exports and what it needs, against the lists in `ffi`.
//!
//! Link-time optimisation leaves one object of ours in the archive. The others are the compiler's
//! support library and `core`: all they define is hidden, and a linker takes of them what ours
//! needs, which comes and goes with the compiler. So the lists are about our object; of the others
//! only this is asked, that nothing in them is visible from a shared object or needed from the C
//! library.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use object::read::archive::ArchiveFile;
use object::{File, Object, ObjectSymbol, SymbolFlags, elf};

use crate::archive;

/// Names that a user's program may define for itself, and those of the heap: never needed.
const FORBIDDEN: [&str; 22] = [
    "accept",
    "calloc",
    "clock_gettime",
    "close",
    "connect",
    "fcntl",
    "free",
    "ioctl",
    "malloc",
    "mmap",
    "nanosleep",
    "open",
    "poll",
    "posix_memalign",
    "read",
    "realloc",
    "recv",
    "send",
    "sleep",
    "syscall",
    "time",
    "write",
];

/// What a compiler may call or leave out as it likes: not compared.
const COMPILERS: [&str; 6] = ["bcmp", "memcmp", "memcpy", "memmove", "memset", "strlen"];

/// What the C compiler's start files bring into a shared object, and what a name of ours becomes
/// there.
const START_FILES: [&str; 5] = [
    "_ITM_deregisterTMCloneTable",
    "_ITM_registerTMCloneTable",
    "__cxa_finalize",
    "__gmon_start__",
    "__register_atfork",
];

type Names = BTreeSet<String>;

#[derive(clap::Args)]
pub struct SymbolsArguments {
    /// Writes the lists instead of comparing with them.
    #[arg(long)]
    bless: bool,
}

/// Builds the library, and compares it with the lists or writes them.
///
/// # Errors
/// When it does not build, or differs.
pub fn run(arguments: &SymbolsArguments) -> Result<()> {
    ensure!(archive::build().status()?.success(), "the library does not build");
    if !arguments.bless {
        return check();
    }
    let library = Library::read()?;
    write("ffi/symbols.txt", &library.exported)?;
    write("ffi/undefined.txt", &library.needed)
}

/// Compares `libdrift_rt.{a,so}` as it was built last with `symbols.txt` and `undefined.txt`.
///
/// # Errors
/// Every difference.
pub fn check() -> Result<()> {
    let library = Library::read()?;
    compare("ffi/symbols.txt", &library.exported)?;
    compare("ffi/undefined.txt", &library.needed)?;
    println!("symbols: {} exported, {} needed", library.exported.len(), library.needed.len());
    Ok(())
}

struct Library {
    exported: Names,
    needed: Names,
}

impl Library {
    fn read() -> Result<Self> {
        let library = of_archive(&archive::library())?;
        let shared = of_shared(&archive::folder().join("libdrift_rt.so"))?;
        same("libdrift_rt.so and the archive export", &shared.exported, &library.exported)?;
        for Self { needed, .. } in [&library, &shared] {
            for name in FORBIDDEN {
                ensure!(!needed.contains(name), "`{name}` is needed; a user may define it");
            }
        }
        let strange: Names = shared.needed.difference(&library.needed).cloned().collect();
        let strange: Vec<_> = strange.iter().filter(|name| !usual(name)).collect();
        ensure!(strange.is_empty(), "libdrift_rt.so needs {strange:?}, the archive does not");
        Ok(library)
    }
}

fn usual(name: &str) -> bool {
    START_FILES.contains(&name) || COMPILERS.contains(&name)
}

fn of_archive(path: &Path) -> Result<Library> {
    let data = read(path)?;
    let (mut exported, mut needed, mut theirs) = (Names::new(), Names::new(), Names::new());
    for member in ArchiveFile::parse(&*data)?.members() {
        let member = member?;
        let ours = member.name().starts_with(b"drift_rt");
        let file = File::parse(member.data(&*data)?)?;
        for symbol in file.symbols().filter(ObjectSymbol::is_global) {
            let name = symbol.name()?.to_owned();
            match (symbol.is_undefined(), visible(&symbol), ours) {
                (true, _, true) => drop(needed.insert(name)),
                (false, true, true) => drop(exported.insert(name)),
                (false, false, _) => drop(theirs.insert(name)),
                (true, _, false) => {}
                (false, true, false) => bail!("the compiler's own `{name}` is visible"),
            }
        }
    }
    ensure!(!exported.is_empty(), "{} has no object of ours", path.display());
    // What other members give is not asked of the C library.
    needed.retain(|name| !theirs.contains(name) || COMPILERS.contains(&&**name));
    Ok(Library { exported, needed })
}

fn visible<'data>(symbol: &impl ObjectSymbol<'data>) -> bool {
    let SymbolFlags::Elf { st_other, .. } = symbol.flags() else { return true };
    !matches!(st_other & 3, elf::STV_HIDDEN | elf::STV_INTERNAL)
}

fn of_shared(path: &Path) -> Result<Library> {
    let data = read(path)?;
    let file = File::parse(&*data)?;
    let (mut exported, mut needed) = (Names::new(), Names::new());
    for symbol in file.dynamic_symbols() {
        let set = if symbol.is_undefined() { &mut needed } else { &mut exported };
        set.insert(symbol.name()?.to_owned());
    }
    Ok(Library { exported, needed })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("no {}: `{}` makes it", path.display(), archive::BUILD))
}

fn write(list: &str, names: &Names) -> Result<()> {
    let text: String = names.iter().map(|name| format!("{name}\n")).collect();
    fs::write(crate::root().join(list), text).with_context(|| list.to_owned())?;
    println!("symbols: wrote {} names to {list}", names.len());
    Ok(())
}

fn compare(list: &str, found: &Names) -> Result<()> {
    let text = fs::read_to_string(crate::root().join(list)).with_context(|| list.to_owned())?;
    let listed: Names = text.lines().map(str::to_owned).collect();
    let strip =
        |names: &Names| names.iter().filter(|n| !COMPILERS.contains(&&***n)).cloned().collect();
    same(list, &strip(found), &strip(&listed))
        .context("if it is meant: cargo xtask symbols --bless")
}

fn same(what: &str, found: &Names, wanted: &Names) -> Result<()> {
    let new: Vec<_> = found.difference(wanted).collect();
    let gone: Vec<_> = wanted.difference(found).collect();
    ensure!(new.is_empty() && gone.is_empty(), "{what}: too many {new:?}, too few {gone:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Names {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_symbol_too_many_and_one_too_few_are_both_named() {
        let error = same("list", &names("a b"), &names("b c")).unwrap_err().to_string();
        assert_eq!(error, r#"list: too many ["a"], too few ["c"]"#);
        assert!(same("list", &names("a b"), &names("b a")).is_ok());
    }

    #[test]
    fn the_reviewed_list_holds_no_forbidden_name() {
        let path = crate::root().join("ffi/undefined.txt");
        let listed = names(&fs::read_to_string(path).unwrap());
        assert!(FORBIDDEN.iter().all(|name| !listed.contains(*name)));
    }
}
