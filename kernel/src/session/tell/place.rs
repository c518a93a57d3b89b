//! From a line of the source that evcxr generated back to a line of the cell.

use ra_ap_syntax::ast::HasModuleItem as _;
use ra_ap_syntax::{AstNode as _, Edition, SourceFile};

/// In the line where the code of the cell's own statements starts.
pub const BODY: &str = "pub extern \"C-unwind\" fn jook_cell_";

/// The text of the item of `generated` that `line` (from 1) is in, and how many lines of it come before that one. None in
/// the code of the cell's own statements.
pub fn item_at(generated: &str, line: usize) -> Option<(String, usize)> {
    let items = &generated[..generated.find(BODY)?];
    let lines: Vec<&str> = items.split_inclusive('\n').take(line).collect();
    let (last, before) = lines.split_last().filter(|_| lines.len() == line)?;
    // The end of the line: copies of the notebook's macros may stand before its item.
    let start = before.iter().map(|line| line.len()).sum::<usize>() + last.trim_end().len().checked_sub(1)?;
    let parsed = SourceFile::parse(items, Edition::Edition2024);
    let item = parsed.tree().items().find(|item| {
        let range = item.syntax().text_range();
        usize::from(range.start()) <= start && start < usize::from(range.end())
    })?;
    let from = usize::from(item.syntax().text_range().start());
    let before = items.get(from..)?.get(..start - from)?.matches('\n').count();
    Some((item.syntax().text().to_string(), before))
}

/// The line of `cell` that stands so many lines below the head of this item, when the cell has it.
pub fn line_of_item(cell: &str, item: &str, below: usize) -> Option<usize> {
    let at = cell.find(item.trim())?;
    Some(cell[..at].matches('\n').count() + 1 + below)
}

/// The line of `cell` that stands at `line` of `generated` (both from 1). evcxr copies the user's lines as
/// they are but moves items about, so lines are matched by their text, and equal ones by their order.
pub fn cell_line(generated: &str, cell: &str, line: usize) -> Option<usize> {
    let text = |line: usize| Some(generated.lines().nth(line.checked_sub(1)?)?.trim());
    let mut line = line;
    // evcxr opens a bracket in a line of its own around a cell's value; rustc counts it as part of that.
    while text(line)? == "(" && !cell.lines().any(|own| own.trim() == "(") {
        line += 1;
    }
    let wanted = text(line)?;
    if wanted.is_empty() {
        return None;
    }
    // Functions, of earlier cells too, stand before the body: equal lines count within their own part.
    let body = generated
        .lines()
        .position(|text| text.contains(BODY))
        .filter(|&at| at < line)
        .unwrap_or(0);
    let in_part = |from: usize, to: usize| {
        let part = generated.lines().take(to).skip(from);
        part.filter(|text| text.trim() == wanted).count()
    };
    let rank = in_part(body, line - 1);
    let same: Vec<usize> = cell
        .lines()
        .enumerate()
        .filter(|(_, text)| text.trim() == wanted)
        .map(|(index, _)| index + 1)
        .collect();
    // A cell's functions mostly stand before what calls them.
    let before = match body {
        0 => 0,
        _ => same.len().saturating_sub(in_part(body, usize::MAX)),
    };
    if let Some(&only) = same.get(before + rank).or(same.last()) {
        return Some(only);
    }
    // A statement that shares its line with others stands alone in the generated source.
    let mut holding = cell.lines().enumerate().filter(|(_, text)| text.contains(wanted));
    match (holding.next(), holding.next()) {
        (Some((index, _)), None) => Some(index + 1),
        _ => None,
    }
}

/// Shortens the path of a library's file to what a reader knows it by.
pub fn short_path(path: &str) -> &str {
    for mark in ["/registry/src/", "/rustlib/src/rust/", "/rustc/"] {
        if let Some((_, rest)) = path.split_once(mark) {
            return rest.split_once('/').map_or(rest, |(_, rest)| rest);
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_text_and_order() {
        let cell = "let a = 1;\nstep();\nlet b = 2;\nstep();\nlet c = 3; last()?;";
        let generated = "mod x {}\nlet a = 1;\n step();\nlet b = 2;\nstep();\nlet c = 3;\n last()?;\n";
        assert_eq!(cell_line(generated, cell, 2), Some(1));
        assert_eq!(cell_line(generated, cell, 3), Some(2));
        assert_eq!(cell_line(generated, cell, 5), Some(4));
        assert_eq!(cell_line(generated, cell, 7), Some(5));
        assert_eq!(cell_line(generated, cell, 1), None);
        assert_eq!(cell_line(generated, cell, 99), None);
    }

    #[test]
    fn equal_lines_of_functions_are_not_counted() {
        let generated = format!(
            "fn earlier() {{\nx.unwrap();\n}}\nfn f() {{\nx.unwrap();\n}}\n{BODY}3(\nx.unwrap();\ny();\nx.unwrap();\n"
        );
        let cell = "fn f() {\nx.unwrap();\n}\nx.unwrap();\ny();\nx.unwrap();";
        assert_eq!(cell_line(&generated, cell, 8), Some(4));
        assert_eq!(cell_line(&generated, cell, 10), Some(6));
        assert_eq!(
            cell_line(&generated, "x.unwrap();\ny();\nx.unwrap();", 10),
            Some(3)
        );
    }

    #[test]
    fn the_bracket_around_a_cells_value_is_its_first_line() {
        let generated = format!("{BODY}3(\nlet ix = arr.len();\n(\narr[ix]\n).evcxr_display();\n");
        let cell = "let arr = [1];\nlet ix = arr.len();\narr[ix]";
        assert_eq!(cell_line(&generated, cell, 3), Some(3));
        assert_eq!(cell_line(&generated, cell, 4), Some(3));
        assert_eq!(cell_line(&generated, "(\narr[ix]\n)", 3), Some(1));
    }

    #[test]
    fn an_item_is_found_in_the_cell_that_defines_it() {
        let function = "fn f() {\n    let a = 1;\n    panic!(\"{a}\")\n}";
        let generated = format!("use a::b;\nstruct A;\n{function}\n{BODY}3(\nf();\n");
        assert_eq!(item_at(&generated, 5), Some((function.to_owned(), 2)));
        assert_eq!(item_at(&generated, 8), None);
        let copied = generated.replace("fn f() {", "macro_rules! m { () => {} } fn f() {");
        assert_eq!(item_at(&copied, 3), Some((function.to_owned(), 0)));
        assert_eq!(
            line_of_item(&format!("let x = 1;\n\n{function}\nf()"), function, 2),
            Some(5)
        );
        assert_eq!(line_of_item("fn f() {}", function, 2), None);
    }

    #[test]
    fn library_paths_lose_what_is_the_same_for_all() {
        let path = "/home/a/.cargo/registry/src/index-123/polars-core-0.55.2/src/frame/mod.rs";
        assert_eq!(short_path(path), "polars-core-0.55.2/src/frame/mod.rs");
        let std = "/home/a/.rustup/toolchains/stable/lib/rustlib/src/rust/library/core/src/time.rs";
        assert_eq!(short_path(std), "core/src/time.rs");
        assert_eq!(short_path("cell/lib.rs"), "cell/lib.rs");
    }
}
