//! Documentation for the reader: as text, in short, and the cells that ask for it.

use crate::session::said::MimeBundle;
use serde_json::Value;

/// How much of a documentation is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The signature and what stands before the first heading.
    Brief,
    /// Everything.
    Whole,
}

/// A cell that asks what a name is.
#[derive(Debug, PartialEq)]
pub struct Question<'a> {
    pub name: &'a str,
    pub detail: Detail,
}

/// `?name` asks in brief, `??name` for everything; so does `Name?`. `name?` asks nothing: in Rust that is an
/// expression, which a type's name never is.
pub fn question(cell: &str) -> Option<Question<'_>> {
    if let Some(asked) = asked_behind(cell.trim()) {
        return Some(asked);
    }
    let asked = cell.trim().strip_prefix('?')?;
    let (name, detail) = match asked.strip_prefix('?') {
        Some(name) => (name, Detail::Whole),
        None => (asked, Detail::Brief),
    };
    // `?println!` and `?frame.height()` are asked about without what makes them a call.
    let name = name.trim().trim_end_matches(['!', '(', ')', ';']);
    (!name.is_empty() && !name.contains('\n')).then_some(Question { name, detail })
}

fn asked_behind(cell: &str) -> Option<Question<'_>> {
    let name = cell.strip_suffix('?')?;
    let (name, detail) = match name.strip_suffix('?') {
        Some(name) => (name, Detail::Whole),
        None => (name, Detail::Brief),
    };
    let is_word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    // A constant is written in capitals alone.
    let of_a_type = name.split("::").any(|part| {
        part.starts_with(char::is_uppercase) && (part.len() == 1 || part.contains(char::is_lowercase))
    });
    (of_a_type && name.split("::").all(is_word)).then_some(Question { name, detail })
}

/// A documentation, cut as it is wanted. Where something was left out, the last line says how to see it.
pub fn abridged(mut docs: MimeBundle, detail: Detail) -> MimeBundle {
    if let (Detail::Brief, Some(Value::String(html))) = (detail, docs.get("text/html"))
        && let Some(end) = first_heading(html)
    {
        let html = format!(
            "{}<p>(There is more: <code>??</code> and the name, in a cell, shows all.)</p>\n",
            &html[..end]
        );
        docs.insert("text/plain".into(), text(&html).into());
        docs.insert("text/html".into(), html.into());
    }
    docs
}

/// Where the first heading starts.
fn first_heading(html: &str) -> Option<usize> {
    let level = |at: usize| html.as_bytes().get(at + 2).is_some_and(u8::is_ascii_digit);
    html.match_indices("<h").map(|(at, _)| at).find(|at| level(*at))
}

/// The HTML of a documentation as text for a terminal: paragraphs apart, code as it is, headings and lists as in
/// Markdown.
pub fn text(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    let mut code = false;
    while !rest.is_empty() {
        let (words, tag);
        (words, rest) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
        if code {
            out.push_str(&unescaped(words));
        } else {
            push_words(&mut out, &unescaped(words));
        }
        (tag, rest) = rest.split_at(rest.find('>').map_or(rest.len(), |end| end + 1));
        let name = tag
            .trim_matches(['<', '>'])
            .split([' ', '\n'])
            .next()
            .unwrap_or_default();
        match name {
            "pre" | "/pre" => {
                paragraph(&mut out);
                code = name == "pre";
            }
            "li" => {
                line(&mut out);
                out.push_str("- ");
            }
            "br" | "br/" | "tr" => line(&mut out),
            "td" | "th" => out.push_str("  "),
            "p" | "/p" | "hr" | "ul" | "/ul" | "ol" | "/ol" | "blockquote" | "/blockquote" | "table"
            | "/table" => {
                paragraph(&mut out);
            }
            _ => match name.strip_prefix('h').or_else(|| name.strip_prefix("/h")) {
                Some(level) if level.len() == 1 => {
                    paragraph(&mut out);
                    if !name.starts_with('/') {
                        let level = level.parse().unwrap_or(1);
                        out.push_str(&"#".repeat(level));
                        out.push(' ');
                    }
                }
                _ => {}
            },
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Text outside of code: any white space is one space.
fn push_words(out: &mut String, words: &str) {
    for c in words.chars() {
        if !c.is_whitespace() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with([' ', '\n']) {
            out.push(' ');
        }
    }
}

fn line(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
}

fn paragraph(out: &mut String) {
    // The first paragraph of a list's item starts behind its mark.
    if out != "- " && !out.ends_with("\n- ") {
        out.truncate(out.trim_end_matches([' ', '\n']).len());
        if !out.is_empty() {
            out.push_str("\n\n");
        }
    }
}

fn unescaped(html: &str) -> String {
    html.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&#x27;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUSH: &str = "<pre><code class=\"language-rust\">alloc::vec::Vec\n</code></pre>\n\
        <pre><code class=\"language-rust\">pub fn push(&amp;mut self, value: T)\nwhere\n    T: Sized,\n</code></pre>\n\
        <hr />\n<p>Appends an element to the\nback of a <em>collection</em>.</p>\n<ul>\n<li>one</li>\n<li>\n<p>two</p>\n</li>\n</ul>\n\
        <h1>Examples</h1>\n<pre><code>let a = 1 &lt; 2;\n</code></pre>\n";

    #[test]
    fn html_becomes_text() {
        let expected = "alloc::vec::Vec\n\npub fn push(&mut self, value: T)\nwhere\n    T: Sized,\n\n\
            Appends an element to the back of a collection.\n\n- one\n- two\n\n# Examples\n\nlet a = 1 < 2;";
        assert_eq!(text(PUSH), expected);
        for odd in ["", "<", "a<b", "</", "<p", "<h>", "<li>", "<pre>"] {
            text(odd);
        }
    }

    #[test]
    fn in_brief_ends_at_the_first_heading_and_says_so() {
        let docs = MimeBundle::from_iter([
            ("text/plain".to_string(), text(PUSH).into()),
            ("text/html".to_string(), PUSH.into()),
        ]);
        let brief = abridged(docs.clone(), Detail::Brief);
        let plain = brief["text/plain"].as_str().unwrap();
        assert!(plain.contains("collection.") && plain.contains("??") && !plain.contains("Examples"));
        assert!(!brief["text/html"].as_str().unwrap().contains("Examples"));
        assert_eq!(abridged(docs.clone(), Detail::Whole), docs);
        let short = MimeBundle::from_iter([("text/html".to_string(), "<p>x</p><hr />".into())]);
        assert_eq!(abridged(short.clone(), Detail::Brief), short);
    }

    #[test]
    fn cells_that_ask() {
        let asked = |name, detail| Some(Question { name, detail });
        assert_eq!(question("?String"), asked("String", Detail::Brief));
        assert_eq!(
            question(" ?? frame.height() \n"),
            asked("frame.height", Detail::Whole)
        );
        assert_eq!(question("?println!"), asked("println", Detail::Brief));
        for other in ["", "?", "??", "value?", "?a\n?b", "let a = b?;"] {
            assert_eq!(question(other), None, "{other}");
        }
    }
}
