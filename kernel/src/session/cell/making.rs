//! Which items a call of a notebook's macro makes: its rules are matched with the call as far as names go.

use ra_ap_syntax::ast;
use ra_ap_syntax::{AstNode as _, NodeOrToken, SyntaxNode};
use std::collections::{BTreeSet, HashMap};

/// A piece of code as a macro sees it.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Token(String),
    /// What stands between brackets, and the first of them.
    Group(String, Vec<Piece>),
}

/// The rules of a macro: what each takes, and what it makes of that.
#[derive(Clone, Default)]
pub struct Rules(Vec<(Vec<Piece>, Vec<Piece>)>);

/// The names of what a call makes, and which of them are statics.
#[derive(Default)]
pub struct Names {
    pub all: BTreeSet<String>,
    pub statics: BTreeSet<String>,
}

/// Macros of others that make the statics that they are given.
const GIVEN_STATICS: [&str; 2] = ["lazy_static", "thread_local"];

/// What stands for the parameters.
type Captured = HashMap<String, Vec<String>>;

impl Rules {
    /// The rules in a definition's braces.
    pub fn read(tree: &ast::TokenTree) -> Rules {
        let groups = inner(tree.syntax()).into_iter().filter_map(|piece| match piece {
            Piece::Group(_, pieces) => Some(pieces),
            Piece::Token(_) => None,
        });
        let groups: Vec<Vec<Piece>> = groups.collect();
        let pairs = groups.chunks_exact(2);
        Rules(pairs.map(|pair| (pair[0].clone(), pair[1].clone())).collect())
    }

    /// The names of what a call makes; none where its rule is not understood, or names nothing. `others` are the rules of
    /// other macros.
    pub fn made_by<'a>(&self, call: &ast::TokenTree, others: &dyn Fn(&str) -> Option<&'a Rules>) -> Names {
        let mut names = Names::default();
        self.note(&inner(call.syntax()), others, &mut names, 0);
        names
    }

    fn note<'a>(
        &self,
        given: &[Piece],
        others: &dyn Fn(&str) -> Option<&'a Rules>,
        names: &mut Names,
        depth: usize,
    ) {
        for (pattern, body) in &self.0 {
            let mut captured = Captured::new();
            if matched(pattern, given, 0, &[], &mut captured) != Some(given.len()) {
                continue;
            }
            note_names(body, &captured, names);
            for (name, given) in calls(body, &captured) {
                if GIVEN_STATICS.contains(&name.as_str()) {
                    note_names(&given, &captured, names);
                }
                if let Some(rules) = others(&name).filter(|_| depth < DEEPEST) {
                    rules.note(&given, others, names, depth + 1);
                }
            }
            break;
        }
    }
}

/// Macros that call each other without end are left to the compiler.
const DEEPEST: usize = 16;

/// The calls of other macros in what a rule makes, with what they are given.
fn calls(body: &[Piece], captured: &Captured) -> Vec<(String, Vec<Piece>)> {
    let mut found = Vec::new();
    for (at, piece) in body.iter().enumerate() {
        let Piece::Group(_, pieces) = piece else { continue };
        let before = |back: usize| at.checked_sub(back).map_or("", |at| token(body, at));
        if before(1) == "$" {
            let turns = captured.values().map(Vec::len).max().unwrap_or_default();
            for turn in 0..turns {
                let one = captured.iter().filter_map(|(name, all)| {
                    let text = all.get(turn).or(all.first().filter(|_| all.len() == 1))?;
                    Some((name.clone(), vec![text.clone()]))
                });
                found.extend(calls(pieces, &one.collect()));
            }
        } else if before(1) == "!" && is_word(before(2)) {
            found.push((before(2).to_owned(), filled(pieces, captured)));
        }
    }
    found
}

/// The pieces with what was captured in the place of parameters.
fn filled(pieces: &[Piece], captured: &Captured) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(piece) = pieces.get(at) {
        let parameter = captured.get(token(pieces, at + 1));
        match piece {
            Piece::Token(sign) if sign == "$" && parameter.is_some() => {
                out.extend(parameter.into_iter().flatten().cloned().map(Piece::Token));
                at += 1;
            }
            Piece::Token(sign) if sign == "$" && matches!(pieces.get(at + 1), Some(Piece::Group(..))) => {
                let Some(Piece::Group(_, repeated)) = pieces.get(at + 1) else {
                    break;
                };
                let separator = token(pieces, at + 2).to_owned();
                let one = |(name, all): (&String, &Vec<String>), turn: usize| {
                    Some((name.clone(), vec![all.get(turn)?.clone()]))
                };
                let turns = captured.values().map(Vec::len).max().unwrap_or_default();
                for turn in 0..turns {
                    let captured = captured.iter().filter_map(|each| one(each, turn)).collect();
                    if turn > 0 && !["*", "+", "?"].contains(&separator.as_str()) {
                        out.push(Piece::Token(separator.clone()));
                    }
                    out.extend(filled(repeated, &captured));
                }
                at += 2 + usize::from(!["*", "+", "?"].contains(&separator.as_str()));
            }
            Piece::Group(bracket, inner) => out.push(Piece::Group(bracket.clone(), filled(inner, captured))),
            Piece::Token(_) => out.push(piece.clone()),
        }
        at += 1;
    }
    out
}

fn inner(tree: &SyntaxNode) -> Vec<Piece> {
    let all = tree
        .children_with_tokens()
        .filter(|it| it.as_token().is_none_or(|token| !token.kind().is_trivia()));
    let pieces: Vec<Piece> = all
        .map(|it| match it {
            NodeOrToken::Node(node) => {
                let first = node.first_token().map(|token| token.text().to_owned());
                Piece::Group(first.unwrap_or_default(), inner(&node))
            }
            NodeOrToken::Token(token) => Piece::Token(token.text().to_owned()),
        })
        .collect();
    // Without the brackets.
    let last = pieces.len().saturating_sub(1).max(1);
    pieces.get(1..last).unwrap_or_default().to_vec()
}

fn token(pieces: &[Piece], at: usize) -> &str {
    match pieces.get(at) {
        Some(Piece::Token(text)) => text,
        _ => "",
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Matches a pattern from a place of what is given; returns where it ends. What a long piece such as an expression goes up
/// to is the sign behind it in the pattern, or one of `ends`.
fn matched(
    pattern: &[Piece],
    given: &[Piece],
    from: usize,
    ends: &[String],
    captured: &mut Captured,
) -> Option<usize> {
    let mut at = from;
    let mut next = 0;
    while let Some(piece) = pattern.get(next) {
        match piece {
            Piece::Token(sign) if sign == "$" && token(pattern, next + 2) == ":" => {
                let name = token(pattern, next + 1).to_owned();
                let kind = token(pattern, next + 3);
                next += 4;
                let mut stops = ends.to_vec();
                if let Some(Piece::Token(sign)) = pattern.get(next) {
                    stops = vec![sign.clone()];
                }
                let end = end_of(kind, given, at, &stops)?;
                captured.entry(name).or_default().push(text_of(&given[at..end]));
                at = end;
            }
            Piece::Token(sign) if sign == "$" => {
                let Some(Piece::Group(_, repeated)) = pattern.get(next + 1) else {
                    return None;
                };
                let is_count = |text: &str| ["*", "+", "?"].contains(&text);
                let mark = token(pattern, next + 2);
                let separator =
                    (!is_count(mark) || is_count(token(pattern, next + 3))).then(|| mark.to_owned());
                next += 3 + usize::from(separator.is_some());
                let mut stops: Vec<String> = separator.iter().cloned().collect();
                match pattern.get(next) {
                    Some(Piece::Token(sign)) => stops.push(sign.clone()),
                    _ => stops.extend_from_slice(ends),
                }
                let mut start = at;
                while start < given.len() {
                    let before = captured.clone();
                    match matched(repeated, given, start, &stops, captured) {
                        Some(end) if end > start => at = end,
                        _ => {
                            *captured = before;
                            break;
                        }
                    }
                    start = match &separator {
                        Some(sign) if token(given, at) == sign => at + 1,
                        Some(_) => break,
                        None => at,
                    };
                }
            }
            Piece::Token(sign) => {
                (token(given, at) == sign).then_some(())?;
                (next, at) = (next + 1, at + 1);
            }
            Piece::Group(bracket, pieces) => {
                let Some(Piece::Group(other, within)) = given.get(at) else {
                    return None;
                };
                let whole = matched(pieces, within, 0, &[], captured) == Some(within.len());
                (bracket == other && whole).then_some(())?;
                (next, at) = (next + 1, at + 1);
            }
        }
    }
    Some(at)
}

/// Where a piece of this kind ends that begins at `at`.
fn end_of(kind: &str, given: &[Piece], at: usize, stops: &[String]) -> Option<usize> {
    match kind {
        "ident" => is_word(token(given, at)).then_some(at + 1),
        "tt" | "block" | "lifetime" => given.get(at).map(|_| at + 1),
        "literal" => Some(at + 1 + usize::from(token(given, at) == "-")),
        "vis" => Some(match token(given, at) {
            "pub" => at + 1 + usize::from(matches!(given.get(at + 1), Some(Piece::Group(..)))),
            _ => at,
        }),
        _ => {
            // Between angles a comma is none of the pattern's; in an expression they are less and greater.
            let of_types = ["ty", "path"].contains(&kind);
            let mut depth = 0usize;
            let mut end = at;
            while let Some(piece) = given.get(end) {
                match piece {
                    Piece::Token(sign) if depth == 0 && stops.contains(sign) => break,
                    Piece::Token(sign) if of_types && sign == "<" => depth += 1,
                    Piece::Token(sign) if of_types && sign == ">" => depth = depth.saturating_sub(1),
                    _ => {}
                }
                end += 1;
            }
            (end > at).then_some(end)
        }
    }
}

fn text_of(pieces: &[Piece]) -> String {
    match pieces {
        [Piece::Token(text)] => text.clone(),
        _ => String::new(),
    }
}

const KINDS: [&str; 9] = [
    "struct", "enum", "union", "fn", "trait", "type", "const", "static", "mod",
];

/// The names behind the words for items, also in repetitions, but not within an item.
fn note_names(body: &[Piece], captured: &Captured, names: &mut Names) {
    for (at, piece) in body.iter().enumerate() {
        match piece {
            Piece::Token(kind) if KINDS.contains(&kind.as_str()) => {
                let at = at + 1 + usize::from(["mut", "ref"].contains(&token(body, at + 1)));
                let own = [token(body, at).to_owned()];
                let found = match own[0].as_str() {
                    "$" => captured.get(token(body, at + 1)).map_or(&[][..], Vec::as_slice),
                    "_" | "fn" | "unsafe" | "extern" | "async" => &[],
                    _ => &own,
                };
                let found = found.iter().filter(|name| is_word(name));
                if kind == "static" {
                    names.statics.extend(found.clone().cloned());
                }
                names.all.extend(found.cloned());
            }
            Piece::Group(_, pieces) if at > 0 && token(body, at - 1) == "$" => {
                note_names(pieces, captured, names);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ra_ap_syntax::ast::HasModuleItem as _;
    use ra_ap_syntax::{Edition, SourceFile};

    fn made(rules: &str, call: &str) -> Vec<String> {
        let text = format!("macro_rules! m {{ {rules} }} m! {{ {call} }}");
        let file = SourceFile::parse(&text, Edition::Edition2024).tree();
        let mut trees = file.items().filter_map(|item| match item {
            ast::Item::MacroRules(rules) => rules.token_tree(),
            ast::Item::MacroCall(call) => call.token_tree(),
            _ => None,
        });
        let rules = Rules::read(&trees.next().unwrap());
        let others = |name: &str| (name == "m").then_some(&rules);
        let names = rules.made_by(&trees.next().unwrap(), &others);
        names.all.into_iter().collect()
    }

    #[test]
    fn the_names_of_what_a_call_makes_are_known() {
        let shapes = "($($n:ident),* $(,)?) => { $( #[derive(Debug)] struct $n; impl $n { fn hi() {} } )* }";
        assert_eq!(made(shapes, "Circle, Square"), ["Circle", "Square"]);
        assert_eq!(made(shapes, "Circle, Square,"), ["Circle", "Square"]);
        assert!(made(shapes, "").is_empty());
        let consts =
            "($($n:ident = $v:expr;)*) => { $( pub const $n: i32 = $v; )* static mut LAST: i32 = 0; }";
        assert_eq!(made(consts, "A = 1 + 2; B = f(3, 4);"), ["A", "B", "LAST"]);
        let records = "($(#[$m:meta])* $v:vis struct $n:ident { $($f:ident : $t:ty),* }) => { $v struct $n { $($f: $t),* } \
            impl $n { const N: usize = 1; } const fn helper(x: u8) {} }";
        assert_eq!(
            made(
                records,
                "#[derive(Clone)] pub struct P { x: HashMap<u8, u8>, y: (u8, u8) }"
            ),
            ["P", "helper"]
        );
        let functions =
            "($a:ident, $t:ty => $e:expr) => { fn $a(x: $t) -> $t { $e } }; ($a:ident) => { mod $a {} };";
        assert_eq!(made(functions, "double, f64 => x * 2.0"), ["double"]);
        assert_eq!(made(functions, "inner"), ["inner"]);
        assert!(made(functions, "1 + 2").is_empty());
        let kept = "($n:ident) => { thread_local! { static $n: u8 = 1; } static OTHER: u8 = 2; }";
        assert_eq!(made(kept, "HITS"), ["HITS", "OTHER"]);
        let nested = "(@ $n:ident) => { struct $n; }; ($($n:ident),*) => { $( m!(@ $n); )* const ALL: u8 = 1; }; \
            (all $($n:ident)*) => { m!($($n),*); }";
        assert_eq!(made(nested, "A, B"), ["A", "ALL", "B"]);
        assert_eq!(made(nested, "all A B"), ["A", "ALL", "B"]);
        assert!(made("() => { m!(); }", "").is_empty());
        assert!(made("($t:ty) => { impl Show for $t {} }", "Vec<u8>").is_empty());
    }
}
