//! Which addresses a page may hold.

use super::escape;

/// Schemes of addresses that a reader may follow, beside those that begin in the page's own folder.
const SCHEMES: [&str; 6] = ["http", "https", "mailto", "tel", "ftp", "attachment"];

/// Whether an address, as it is written in an attribute, leads to a place and runs nothing.
pub fn is_harmless(address: &str) -> bool {
    let address = escape::text(address);
    // Browsers leave out control characters anywhere, and see through every way to write a letter.
    let address: String = address
        .chars()
        .filter(|c| !c.is_control() && !c.is_whitespace())
        .collect();
    let by_number = |(at, _): (usize, &str)| {
        address[at + 2..].starts_with(|c: char| c.is_ascii_digit() || "xX".contains(c))
    };
    let begin = address.split(['/', '?', '#']).next().unwrap_or_default();
    let disguised = address.match_indices("&#").any(by_number) || begin.contains('&') && begin.contains(';');
    match begin.split_once(':') {
        _ if disguised => false,
        Some((scheme, _)) => SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_run_something_are_known_in_any_spelling() {
        for address in [
            "javascript:alert(1)",
            " JavaScript:1",
            "java\tscript:1",
            "java&#10;script:1",
            "&#106avascript:1",
            "&#x6A;avascript:1",
            "javascript&colon;1",
            "java&Tab;script:1",
            "\u{1}javascript:1",
            "vbscript:1",
            "data:text/html,<script>1</script>",
            "file:///etc/passwd",
            "blob:x",
        ] {
            assert!(!is_harmless(address), "{address}");
        }
        for address in [
            "",
            "#part",
            "a.html",
            "../a.html?x=1:2&y;",
            "HTTPS://example.org",
            "mailto:a@example.org",
            "//x.org",
        ] {
            assert!(is_harmless(address), "{address}");
        }
    }
}
