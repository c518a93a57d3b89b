//! Values that show themselves for evcxr, which they do by printing. What was printed before the call, also by the making
//! of the value, is text: the kernel is told where the call begins and ends.

use ra_ap_syntax::ast::{self, HasArgList as _, HasModuleItem as _};
use ra_ap_syntax::{AstNode as _, Edition, SourceFile, SyntaxElement, SyntaxNode, TextSize};

/// The calls. evcxr writes the first, on the value that ends a cell.
const CALLS: [&str; 2] = [".evcxr_display();", ".notebook_display();"];

/// How evcxr's own line begins, behind the value.
const ENDS_THE_CELL: &str = "\n).evcxr_display();";

/// Brings in what [`watch`] needs, before the user's code.
pub const IN_SCOPE: &str = "use ::jook::cells::Settle as _;";

const BEGINS: &str = " ::jook::cells::settle();";
const ENDED: &str = " ::jook::cells::displayed();";

/// Has the source say where such calls begin and end. No line moves. A value that is taken or changed by its call
/// cannot be looked at first: then, without `looks`, only what the call leaves behind is asked for.
pub fn watch(source: &mut String, looks: bool) {
    let written: usize = CALLS.iter().map(|call| source.matches(call).count()).sum();
    if written > usize::from(source.contains(ENDS_THE_CELL)) {
        for (at, text) in edits(source).into_iter().rev() {
            source.insert_str(at, text);
        }
    }
    let looked_at = match looks && source.contains(IN_SCOPE) {
        true => "\n).jook_settled().evcxr_display();",
        false => ENDS_THE_CELL,
    };
    // evcxr's own is the last; the like of it may stand in a function of the user's.
    if let Some(at) = source.rfind(ENDS_THE_CELL) {
        source.replace_range(at..at + ENDS_THE_CELL.len(), &format!("{looked_at}{ENDED}"));
    }
}

/// Whether rustc has refused to look at a value before its call, in these lines of JSON.
pub fn cannot_look(said: &[String]) -> bool {
    let about = |line: &&String| line.contains("evcxr_display") && line.contains("\"level\":\"error\"");
    let mut about = said.iter().filter(about);
    about.any(|line| {
        ["E0507", "E0596"]
            .iter()
            .any(|code| line.contains(&format!("\"code\":\"{code}\"")))
    })
}

/// What is to be inserted around calls of the user's own, from the front.
fn edits(source: &str) -> Vec<(usize, &'static str)> {
    let own = source.rfind(ENDS_THE_CELL).map(|at| at + ENDS_THE_CELL.len());
    let file = SourceFile::parse(source, Edition::Edition2024).tree();
    let nodes = file.items().flat_map(|item| item.syntax().descendants());
    let mut edits: Vec<(usize, &'static str)> = Vec::new();
    for node in nodes {
        if let Some(tree) = ast::TokenTree::cast(node.clone()) {
            // What a macro is made of is no code until it is called: its statements begin anywhere.
            edits.extend(in_macro(&tree).map(|end| (end.into(), ENDED)));
        }
        let end = usize::from(node.text_range().end());
        if shows(&node) && own != Some(end) {
            edits.extend(before(&node).map(|at| (at.into(), BEGINS)));
            edits.push((end, ENDED));
        }
    }
    edits.sort_by_key(|(at, _)| *at);
    edits
}

/// Whether it is a statement that does nothing but such a call.
fn shows(statement: &SyntaxNode) -> bool {
    let value = match ast::LetStmt::cast(statement.clone()) {
        Some(binding) => binding.initializer(),
        None => ast::ExprStmt::cast(statement.clone()).and_then(|statement| statement.expr()),
    };
    let Some(ast::Expr::MethodCallExpr(call)) = value else {
        return false;
    };
    let plain = call.arg_list().is_some_and(|list| list.args().next().is_none());
    plain && call.name_ref().is_some_and(|name| is_one(name.text()))
}

fn is_one(name: &str) -> bool {
    CALLS
        .iter()
        .any(|call| call[1..].strip_prefix(name) == Some("();"))
}

/// Where such statements end right below a macro's brackets.
fn in_macro(tree: &ast::TokenTree) -> impl Iterator<Item = TextSize> + use<> {
    let pieces = tree.syntax().children_with_tokens();
    let pieces: Vec<SyntaxElement> = pieces.filter(|piece| !piece.kind().is_trivia()).collect();
    let ends: Vec<TextSize> = pieces
        .windows(4)
        .filter(|four| {
            let text = |at: usize| four[at].to_string();
            text(0) == "." && is_one(&text(1)) && text(2) == "()" && text(3) == ";"
        })
        .map(|four| four[3].text_range().end())
        .collect();
    ends.into_iter()
}

/// Where what stands before the statement ends: the columns of the statement itself stay.
fn before(statement: &SyntaxNode) -> Option<TextSize> {
    let behind = |node: SyntaxNode| node.text_range().end();
    let own = statement.text_range().start();
    match statement.prev_sibling().map(behind) {
        Some(end) => Some(end),
        None => {
            let list = statement.parent().and_then(ast::StmtList::cast)?;
            let open = list.l_curly_token()?.text_range().end();
            (open <= own).then_some(open)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(source: &str, looks: bool) -> String {
        let mut out = source.to_owned();
        watch(&mut out, looks);
        assert_eq!(out.lines().count(), source.lines().count());
        out
    }

    #[test]
    fn a_value_is_looked_at_between_its_making_and_its_call() {
        let source = "fn f() {\nuse ::jook::cells::Settle as _;\n(\nmade()\n).evcxr_display();\nrest();\n}\n";
        assert_eq!(
            watched(source, true),
            "fn f() {\nuse ::jook::cells::Settle as _;\n(\nmade()\n).jook_settled().evcxr_display(); ::jook::cells::displayed();\nrest();\n}\n"
        );
        assert_eq!(
            watched(source, false),
            "fn f() {\nuse ::jook::cells::Settle as _;\n(\nmade()\n).evcxr_display(); ::jook::cells::displayed();\nrest();\n}\n"
        );
    }

    #[test]
    fn what_was_printed_before_a_call_of_the_users_own_is_text() {
        let source = "impl A {\n    fn show(&self) {\n        self.evcxr_display();\n    }\n}\nfn f() {\n    g();\n    a.b.notebook_display(); h();\n}\n";
        assert_eq!(
            watched(source, true),
            "impl A {\n    fn show(&self) { ::jook::cells::settle();\n        self.evcxr_display(); ::jook::cells::displayed();\n    }\n}\n\
             fn f() {\n    g(); ::jook::cells::settle();\n    a.b.notebook_display(); ::jook::cells::displayed(); h();\n}\n"
        );
        let other = "fn f() { let s = \"a.evcxr_display();\"; a.evcxr_display(1); }";
        assert_eq!(watched(other, true), other);
        assert_eq!(
            watched("fn f() { let _ = a.evcxr_display(); }", true),
            "fn f() { ::jook::cells::settle(); let _ = a.evcxr_display(); ::jook::cells::displayed(); }"
        );
        assert_eq!(
            watched(
                "macro_rules! m { ($e:expr) => { $e.evcxr_display(); }; }\nfn f() { x!{ a.evcxr_display(); } }",
                true
            ),
            "macro_rules! m { ($e:expr) => { $e.evcxr_display(); ::jook::cells::displayed(); }; }\n\
             fn f() { x!{ a.evcxr_display(); ::jook::cells::displayed(); } }"
        );
    }
}
