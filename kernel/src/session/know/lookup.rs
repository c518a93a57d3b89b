//! What stands at a cursor, and what may stand there.

use crate::session::build::carried::Carried;
use crate::session::build::skeleton::PRIVATE;
use crate::session::commands;
use crate::session::know::docs;
use crate::session::said::Completion;
use crate::session::said::Completions;
use crate::session::said::MimeBundle;
use anyhow::Result;
use evcxr::CommandContext;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// What a front end asks about code.
#[derive(Debug, Serialize, Deserialize)]
pub enum Question {
    Complete { code: String, cursor: usize },
    Inspect { code: String, cursor: usize },
}

/// What is said to a [`Question`].
#[derive(Debug, Serialize, Deserialize)]
pub enum Found {
    Completions(Completions),
    Documentation(Option<MimeBundle>),
}

impl Question {
    /// One as most are.
    pub fn usual() -> Self {
        let code = "let values = vec![1.0]; values.".to_owned();
        let cursor = code.len();
        Self::Complete { code, cursor }
    }

    /// Answers it.
    ///
    /// # Errors
    /// When the analysis fails.
    pub fn answer(&self, context: &mut CommandContext, carried: &Carried) -> Result<Found> {
        match self {
            Self::Complete { code, cursor } => {
                complete(context, carried, code, *cursor).map(Found::Completions)
            }
            Self::Inspect { code, cursor } => {
                inspect(context, carried, code, *cursor).map(Found::Documentation)
            }
        }
    }
}

/// The answer of code that is not ours; none when it panics.
fn unless_it_panics<T>(answer: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(answer)).ok()
}

/// The cell without what is not to be done for a mere question: the session's commands, and new dependencies, which
/// take the network. Bytes keep their places.
fn analysable(carried: &Carried, cell: &str) -> String {
    let (code, _) = carried.satisfy(&commands::without(cell));
    let lines = code.split_inclusive('\n');
    lines
        .map(|line| match line.trim_start().starts_with(":dep") {
            true => line
                .bytes()
                .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
                .collect(),
            false => line.to_owned(),
        })
        .collect()
}

/// The code before the statement that `cursor` is in, and the path that ends at the cursor, at its place: as a statement
/// in a block, of which no value of any type is wanted.
fn as_a_statement(code: &str, cursor: usize) -> String {
    let before = code.get(..cursor).unwrap_or(code);
    let in_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
    let word = before.trim_end_matches(in_path).len();
    let end = before[..word].rfind([';', '{', '}', '\n']).map_or(0, |at| at + 1);
    let (start, path) = (&before[..end], &before[word..]);
    match word - end {
        0 => format!("{start}{path};"),
        room => format!("{start}{}{{{path};}}", " ".repeat(room - 1)),
    }
}

/// What may stand at `cursor`, as `context` knows the notebook.
pub fn complete(
    context: &mut CommandContext,
    carried: &Carried,
    code: &str,
    cursor: usize,
) -> Result<Completions> {
    let mut items: Vec<Completion> = commands::completions(code, cursor);
    let code = analysable(carried, code);
    let found = match unless_it_panics(|| context.completions(&code, cursor)) {
        Some(found) => found?,
        // Where a value of a known type is wanted, rust-analyzer searches for one, and may fail. As a statement of its
        // own the word has the same names to choose from.
        None => unless_it_panics(|| context.completions(&as_a_statement(&code, cursor), cursor))
            .unwrap_or_else(|| Err(anyhow::anyhow!("rust-analyzer failed")))?,
    };
    let methods: HashSet<&str> = found
        .completions
        .iter()
        .filter_map(|candidate| Some(candidate.code.split_once('(')?.0))
        .collect();
    for candidate in &found.completions {
        // rust-analyzer ends the call of a function without a value as a statement.
        let text = candidate.code.trim_end_matches(';');
        let private = text.starts_with(PRIVATE);
        let internal = private || candidate.code.starts_with("evcxr_") || candidate.code.starts_with("Evcxr");
        // evcxr asks for private fields, too. One with a method of its name is nearly always private.
        let field = candidate.kind == "instance" && methods.contains(text);
        if !internal && !field && !items.iter().any(|item| item.text == text) {
            items.push(Completion {
                text: text.to_owned(),
                kind: candidate.kind.to_owned(),
            });
        }
    }
    Ok(Completions {
        start: found.start_offset,
        end: found.end_offset,
        items,
    })
}

/// What stands at `cursor`, as `context` knows the notebook.
pub fn inspect(
    context: &mut CommandContext,
    carried: &Carried,
    code: &str,
    cursor: usize,
) -> Result<Option<MimeBundle>> {
    let code = analysable(carried, code);
    let found = unless_it_panics(|| context.hover_at(&code, end_of_word(&code, cursor)));
    let Some(found) = found else { return Ok(None) };
    let (text, html) = found?;
    if text.trim().is_empty() || text == "No documentation found" {
        return Ok(None);
    }
    let html = without_the_crate(html);
    let mut bundle = MimeBundle::new();
    bundle.insert("text/plain".into(), docs::text(&html).into());
    bundle.insert("text/html".into(), html.into());
    Ok(Some(bundle))
}

/// The notebook's own items are in no module that its reader knows of.
fn without_the_crate(html: String) -> String {
    const START: &str = "<pre><code class=\"language-rust\">";
    const END: &str = "\n</code></pre>\n";
    let Some(path) = html.strip_prefix(START) else {
        return html;
    };
    match path.split_once(END) {
        Some(("ctx", rest)) => rest.to_owned(),
        Some(_) if path.starts_with("ctx::") => format!("{START}{}", &path["ctx::".len()..]),
        _ => html,
    }
}

/// Modules of the standard library whose types most cells that use them have not brought in yet when they ask.
const WELL_KNOWN: [&str; 8] = [
    "std::collections",
    "std::sync",
    "std::rc",
    "std::cell",
    "std::time",
    "std::path",
    "std::fs",
    "std::thread",
];

/// The documentation of `path`, also of a well-known type that no `use` has brought in.
pub fn document(context: &mut CommandContext, carried: &Carried, path: &str) -> Result<Option<MimeBundle>> {
    let found = inspect(context, carried, path, path.len())?;
    let is_type = path.starts_with(|c: char| c.is_uppercase());
    if found.is_some() || !is_type {
        return Ok(found);
    }
    for module in WELL_KNOWN {
        let whole = format!("{module}::{path}");
        if let Some(found) = inspect(context, carried, &whole, whole.len())? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The end of the word at `cursor`, with the bracket of a call behind it: by that evcxr tells a method from a field.
fn end_of_word(code: &str, cursor: usize) -> usize {
    let mut at = cursor.min(code.len());
    while !code.is_char_boundary(at) {
        at -= 1;
    }
    let end = code[at..].find(|c: char| !c.is_alphanumeric() && c != '_');
    let end = end.map_or(code.len(), |end| at + end);
    end + usize::from(code[end..].starts_with('('))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_may_stand_alone_at_its_place() {
        for (code, alone) in [
            ("let n = 1;\nkinds.push(ki", "let n = 1;\n          {ki;}"),
            ("let y: f64 = ", "            {;}"),
            ("f(é, std::cm", "     {std::cm;}"),
            ("if x { y = dat", "if x {    {dat;}"),
            ("n", "n;"),
        ] {
            assert_eq!(as_a_statement(code, code.len()), alone);
        }
        assert_eq!(as_a_statement("f(n, 2)", 3), " {n;}");
    }

    #[test]
    fn inspection_looks_at_the_whole_word() {
        assert_eq!(end_of_word("frame.height()", 8), 13);
        assert_eq!(end_of_word("frame.height", 8), 12);
        assert_eq!(end_of_word("é", 1), 2);
    }
}
