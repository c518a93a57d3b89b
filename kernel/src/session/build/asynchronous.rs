//! Cells in a runtime for asynchronous code. evcxr brings tokio in at the first `.await` of a notebook and runs every
//! cell after that within its `block_on`, where nothing else may block. Here only cells that wait themselves are run
//! there; the others have the runtime at hand and are ordinary code. A notebook that uses a tokio of its own has it at
//! hand from there on, whether a cell waits or not.

use crate::session::cell::lines::is_of_a_word;
use ra_ap_syntax::ast::{self, HasModuleItem as _};
use ra_ap_syntax::{AstNode as _, Edition, SourceFile, SyntaxNode};

/// How a cell is run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// With the runtime at hand.
    Entered,
    /// By the runtime.
    Awaited,
}

/// How the code of a cell that waits begins.
pub const AWAITS: &str = "evcxr_runtime.block_on(::jook::cells::stoppable(async {";

const FROM: &str = "let mut mutex =";
const TO: &str = ".block_on(async {";
/// How evcxr begins what a cell without a runtime runs.
const RUNS: &str = "(|| -> std::result::Result<(), EvcxrUserCodeError> {";
/// How evcxr ends what the runtime runs, when the cell may leave by `?`, and when not.
const LEAVES: &str = "Ok::<(), EvcxrUserCodeError>(())\n});";
const ENDS: &str = "\n});";

/// What rustc would say if the cell waited, at which evcxr brings the runtime in; none when nothing speaks of tokio, or
/// the notebook's own among its `dependencies` has no such runtime.
pub fn wanted(source: &str, dependencies: &[(String, String)]) -> Option<String> {
    let tokio = dependencies.iter().find(|(name, _)| name == "tokio")?;
    let has_one = ["\"full\"", "\"rt-multi-thread\""]
        .iter()
        .any(|feature| tokio.1.contains(feature));
    // A cell of items alone runs nothing.
    if !has_one || !source.contains(RUNS) || parts(source).is_some() {
        return None;
    }
    let speaks = |line: &str| {
        let mut words = line.split(|c| !is_of_a_word(c));
        !line.contains("evcxr") && words.any(|word| word == "tokio")
    };
    let line = source.lines().position(speaks)? + 1;
    let span = serde_json::json!({
        "file_name": "cell/lib.rs", "is_primary": true, "line_start": line, "line_end": line,
        "column_start": 1, "column_end": 1, "text": [], "label": null, "expansion": null,
    });
    let said = serde_json::json!({
        "message": "this cell speaks of tokio, which needs its runtime", "code": {"code": "E0728"},
        "level": "error", "spans": [span], "children": [],
    });
    Some(said.to_string())
}

/// The mode to try first for what evcxr has written; none when it has no runtime.
pub fn mode(source: &str) -> Option<Mode> {
    let (_, code) = parts(source)?;
    let text = format!("fn f() {{{}\n}}", &source[code]);
    let file = SourceFile::parse(&text, Edition::Edition2024).tree();
    let awaits = file
        .items()
        .any(|item| item.syntax().descendants().any(|node| waits(&node)));
    Some(if awaits { Mode::Awaited } else { Mode::Entered })
}

/// Whether rustc wants another mode.
pub fn another(mode: Mode, said: &[String]) -> Option<Mode> {
    let waits = said.iter().any(|line| line.contains("\"code\":\"E0728\""));
    (mode == Mode::Entered && waits).then_some(Mode::Awaited)
}

/// Whether this is a wait of the cell's own, and not of what it hands to others.
fn waits(node: &SyntaxNode) -> bool {
    const MACROS: [&str; 4] = ["join", "try_join", "select", "await"];
    let is_one = match ast::MacroCall::cast(node.clone()) {
        Some(call) => {
            let name = call
                .path()
                .and_then(|path| path.segment())
                .map(|segment| segment.to_string());
            name.is_some_and(|name| MACROS.contains(&name.as_str()))
        }
        None => ast::AwaitExpr::can_cast(node.kind()),
    };
    is_one
        && !node.ancestors().skip(1).any(|around| {
            let block = ast::BlockExpr::cast(around.clone());
            let handed = block.is_some_and(|block| block.async_token().is_some());
            let inner = ast::Fn::cast(around.clone())
                .is_some_and(|function| function.syntax().parent().is_some_and(|it| it.parent().is_some()));
            handed || inner || ast::ClosureExpr::can_cast(around.kind())
        })
}

/// Where evcxr begins the runtime, and the code that it runs.
fn parts(source: &str) -> Option<(std::ops::Range<usize>, std::ops::Range<usize>)> {
    let lazy = source.find("evcxr_tokio_runtime")?;
    let from = source[..lazy].rfind(FROM)?;
    let to = lazy + source[lazy..].find(TO)? + TO.len();
    let end = to + source[to..].rfind(ENDS)?;
    Some((from..to, to..end))
}

/// The cell in this mode. No line moves.
pub fn run_in(source: &mut String, mode: Mode) {
    let Some((head, code)) = parts(source) else { return };
    let may_leave = source[code.start..].contains(LEAVES);
    let runtime = "let evcxr_runtime = evcxr_variable_store.lazy_arc(\"evcxr_tokio_runtime\", || \
        ::std::sync::Mutex::new(::tokio::runtime::Runtime::new().unwrap())); \
        let evcxr_runtime = match evcxr_runtime.lock() { \
        ::std::result::Result::Ok(evcxr_lock) => evcxr_lock, \
        ::std::result::Result::Err(evcxr_lock) => evcxr_lock.into_inner() };";
    let (begin, end) = match (mode, may_leave) {
        (Mode::Awaited, _) => (AWAITS, "\n}));"),
        (Mode::Entered, true) => (
            "let _entered = evcxr_runtime.enter(); let _ = (|| -> ::std::result::Result<(), EvcxrUserCodeError> {",
            "\n})();",
        ),
        (Mode::Entered, false) => ("let _entered = evcxr_runtime.enter(); let _ = (|| {", "\n})();"),
    };
    // The runtime's guards go before the runtime.
    let lines = "\n".repeat(source[head.clone()].matches('\n').count());
    source.replace_range(code.end..code.end + ENDS.len(), end);
    source.replace_range(head, &format!("let evcxr_done = {{ {runtime} {begin}{lines}"));
    let at = source.rfind(end).map_or(source.len(), |at| at + end.len());
    source.insert_str(at, " }; let _ = evcxr_done;");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(code: &str) -> String {
        format!(
            "std::panic::AssertUnwindSafe(||{{\nlet mut mutex =\nevcxr_variable_store.lazy_arc(\"evcxr_tokio_runtime\", ||\n\
             std::sync::Mutex::new(tokio::runtime::Runtime::new().unwrap())); match\n\
             mutex.lock() {{ Ok(guard) => guard, Err(poisoned) => poisoned.into_inner(), }}\n\
             .block_on(async {{\n{code}\nOk::<(), EvcxrUserCodeError>(())\n}});\n}})) {{ \n"
        )
    }

    #[test]
    fn only_a_cell_that_waits_itself_is_run_by_the_runtime() {
        for waits in [
            "let x = f().await;",
            "g(tokio::join!(a, b));",
            "if a { b.await? }",
            "tokio::select! { x = f() => x }",
        ] {
            assert_eq!(mode(&written(waits)), Some(Mode::Awaited), "{waits}");
        }
        for ordinary in [
            "let x = 1;",
            "tokio::spawn(async { f().await });",
            "rt.block_on(async move { f().await })",
            "async fn h() { f().await }",
            "let f = || async { g().await };",
            "[\"a\"].join(\"\")",
        ] {
            assert_eq!(mode(&written(ordinary)), Some(Mode::Entered), "{ordinary}");
        }
        assert_eq!(mode("let x = 1;"), None);
        let said = ["{\"code\":{\"code\":\"E0728\"}}".to_owned()];
        assert_eq!(another(Mode::Entered, &said), Some(Mode::Awaited));
        assert_eq!(another(Mode::Awaited, &said), None);
    }

    #[test]
    fn a_tokio_of_the_notebooks_own_brings_the_runtime() {
        let with = |requirement: &str| vec![("tokio".to_owned(), requirement.to_owned())];
        let full = with("{ version = \"1\", features = [\"full\"] }");
        let source = format!("use jook::prelude::*;\nlet _ = {RUNS}\nlet h = tokio::spawn(g());\n}}");
        let said: serde_json::Value = serde_json::from_str(&wanted(&source, &full).unwrap()).unwrap();
        assert_eq!(
            (&said["spans"][0]["line_start"], &said["code"]["code"]),
            (&3.into(), &"E0728".into())
        );
        assert_eq!(wanted(&source, &with("\"1\"")), None);
        assert_eq!(wanted(&source, &[]), None);
        assert_eq!(wanted(&source.replace("tokio", "tokio_like"), &full), None);
        assert_eq!(wanted("fn f() { tokio::spawn(g()); }", &full), None);
        assert_eq!(wanted(&written("tokio::spawn(g());"), &full), None);
    }

    #[test]
    fn no_line_moves() {
        for mode in [Mode::Entered, Mode::Awaited] {
            let before = written("let x = 1;\nx;");
            let mut after = before.clone();
            run_in(&mut after, mode);
            assert_eq!(after.lines().count(), before.lines().count(), "{after}");
            for line in ["let x = 1;", "x;"] {
                let place = |text: &str| text.lines().position(|other| other == line);
                assert_eq!(place(&after), place(&before));
            }
            let wrapped = format!("fn f() {{ {} }}", after.replace("})) { \n", "})"));
            let parsed = SourceFile::parse(&wrapped, Edition::Edition2024);
            assert!(parsed.errors().is_empty(), "{wrapped}");
        }
    }
}
