//! Formulas as MathML, which browsers draw without a script: the part of TeX's mathematics that lessons use.
//! What is not known stays as it was written, which reads too.

use super::escape;
use std::fmt::Write as _;
use std::iter::Peekable;
use std::vec::IntoIter;

/// A formula, in a line of text or as a line of its own; `None` where it has something unknown.
pub fn mathml(tex: &str, display: bool) -> Option<String> {
    let mut parser = Parser {
        tokens: tokens(tex)?.into_iter().peekable(),
        display,
        depth: 0,
    };
    let row = parser.row(None)?;
    let style = if display { " display=\"block\"" } else { "" };
    let written = escape::html(tex.trim());
    Some(format!("<math{style} alttext=\"{written}\">{row}</math>"))
}

/// Groups in groups; more is a mistake, or meant to do harm.
const DEEPEST: usize = 40;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Command(String),
    Number(String),
    Char(char),
    /// The words of `\text{..}`.
    Words(String),
}

fn tokens(tex: &str) -> Option<Vec<Token>> {
    let mut found = Vec::new();
    let mut rest = tex.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => {
                let mut name = String::new();
                while let Some(letter) = rest.next_if(char::is_ascii_alphabetic) {
                    name.push(letter);
                }
                if name.is_empty() {
                    name.push(rest.next()?);
                }
                if matches!(name.as_str(), "text" | "mathrm" | "operatorname" | "mathbf") {
                    while rest.next_if(|c| c.is_whitespace()).is_some() {}
                    rest.next_if_eq(&'{')?;
                    let mut words = String::new();
                    loop {
                        match rest.next()? {
                            '}' => break,
                            '{' | '\\' | '$' => return None,
                            letter => words.push(letter),
                        }
                    }
                    let bold = name == "mathbf";
                    found.push(if bold {
                        Token::Command(format!("bold {words}"))
                    } else {
                        Token::Words(words)
                    });
                } else {
                    found.push(Token::Command(name));
                }
            }
            '0'..='9' => {
                let mut number = String::from(c);
                while let Some(digit) = rest.next_if(|c| c.is_ascii_digit() || *c == '.') {
                    number.push(digit);
                }
                // A full stop after a number ends the sentence.
                let stop = number.ends_with('.') && number.pop().is_some();
                found.push(Token::Number(number));
                if stop {
                    found.push(Token::Char('.'));
                }
            }
            c if c.is_whitespace() => {}
            '&' | '#' | '%' | '$' | '~' => return None,
            c => found.push(Token::Char(c)),
        }
    }
    Some(found)
}

struct Parser {
    tokens: Peekable<IntoIter<Token>>,
    display: bool,
    depth: usize,
}

/// One thing that can carry scripts, and whether they stand above and below it in a line of its own.
struct Atom {
    html: String,
    limits: bool,
}

impl Atom {
    fn new(html: impl Into<String>) -> Option<Self> {
        let html = html.into();
        Some(Self { html, limits: false })
    }
}

impl Parser {
    /// Everything up to `end`, or to the end of the formula.
    fn row(&mut self, end: Option<&Token>) -> Option<String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let mut out = String::from("<mrow>");
        loop {
            match self.tokens.peek() {
                None if end.is_none() => break,
                None => return None,
                Some(token) if Some(token) == end => {
                    self.tokens.next();
                    break;
                }
                Some(_) => out.push_str(&self.scripted()?),
            }
        }
        self.depth -= 1;
        Some(out + "</mrow>")
    }

    fn scripted(&mut self) -> Option<String> {
        let base = self.atom()?;
        let (mut below, mut above) = (None, None);
        while let Some(Token::Char(mark @ ('_' | '^'))) = self.tokens.peek().cloned() {
            self.tokens.next();
            let script = if mark == '_' { &mut below } else { &mut above };
            if script.is_some() {
                return None;
            }
            let written = self.atom()?.html;
            *script = Some(written);
        }
        let (under, over, both) = match base.limits && self.display {
            true => ("munder", "mover", "munderover"),
            false => ("msub", "msup", "msubsup"),
        };
        let base = base.html;
        Some(match (below, above) {
            (None, None) => base,
            (Some(below), None) => format!("<{under}>{base}{below}</{under}>"),
            (None, Some(above)) => format!("<{over}>{base}{above}</{over}>"),
            (Some(below), Some(above)) => format!("<{both}>{base}{below}{above}</{both}>"),
        })
    }

    fn atom(&mut self) -> Option<Atom> {
        match self.tokens.next()? {
            Token::Number(number) => Atom::new(format!("<mn>{number}</mn>")),
            Token::Words(words) => Atom::new(format!("<mtext>{}</mtext>", escape::html(&words))),
            Token::Char('{') => Atom::new(self.row(Some(&Token::Char('}')))?),
            Token::Char('}' | '_' | '^') => None,
            Token::Char('\'') => Atom::new("<mo>′</mo>"),
            Token::Char('-') => Atom::new("<mo>−</mo>"),
            Token::Char(c) if c.is_alphabetic() => Atom::new(format!("<mi>{c}</mi>")),
            // Brackets and bars keep their size unless \left and \right ask for more.
            Token::Char(c @ ('(' | ')' | '[' | ']' | '|')) => {
                Atom::new(format!("<mo stretchy=\"false\">{c}</mo>"))
            }
            Token::Char(c) => Atom::new(format!("<mo>{}</mo>", escape::html(&c.to_string()))),
            Token::Command(name) => self.command(&name),
        }
    }

    fn command(&mut self, name: &str) -> Option<Atom> {
        if let Some(letters) = name.strip_prefix("bold ") {
            return Atom::new(format!(
                "<mi style=\"font-weight:bold\">{}</mi>",
                escape::html(letters)
            ));
        }
        match name {
            "frac" => {
                let (above, below) = (self.atom()?.html, self.atom()?.html);
                Atom::new(format!("<mfrac>{above}{below}</mfrac>"))
            }
            "sqrt" => Atom::new(format!("<msqrt>{}</msqrt>", self.atom()?.html)),
            "hat" | "bar" | "tilde" | "vec" | "dot" => {
                let mark = match name {
                    "hat" => "^",
                    "bar" => "¯",
                    "tilde" => "~",
                    "vec" => "→",
                    _ => "˙",
                };
                let base = self.atom()?.html;
                Atom::new(format!("<mover accent=\"true\">{base}<mo>{mark}</mo></mover>"))
            }
            "left" | "right" => {
                let Token::Char(c) = self.delimiter()? else {
                    return None;
                };
                let mark = if c == '.' {
                    String::new()
                } else {
                    escape::html(&c.to_string())
                };
                let form = if name == "left" { "prefix" } else { "postfix" };
                Atom::new(format!("<mo form=\"{form}\" stretchy=\"true\">{mark}</mo>"))
            }
            "," | ":" | ";" | " " | "quad" | "qquad" | "!" => {
                let width = match name {
                    "!" => "-0.17em",
                    "," => "0.17em",
                    "quad" => "1em",
                    "qquad" => "2em",
                    _ => "0.25em",
                };
                Atom::new(format!("<mspace width=\"{width}\"></mspace>"))
            }
            "{" | "}" => Atom::new(format!("<mo stretchy=\"false\">{name}</mo>")),
            "sum" | "prod" => {
                let mark = if name == "sum" { '∑' } else { '∏' };
                // By our own measure: only fonts made for mathematics have a larger form.
                let html = match self.display {
                    true => format!("<mo largeop=\"false\" style=\"font-size:1.6em\">{mark}</mo>"),
                    false => format!("<mo largeop=\"false\">{mark}</mo>"),
                };
                Some(Atom { html, limits: true })
            }
            "max" | "min" | "argmax" | "argmin" | "lim" => {
                let html = format!("<mo>{name}</mo>");
                Some(Atom { html, limits: true })
            }
            "log" | "ln" | "exp" | "sin" | "cos" | "tan" | "tanh" => {
                // A thin space parts the name from what follows, unless a bracket does.
                let mut html = format!("<mi>{name}</mi>");
                if !matches!(
                    self.tokens.peek(),
                    None | Some(Token::Char('(' | '_' | '^' | ')'))
                ) {
                    let _ = write!(html, "<mspace width=\"0.17em\"></mspace>");
                    html = format!("<mrow>{html}</mrow>");
                }
                Atom::new(html)
            }
            name => match (letter(name), sign(name)) {
                (Some(letter), _) => Atom::new(format!("<mi>{letter}</mi>")),
                (_, Some(sign)) => Atom::new(format!("<mo>{}</mo>", escape::html(sign))),
                _ => None,
            },
        }
    }

    fn delimiter(&mut self) -> Option<Token> {
        match self.tokens.next()? {
            Token::Command(name) if name == "{" || name == "}" => name.chars().next().map(Token::Char),
            token => Some(token),
        }
    }
}

fn letter(name: &str) -> Option<&'static str> {
    Some(match name {
        "alpha" => "α",
        "beta" => "β",
        "gamma" => "γ",
        "delta" => "δ",
        "epsilon" | "varepsilon" => "ε",
        "zeta" => "ζ",
        "eta" => "η",
        "theta" => "θ",
        "kappa" => "κ",
        "lambda" => "λ",
        "mu" => "μ",
        "nu" => "ν",
        "xi" => "ξ",
        "pi" => "π",
        "rho" => "ρ",
        "sigma" => "σ",
        "tau" => "τ",
        "phi" | "varphi" => "φ",
        "chi" => "χ",
        "psi" => "ψ",
        "omega" => "ω",
        "Gamma" => "Γ",
        "Delta" => "Δ",
        "Theta" => "Θ",
        "Lambda" => "Λ",
        "Sigma" => "Σ",
        "Phi" => "Φ",
        "Psi" => "Ψ",
        "Omega" => "Ω",
        "ell" => "ℓ",
        "infty" => "∞",
        "partial" => "∂",
        "nabla" => "∇",
        "emptyset" => "∅",
        "dots" | "ldots" => "…",
        "cdots" => "⋯",
        _ => return None,
    })
}

fn sign(name: &str) -> Option<&'static str> {
    Some(match name {
        "approx" => "≈",
        "cdot" => "⋅",
        "times" => "×",
        "pm" => "±",
        "mp" => "∓",
        "odot" => "⊙",
        "le" | "leq" => "≤",
        "ge" | "geq" => "≥",
        "ne" | "neq" => "≠",
        "ll" => "≪",
        "gg" => "≫",
        "sim" => "∼",
        "propto" => "∝",
        "equiv" => "≡",
        "in" => "∈",
        "notin" => "∉",
        "subset" => "⊂",
        "cup" => "∪",
        "cap" => "∩",
        "to" | "rightarrow" => "→",
        "leftarrow" => "←",
        "mapsto" => "↦",
        "Rightarrow" => "⇒",
        "mid" => "∣",
        "int" => "∫",
        "lVert" | "rVert" | "|" => "‖",
        "langle" => "⟨",
        "rangle" => "⟩",
        "%" => "%",
        "&" => "&",
        "#" => "#",
        "_" => "_",
        "$" => "$",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inner(tex: &str) -> String {
        let math = mathml(tex, false).unwrap_or_else(|| panic!("not read: {tex}"));
        let inner = math.split_once('>').unwrap().1.strip_suffix("</math>").unwrap();
        inner
            .strip_prefix("<mrow>")
            .unwrap()
            .strip_suffix("</mrow>")
            .unwrap()
            .to_string()
    }

    #[test]
    fn fractions_scripts_and_functions() {
        assert_eq!(
            inner("L = -\\frac{1}{32}"),
            "<mi>L</mi><mo>=</mo><mo>−</mo><mfrac><mrow><mn>1</mn></mrow><mrow><mn>32</mn></mrow></mfrac>"
        );
        assert_eq!(
            inner("p_{y_i}^2"),
            "<msubsup><mi>p</mi><mrow><msub><mi>y</mi><mi>i</mi></msub></mrow><mn>2</mn></msubsup>"
        );
        assert!(inner("\\ln 10 \\approx 2.3").ends_with("<mn>10</mn><mo>≈</mo><mn>2.3</mn>"));
        assert!(inner("\\ln 10 \\approx 2.3").contains("<mi>ln</mi><mspace"));
        assert_eq!(
            inner("\\log(x)"),
            "<mi>log</mi><mo stretchy=\"false\">(</mo><mi>x</mi><mo stretchy=\"false\">)</mo>"
        );
    }

    #[test]
    fn limits_stand_below_only_in_a_line_of_their_own() {
        assert!(
            mathml("\\sum_i x_i", true)
                .unwrap()
                .contains("∑</mo><mi>i</mi></munder>")
        );
        assert!(
            mathml("\\sum_i x_i", false)
                .unwrap()
                .contains("∑</mo><mi>i</mi></msub>")
        );
    }

    #[test]
    fn what_is_unknown_or_broken_is_left_alone() {
        for tex in [
            "\\begin{matrix}",
            "{x",
            "x}",
            "x^",
            "x_1_2",
            "\\unknown",
            "a & b",
            "\\",
            "\\text{a",
        ] {
            assert_eq!(mathml(tex, false), None, "{tex}");
        }
        assert_eq!(mathml(&"{".repeat(100_000), true), None);
        assert!(
            mathml("\\text{<b>} < y", false)
                .unwrap()
                .contains("<mtext>&lt;b&gt;</mtext><mo>&lt;</mo>")
        );
    }
}
