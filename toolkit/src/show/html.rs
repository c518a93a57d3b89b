//! HTML that cannot break out of its cell.

/// `text` with the characters that mean something to HTML replaced, safe in elements and in attributes.
pub fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // No meaning in HTML, and some parsers stop at them.
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Plain text as a block that keeps its line breaks and alignment.
pub(crate) fn preformatted(text: &str) -> String {
    format!(
        "<pre style=\"margin:0;line-height:1.25;color:inherit;background:none\">{}</pre>",
        escape_html(text)
    )
}
