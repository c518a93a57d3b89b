//! Lines of a cell that are for the session and not for Rust: `:vars`, `:doc`, `:time`, `:opt`, `:help`, `!ls`.
//!
//! evcxr has commands of its own (`:dep`, `:clear`, `:efmt`, …); what is not known here is left to it.

use crate::session::build::home;
use crate::session::cell::lines;
use crate::session::cell::negation::is_negation;
use crate::session::said::Completion;
use crate::session::said::MimeBundle;
use crate::session::talk::protocol::Event;
use std::process::{Command, Output};
use std::time::Duration;

/// What the lines of a cell ask for.
#[derive(Debug, Default, PartialEq)]
pub struct Orders {
    /// The cell without those lines. Other lines keep their numbers, and bytes their places.
    pub code: String,
    /// Say how long compiling and running took.
    pub time: bool,
    /// Compile at this level: this cell, when it holds code; else the cells to come.
    pub opt: Option<String>,
    /// Say at which level cells are compiled.
    pub ask_opt: bool,
    pub help: bool,
    /// Show the variables, when the code has run.
    pub vars: bool,
    /// Show the documentation of these.
    pub doc: Vec<String>,
    /// Tell rustc's explanation of this error.
    pub explain: Option<String>,
    /// Tell the versions.
    pub version: bool,
    /// The notebook's variables end with the process.
    pub restarts: bool,
    /// So do its items.
    pub clears: bool,
    /// Lines for the shell, by their number from 0.
    shell: Vec<(usize, String)>,
}

impl Orders {
    /// Whether anything is left to run.
    pub fn has_code(&self) -> bool {
        let is_code = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
        !self.shell.is_empty() || self.code.lines().any(is_code)
    }

    /// What is to run: the code, with the lines for the shell in their places, or behind evcxr's commands, which
    /// it takes only before all code.
    pub fn to_run(&self) -> String {
        let mut lines: Vec<String> = self.code.split('\n').map(str::to_owned).collect();
        let commands = lines.iter().rposition(|line| is_command(line));
        let mut early = String::new();
        // evcxr would take a line that begins so for one for the shell.
        let first = lines.iter_mut().find(|line| is_begun(line));
        if let Some(line) = first.filter(|line| line.starts_with('!')) {
            line.insert(0, ' ');
        }
        for (at, command) in &self.shell {
            let call = format!("{{ ::jook::cells::shell({command:?})?; }}");
            match commands {
                Some(last) if *at < last => early.push_str(&call),
                _ => lines[*at] = call,
            }
        }
        if let (Some(last), false) = (commands, early.is_empty()) {
            match lines.get_mut(last + 1) {
                Some(next) => next.insert_str(0, &early),
                None => lines.push(early),
            }
        }
        keep_documentation(&mut lines);
        lines.join("\n")
    }
}

/// `(how it is written, what it does)`, in the order of usefulness.
const HELP: &[(&str, &str)] = &[
    (":vars", "the notebook's variables, their types and sizes"),
    (
        ":doc path",
        "the documentation of a type, function, method or variable: `:doc Mlp::new`",
    ),
    (
        ":time",
        "in a cell with code (also `%%time`): say how long compiling and running took",
    ),
    (
        ":opt 3",
        "in a cell with code: compile this cell optimized; alone: the cells to come (0 to 3)",
    ),
    (
        ":dep rand = \"0.9\"",
        "add a crate; the toolkit, polars, plotly and dfdx are there without",
    ),
    (":show_deps", "the crates that were added"),
    (":type x", "the type of a variable"),
    (
        ":explain",
        "rustc's long explanation of the last error, or of another: `:explain E0382`",
    ),
    (":clear", "forget variables, functions and `use` lines"),
    (
        ":restart",
        "start a new process: variables are lost, functions and `use` lines stay",
    ),
    (
        ":env KEY=value",
        "set an environment variable for the next process (`:restart`)",
    ),
    (
        ":fmt {:?}",
        "how a value that has no display of its own is written",
    ),
    ("!ls", "run a line in the shell, at the head of a cell"),
    (":version", "the versions of Jook and the compiler"),
    (":help", "this list"),
];

/// Takes the session's lines out of a cell. A `!` before what `is_variable` is Rust's own.
///
/// # Errors
/// In words for the user, when a command is misused.
pub fn read(cell: &str, is_variable: &dyn Fn(&str) -> bool) -> Result<Orders, String> {
    let mut orders = Orders::default();
    let mut code = String::with_capacity(cell.len());
    let mut reader = lines::Reader::default();
    let mut behind = cell;
    for (number, line) in cell.split_inclusive('\n').enumerate() {
        behind = &behind[line.len()..];
        if reader.is_within() {
            reader.read(line);
            code.push_str(line);
            continue;
        }
        let text = line.trim();
        let at_head = !is_begun(&code);
        let (command, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim().trim_end_matches(';');
        match (command, rest) {
            ("%%time", "") if code.trim().is_empty() => orders.time = true,
            (":time", "") => orders.time = true,
            (":vars", "") => orders.vars = true,
            (":help", "") => orders.help = true,
            (":doc", "") => return Err("`:doc` needs a name: `:doc Mlp::new`".into()),
            (":doc", path) => orders.doc.push(path.to_owned()),
            (":opt", "") => orders.ask_opt = true,
            (":opt", "0" | "1" | "2" | "3") => orders.opt = Some(rest.to_owned()),
            (":opt", other) => return Err(format!("`:opt {other}`: the levels are 0, 1, 2 and 3")),
            (":version", "") => orders.version = true,
            (":explain", code) if is_error_code(code) => orders.explain = Some(code.to_uppercase()),
            (":explain", other) if !other.is_empty() => {
                return Err(format!(
                    "`:explain {other}`: the compiler's errors have codes like E0382"
                ));
            }
            (":quit", _) if at_head => {
                return Err(
                    "`:quit`: a kernel is shut down or restarted from the notebook's menu, in a console by Ctrl-D".into(),
                );
            }
            (":toolchain", _) if at_head => {
                return Err(
                    "`:toolchain`: cells are compiled by the compiler that the toolkit was built with (`:version` tells \
                     which); another one's would not fit it"
                        .into(),
                );
            }
            (command, _) if at_head && command.starts_with('%') => {
                return Err(format!("`{command}` is not known here; `:help` lists what is"));
            }
            _ if at_head && line.starts_with('!') && !is_code(line, behind, is_variable) => {
                let command = text.trim_start_matches('!').trim();
                orders.shell.push((number, command.to_owned()));
            }
            _ => {
                orders.clears |= at_head && text == ":clear";
                orders.restarts |= at_head && matches!(text, ":clear" | ":restart");
                // Of evcxr's commands, which stand before all code, no quote begins a text.
                if !(at_head && is_command(text)) {
                    reader.read(line);
                }
                code.push_str(line);
                continue;
            }
        }
        code.push_str(&blank(line));
    }
    orders.code = code;
    Ok(orders)
}

/// Whether a line that begins with `!` is Rust: a statement, or all that is left of the cell.
fn is_code(line: &str, behind: &str, is_variable: &dyn Fn(&str) -> bool) -> bool {
    let whole = line.trim_end().ends_with(';') || !is_begun(behind);
    whole && is_negation(line, is_variable)
}

/// evcxr leaves comments at the head of a cell away, also those that document its first item.
fn keep_documentation(lines: &mut [String]) {
    const ITEMS: [&str; 15] = [
        "fn ",
        "pub ",
        "pub(",
        "struct ",
        "enum ",
        "trait ",
        "type ",
        "const ",
        "static ",
        "mod ",
        "unsafe ",
        "async ",
        "union ",
        "macro_rules!",
        "#[",
    ];
    let is_comment = |line: &String| line.trim().is_empty() || line.starts_with("//");
    let Some(first) = lines.iter().position(|line| !is_comment(line)) else {
        return;
    };
    if ITEMS.iter().any(|word| lines[first].starts_with(word)) {
        for line in &mut lines[..first] {
            match line.strip_prefix("///") {
                Some(text) if !text.starts_with('/') => *line = format!("#[doc = {text:?}]"),
                _ => {}
            }
        }
    }
}

/// Such as `E0382`.
fn is_error_code(text: &str) -> bool {
    let digits = text.strip_prefix(['E', 'e']);
    digits.is_some_and(|digits| digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The code alone, with blanks in the place of evcxr's commands, which stand before all code.
pub fn without_commands(code: &str) -> String {
    let mut begun = false;
    let lines = code.split_inclusive('\n').map(|line| {
        begun |= is_begun(line);
        match !begun && is_command(line) {
            true => blank(line),
            false => line.to_owned(),
        }
    });
    lines.collect()
}

/// Whether a line looks like a command of evcxr's, and not like a path.
fn is_command(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with(':') && !line.starts_with("::")
}

fn blank(line: &str) -> String {
    line.bytes()
        .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
        .collect()
}

/// Whether one of these lines is Rust: commands stand before it.
fn is_begun(code: &str) -> bool {
    code.lines().any(|line| {
        let line = line.trim();
        !(line.is_empty() || line.starts_with("//") || is_command(line))
    })
}

/// The cell for questions about its code, with blanks in the place of the session's lines.
pub fn without(cell: &str) -> String {
    read(cell, &|_| false).map_or_else(|_| cell.to_owned(), |orders| orders.code)
}

/// Commands of this file that could stand at `cursor`: evcxr knows only its own.
pub fn completions(cell: &str, cursor: usize) -> Vec<Completion> {
    let Some(before) = cell.get(..cursor) else {
        return Vec::new();
    };
    let begun = before.rsplit('\n').next().unwrap_or_default().trim_start();
    [":time", "%%time"]
        .into_iter()
        .filter(|name| !begun.is_empty() && name.starts_with(begun))
        .map(|name| Completion {
            text: name.to_owned(),
            kind: "magic".to_owned(),
        })
        .collect()
}

/// The list of commands.
pub fn help() -> Event {
    let rows: Vec<Vec<String>> = HELP
        .iter()
        .map(|(name, what)| vec![(*name).to_owned(), (*what).to_owned()])
        .collect();
    table(&["command", "what it does"], &rows)
}

/// rustc's explanation of an error.
pub fn explanation(code: &str) -> Event {
    match rustc(&["--explain", code]) {
        Ok(output) if output.status.success() => {
            Event::Stdout(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(_) => Event::Stderr(format!("the compiler explains no error {code}\n")),
        Err(error) => Event::Stderr(format!("{error:#}\n")),
    }
}

/// What this kernel is made of.
pub fn versions() -> Event {
    let rustc = rustc(&["--version"])
        .map(|output| output.stdout)
        .unwrap_or_default();
    let rustc = String::from_utf8_lossy(&rustc);
    Event::Stdout(format!("jook {}\n{}\n", env!("CARGO_PKG_VERSION"), rustc.trim()))
}

/// What the compiler says.
fn rustc(args: &[&str]) -> anyhow::Result<Output> {
    let home = home::enter()?;
    Ok(home::outside(&mut Command::new(&home.rustc))
        .args(args)
        .output()?)
}

/// A table in HTML and in text, its last columns' numbers to the right.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> Event {
    let is_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    let mut html = String::from("<table><thead><tr>");
    for (name, width) in head.iter().zip(&widths) {
        text.push_str(&format!("{name:<width$}  "));
        html.push_str(&format!("<th style=\"text-align:left\">{name}</th>"));
    }
    html.push_str("</tr></thead><tbody>");
    for row in rows {
        text.truncate(text.trim_end().len());
        text.push('\n');
        html.push_str("<tr>");
        for (cell, width) in row.iter().zip(&widths) {
            let escaped = escape(cell);
            if is_number(cell) {
                text.push_str(&format!("{cell:>width$}  "));
                html.push_str(&format!("<td style=\"text-align:right\">{escaped}</td>"));
            } else {
                text.push_str(&format!("{cell:<width$}  "));
                html.push_str(&format!(
                    "<td style=\"text-align:left\"><code>{escaped}</code></td>"
                ));
            }
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table>");
    let mut data = MimeBundle::new();
    data.insert("text/plain".into(), text.trim_end().into());
    data.insert("text/html".into(), html.into());
    display(data)
}

/// An output that nobody updates.
pub fn display(data: MimeBundle) -> Event {
    Event::Display {
        data,
        metadata: MimeBundle::new(),
        id: None,
    }
}

/// How long the parts of a cell took, by evcxr's names for them.
pub fn timing<'a>(phases: impl Iterator<Item = (&'a str, Duration)>) -> Event {
    let (mut compile, mut run) = (Duration::ZERO, Duration::ZERO);
    for (name, took) in phases {
        *(if name == "Execution" {
            &mut run
        } else {
            &mut compile
        }) += took;
    }
    let (compile, run) = (compile.as_secs_f64(), run.as_secs_f64());
    Event::Stdout(format!("compile {compile:.2} s, run {run:.2} s\n"))
}

/// The same for a cell of which evcxr gives an error and no parts.
pub fn timing_of_failure(error: &evcxr::Error, took: Duration) -> Event {
    let took = took.as_secs_f64();
    Event::Stdout(match error {
        evcxr::Error::SubprocessTerminated(_) => {
            format!("compile and run {took:.2} s, until the process ended\n")
        }
        _ => format!("compile {took:.2} s, not run\n"),
    })
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines_for_the_shell_run_behind_commands_and_in_their_places() {
        let run = |cell: &str| super::read(cell, &|_| false).unwrap().to_run();
        let call = |command: &str| format!("{{ ::jook::cells::shell({command:?})?; }}");
        assert_eq!(
            run("// a\n!ls \"x\"\nlet a = 1;"),
            format!("// a\n{}\nlet a = 1;", call("ls \"x\""))
        );
        assert_eq!(
            run("!a\n:dep b = \"1\"\n!c\nd"),
            format!("  \n:dep b = \"1\"\n{}{}\nd", call("a"), call("c"))
        );
        assert_eq!(run("!a\n:clear"), format!("  \n:clear\n{}", call("a")));
        assert_eq!(run("let a = true;\n!a"), "let a = true;\n!a");
        assert_eq!(super::without("!ls\n1"), "   \n1");
    }

    #[test]
    fn lines_of_text_are_no_commands() {
        for cell in [
            "let s = \"\n:help\n:vars\n!ls\n:time\n%%time\n\";",
            "/*\n:help\n!ls\n:clear\n*/\nlet a = 1;",
            "println!(r#\"\n:doc Vec\n:explain E0382\n\"#);",
        ] {
            let orders = Orders {
                code: cell.to_owned(),
                ..Orders::default()
            };
            assert_eq!(of(cell).unwrap(), orders);
        }
        assert!(of("!echo \"\n:help\n1").unwrap().help);
        assert!(of(":clear").unwrap().restarts && !of("let a = 1;\n// :clear").unwrap().restarts);
        assert_eq!(
            without_commands(":dep x = \"1\"\n\nlet a = 1;\n:b"),
            format!("{}\n\nlet a = 1;\n:b", " ".repeat(12))
        );
    }

    #[test]
    fn the_first_items_documentation_is_kept() {
        let run = |cell: &str| super::read(cell, &|_| false).unwrap().to_run();
        assert_eq!(
            run("// Of mine\n/// a \"b\"\nfn f() {}\n/// c\nfn g() {}"),
            "// Of mine\n#[doc = \" a \\\"b\\\"\"]\nfn f() {}\n/// c\nfn g() {}"
        );
        for plain in ["/// a\nlet b = 1;", "/// a\n:dep b", "//// a\nfn f() {}", "/// a"] {
            assert_eq!(run(plain), plain);
        }
    }

    use super::*;

    fn of(cell: &str) -> Result<Orders, String> {
        read(cell, &|name| name == "done")
    }

    #[test]
    fn a_negated_variable_is_code() {
        let orders = of("!done\n").unwrap();
        assert_eq!((orders.to_run().as_str(), orders.shell.len()), (" !done\n", 0));
        for shell in ["!other", "!true\nlet a = 1;", "!done\ndone"] {
            assert_eq!(of(shell).unwrap().shell.len(), 1, "{shell}");
        }
        assert!(of("!done;\n!other").unwrap().shell.is_empty());
    }

    #[test]
    fn the_sessions_lines_are_taken_out_and_nothing_moves() {
        let cell = "%%time\n:opt 3\n:dep x = \"1\"\nlet é = 1;\n:vars\n:doc Mlp::new";
        let orders = of(cell).unwrap();
        assert!(orders.time && orders.vars && orders.has_code());
        assert_eq!(
            (orders.opt.as_deref(), &orders.doc[..]),
            (Some("3"), &["Mlp::new".to_owned()][..])
        );
        assert_eq!(orders.code.len(), cell.len());
        let left: Vec<&str> = orders.code.lines().map(str::trim).collect();
        assert_eq!(left, ["", "", ":dep x = \"1\"", "let é = 1;", "", ""]);
    }

    #[test]
    fn other_lines_and_other_commands_stay() {
        for cell in [
            "let a = b % c;\n%%time",
            ":variables",
            ":optimal 3",
            ":efmt {:?}",
            "x\n  ::vars()",
        ] {
            assert_eq!(
                of(cell).unwrap(),
                Orders {
                    code: cell.to_owned(),
                    ..Orders::default()
                }
            );
        }
        assert!(of(":opt 9").is_err() && of(":doc").is_err());
        assert!(!of(":opt 3\n// nothing").unwrap().has_code());
    }

    #[test]
    fn a_table_lines_up() {
        let rows = vec![vec!["a".to_owned(), "Vec<i32>".to_owned(), "8 B".to_owned()]];
        let Event::Display { data, .. } = table(&["name", "type", "size"], &rows) else {
            panic!()
        };
        assert_eq!(data["text/plain"], "name  type      size\na     Vec<i32>   8 B");
        assert!(
            data["text/html"]
                .as_str()
                .unwrap()
                .contains("<code>Vec&lt;i32&gt;</code>")
        );
    }
}
