//! Long lists of equal elements and long sums, made short for the analysis: rust-analyzer takes minutes over what rustc
//! compiles in no time.
//!
//! `[1, 2, …]` with thousands of literals is analysed as `[1; 20000]`, which has the same type, and `1 + 2 + …` as `1`. The
//! compiler gets what was written.

use crate::session::digest::digest_of;
use ra_ap_syntax::ast;
use ra_ap_syntax::{AstNode as _, SyntaxKind, SyntaxNode, SyntaxToken};

/// Shorter lists are analysed as they are.
const LONG: usize = 256;

/// And so are shorter sums.
const LONG_SUM: usize = 64;

/// Macros whose lists are expressions.
const MACROS: [&str; 12] = [
    "vec",
    "df",
    "println",
    "print",
    "format",
    "assert",
    "assert_eq",
    "assert_ne",
    "dbg",
    "eprintln",
    "write",
    "writeln",
];

/// A list or a sum that was made short.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    /// Where its elements or terms are, in bytes of the node's text.
    pub at: usize,
    pub text: String,
    /// What is analysed in their place; has as many lines.
    pub short: String,
}

/// The long lists and sums in `node`.
pub fn folds(node: &SyntaxNode) -> Vec<Fold> {
    // Nothing that is short has a long one in it.
    if usize::from(node.text_range().len()) < 2 * LONG_SUM {
        return Vec::new();
    }
    let mut found = lists(node);
    let sums: Vec<Fold> = node
        .descendants()
        .filter(|inner| {
            !inner
                .parent()
                .is_some_and(|outer| ast::BinExpr::can_cast(outer.kind()))
        })
        .filter_map(|inner| sum(&ast::BinExpr::cast(inner)?, node))
        .collect();
    let apart = |sum: &Fold| {
        found
            .iter()
            .all(|list| sum.at < list.at || list.at + list.text.len() <= sum.at)
    };
    let sums: Vec<Fold> = sums.into_iter().filter(apart).collect();
    found.extend(sums);
    found.sort_by_key(|fold| fold.at);
    found
}

/// A sum of numbers, or of what else is reckoned with them, as one of each kind of number in it.
fn sum(whole: &ast::BinExpr, node: &SyntaxNode) -> Option<Fold> {
    let mut terms: Vec<SyntaxNode> = Vec::new();
    let mut here = whole.clone();
    loop {
        if !matches!(here.op_kind()?, ast::BinaryOp::ArithOp(_)) {
            return None;
        }
        terms.push(here.rhs()?.syntax().clone());
        match here.lhs()? {
            ast::Expr::BinExpr(inner) => here = inner,
            first => {
                terms.push(first.syntax().clone());
                break;
            }
        }
    }
    if terms.len() < LONG_SUM {
        return None;
    }
    let mut kinds: Vec<(Vec<String>, String)> = Vec::new();
    for term in terms.iter().rev() {
        let tokens: Vec<SyntaxToken> = term
            .descendants_with_tokens()
            .filter_map(|it| it.into_token())
            .collect();
        let is_number = |token: &SyntaxToken| {
            matches!(
                token.kind(),
                SyntaxKind::INT_NUMBER | SyntaxKind::FLOAT_NUMBER | SyntaxKind::MINUS
            ) || token.kind().is_trivia()
        };
        let kind = shape(&tokens);
        if !tokens.iter().all(is_number) || kind.len() != 1 {
            return None;
        }
        if kinds.iter().all(|(known, _)| *known != kind) {
            kinds.push((kind, term.text().to_string()));
        }
    }
    let text = whole.syntax().text().to_string();
    let samples: Vec<&str> = kinds.iter().map(|(_, sample)| sample.as_str()).collect();
    let short = format!(
        "{} /*jook:{:016x}*/{}",
        samples.join(" + "),
        digest_of(&text),
        "\n".repeat(text.matches('\n').count())
    );
    let at = usize::from(whole.syntax().text_range().start() - node.text_range().start());
    Some(Fold { at, text, short })
}

fn lists(node: &SyntaxNode) -> Vec<Fold> {
    let tokens: Vec<SyntaxToken> = node
        .descendants_with_tokens()
        .filter_map(|it| it.into_token())
        .collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is_list(&tokens[at])
            && let Some((end, fold)) = fold(&tokens, at)
        {
            found.push(fold);
            at = end;
        }
        at += 1;
    }
    found
}

/// Whether a list of expressions begins with this bracket.
fn is_list(bracket: &SyntaxToken) -> bool {
    if bracket.kind() != SyntaxKind::L_BRACK {
        return false;
    }
    let Some(parent) = bracket.parent() else {
        return false;
    };
    if ast::ArrayExpr::can_cast(parent.kind()) {
        return true;
    }
    let call = parent.ancestors().find_map(ast::MacroCall::cast);
    let name = call.and_then(|call| call.path()?.segment());
    name.is_some_and(|name| MACROS.contains(&name.to_string().as_str()))
}

/// The list that begins at the token `open`, and its last token.
fn fold(tokens: &[SyntaxToken], open: usize) -> Option<(usize, Fold)> {
    let mut depth = 0;
    let mut elements: Vec<&[SyntaxToken]> = Vec::new();
    let mut from = open + 1;
    let mut end = None;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind() {
            SyntaxKind::L_BRACK | SyntaxKind::L_PAREN | SyntaxKind::L_CURLY => depth += 1,
            SyntaxKind::R_BRACK | SyntaxKind::R_PAREN | SyntaxKind::R_CURLY => depth -= 1,
            SyntaxKind::COMMA if depth == 1 => {
                elements.push(&tokens[from..at]);
                from = at + 1;
            }
            SyntaxKind::SEMICOLON if depth == 1 => return None,
            _ => {}
        }
        if depth == 0 {
            end = Some(at);
            break;
        }
    }
    let end = end?;
    if tokens[from..end].iter().any(|token| !token.kind().is_trivia()) {
        elements.push(&tokens[from..end]);
    }
    if elements.len() < LONG {
        return None;
    }
    let first = shape(elements[0]);
    if first.is_empty() || !elements.iter().all(|element| shape(element) == first) {
        return None;
    }
    let text: String = tokens[open + 1..end].iter().map(SyntaxToken::text).collect();
    let sample: Vec<&str> = elements[0]
        .iter()
        .filter(|token| !token.kind().is_trivia())
        .map(SyntaxToken::text)
        .collect();
    let sample = sample.join(" ");
    let lines = text
        .matches('\n')
        .count()
        .checked_sub(sample.matches('\n').count())?;
    let short = format!(
        "{sample}; {} /*jook:{:016x}*/{}",
        elements.len(),
        digest_of(&text),
        "\n".repeat(lines)
    );
    let start = tokens.first()?.text_range().start();
    let at = usize::from(tokens[open].text_range().end() - start);
    Some((end, Fold { at, text, short }))
}

/// An element with its literals left out: those of the same kind and suffix have the same type. Of the parts of a list
/// in a `vec!` that are alike one is left.
fn shape(element: &[SyntaxToken]) -> Vec<String> {
    let words = element.iter().filter(|token| !token.kind().is_trivia());
    // A number may be negative.
    let words = words.filter(|token| token.kind() != SyntaxKind::MINUS);
    let words: Vec<String> = words
        .map(|token| match token.kind() {
            kind if kind.is_literal() => {
                let suffix = match kind {
                    SyntaxKind::INT_NUMBER | SyntaxKind::FLOAT_NUMBER => suffix(token.text()),
                    _ => "",
                };
                format!("{kind:?} {suffix}")
            }
            _ => token.text().to_owned(),
        })
        .collect();
    rows(&words).0
}

/// The words up to the end of the list that they are in, with what repeats in rows of `vec![…]` once; and how many words
/// these are.
fn rows(words: &[String]) -> (Vec<String>, usize) {
    let mut out: Vec<String> = Vec::new();
    let mut at = 0;
    while at < words.len() && words[at] != "]" {
        let is_row = words[at] == "[" && out.ends_with(&["vec".to_owned(), "!".to_owned()]);
        out.push(words[at].clone());
        at += 1;
        if !is_row {
            if words[at - 1] == "[" {
                let (inner, length) = rows(&words[at..]);
                out.extend(inner);
                out.extend(words.get(at + length).cloned());
                at += length + 1;
            }
            continue;
        }
        let (inner, length) = rows(&words[at..]);
        let mut parts: Vec<&[String]> = inner.split(|word| word == ",").collect();
        parts.dedup();
        out.push(parts.join(&",".to_owned()).concat());
        out.extend(words.get(at + length).cloned());
        at += length + 1;
    }
    (out, at)
}

fn suffix(number: &str) -> &str {
    const TYPES: [&str; 14] = [
        "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32", "f64",
    ];
    TYPES
        .iter()
        .find(|kind| number.ends_with(**kind))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ra_ap_syntax::{Edition, SourceFile};

    fn of(code: &str) -> Vec<Fold> {
        let text = format!("fn f() {{ {code} }}");
        folds(SourceFile::parse(&text, Edition::Edition2024).tree().syntax())
    }

    fn list(element: impl Fn(usize) -> String) -> String {
        (0..300).map(element).collect::<Vec<_>>().join(",\n")
    }

    #[test]
    fn long_lists_of_equal_elements_are_made_short() {
        let lists = [
            list(|n| n.to_string()),
            list(|n| format!("-{n}.5")),
            list(|n| format!("(\"a{n}\", {n})")),
            list(|n| format!("[{n}, 1]")),
            list(|n| format!("vec![{}]", vec!["1.5"; n % 3 + 1].join(", "))),
            list(|n| format!("vec![vec![{n}], vec![{}]]", vec!["-1"; n % 5 + 1].join(", "))),
            list(|n| format!("String::from(\"{n}\")")),
            list(|_| "true".into()),
        ];
        for list in &lists {
            for code in [
                format!("let v = [{list}];"),
                format!("let v = vec![{list},];"),
                format!("df!(\"a\" => [{list}])?;"),
            ] {
                let [fold] = &of(&code)[..] else { panic!("{code}") };
                assert_eq!(fold.text.trim_end_matches(','), list.as_str());
                assert_eq!(fold.short.matches('\n').count(), fold.text.matches('\n').count());
                assert!(fold.short.contains("; 300 /*jook:"), "{}", fold.short);
                assert_eq!(
                    &format!("fn f() {{ {code} }}")[fold.at..fold.at + fold.text.len()],
                    fold.text
                );
            }
        }
        assert!(of(&format!("[{}]", lists[1]))[0].short.starts_with("- 0.5; 300"));
    }

    #[test]
    fn long_sums_of_numbers_are_made_short() {
        let sum = |term: &dyn Fn(usize) -> String| (0..100).map(term).collect::<Vec<_>>().join("\n + ");
        for (code, short) in [
            (sum(&|n| n.to_string()), "0 /*jook:"),
            (
                sum(&|n| format!("{n}{}", if n == 99 { "u64" } else { "" })),
                "0 + 99u64 /*jook:",
            ),
            (sum(&|n| format!("-{n}.5")), "-0.5 /*jook:"),
            (sum(&|n| format!("{n} * 2 - 1")), ""),
        ] {
            let whole = format!("let n = f(1) + ({code});");
            let found = of(&whole);
            if short.is_empty() {
                assert_eq!(found, [], "{code}");
                continue;
            }
            let [fold] = &found[..] else { panic!("{code}") };
            assert!(fold.short.starts_with(short), "{}", fold.short);
            assert_eq!(
                (fold.text.as_str(), fold.short.matches('\n').count()),
                (code.as_str(), 99)
            );
            assert_eq!(
                &format!("fn f() {{ {whole} }}")[fold.at..fold.at + code.len()],
                code
            );
        }
        for code in [
            sum(&|n| format!("x{n}")),
            sum(&|_| "x.len()".into()),
            sum(&|n| format!("\"{n}\"")),
        ] {
            assert_eq!(of(&format!("let n = {code};")), [], "{code}");
        }
    }

    #[test]
    fn others_stay() {
        let numbers = list(|n| n.to_string());
        for code in [
            "let v = [1, 2, 3];".to_owned(),
            format!("mine![{numbers}];"),
            format!("let v = [{numbers}, 1.5];"),
            format!("let v = [{numbers}, 1u8];"),
            format!("let v = [{numbers}, x];"),
            format!(
                "let v = [{}];",
                list(|n| format!("[{}]", vec!["1"; n % 3 + 1].join(", ")))
            ),
            format!("f({numbers});"),
        ] {
            assert_eq!(of(&code), [], "{code}");
        }
    }
}
