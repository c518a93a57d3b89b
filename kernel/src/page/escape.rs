//! Putting text where it cannot break out: into HTML, into attributes and into scripts.

use serde_json::Value;

/// Text as HTML content or attribute value.
pub fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// A path as an address has it.
pub fn address(path: &str) -> String {
    let mut address = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte.is_ascii_alphanumeric() || b"/-_.~!$&'()*+,;=:@".contains(&byte) {
            true => address.push(char::from(byte)),
            false => address.push_str(&format!("%{byte:02X}")),
        }
    }
    address
}

/// The text that HTML content or an attribute value stands for; undoes [`html`].
pub fn text(html: &str) -> String {
    html.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

/// A value as JSON that may stand inside a `<script>`: no `<` is left, so neither `</script>` nor
/// `<!--` can occur, and the two line separators that older JavaScript refuses are escaped.
pub fn json(value: &Value) -> String {
    let plain = value.to_string();
    let mut escaped = String::with_capacity(plain.len() + 16);
    for c in plain.chars() {
        match c {
            '<' => escaped.push_str("\\u003c"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// JavaScript source as the content of a `<script>` element. The two sequences that end or confuse such
/// an element can only stand in strings, regular expressions and comments, where a backslash is harmless.
pub fn script(source: &str) -> String {
    let mut escaped = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find('<') {
        let (before, from) = rest.split_at(at);
        escaped.push_str(before);
        let after = &from.as_bytes()[1..];
        let closes = after.len() >= 7 && after[..7].eq_ignore_ascii_case(b"/script");
        let comments = after.starts_with(b"!--");
        escaped.push_str(if closes || comments { "<\\" } else { "<" });
        rest = &from[1..];
    }
    escaped.push_str(rest);
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_cannot_open_a_tag_or_leave_an_attribute() {
        assert_eq!(
            html(r#"<b a="x" b='y'>&"#),
            "&lt;b a=&quot;x&quot; b=&#39;y&#39;&gt;&amp;"
        );
        let twice = "&amp;lt; <a href=\"x?a=1&b='2'\">";
        assert_eq!(text(&html(twice)), twice);
    }

    #[test]
    fn json_in_a_script_keeps_its_value() {
        let value = json!({"name": "</script><!-- \u{2028} é"});
        let text = json(&value);
        assert!(!text.contains('<') && !text.contains('\u{2028}'));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn a_script_cannot_end_early() {
        let text = script("a = '</script>' + '</SCRIPT ' + '<!-- x'; b = 1 < 2; c = '</p>'");
        assert_eq!(
            text,
            "a = '<\\/script>' + '<\\/SCRIPT ' + '<\\!-- x'; b = 1 < 2; c = '</p>'"
        );
    }
}
