//! `problems`: what each rpc may answer by its own rules, kept from what the tests saw.
//!
//! While tests run, services append each code that `proto/problems.txt` lacks to a file in the target
//! folder. `test` fails when there is one; this verb takes them over, so that the list grows in a
//! change that people read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::console;
use crate::place::Place;
use crate::shell;

const LIST: &str = "proto/problems.txt";

type List = BTreeMap<String, BTreeSet<String>>;

/// The file that services append to.
pub fn file(place: &Place) -> Result<PathBuf> {
    Ok(place.target_folder()?.join("undeclared-problems.txt"))
}

/// Forgets what earlier runs saw.
pub fn forget(place: &Place) -> Result<()> {
    let file = file(place)?;
    if file.exists() {
        std::fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
    }
    Ok(())
}

/// Fails when the tests saw a code that the list lacks.
pub fn compare(place: &Place) -> Result<()> {
    let seen = seen(place)?;
    if seen.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = seen.iter().map(|(rpc, codes)| line(rpc, codes)).collect();
    bail!("answers that {LIST} lacks; cargo xtask problems takes them over:\n  {}", lines.join("\n  "))
}

/// Takes over what the last run saw.
pub fn run(place: &Place) -> Result<()> {
    let path = place.root.join(LIST);
    let text = shell::read(&path)?;
    let (head, body): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with('#'));
    let mut list = parse(&body.join("\n"));
    let before = count(&list);
    for (rpc, codes) in seen(place)? {
        list.entry(rpc).or_default().extend(codes);
    }
    let lines = list.iter().map(|(rpc, codes)| line(rpc, codes));
    let text: Vec<_> = head.into_iter().map(str::to_owned).chain(lines).collect();
    std::fs::write(&path, text.join("\n") + "\n")
        .with_context(|| format!("cannot write {}", path.display()))?;
    forget(place)?;
    console::note(&format!("{} codes, {} of them new", count(&list), count(&list) - before));
    Ok(())
}

fn seen(place: &Place) -> Result<List> {
    let file = file(place)?;
    if !file.exists() {
        return Ok(List::new());
    }
    Ok(parse(&shell::read(&file)?))
}

fn parse(text: &str) -> List {
    let mut list = List::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if let Some(rpc) = words.next() {
            list.entry(rpc.to_owned()).or_default().extend(words.map(str::to_owned));
        }
    }
    list
}

fn line(rpc: &str, codes: &BTreeSet<String>) -> String {
    let codes: Vec<_> = codes.iter().map(String::as_str).collect();
    format!("{rpc} {}", codes.join(" "))
}

fn count(list: &List) -> usize {
    list.values().map(BTreeSet::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_rpc_become_one() {
        let list = parse("a.B/C rejected:x\na.B/D too_many:y\na.B/C rejected:x invalid_input:z\n");
        let lines: Vec<_> = list.iter().map(|(rpc, codes)| line(rpc, codes)).collect();
        assert_eq!(lines, ["a.B/C invalid_input:z rejected:x", "a.B/D too_many:y"]);
    }
}
