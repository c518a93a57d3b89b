//! The types a notebook's parameter may have: read from its default, and a value written as its literal.

use ra_ap_syntax::ast::{self, HasArgList as _, LiteralKind};
use ra_ap_syntax::{AstNode as _, Edition};
use serde_json::Value;

/// The integer types with their ranges; what Rust has beyond 64 bits, JSON has not.
const INTEGERS: [(&str, i128, i128); 10] = [
    ("i8", i8::MIN as i128, i8::MAX as i128),
    ("i16", i16::MIN as i128, i16::MAX as i128),
    ("i32", i32::MIN as i128, i32::MAX as i128),
    ("i64", i64::MIN as i128, i64::MAX as i128),
    ("isize", isize::MIN as i128, isize::MAX as i128),
    ("u8", 0, u8::MAX as i128),
    ("u16", 0, u16::MAX as i128),
    ("u32", 0, u32::MAX as i128),
    ("u64", 0, u64::MAX as i128),
    ("usize", 0, usize::MAX as i128),
];

/// A type whose values can be given from outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// A name of [`INTEGERS`], and whether literals carry it as their suffix.
    Integer(&'static str, bool),
    /// `f32` or `f64`, and whether literals carry it as their suffix.
    Float(&'static str, bool),
    Bool,
    Char,
    Str,
    String,
    Vec(Box<Type>),
    /// `[T; n]`, of this length.
    Array(Box<Type>, Option<usize>),
    /// `&[T]`.
    Slice(Box<Type>),
    Option(Box<Type>),
}

impl Type {
    /// The type an annotation names.
    pub fn annotated(annotation: &str) -> Option<Self> {
        let text: String = annotation.split_whitespace().collect();
        let inside =
            |open: &str, close: &str| text.strip_prefix(open)?.strip_suffix(close).map(str::to_string);
        if let Some(integer) = integer(&text, false) {
            return Some(integer);
        }
        match text.as_str() {
            "f32" => return Some(Type::Float("f32", false)),
            "f64" => return Some(Type::Float("f64", false)),
            "bool" => return Some(Type::Bool),
            "char" => return Some(Type::Char),
            "&str" | "&'staticstr" => return Some(Type::Str),
            "String" => return Some(Type::String),
            _ => {}
        }
        let of = |inner: &str| Self::annotated(inner).map(Box::new);
        if let Some(inner) = inside("Vec<", ">") {
            return Some(Type::Vec(of(&inner)?));
        }
        if let Some(inner) = inside("Option<", ">") {
            return Some(Type::Option(of(&inner)?));
        }
        if let Some(inner) = inside("&[", "]").or_else(|| inside("&'static[", "]")) {
            return match inner.contains(';') {
                true => None,
                false => Some(Type::Slice(of(&inner)?)),
            };
        }
        let inner = inside("[", "]")?;
        let (inner, length) = inner.rsplit_once(';')?;
        Some(Type::Array(of(inner)?, Some(length.parse().ok()?)))
    }

    /// The type of a default that is written as a literal, as a cell of its own would give it.
    pub fn of_default(default: &ast::Expr) -> Option<Self> {
        let first =
            |mut elements: ast::AstChildren<ast::Expr>| Some(Box::new(Self::of_default(&elements.next()?)?));
        match default {
            ast::Expr::Literal(literal) => match literal.kind() {
                LiteralKind::String(_) => Some(Type::Str),
                LiteralKind::Bool(_) => Some(Type::Bool),
                LiteralKind::Char(_) => Some(Type::Char),
                LiteralKind::FloatNumber(number) => float(number.suffix()),
                LiteralKind::IntNumber(number) => match number.suffix() {
                    None => integer("i32", false),
                    Some(suffix) => integer(suffix, true).or_else(|| float(Some(suffix))),
                },
                _ => None,
            },
            ast::Expr::PrefixExpr(minus) if minus.op_kind() == Some(ast::UnaryOp::Neg) => {
                let of = Self::of_default(&minus.expr()?)?;
                matches!(of, Type::Integer(..) | Type::Float(..)).then_some(of)
            }
            ast::Expr::ArrayExpr(array) => match array.kind() {
                ast::ArrayExprKind::ElementList(elements) => {
                    let length = elements.clone().count();
                    Some(Type::Array(first(elements)?, Some(length)))
                }
                ast::ArrayExprKind::Repeat { .. } => None,
            },
            ast::Expr::RefExpr(reference) => match Self::of_default(&reference.expr()?)? {
                Type::Array(of, _) => Some(Type::Slice(of)),
                _ => None,
            },
            ast::Expr::MacroExpr(macros) => {
                let call = macros.macro_call()?;
                let tokens = call.token_tree()?.syntax().text().to_string();
                let elements = tokens.get(1..tokens.len().checked_sub(1)?)?;
                if call.path()?.syntax().text() != "vec" {
                    return None;
                }
                let array = ast::Expr::parse(&format!("[{elements}]"), Edition::CURRENT)
                    .ok()
                    .ok()?;
                match Self::of_default(&array)? {
                    Type::Array(of, _) => Some(Type::Vec(of)),
                    _ => None,
                }
            }
            ast::Expr::CallExpr(call) => {
                let function: String = call.expr()?.syntax().text().to_string();
                let argument = call.arg_list().and_then(|list| list.args().next());
                match (function.as_str(), argument) {
                    ("String::new", None) => Some(Type::String),
                    ("String::from", Some(text)) => {
                        (Self::of_default(&text)? == Type::Str).then_some(Type::String)
                    }
                    ("Some", Some(value)) => Some(Type::Option(Box::new(Self::of_default(&value)?))),
                    _ => None,
                }
            }
            ast::Expr::MethodCallExpr(call) => {
                let of = Self::of_default(&call.receiver()?)?;
                let made = matches!(call.name_ref()?.text(), "to_string" | "to_owned");
                (made && of == Type::Str).then_some(Type::String)
            }
            _ => None,
        }
    }

    /// The type that a value without a default has, where a cell can have it.
    pub fn of_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(_) => Some(Type::Bool),
            Value::String(_) => Some(Type::Str),
            Value::Number(number) if number.is_f64() => Some(Type::Float("f64", false)),
            Value::Number(number) => match number.as_i64() {
                Some(small) if i32::try_from(small).is_ok() => integer("i32", false),
                Some(_) => integer("i64", true),
                None => integer("u64", true),
            },
            Value::Array(elements) => {
                let of: Vec<_> = elements.iter().map(Self::of_value).collect::<Option<_>>()?;
                // One number with a fraction makes them all floats, one large integer all large.
                let rank = |of: &Type| match of {
                    Type::Float(..) => 3,
                    Type::Integer("u64", _) => 2,
                    Type::Integer("i64", _) => 1,
                    _ => 0,
                };
                Some(Type::Vec(Box::new(of.into_iter().max_by_key(rank)?)))
            }
            Value::Null | Value::Object(_) => None,
        }
    }

    /// What the words of a command line mean as this type; None when they mean nothing.
    pub fn read(&self, words: &str) -> Option<Value> {
        let plain = || words.trim().replace('_', "");
        match self {
            Type::Str | Type::String | Type::Char => Some(Value::from(words)),
            // Also as Python and papermill write them.
            Type::Bool => match words.trim() {
                "true" | "True" => Some(true.into()),
                "false" | "False" => Some(false.into()),
                _ => None,
            },
            Type::Integer(..) => match plain().parse::<i64>() {
                Ok(number) => Some(Value::from(number)),
                Err(_) => plain().parse::<u64>().ok().map(Value::from),
            },
            Type::Float(..) => {
                let number = plain().parse::<f64>().ok()?;
                serde_json::Number::from_f64(number).map(Value::Number)
            }
            Type::Option(of) => match words.trim() {
                "None" | "none" | "null" => Some(Value::Null),
                _ => of.read(words),
            },
            Type::Vec(_) | Type::Array(..) | Type::Slice(_) => {
                serde_json::from_str(words).ok().filter(Value::is_array)
            }
        }
    }

    /// `value` as Rust writes it in this type; None when it does not fit.
    pub fn write(&self, value: &Value) -> Option<String> {
        let suffix = |name: &'static str, with: bool| if with { name } else { "" };
        let list = |of: &Type| {
            let elements: Option<Vec<_>> = value.as_array()?.iter().map(|value| of.write(value)).collect();
            elements.map(|elements| elements.join(", "))
        };
        match self {
            Type::Integer(name, with) => {
                let number = match (value.as_i64(), value.as_u64()) {
                    (Some(number), _) => i128::from(number),
                    (None, number) => i128::from(number?),
                };
                let &(_, least, most) = INTEGERS.iter().find(|(known, ..)| known == name)?;
                (least..=most)
                    .contains(&number)
                    .then(|| format!("{number}{}", suffix(name, *with)))
            }
            Type::Float(name, with) => {
                let number = value.as_f64()?;
                let fits = *name == "f64" || (number as f32).is_finite();
                // Debug always has a point or an exponent, and enough digits.
                fits.then(|| format!("{number:?}{}", suffix(name, *with)))
            }
            Type::Bool => value.as_bool().map(|value| value.to_string()),
            Type::Char => {
                let mut letters = value.as_str()?.chars();
                let letter = letters.next()?;
                letters.next().is_none().then(|| format!("{letter:?}"))
            }
            // Debug escapes quotes, backslashes, line ends and what is invisible: nothing gets out of it.
            Type::Str => value.as_str().map(|text| format!("{text:?}")),
            Type::String => value.as_str().map(|text| format!("String::from({text:?})")),
            Type::Vec(of) => list(of).map(|elements| format!("vec![{elements}]")),
            Type::Slice(of) => list(of).map(|elements| format!("&[{elements}]")),
            Type::Array(of, length) => {
                let fits = length.is_none_or(|length| value.as_array().map(Vec::len) == Some(length));
                fits.then(|| list(of))
                    .flatten()
                    .map(|elements| format!("[{elements}]"))
            }
            Type::Option(_) if value.is_null() => Some("None".to_string()),
            Type::Option(of) => of.write(value).map(|value| format!("Some({value})")),
        }
    }

    /// The type in words for an error.
    pub fn describe(&self) -> String {
        match self {
            Type::Integer(name, _) => {
                let range = INTEGERS.iter().find(|(known, ..)| known == name);
                let (_, least, most) = range.expect("only names of the list are made into types");
                format!("an integer from {least} to {most} ({name})")
            }
            Type::Float(name, _) => format!("a number ({name})"),
            Type::Bool => "true or false".to_string(),
            Type::Char => "one character".to_string(),
            Type::Str | Type::String => "text".to_string(),
            Type::Vec(of) | Type::Slice(of) | Type::Array(of, None) => {
                format!("a JSON list, as [..], each element {}", of.describe())
            }
            Type::Array(of, Some(length)) => {
                format!("a JSON list of {length}, as [..], each element {}", of.describe())
            }
            Type::Option(of) => format!("none, or {}", of.describe()),
        }
    }
}

fn integer(name: &str, suffix: bool) -> Option<Type> {
    let (known, ..) = INTEGERS.iter().find(|(known, ..)| *known == name)?;
    Some(Type::Integer(known, suffix))
}

fn float(suffix: Option<&str>) -> Option<Type> {
    match suffix {
        None => Some(Type::Float("f64", false)),
        Some("f32") => Some(Type::Float("f32", true)),
        Some("f64") => Some(Type::Float("f64", true)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(default: &str) -> Option<Type> {
        Type::of_default(&ast::Expr::parse(default, Edition::CURRENT).tree())
    }

    /// What becomes of `words` where the default is `default`.
    fn given(default: &str, words: &str) -> Option<String> {
        let of = of(default)?;
        of.write(&of.read(words)?)
    }

    #[test]
    fn a_value_is_written_as_its_default_is() {
        let cases = [
            ("5", "-7", "-7"),
            ("5u8", "255", "255u8"),
            ("-5", "1_000", "1000"),
            ("0.5", "2", "2.0"),
            ("-1e-3", "1e-6", "1e-6"),
            ("0.5f32", "-0.25", "-0.25f32"),
            ("true", "false", "false"),
            ("false", "True", "true"),
            ("'a'", "'", r"'\''"),
            (r#""a""#, "5", r#""5""#),
            (r##"r#"a"#"##, "b", r#""b""#),
            ("String::new()", "a b", r#"String::from("a b")"#),
            (r#""a".to_string()"#, "", r#"String::from("")"#),
            (r#"String::from("a")"#, "ö", r#"String::from("ö")"#),
            ("[1, 2]", "[3, 4]", "[3, 4]"),
            ("vec![0.1]", "[1, 2.5]", "vec![1.0, 2.5]"),
            (
                r#"vec!["a".to_string()]"#,
                r#"["b"]"#,
                r#"vec![String::from("b")]"#,
            ),
            ("&[1u8]", "[]", "&[]"),
            ("vec![vec![1]]", "[[2], []]", "vec![vec![2], vec![]]"),
            ("Some(5)", "none", "None"),
            ("Some(5)", "6", "Some(6)"),
        ];
        for (default, words, wanted) in cases {
            assert_eq!(
                given(default, words).as_deref(),
                Some(wanted),
                "{default} {words}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let cases = [
            ("5", "5.0"),
            ("5", "3000000000"),
            ("5u8", "-1"),
            ("0.5", "inf"),
            ("0.5f32", "1e39"),
            ("true", "1"),
            ("'a'", "ab"),
            ("[1, 2]", "[1]"),
            ("vec![1]", "1"),
            ("vec![1]", r#"["a"]"#),
        ];
        for (default, words) in cases {
            assert_eq!(given(default, words), None, "{default} {words}");
        }
    }

    #[test]
    fn a_text_cannot_leave_its_quotes() {
        let hostile = "\"); std::process::exit(1); //\n\\\u{202e}";
        let written = given(r#""a""#, hostile).unwrap();
        assert_eq!(written, r#""\"); std::process::exit(1); //\n\\\u{202e}""#);
        let parsed = ast::Expr::parse(&written, Edition::CURRENT);
        assert!(parsed.errors().is_empty() && matches!(parsed.tree(), ast::Expr::Literal(_)));
    }

    #[test]
    fn annotations_say_what_literals_leave_open() {
        let cases = [
            (
                "u64",
                json!(18_446_744_073_709_551_615_u64),
                "18446744073709551615",
            ),
            ("f32", json!(1), "1.0"),
            ("&'static str", json!("a"), r#""a""#),
            ("Vec< Option<u8> >", json!([1, null]), "vec![Some(1), None]"),
            ("[f64; 2]", json!([1, 2]), "[1.0, 2.0]"),
            ("&[String]", json!(["a"]), r#"&[String::from("a")]"#),
        ];
        for (annotation, value, wanted) in cases {
            let of = Type::annotated(annotation).unwrap();
            assert_eq!(of.write(&value).as_deref(), Some(wanted), "{annotation}");
        }
        assert_eq!(Type::annotated("std::time::Duration"), None);
        assert_eq!(Type::annotated("Vec<_>"), None);
    }

    #[test]
    fn without_a_default_the_value_decides() {
        let written = |value: Value| Type::of_value(&value)?.write(&value);
        assert_eq!(written(json!(5)), Some("5".to_string()));
        assert_eq!(
            written(json!(5_000_000_000_i64)),
            Some("5000000000i64".to_string())
        );
        assert_eq!(written(json!([1, 2.5])), Some("vec![1.0, 2.5]".to_string()));
        assert_eq!(written(json!([1, "a"])), None);
        assert_eq!(written(json!({"a": 1})), None);
    }
}
