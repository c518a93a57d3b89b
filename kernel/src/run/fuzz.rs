//! The notebook reader under broken files: each is read or refused in words, whoever wrote it.

use super::check::Check;
use super::compare::Tolerance;
use super::parameters::{self, Given};
use crate::page::machine::Machine;
use crate::page::notebook::{self, Notebook};
use crate::page::{self, provenance};
use jook_fuzz::Fuzz;
use serde_json::{Value, json};
use std::path::Path;

/// Notebooks of every format, with all that cells can hold.
fn seeds() -> Vec<Vec<u8>> {
    let outputs = json!([
        {"output_type": "stream", "name": "stdout", "text": ["12%\r", "100% \u{1b}[31mred\u{1b}[0m\n"]},
        {"output_type": "display_data", "metadata": {"needs_background": "light"}, "data": {
            "text/plain": "plot", "text/html": "<b>b</b><script>1</script>", "image/png": "iVBORw0KGgo=",
            "image/svg+xml": ["<svg/>"], "text/latex": "$x^2$", "text/markdown": "*m*",
            "application/json": {"a": [1, null]},
        }},
        {"output_type": "execute_result", "execution_count": 2, "metadata": {}, "data": {"text/plain": ["0.25\n", "1e-3"]}},
        {"output_type": "error", "ename": "E0308", "evalue": "mismatched types", "traceback": ["\u{1b}[1merror\u{1b}[0m"]},
    ]);
    let four = |minor: u64| {
        json!({
            "cells": [
                {"cell_type": "markdown", "id": "a", "metadata": {}, "source": ["# Title\n", "`code` $a_1$ \\[x\\] ![p](attachment:p.png)\n\n| a |\n|---|\n| 1 |"],
                 "attachments": {"p.png": {"image/png": "iVBORw0KGgo="}}},
                {"cell_type": "code", "id": "b", "metadata": {"tags": ["parameters"]}, "outputs": [], "execution_count": 1,
                 "source": "let epochs = 20;\nlet mut rate: f32 = 0.1;\nlet name = \"a\".to_string();\nlet some = vec![1, 2];"},
                {"cell_type": "code", "id": "c", "metadata": {"tags": ["check-skip"], "jupyter": {"source_hidden": true},
                 "execution": {"iopub.execute_input": "2026-01-01T00:00:00Z", "shell.execute_reply": "2026-01-01T00:00:09Z"}},
                 "outputs": outputs, "execution_count": 2, "source": ["let run = net.train(&few)?;\n", "run // é😀"]},
                {"cell_type": "raw", "id": "d", "metadata": {"format": "text/html"}, "source": "<p>raw</p>"},
            ],
            "metadata": {"kernelspec": {"name": "jook", "display_name": "Jook", "language": "rust"},
                         "language_info": {"name": "rust"}, "jook": {"seed": 1, "jook": "0.1.0"}},
            "nbformat": 4, "nbformat_minor": minor,
        })
    };
    let mut books: Vec<Value> = (0..=5).map(four).collect();
    books.push(json!({
        "metadata": {"name": "old"}, "nbformat": 3, "nbformat_minor": 0,
        "worksheets": [{"metadata": {}, "cells": [
            {"cell_type": "heading", "level": 2, "metadata": {}, "source": ["Old"]},
            {"cell_type": "code", "collapsed": false, "input": ["1 + 1"], "language": "rust", "metadata": {},
             "outputs": [{"output_type": "pyout", "prompt_number": 1, "text": "2"}], "prompt_number": 1},
            {"cell_type": "html", "source": "<i>x</i>"},
        ]}],
    }));
    let mut seeds: Vec<Vec<u8>> = books.iter().map(|book| book.to_string().into_bytes()).collect();
    seeds.push(include_bytes!("../../../notebooks/01_first_bowl.ipynb").to_vec());
    seeds
}

const TOKENS: [&[u8]; 16] = [
    b"null",
    b"[]",
    b"{}",
    b"[[[[[[",
    b"{\"a\":{\"a\":",
    b"\"source\":",
    b"\"outputs\":",
    b"\"metadata\":",
    b"\"cell_type\":\"code\"",
    b"\"nbformat\":3",
    b"\"tags\":[\"parameters\"]",
    b"\"image/png\":",
    b"\\u0000",
    b"\\ud800",
    b"\xef\xbb\xbf",
    b"\n<<<<<<<",
];

/// The notebook in these bytes, if they are one.
fn read(input: &[u8]) -> Option<Notebook> {
    Notebook::parse(std::str::from_utf8(input).ok()?).ok()
}

#[test]
fn no_file_ends_the_reader() {
    let words = ["epochs", "5", "rate", "0.5", "name", "b", "some", "[3]"].map(str::to_string);
    let given = Given::read(None, &words).unwrap();
    let exact = Tolerance {
        relative: 0.0,
        absolute: 0.0,
    };
    Fuzz::new("notebook reader")
        .seeds(seeds())
        .tokens(TOKENS)
        .iterations(40_000)
        // A JSON object of one entry is eight bytes of text and some six hundred of memory, and there are copies.
        .memory(400, 1 << 20)
        .run(|input| {
            let Some(mut book) = read(input) else {
                return;
            };
            // Written and read again it is the same.
            let text = book.text();
            assert_eq!(Notebook::parse(&text).expect("it was read before").text(), text);
            let _ = book.language();
            if let Ok(check) = Check::of(&book, exact) {
                let all: Vec<_> = (0..book.cells().len()).map(|index| (index + 1, index)).collect();
                let verdict = check.compare(&book, &all);
                assert!(
                    verdict.different.is_empty(),
                    "differs from itself: {:?}",
                    verdict.different
                );
            }
            let before = book.cells().len();
            if let Ok(done) = parameters::inject(&mut book, &given) {
                assert!(done.is_some());
                let tagged = |cell: &&Value| notebook::has_tag(cell, notebook::INJECTED);
                assert!(book.cells().iter().any(|cell| tagged(&cell)));
            }
            assert!(book.cells().len() <= before + 1);
        });
}

#[test]
fn no_file_ends_the_page() {
    Fuzz::new("notebook page")
        .seeds(seeds())
        .tokens(TOKENS)
        .iterations(1_500)
        // Besides what is made of the notebook: the library that draws charts, and the highlighter's grammars.
        .memory(200, 16 << 20)
        .run(|input| {
            if let Some(book) = read(input) {
                let machine = Machine::here(Path::new("/nonexistent"));
                let page = page::render(&book, Path::new("."), "fuzz", &machine);
                assert!(page.ends_with("</html>\n"));
                let _ = provenance::foot(&book.metadata()["jook"]);
            }
        });
}
