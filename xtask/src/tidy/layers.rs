//! Imports point one way: the layers of `core`, and no circles of files.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use syn::visit::Visit;

use super::{Complaints, Source, module};

/// The layers of `core`, lowest first: a file imports from its own layer and from those before.
const LAYERS: [&str; 14] = [
    "prim", "time", "link", "platform", "error", "table", "state", "queues", "task", "source",
    "sched", "wait", "sync", "runtime",
];

/// Crates whose files are looked at for circles, and the largest circle that they may have.
const CRATES: [&str; 2] = ["core/src/", "api/src/"];
const CIRCLE: usize = 2;

/// Of all files together: models and unit tests may import what they like.
pub(super) fn check(sources: &[Source], complaints: &mut Complaints) -> Result<()> {
    for src in CRATES {
        let ours = |source: &&Source| {
            source.name.starts_with(src) && source.is(".rs") && !source.is_test()
        };
        let files: Vec<_> = sources.iter().filter(ours).collect();
        let name = |source: &Source| module(source.name.strip_prefix(src).unwrap_or_default());
        let modules: BTreeSet<_> = files.iter().map(|file| name(file)).collect();
        let mut graph = BTreeMap::new();
        for file in &files {
            let from = name(file);
            let imports = imports(file, &from, &modules)?;
            if src == CRATES[0] {
                upwards(file, &from, &imports, complaints);
            }
            graph.insert(from, imports);
        }
        for circle in circles(&graph) {
            if circle.len() > CIRCLE {
                let file = files.iter().find(|file| name(file) == circle[0]);
                let what = format!("a circle of imports: {}", circle.join(", "));
                file.into_iter().for_each(|file| complaints.add(file, 1, &what));
            }
        }
    }
    Ok(())
}

fn layer(module: &str) -> Option<usize> {
    let first = module.split('/').next();
    LAYERS.iter().position(|layer| Some(*layer) == first)
}

fn upwards(
    file: &Source,
    from: &str,
    imports: &BTreeMap<String, usize>,
    complaints: &mut Complaints,
) {
    let Some(own) = layer(from) else {
        if from != "lib" {
            complaints.add(file, 1, "is in none of the layers of `tidy/layers.rs`");
        }
        return;
    };
    for (module, line) in imports {
        if layer(module).is_none_or(|other| other > own) {
            complaints.add(file, *line, format!("`{from}` imports `{module}`, a layer above"));
        }
    }
}

/// The files that one imports from, and on which line first.
fn imports(
    file: &Source,
    own: &str,
    modules: &BTreeSet<String>,
) -> Result<BTreeMap<String, usize>> {
    let mut seen = Paths { own, found: Vec::new() };
    seen.visit_file(&syn::parse_file(&file.text)?);
    let mut imports = BTreeMap::new();
    for (path, line) in seen.found {
        // The longest beginning that is a file: what follows are names in it.
        let file = (0..=path.len()).rev().map(|end| path[..end].join("/"));
        let Some(module) = file.into_iter().find(|module| modules.contains(module)) else {
            continue;
        };
        if module != own {
            imports.entry(module).or_insert(line);
        }
    }
    Ok(imports)
}

/// Paths within the crate, from its root.
struct Paths<'a> {
    own: &'a str,
    found: Vec<(Vec<String>, usize)>,
}

impl Paths<'_> {
    fn add(&mut self, path: &[syn::Ident]) {
        let Some(first) = path.first() else { return };
        let mut base: Vec<String> = self.own.split('/').map(str::to_owned).collect();
        let mut rest = path;
        match first.to_string().as_str() {
            "crate" => base.clear(),
            "self" | "super" => {}
            _ => return,
        }
        while let [first, others @ ..] = rest {
            match first.to_string().as_str() {
                "crate" | "self" => {}
                "super" => drop(base.pop()),
                _ => break,
            }
            rest = others;
        }
        base.extend(rest.iter().map(ToString::to_string));
        self.found.push((base, first.span().start().line));
    }

    fn tree(&mut self, before: &[syn::Ident], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| before.iter().chain([name]).cloned().collect::<Vec<_>>();
        match tree {
            syn::UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.add(&with(&name.ident)),
            syn::UseTree::Rename(name) => self.add(&with(&name.ident)),
            syn::UseTree::Glob(_) => self.add(before),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.tree(before, tree));
            }
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_for_tests(&item.attrs) {
            self.tree(&[], &item.tree);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            syn::visit::visit_item_mod(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.clone()).collect();
        if names.len() > 1 {
            self.add(&names);
        }
        syn::visit::visit_path(self, path);
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    let mut words = attributes.iter().filter_map(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => Some(list.tokens.to_string()),
        _ => None,
    });
    words.any(|words| words.split(|c: char| !c.is_alphanumeric()).any(|word| word == "test"))
}

/// Sets of files that import each other, around some corners (Tarjan, "Depth-first search and
/// linear graph algorithms", 1972, by way of who reaches whom: there are few files).
fn circles(graph: &BTreeMap<String, BTreeMap<String, usize>>) -> Vec<Vec<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> = graph
        .keys()
        .map(|from| {
            let (mut seen, mut left) = (BTreeSet::new(), vec![from]);
            while let Some(next) = left.pop() {
                let unseen = graph[next].keys().filter(|to| graph.contains_key(*to));
                left.extend(unseen.filter(|to| seen.insert(*to)));
            }
            (from, seen)
        })
        .collect();
    let circle_of = |file: &String| -> Vec<String> {
        let back = |other: &&&String| reach[**other].contains(file);
        reach[file].iter().filter(back).map(|other| (*other).clone()).collect()
    };
    let mut circles: Vec<_> =
        graph.keys().map(circle_of).filter(|circle| circle.len() > 1).collect();
    circles.sort();
    circles.dedup();
    circles
}

#[cfg(test)]
mod tests {
    use super::super::tests::source;
    use super::*;

    fn complaints(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<_> = files.iter().map(|(name, text)| source(name, text)).collect();
        let mut complaints = Complaints::default();
        check(&sources, &mut complaints).unwrap();
        complaints.0
    }

    #[test]
    fn a_layer_imports_from_those_below_it_only() {
        let at = |own: &str, text: &str| {
            let below = [("core/src/task/mod.rs", ""), ("core/src/sched/mod.rs", "")];
            complaints(&[below[0], below[1], (own, text)]).len()
        };
        assert_eq!(at("core/src/wait/a.rs", "use crate::{task::A, sched::B};"), 0);
        assert_eq!(at("core/src/queues/a.rs", "use crate::{task::A, prim::B};"), 1);
        assert_eq!(at("core/src/task/a.rs", "fn f() { crate::sched::run() }"), 1);
        assert_eq!(at("core/src/task/a.rs", "#[cfg(test)] use crate::sched::B;"), 0);
        assert_eq!(at("core/src/task/a/tests.rs", "use crate::sched::B;"), 0);
        assert_eq!(at("core/src/other.rs", ""), 1, "a file of no layer");
    }

    #[test]
    fn two_files_may_import_each_other_and_three_not() {
        let two = [("api/src/a.rs", "use crate::b::B;"), ("api/src/b.rs", "use super::a::A;")];
        assert!(complaints(&two).is_empty());
        let three = [
            ("api/src/a.rs", "use crate::b::B;"),
            ("api/src/b.rs", "use crate::c::{C, D};"),
            ("api/src/c.rs", "fn f(a: crate::a::A) {}"),
        ];
        let found = complaints(&three);
        assert_eq!(found, ["api/src/a.rs:1: a circle of imports: a, b, c"]);
    }
}
