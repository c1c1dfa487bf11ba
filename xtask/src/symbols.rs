//! What the library exports and what it needs, against the lists in `ffi`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use object::read::archive::ArchiveFile;
use object::{Object, ObjectSymbol, SymbolFlags, SymbolScope};

/// Names that a user's program may define for itself, and those of the heap: never needed.
const FORBIDDEN: [&str; 14] = [
    "accept", "calloc", "close", "free", "malloc", "mmap", "poll", "read", "realloc", "recv",
    "send", "sleep", "time", "write",
];

#[derive(clap::Args)]
pub struct SymbolsArguments {
    /// Writes the lists instead of comparing with them.
    #[arg(long)]
    pub bless: bool,
}

/// Compares `libdrift_rt.{a,so}` of the release build with `symbols.txt` and `undefined.txt`.
pub fn run(arguments: &SymbolsArguments) -> Result<()> {
    let release = crate::root().join("target/release");
    let (exported, needed) = archive(&release.join("libdrift_rt.a"))?;
    let shared = shared(&release.join("libdrift_rt.so"))?;
    compare("ffi/symbols.txt", &exported, arguments.bless)?;
    compare("ffi/undefined.txt", &needed, arguments.bless)?;
    ensure!(shared == exported, "libdrift_rt.so exports {shared:?}, the archive {exported:?}");
    for name in FORBIDDEN {
        ensure!(!needed.contains(name), "the archive needs `{name}`, which a user may define");
    }
    println!("symbols: {} exported, {} needed", exported.len(), needed.len());
    Ok(())
}

/// Our own members: those of the compiler's support library come and go with the compiler, are
/// hidden, and are taken by the linker only where they are needed.
fn archive(path: &Path) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
    let data = fs::read(path).with_context(|| format!("{} is missing", path.display()))?;
    let (mut exported, mut needed) = (BTreeSet::new(), BTreeSet::new());
    for member in ArchiveFile::parse(&*data)?.members() {
        let member = member?;
        let name = String::from_utf8_lossy(member.name()).into_owned();
        if !name.starts_with("drift_rt") {
            continue;
        }
        let file = object::File::parse(member.data(&*data)?)?;
        for symbol in file.symbols().filter(|symbol| symbol.is_global()) {
            let name = symbol.name()?.to_owned();
            if symbol.is_undefined() {
                needed.insert(name);
            } else if symbol.scope() == SymbolScope::Dynamic {
                exported.insert(name);
            } else {
                ensure!(is_hidden(&symbol), "{name} is neither exported nor hidden");
            }
        }
    }
    ensure!(!exported.is_empty(), "{} has no member of ours", path.display());
    // What another of the archive's members gives.
    needed.retain(|name| !name.starts_with("_ZN") && !name.starts_with("_R"));
    Ok((exported, needed))
}

fn is_hidden<'data>(symbol: &impl ObjectSymbol<'data>) -> bool {
    matches!(symbol.flags(), SymbolFlags::Elf { st_other, .. }
        if st_other & 3 == object::elf::STV_HIDDEN)
}

fn shared(path: &Path) -> Result<BTreeSet<String>> {
    let data = fs::read(path).with_context(|| format!("{} is missing", path.display()))?;
    let file = object::File::parse(&*data)?;
    let defined = file.dynamic_symbols().filter(|symbol| !symbol.is_undefined());
    defined.map(|symbol| Ok(symbol.name()?.to_owned())).collect()
}

fn compare(list: &str, found: &BTreeSet<String>, bless: bool) -> Result<()> {
    let path = crate::root().join(list);
    if bless {
        let text: String = found.iter().map(|name| format!("{name}\n")).collect();
        return Ok(fs::write(path, text)?);
    }
    let text = fs::read_to_string(&path).with_context(|| format!("{list} is missing"))?;
    let listed: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let new: Vec<_> = found.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(found).collect();
    ensure!(
        new.is_empty() && gone.is_empty(),
        "{list}: not listed {new:?}, not found {gone:?}; if meant: cargo xtask symbols --bless"
    );
    Ok(())
}
