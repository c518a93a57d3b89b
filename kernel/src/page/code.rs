//! Highlighted source: spans with classes, whose colours the page's style sheet gives for light and dark.

use super::escape;
use std::sync::OnceLock;
use syntect::html::{ClassStyle, line_tokens_to_classed_spans};
use syntect::parsing::{ParseState, ScopeStack, SyntaxReference, SyntaxSet};
use syntect::util::LinesWithEndings;

/// In front of every class, so that a scope's name cannot meet a class of the page.
const STYLE: ClassStyle = ClassStyle::SpacedPrefixed { prefix: "s-" };

/// `source` as HTML, highlighted as `language` (a name or a file ending) where that is known.
pub fn highlight(source: &str, language: &str) -> String {
    match syntax(language) {
        Some(syntax) => coloured(source, syntax).unwrap_or_else(|| escape::html(source)),
        None => escape::html(source),
    }
}

fn syntaxes() -> &'static SyntaxSet {
    static SYNTAXES: OnceLock<SyntaxSet> = OnceLock::new();
    SYNTAXES.get_or_init(SyntaxSet::load_defaults_newlines)
}

fn syntax(language: &str) -> Option<&'static SyntaxReference> {
    // `rust,no_run` and `{.rust}` are Rust too.
    let name = language
        .split([',', ' '])
        .next()
        .unwrap_or_default()
        .trim_matches(['{', '}', '.']);
    if name.is_empty() {
        return None;
    }
    syntaxes().find_syntax_by_token(name)
}

fn coloured(source: &str, syntax: &SyntaxReference) -> Option<String> {
    let mut state = ParseState::new(syntax);
    let mut stack = ScopeStack::new();
    let mut html = String::with_capacity(source.len() * 3);
    let mut open = 0;
    for line in LinesWithEndings::from(source) {
        if is_command(line) && syntax.name == "Rust" {
            html.push_str(&format!(
                "<span class=\"s-command\">{}</span>",
                escape::html(line)
            ));
            continue;
        }
        // The grammar reads lines that end; only the last one may not.
        let ended = if line.ends_with('\n') {
            line.to_string()
        } else {
            format!("{line}\n")
        };
        let tokens = state.parse_line(&ended, syntaxes()).ok()?;
        let (spans, delta) = line_tokens_to_classed_spans(&ended, &tokens, STYLE, &mut stack).ok()?;
        html.push_str(&spans);
        open += delta;
    }
    html.push_str(&"</span>".repeat(open.max(0) as usize));
    Some(html)
}

/// A line for the kernel, not for the compiler: `:dep polars`.
fn is_command(line: &str) -> bool {
    line.strip_prefix(':')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::ansi;

    /// The text a reader sees: tags taken out, entities resolved.
    fn seen(html: &str) -> String {
        let mut text = String::new();
        let mut inside = false;
        for c in html.chars() {
            match c {
                '<' => inside = true,
                '>' if inside => inside = false,
                c if !inside => text.push(c),
                _ => {}
            }
        }
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&")
    }

    #[test]
    fn rust_is_coloured_and_nothing_is_lost() {
        let source = ":dep jook = { path = \"..\" }\nlet x: Vec<f32> = f(\"<b>\")?; // one\n";
        let html = highlight(source, "rust");
        assert!(html.contains("s-comment") && html.contains("s-string") && html.contains("s-command"));
        assert!(!html.contains("<b>"));
        assert_eq!(seen(&html), source);
        assert_eq!(html.matches("<span").count(), html.matches("</span>").count());
        assert_eq!(ansi::strip(&html), html);
    }

    #[test]
    fn unknown_languages_are_only_escaped() {
        assert_eq!(highlight("a < b", "no such language"), "a &lt; b");
        assert_eq!(highlight("a < b", ""), "a &lt; b");
    }
}
