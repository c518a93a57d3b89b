//! `!x` of Rust, told from a line for the shell.

use ra_ap_syntax::ast::{self, Expr, HasModuleItem as _};
use ra_ap_syntax::{Edition, SourceFile};

/// Whether the line, from its `!`, negates a value. What begins with a word could be a program's name (`!ls && pwd` is an
/// expression too): only that of a variable is none.
pub fn is_negation(line: &str, is_variable: &dyn Fn(&str) -> bool) -> bool {
    let Some(value) = line.strip_prefix('!') else {
        return false;
    };
    if value.starts_with(char::is_whitespace) {
        return false;
    }
    let text = format!("const VALUE: bool = {};", value.trim().trim_end_matches(';'));
    let parsed = SourceFile::parse(&text, Edition::Edition2024);
    let Ok(file) = parsed.ok() else {
        return false;
    };
    let mut items = file.items();
    match (items.next(), items.next()) {
        (Some(ast::Item::Const(item)), None) => {
            let value = item.body();
            value.is_some_and(|value| begins_with_a_value(value, is_variable))
        }
        _ => false,
    }
}

fn begins_with_a_value(value: Expr, is_variable: &dyn Fn(&str) -> bool) -> bool {
    let inner = match value {
        // No shell takes these.
        Expr::MethodCallExpr(_) | Expr::CallExpr(_) | Expr::MacroExpr(_) => return true,
        Expr::Literal(literal) => return matches!(literal.kind(), ast::LiteralKind::Bool(_)),
        Expr::PathExpr(path) => {
            let name = path.path().and_then(|path| path.as_single_name_ref());
            return name.is_some_and(|name| is_variable(name.text()));
        }
        Expr::BinExpr(both) => both.lhs(),
        Expr::ParenExpr(inside) => inside.expr(),
        Expr::FieldExpr(field) => field.expr(),
        Expr::IndexExpr(index) => index.base(),
        Expr::TryExpr(tried) => tried.expr(),
        Expr::CastExpr(cast) => cast.expr(),
        Expr::PrefixExpr(prefix) => prefix.expr(),
        _ => None,
    };
    inner.is_some_and(|inner| begins_with_a_value(inner, is_variable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negated_value_is_no_line_for_the_shell() {
        let is_variable = |name: &str| ["done", "run", "mask"].contains(&name);
        for line in [
            "!true",
            "!done",
            "!done;",
            "!done && x.len() > 3",
            "!run.converged",
            "!mask[0] | 7",
            "!v.is_empty()",
            "!is_odd(3)",
            "!matches!(x, Some(_))",
            "!(a.b() == 3)",
            "!!done",
        ] {
            assert!(is_negation(line, &is_variable), "{line}");
        }
        for line in [
            "!ls",
            "!ls && pwd",
            "!ls -l",
            "!ls | wc",
            "! true",
            "!./run.sh",
            "!cat a.txt > b.txt",
            "!pip install x",
            "!(cd /; ls)",
            "!echo \"(a)\"",
            "!run.sh now",
            "!7z x",
        ] {
            assert!(!is_negation(line, &is_variable), "{line}");
        }
    }
}
