//! What of a source type inference never reads, found among its tokens.

use crate::session::build::skeleton::tokens::{Kind, Token};
use std::ops::Range;

/// The bracket behind the name of a macro that is called: `name!(`.
pub fn handed(tokens: &[Token<'_>], at: usize, to: usize) -> Option<usize> {
    let sign = (at + 1 < to && tokens[at + 1].text == "!").then_some(at + 1)?;
    next(tokens, sign + 1, to).filter(|&open| tokens[open].close > open)
}

/// Attributes that tell nothing of types. (`unstable` does: what is stable is preferred to it.)
const DISPENSABLE: [&str; 24] = [
    "allow",
    "cold",
    "deny",
    "diagnostic",
    "expect",
    "inline",
    "must_use",
    "rustc_allow_const_fn_unstable",
    "rustc_as_ptr",
    "rustc_confusables",
    "rustc_const_stable",
    "rustc_const_unstable",
    "rustc_diagnostic_item",
    "rustc_inherit_overflow_checks",
    "rustc_insignificant_dtor",
    "rustc_never_returns_null_ptr",
    "rustc_no_implicit_autorefs",
    "rustc_nounwind",
    "rustc_on_unimplemented",
    "rustc_preserve_ub_checks",
    "rustc_promotable",
    "stable",
    "track_caller",
    "warn",
];

/// The end of an attribute that can go.
pub fn dispensable_attribute(tokens: &[Token<'_>], at: usize, to: usize) -> Option<usize> {
    let open = next(tokens, at + 1, to).filter(|&i| tokens[i].text == "[")?;
    let name = next(tokens, open + 1, to)?;
    if tokens[name].text == "doc" {
        let about = next(tokens, name + 1, to).filter(|&i| tokens[i].text == "(")?;
        let about = next(tokens, about + 1, to)?;
        return (tokens[about].text == "alias").then_some(tokens[open].close + 1);
    }
    DISPENSABLE
        .contains(&tokens[name].text)
        .then_some(tokens[open].close + 1)
}

fn next(tokens: &[Token<'_>], mut at: usize, to: usize) -> Option<usize> {
    while at < to {
        if !matches!(tokens[at].kind, Kind::Space | Kind::Comment | Kind::Doc) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// By how much the token changes the depth of angle brackets; the `>` of an arrow is none.
fn angle(tokens: &[Token<'_>], at: usize) -> i32 {
    match tokens[at].text {
        "<" => 1,
        ">" if !matches!(tokens[at - 1].text, "-" | "=") => -1,
        _ => 0,
    }
}

/// The opening brace of the fields of the struct whose `struct` stands at `at`.
pub fn fields(tokens: &[Token<'_>], at: usize, to: usize) -> Option<usize> {
    let mut here = next(tokens, at + 1, to).filter(|&name| tokens[name].kind == Kind::Word)? + 1;
    let mut angles = 0i32;
    while here < to {
        let token = tokens[here];
        angles += angle(tokens, here);
        match token.text {
            "{" if angles <= 0 => return Some(here),
            ";" => return None,
            "(" if angles <= 0 => return None,
            _ => {}
        }
        here = token.close.max(here) + 1;
    }
    None
}

/// The names of the types that the struct whose `struct` stands at `at`, and whose fields at `open`, is given.
pub fn type_parameters<'a>(tokens: &[Token<'a>], at: usize, open: usize) -> Vec<&'a str> {
    let mut found = Vec::new();
    let (mut angles, mut here, mut begins) = (0i32, at + 1, false);
    while here < open {
        let token = tokens[here];
        angles += angle(tokens, here);
        match token.text {
            "<" | "," if angles == 1 => begins = true,
            ">" if angles == 0 => break,
            "#" => {}
            name if begins && token.close <= here => match token.kind {
                Kind::Space | Kind::Comment | Kind::Doc => {}
                Kind::Word if name != "const" => {
                    found.push(name);
                    begins = false;
                }
                // A lifetime, a constant.
                _ => begins = false,
            },
            _ => {}
        }
        here = token.close.max(here) + 1;
    }
    found
}

/// Where the names of the fields stand that not everybody may name.
pub fn private_fields(tokens: &[Token<'_>], open: usize) -> Vec<usize> {
    let close = tokens[open].close;
    let (mut from, mut here, mut angles) = (open + 1, open + 1, 0i32);
    let mut found = Vec::new();
    while here <= close {
        let token = tokens[here];
        angles += angle(tokens, here);
        if here == close || (token.text == "," && angles <= 0) {
            found.extend(private_name(tokens, from, here));
            from = here + 1;
        }
        here = token.close.max(here) + 1;
    }
    found
}

/// The name of the field that stands there, unless it is `pub` for all or cannot be told.
fn private_name(tokens: &[Token<'_>], from: usize, to: usize) -> Option<usize> {
    let mut here = from;
    loop {
        let at = next(tokens, here, to)?;
        here = match tokens[at].text {
            "#" => tokens[next(tokens, at + 1, to)?].close + 1,
            "pub" => {
                let restricted = next(tokens, at + 1, to).filter(|&after| tokens[after].text == "(")?;
                tokens[restricted].close + 1
            }
            _ => return (tokens[at].kind == Kind::Word && !tokens[at].text.starts_with("r#")).then_some(at),
        };
    }
}

/// The end of `#[doc = ...]`, unless it is what a macro repeats.
pub fn doc_attribute(tokens: &[Token<'_>], at: usize, to: usize) -> Option<usize> {
    let open = next(tokens, at + 1, to).filter(|&i| tokens[i].text == "[")?;
    let doc = next(tokens, open + 1, to).filter(|&i| tokens[i].text == "doc")?;
    next(tokens, doc + 1, to).filter(|&i| tokens[i].text == "=")?;
    let before = tokens[..at]
        .iter()
        .rev()
        .find(|token| token.kind != Kind::Space)?;
    (before.text != "(").then_some(tokens[open].close + 1)
}

/// The end of `#[cfg(test)] mod name { ... }`.
pub fn is_test_module(tokens: &[Token<'_>], at: usize, to: usize) -> Option<usize> {
    let mut here = at;
    for wanted in ["#", "[", "cfg", "(", "test", ")", "]", "mod"] {
        here = next(tokens, here, to).filter(|&i| tokens[i].text == wanted)? + 1;
    }
    let name = next(tokens, here, to).filter(|&i| tokens[i].kind == Kind::Word)?;
    let open = next(tokens, name + 1, to).filter(|&i| tokens[i].text == "{")?;
    Some(tokens[open].close + 1)
}

/// The body of the function whose `fn` stands at `at`, when nothing outside it can depend on it.
pub fn dispensable_body(tokens: &[Token<'_>], at: usize, to: usize) -> Option<usize> {
    let name = next(tokens, at + 1, to)?;
    if tokens[name].kind != Kind::Word && tokens[name].text != "$" {
        return None;
    }
    // The value of a constant may be a length in a type.
    let constant = tokens[..at]
        .iter()
        .rev()
        .filter(|token| token.kind != Kind::Space && token.kind != Kind::Comment)
        .take_while(|token| {
            token.kind == Kind::Literal || ["unsafe", "extern", "async", "const"].contains(&token.text)
        })
        .any(|token| token.text == "const");
    if constant && !is_no_length(tokens, name, to) {
        return None;
    }
    let (here, opaque) = behind_signature(tokens, name + 1, to)?;
    if tokens[here].text != "{" || opaque {
        return None;
    }
    let inner = &tokens[here + 1..tokens[here].close];
    let counts = |(index, token): (usize, &Token<'_>)| {
        // Items that reach out of the body; a macro's pattern.
        ["impl", "macro_rules"].contains(&token.text)
            || (token.text == "$"
                && inner.get(index + 1).is_some_and(|word| word.kind == Kind::Word)
                && inner.get(index + 2).is_some_and(|colon| colon.text == ":")
                && inner.get(index + 3).is_some_and(|word| word.kind == Kind::Word))
    };
    (!inner.iter().enumerate().any(counts)).then_some(here)
}

/// Methods of constants that lengths of arrays are written with.
const LENGTHS: [&str; 16] = [
    "abs_diff",
    "as_bytes",
    "count_ones",
    "div_ceil",
    "ilog2",
    "is_empty",
    "isqrt",
    "len",
    "max",
    "min",
    "next_multiple_of",
    "next_power_of_two",
    "pow",
    "saturating_sub",
    "trailing_zeros",
    "unwrap",
];

/// Whether the value of this constant function is no length of an array: it is a method, and none of [`LENGTHS`].
fn is_no_length(tokens: &[Token<'_>], name: usize, to: usize) -> bool {
    let Some(open) = (name + 1..to).find(|&at| matches!(tokens[at].text, "(" | "{" | ";")) else {
        return false;
    };
    let taken = tokens[open + 1..tokens[open].close.max(open + 1)].iter();
    tokens[open].text == "("
        && !LENGTHS.contains(&tokens[name].text)
        && (taken.take_while(|token| !matches!(token.text, "," | ":"))).any(|token| token.text == "self")
}

/// The opening brace of the `impl Trait for Type` whose `impl` stands at `at`.
pub fn body_of_trait_impl(tokens: &[Token<'_>], at: usize, to: usize) -> Option<usize> {
    let (mut angles, mut of_trait, mut here) = (0i32, false, at + 1);
    while here < to {
        let token = tokens[here];
        angles += angle(tokens, here);
        match token.text {
            // `for<'a>` is another word.
            "for" if angles <= 0 => {
                of_trait |= next(tokens, here + 1, to).is_some_and(|i| tokens[i].text != "<")
            }
            "{" if angles <= 0 => return of_trait.then_some(here),
            ";" | "=" | "," | ")" => return None,
            _ => {}
        }
        here = token.close.max(here) + 1;
    }
    None
}

/// The methods in the body of such an `impl`: their types are the trait's. Those that return `impl Trait` are not.
pub fn dispensable_methods(tokens: &[Token<'_>], open: usize) -> Vec<Range<usize>> {
    let close = tokens[open].close;
    let mut gone = Vec::new();
    let (mut start, mut here) = (open + 1, open + 1);
    while here < close {
        let token = tokens[here];
        let named = |i: usize| tokens[i].kind == Kind::Word || tokens[i].text == "$";
        if token.text == "fn" && next(tokens, here + 1, close).is_some_and(named) {
            let Some((end, opaque)) = end_of_function(tokens, here, close) else {
                return gone;
            };
            if !opaque {
                gone.push(start..end);
            }
            (start, here) = (end, end);
            continue;
        }
        let repeats = token.text == "(" && tokens[here - 1].text == "$";
        here = token.close.max(here) + 1;
        if repeats {
            // What a macro repeats, with the sign that says so.
            let sign = |at: &usize| ["*", "+", "?"].contains(&tokens[*at].text);
            here = (here..close).find(sign).map_or(close, |at| at + 1);
        }
        if repeats || [";", "{"].contains(&token.text) {
            start = here;
        }
    }
    gone
}

/// The end of the function whose `fn` stands at `at`, and whether its type depends on its body.
fn end_of_function(tokens: &[Token<'_>], at: usize, to: usize) -> Option<(usize, bool)> {
    let (here, opaque) = behind_signature(tokens, at + 1, to)?;
    Some((tokens[here].close.max(here) + 1, opaque))
}

/// The brace or semicolon behind the signature of a function, and whether it has an `impl Trait`.
fn behind_signature(tokens: &[Token<'_>], from: usize, to: usize) -> Option<(usize, bool)> {
    let (mut angles, mut opaque, mut here) = (0i32, false, from);
    while here < to {
        let token = tokens[here];
        angles += angle(tokens, here);
        match token.text {
            "impl" => opaque = true,
            ";" => return Some((here, opaque)),
            "{" if angles <= 0 => return Some((here, opaque)),
            _ => {}
        }
        here = token.close.max(here) + 1;
    }
    None
}
