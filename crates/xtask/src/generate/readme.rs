//! The parts of README.md between `<!-- generated:NAME -->` and `<!-- /generated:NAME -->`.

use std::fs;

use super::{Generated, aws_errors, failure_reasons};
use crate::{error::Error, workspace::Workspace};

/// A generated part: its name in the markers, and what stands between them.
type Block = (&'static str, fn(&Workspace) -> String);

/// Every generated part. A new reference table is one more line.
const BLOCKS: &[Block] = &[
    ("crates", crate_map),
    ("aws-errors", aws_errors::table),
    ("failure-reasons", failure_reasons::table),
];

pub(super) fn produce(workspace: &Workspace) -> Result<Generated, Error> {
    let mut generated = Generated::default();
    let path = workspace.root.join("README.md");
    if path.exists() {
        let text = fs::read_to_string(&path).map_err(Error::file(&path))?;
        let content = replace(&text, |name| {
            BLOCKS
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, content)| content(workspace))
        });
        generated
            .files
            .insert("README.md".into(), content.map_err(Error::Marker)?);
    }
    Ok(generated)
}

/// What each crate is, in the words of its manifest.
fn crate_map(workspace: &Workspace) -> String {
    let mut rows: Vec<String> = workspace
        .packages
        .iter()
        .map(|package| {
            let name = package.directory_name();
            let description = package.description.as_deref().unwrap_or_default();
            format!("| [`{name}`](crates/{name}) | {description} |\n")
        })
        .collect();
    rows.sort();
    format!("| crate | what it is |\n|---|---|\n{}", rows.concat())
}

/// Replaces the content of every block; an unknown name or a marker without its partner is an error, since
/// the text would otherwise go stale unseen.
fn replace(text: &str, content: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut result = String::with_capacity(text.len());
    let mut open: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        let marker = line
            .trim()
            .strip_prefix("<!-- ")
            .and_then(|rest| rest.strip_suffix(" -->"));
        let begin = marker.and_then(|marker| marker.strip_prefix("generated:"));
        let end = marker.and_then(|marker| marker.strip_prefix("/generated:"));
        match (open, begin, end) {
            (None, Some(name), _) => {
                let content = content(name).ok_or_else(|| format!("nothing generates `{name}`"))?;
                result.push_str(line);
                result.push_str(&content);
                open = Some(name);
            }
            (Some(name), None, Some(end)) if end == name => {
                result.push_str(line);
                open = None;
            }
            (Some(name), Some(other), _) | (Some(name), _, Some(other)) => {
                return Err(format!("`{other}` begins or ends inside the block `{name}`"));
            }
            (None, None, Some(name)) => return Err(format!("the block `{name}` ends without having begun")),
            (Some(_), None, None) => {} // the old content
            (None, None, None) => result.push_str(line),
        }
    }
    match open {
        Some(name) => Err(format!("the block `{name}` has no end")),
        None => Ok(result),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_one(text: &str) -> Result<String, String> {
        replace(text, |name| (name == "one").then(|| "new\n".to_owned()))
    }

    #[test]
    fn the_content_is_replaced_and_the_rest_kept() {
        let text = "a\n<!-- generated:one -->\nold\nolder\n<!-- /generated:one -->\n<!-- note -->\nb";
        let expected = "a\n<!-- generated:one -->\nnew\n<!-- /generated:one -->\n<!-- note -->\nb";
        assert_eq!(with_one(text).unwrap(), expected);
        assert_eq!(with_one(expected).unwrap(), expected);
    }

    #[test]
    fn broken_markers_are_refused() {
        assert_eq!(
            with_one("<!-- generated:two -->\n").unwrap_err(),
            "nothing generates `two`"
        );
        assert_eq!(
            with_one("<!-- generated:one -->\n").unwrap_err(),
            "the block `one` has no end"
        );
        assert!(with_one("<!-- /generated:one -->\n").is_err());
        assert!(with_one("<!-- generated:one -->\n<!-- generated:one -->\n").is_err());
    }
}
