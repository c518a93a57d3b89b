//! Parameters as papermill has them: a cell tagged `parameters` holds `let` statements with defaults, and a
//! run with other values puts them in a cell of its own, tagged `injected-parameters`, right after it.

use super::literal::Type;
use crate::page::notebook::{self, INJECTED, Kind, Notebook};
use anyhow::{Context as _, Result, anyhow, bail};
use ra_ap_syntax::ast::{self, HasName as _};
use ra_ap_syntax::{AstNode as _, Edition, SourceFile};
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::path::Path;

/// The tag of the cell with the defaults.
const DEFAULTS: &str = "parameters";

/// The values a run is given, by name, in order. A later one of the same name counts.
#[derive(Debug, Default)]
pub struct Given(Vec<(String, Raw)>);

#[derive(Clone, Debug)]
enum Raw {
    /// As the command line has it: what it means is up to the default's type.
    Words(String),
    Json(Value),
}

/// What [`inject`] has done.
#[derive(Debug)]
pub struct Injected {
    /// The values by name, for the notebook's metadata.
    pub values: Map<String, Value>,
    /// What the user should know, if anything.
    pub note: Option<String>,
}

/// One `let` of the cell with the defaults.
struct Parameter {
    name: String,
    /// Of `let`, `mut`, name and annotation: what stands before `=`.
    head: String,
    default: String,
    /// None where no value can be given.
    of: Option<Type>,
}

impl Given {
    /// From names and words by turns, and from a file that holds one JSON object.
    pub fn read(file: Option<&Path>, pairs: &[String]) -> Result<Self> {
        let mut given = Self::default();
        if let Some(path) = file {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            let values: Map<String, Value> = serde_json::from_str(&text).with_context(|| {
                let example = r#"{"epochs": 5, "name": "x"}"#;
                format!(
                    "{} is not a JSON object of parameters, as {example}",
                    path.display()
                )
            })?;
            for (name, value) in values {
                given.set(&name, Raw::Json(value));
            }
        }
        for pair in pairs.chunks_exact(2) {
            given.set(&pair[0], Raw::Words(pair[1].clone()));
        }
        Ok(given)
    }

    fn set(&mut self, name: &str, raw: Raw) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_string(), raw));
    }
}

/// The place of the first code cell with this tag.
fn tagged(notebook: &Notebook, tag: &str) -> Option<usize> {
    let code = |cell: &Value| notebook::kind(cell) == Kind::Code && notebook::has_tag(cell, tag);
    notebook.cells().iter().position(code)
}

/// The names of the parameters that a notebook has defaults for.
pub fn names(notebook: &Notebook) -> Vec<String> {
    let defaults = tagged(notebook, DEFAULTS).map(|index| notebook::source(&notebook.cells()[index]));
    let known = defaults.and_then(|source| parameters(&source).ok());
    known
        .unwrap_or_default()
        .into_iter()
        .map(|parameter| parameter.name)
        .collect()
}

/// Puts the values into the notebook, in place of those of an earlier run. With no values it stays as it is,
/// values of an earlier run included.
pub fn inject(notebook: &mut Notebook, given: &Given) -> Result<Option<Injected>> {
    if given.0.is_empty() {
        return Ok(None);
    }
    let (defaults, earlier) = (tagged(notebook, DEFAULTS), tagged(notebook, INJECTED));
    let known = match defaults {
        Some(index) => Some(
            parameters(&notebook::source(&notebook.cells()[index]))
                .with_context(|| format!("cell {} is tagged {DEFAULTS}, but cannot be read", index + 1))?,
        ),
        None => None,
    };
    let mut source = String::from("// Parameters\n");
    let mut values = Map::new();
    for (name, raw) in &given.0 {
        let (statement, value) = match &known {
            Some(known) => statement(known, name, raw)?,
            None => statement_without_default(name, raw)?,
        };
        source.push_str(&statement);
        source.push('\n');
        values.insert(name.clone(), value);
    }
    match (earlier, defaults) {
        (Some(index), _) => notebook.cell_mut(index)["source"] = notebook::lines(source.trim_end()),
        (None, defaults) => {
            notebook.insert(defaults.map_or(0, |index| index + 1), source.trim_end(), INJECTED);
        }
    }
    let note = match defaults {
        Some(_) => None,
        None => Some(format!(
            "No cell is tagged {DEFAULTS}: the values are set at the top, with the types they seem to have."
        )),
    };
    Ok(Some(Injected { values, note }))
}

/// The `let` that gives the parameter `name` its value.
fn statement(known: &[Parameter], name: &str, raw: &Raw) -> Result<(String, Value)> {
    // The last of two equal names is the one the notebook works with.
    let Some(parameter) = known.iter().rev().find(|parameter| parameter.name == name) else {
        bail!("there is no parameter `{name}`; {}", listed(known));
    };
    let Some(of) = &parameter.of else {
        bail!(
            "`{name}` cannot be given: the type of its default `{}` is not plain; a literal or an annotation \
             (`let {name}: f64 = ..`) says it; {}",
            parameter.default,
            listed(known)
        );
    };
    let value = match raw {
        Raw::Words(words) => of.read(words),
        Raw::Json(value) => Some(value.clone()),
    };
    let written = value.and_then(|value| Some((of.write(&value)?, value)));
    let Some((literal, value)) = written else {
        let said = match raw {
            Raw::Words(words) => words.clone(),
            Raw::Json(value) => value.to_string(),
        };
        bail!(
            "`{name}` takes {}, not `{said}`; {}",
            of.describe(),
            listed(known)
        );
    };
    Ok((format!("{} = {literal};", parameter.head), value))
}

/// The same where the notebook names no parameters: the value's own form says its type.
fn statement_without_default(name: &str, raw: &Raw) -> Result<(String, Value)> {
    let file = SourceFile::parse(&format!("fn cell() {{ let {name} = 1; }}"), Edition::CURRENT);
    let bound = file.tree().syntax().descendants().find_map(ast::IdentPat::cast);
    let bound = bound.and_then(|pattern| pattern.name());
    if !file.errors().is_empty() || bound.is_none_or(|bound| bound.text() != name) {
        bail!("`{name}` is no name that a variable can have");
    }
    let value = match raw {
        Raw::Json(value) => value.clone(),
        Raw::Words(words) => serde_json::from_str(words)
            .ok()
            .filter(|value: &Value| !value.is_string())
            .unwrap_or_else(|| Value::from(words.as_str())),
    };
    let written = Type::of_value(&value).and_then(|of| of.write(&value));
    let literal = written.ok_or_else(|| {
        anyhow!(
            "`{name}`: the type of `{value}` is not known; a cell tagged {DEFAULTS} with \
             `let {name}: .. = ..;` says it"
        )
    })?;
    Ok((format!("let {name} = {literal};"), value))
}

/// The parameters there are, one a line.
fn listed(known: &[Parameter]) -> String {
    if known.is_empty() {
        return format!("the cell tagged {DEFAULTS} has no `let` statement");
    }
    let mut text = String::from("the notebook has");
    for parameter in known {
        let _ = write!(text, "\n  {} = {};", parameter.head, parameter.default);
    }
    text
}

/// No cell of defaults is longer than this, in bytes: the parser goes as deep as its text is nested.
const LONGEST: usize = 16 << 10;
/// Room for a text that is nothing but openings.
const STACK: usize = 256 << 20;

/// The `let` statements of a cell, other things aside.
fn parameters(source: &str) -> Result<Vec<Parameter>> {
    if source.len() > LONGEST {
        bail!("it has {} bytes, more than {LONGEST}", source.len());
    }
    let read = std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().stack_size(STACK);
        let reader = reader.spawn_scoped(scope, || statements(source))?;
        Ok::<_, std::io::Error>(reader.join())
    });
    match read.context("no thread could be started to read it")? {
        Ok(parameters) => parameters,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn statements(source: &str) -> Result<Vec<Parameter>> {
    let file = SourceFile::parse(&format!("fn cell() {{\n{source}\n}}"), Edition::CURRENT);
    if let Some(error) = file.errors().first() {
        bail!("{error}");
    }
    let function = file.tree().syntax().descendants().find_map(ast::Fn::cast);
    let statements = function
        .and_then(|function| function.body())
        .and_then(|body| body.stmt_list())
        .map(|list| list.statements().collect::<Vec<_>>())
        .unwrap_or_default();
    Ok(statements.iter().filter_map(parameter).collect())
}

fn parameter(statement: &ast::Stmt) -> Option<Parameter> {
    let ast::Stmt::LetStmt(statement) = statement else {
        return None;
    };
    let ast::Pat::IdentPat(pattern) = statement.pat()? else {
        return None;
    };
    let default = statement.initializer()?;
    let name = pattern.name()?.text().to_string();
    let annotation = statement.ty().map(|of| of.syntax().text().to_string());
    let mut head = String::from("let ");
    if pattern.mut_token().is_some() {
        head.push_str("mut ");
    }
    head.push_str(&name);
    if let Some(annotation) = &annotation {
        let _ = write!(head, ": {annotation}");
    }
    let of = match &annotation {
        Some(annotation) => Type::annotated(annotation).or_else(|| {
            // `Vec<_>` leaves to the default what it is of.
            annotation
                .contains('_')
                .then(|| Type::of_default(&default))
                .flatten()
        }),
        None => Type::of_default(&default),
    };
    let default = default.syntax().text().to_string();
    Some(Parameter {
        name,
        head,
        default,
        of,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn book(cells: &[(&str, &str)]) -> Notebook {
        let cells: Vec<_> = cells
            .iter()
            .map(|(source, tag)| json!({"cell_type": "code", "metadata": {"tags": [tag]}, "source": source}))
            .collect();
        let value = json!({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5});
        Notebook::parse(&value.to_string()).unwrap()
    }

    fn given(pairs: &[&str]) -> Given {
        let pairs: Vec<_> = pairs.iter().map(|word| word.to_string()).collect();
        Given::read(None, &pairs).unwrap()
    }

    fn sources(notebook: &Notebook) -> Vec<String> {
        notebook.cells().iter().map(notebook::source).collect()
    }

    const CELL: &str = "// How long and how fast.\nlet mut epochs = 20;\nlet rate: f32 = 0.1;\n\
        let name = \"a\".to_string();\nlet pause = Duration::from_secs(1);\nlet some: Vec<_> = vec![1u8];";

    #[test]
    fn values_stand_after_their_defaults_and_are_replaced_by_the_next_run() {
        let mut notebook = book(&[("use jook::*;", "x"), (CELL, DEFAULTS), ("epochs", "x")]);
        let injected = inject(
            &mut notebook,
            &given(&["epochs", "4", "rate", "1", "epochs", "5"]),
        )
        .unwrap();
        let injected = injected.unwrap();
        assert_eq!(Value::from(injected.values), json!({"rate": 1.0, "epochs": 5}));
        assert!(injected.note.is_none());
        assert_eq!(
            sources(&notebook)[2],
            "// Parameters\nlet rate: f32 = 1.0;\nlet mut epochs = 5;"
        );
        assert!(notebook::has_tag(&notebook.cells()[2], INJECTED));
        let again = given(&["name", "b", "some", "[2]"]);
        inject(&mut notebook, &again).unwrap();
        assert_eq!(notebook.cells().len(), 4);
        let wanted = "// Parameters\nlet name = String::from(\"b\");\nlet some: Vec<_> = vec![2u8];";
        assert_eq!(sources(&notebook)[2], wanted);
        assert!(inject(&mut notebook, &given(&[])).unwrap().is_none());
        assert_eq!(sources(&notebook)[2], wanted);
    }

    #[test]
    fn what_cannot_be_given_names_what_can() {
        let refused = |pairs: &[&str]| {
            let mut notebook = book(&[(CELL, DEFAULTS)]);
            let error = inject(&mut notebook, &given(pairs)).unwrap_err();
            assert_eq!(notebook.cells().len(), 1);
            format!("{error:#}")
        };
        let unknown = refused(&["epoch", "5"]);
        assert!(
            unknown.starts_with("there is no parameter `epoch`; the notebook has\n  let mut epochs = 20;\n")
        );
        assert!(unknown.contains("\n  let rate: f32 = 0.1;\n"));
        let wrong = refused(&["epochs", "many"]);
        assert!(
            wrong.starts_with("`epochs` takes an integer from -2147483648 to 2147483647 (i32), not `many`;")
        );
        assert!(refused(&["pause", "5"]).contains("`Duration::from_secs(1)`"));
        let mut broken = book(&[("let a = ;", DEFAULTS)]);
        let error = inject(&mut broken, &given(&["a", "1"])).unwrap_err();
        assert!(format!("{error:#}").starts_with("cell 1 is tagged parameters, but cannot be read: "));
    }

    #[test]
    fn without_a_cell_of_defaults_values_go_to_the_top_and_that_is_said() {
        let mut notebook = book(&[("1", "x")]);
        let injected = inject(
            &mut notebook,
            &given(&["n", "-3", "who", "a\"b", "some", "[1, 0.5]"]),
        );
        assert!(injected.unwrap().unwrap().note.unwrap().contains("at the top"));
        let wanted = "// Parameters\nlet n = -3;\nlet who = \"a\\\"b\";\nlet some = vec![1.0, 0.5];";
        assert_eq!(sources(&notebook), [wanted, "1"]);
        for name in ["a = 1; b", "fn", "1a", "", "_", "a b"] {
            let error = inject(&mut book(&[]), &given(&[name, "1"])).unwrap_err();
            assert!(
                error.to_string().contains("no name that a variable can have"),
                "{name}"
            );
        }
    }

    #[test]
    fn a_cell_of_defaults_may_be_nested_deeply_but_not_be_endless() {
        for opening in ["|", "(", "|1|", "[", "-"] {
            let deep = format!("let a = {};", opening.repeat((LONGEST - 10) / opening.len()));
            assert!(parameters(&deep).is_err(), "{opening}");
        }
        let error = parameters(&" ".repeat(LONGEST + 1)).err().unwrap();
        assert!(error.to_string().contains("more than"));
    }

    #[test]
    fn a_file_of_values_yields_to_the_command_line() {
        let path = std::env::temp_dir().join(format!("jook-parameters-{}.json", std::process::id()));
        std::fs::write(&path, r#"{"epochs": 3, "name": "file"}"#).unwrap();
        let both = Given::read(Some(&path), &["epochs".to_string(), "4".to_string()]).unwrap();
        let mut notebook = book(&[(CELL, DEFAULTS)]);
        let values = inject(&mut notebook, &both).unwrap().unwrap().values;
        assert_eq!(Value::from(values), json!({"epochs": 4, "name": "file"}));
        std::fs::write(&path, "[1]").unwrap();
        let error = Given::read(Some(&path), &[]).unwrap_err();
        assert!(error.to_string().contains("is not a JSON object of parameters"));
        std::fs::remove_file(path).unwrap();
    }
}
