//! Which lines were reached, over all that ran.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Whether each line ran; a line that is no code is not there.
type Counts = BTreeMap<usize, bool>;

/// By path from the workspace.
#[derive(Default)]
pub struct Lines(BTreeMap<String, Counts>);

impl Lines {
    /// Adds what one program has counted, in the format of lcov: see geninfo(1), FILES. The same
    /// line may be in several, compiled anew: it is reached if one of them reaches it.
    ///
    /// Only files of `folders` are taken.
    pub fn add(&mut self, lcov: &str, root: &Path, folders: &[&str]) {
        let mut file = None;
        for line in lcov.lines() {
            if let Some(path) = line.strip_prefix("SF:") {
                let name = Path::new(path).strip_prefix(root).ok().and_then(Path::to_str);
                let name = name.filter(|name| is_measured(name, folders));
                file = name.map(|name| self.0.entry(name.to_owned()).or_default());
            } else if let (Some(file), Some(count)) = (&mut file, line.strip_prefix("DA:")) {
                let mut numbers = count.split(',').map(|number| number.parse::<u64>());
                if let (Some(Ok(line)), Some(Ok(count))) = (numbers.next(), numbers.next()) {
                    *file.entry(line as usize).or_default() |= count > 0;
                }
            }
        }
    }

    pub fn files(&self) -> impl Iterator<Item = (&String, &Counts)> {
        self.0.iter()
    }
}

/// Tests, models and what they share are not what is tested.
fn is_measured(name: &str, folders: &[&str]) -> bool {
    const ENDS: [&str; 4] = ["/tests.rs", "/loom.rs", "/sync/stage.rs", "/wheel/model.rs"];
    let is_test = ENDS.iter().any(|end| name.ends_with(end));
    !is_test && folders.iter().any(|folder| name.starts_with(folder))
}

/// One file.
pub struct Source {
    pub name: String,
    pub text: Vec<String>,
    /// Lines that are code.
    pub total: usize,
    /// Numbers of those that nothing reached, from 1.
    pub missed: Vec<usize>,
}

impl Source {
    pub fn read(name: &str, counts: &Counts) -> Result<Self> {
        let path = crate::root().join(name);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let text: Vec<_> = text.lines().map(|line| line.trim().to_owned()).collect();
        let missed = counts.iter().filter(|(_, ran)| !**ran).map(|(line, _)| *line);
        Ok(Self { name: name.to_owned(), text, total: counts.len(), missed: missed.collect() })
    }

    /// The text of a line, without its indent.
    pub fn line(&self, number: usize) -> &str {
        self.text.get(number - 1).map_or("", String::as_str)
    }

    pub fn row(&self) -> String {
        let Self { name, total, missed, .. } = self;
        let missed = missed.len();
        format!("{total:7} {missed:7} {:7.2}%  {name}", percent(*total, missed))
    }
}

/// What is reached, in percent.
pub fn percent(total: usize, missed: usize) -> f64 {
    (total - missed) as f64 * 100.0 / total.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_reached_if_one_program_reaches_it() {
        let mut lines = Lines::default();
        let root = Path::new("/w");
        lines.add("SF:/w/core/src/a.rs\nDA:1,0\nDA:2,0\nend_of_record\n", root, &["core/src/"]);
        lines.add("SF:/w/core/src/a.rs\nDA:1,3\nDA:2,0\nend_of_record\n", root, &["core/src/"]);
        lines.add(
            "SF:/elsewhere/b.rs\nDA:1,0\nSF:/w/core/src/a/tests.rs\nDA:1,0\n",
            root,
            &["core/src/"],
        );
        let files: Vec<_> = lines.files().collect();
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].1, &Counts::from([(1, true), (2, false)]));
    }
}
