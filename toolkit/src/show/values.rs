//! Values of the language, of dfdx and of plotly.

use dfdx::shapes::{Shape, Unit};
use dfdx::tensor::{Cpu, Storage, Tensor};
use plotly::Plot;

use super::cut::{self, Beginning, shortened};
use super::figure::describe;
use super::html::preformatted;
use super::{Bundle, Show, readable_number};
use crate::Error;

/// Values of a list that are shown.
const SEVERAL: usize = 50;
/// Of a longer list of numbers, those at its start and at its end.
const HEAD: usize = 20;
const TAIL: usize = 5;
/// Of a list of texts, tables and the like: no more of them after this many characters.
const PAGE: usize = 4 * cut::MOST;
/// How the text of an error begins.
const ERROR: &str = "error: ";
/// Prints all of a text, and all of a list.
const PRINT_TEXT: &str = "println!(\"{}\", …)";
const PRINT_LIST: &str = "println!(\"{:?}\", …)";

/// Numbers and the like, as `Debug` writes them. That they are here also spares a cell that ends in one a second
/// compilation: evcxr turns to `Debug` only when a call of the method did not compile.
macro_rules! plain_values {
    ($($kind:ty),*) => {$(
        impl Show for $kind {
            fn bundle(&self) -> Bundle {
                Bundle::word(format!("{self:?}"))
            }
        }
    )*};
}

plain_values!(
    bool, char, f32, f64, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize
);

/// A cell that ends in a statement or in `Ok(())` shows nothing.
impl Show for () {
    fn bundle(&self) -> Bundle {
        Bundle::word("()")
    }

    fn outputs(&self) -> Vec<Bundle> {
        Vec::new()
    }
}

impl Show for str {
    /// The text, or the beginning of a long one.
    fn bundle(&self) -> Bundle {
        let cut = text_beginning(self);
        let text = cut.as_deref().unwrap_or(self);
        let literal = Beginning::of(format_args!("{self:?}"));
        let length = || format!("{} characters", self.chars().count());
        Bundle::text(text)
            .html(preformatted(text))
            .literal(literal.with_note(cut.is_some().then(length), PRINT_LIST))
    }
}

impl Show for String {
    fn bundle(&self) -> Bundle {
        self.as_str().bundle()
    }
}

impl Show for Error {
    fn bundle(&self) -> Bundle {
        error_bundle(&self.to_string())
    }
}

fn text_beginning(text: &str) -> Option<String> {
    shortened(
        text,
        || format!("{} characters", text.chars().count()),
        PRINT_TEXT,
    )
}

fn error_bundle(text: &str) -> Bundle {
    let cut = text_beginning(text);
    let text = cut.as_deref().unwrap_or(text);
    let block = preformatted(text);
    let html = format!("<div style=\"border-left:3px solid #d55e00;padding-left:10px\">{block}</div>");
    Bundle::text(format!("{ERROR}{text}")).html(html)
}

impl<T: Show> Show for Option<T> {
    fn bundle(&self) -> Bundle {
        match self {
            Some(value) => some(value.bundle()),
            None => Bundle::word("None"),
        }
    }

    fn outputs(&self) -> Vec<Bundle> {
        match self {
            Some(value) => value.outputs().into_iter().map(some).collect(),
            None => vec![self.bundle()],
        }
    }
}

/// A word stands in its `Some`, and a text, as Rust writes it; a chart or a table shows itself.
fn some(inner: Bundle) -> Bundle {
    match (inner.word, &inner.literal) {
        (true, _) => Bundle::word(format!("Some({})", inner.text)),
        (false, Some(literal)) => Bundle::word(format!("Some({literal})")),
        (false, None) => inner,
    }
}

/// A value shows itself; a text that reads like an error is told from one.
fn ok(inner: Bundle) -> Bundle {
    match &inner.literal {
        Some(literal) if inner.text.starts_with(ERROR) => Bundle::word(format!("Ok({literal})")),
        _ => inner,
    }
}

/// A cell may end without the `?`: the value shows itself, an error says what is wrong.
impl<T: Show, E: std::fmt::Display> Show for Result<T, E> {
    fn bundle(&self) -> Bundle {
        match self {
            Ok(value) => ok(value.bundle()),
            Err(error) => error_bundle(&error.to_string()),
        }
    }

    fn outputs(&self) -> Vec<Bundle> {
        match self {
            Ok(value) => value.outputs().into_iter().map(ok).collect(),
            Err(_) => vec![self.bundle()],
        }
    }
}

impl<T: Show> Show for [T] {
    /// Numbers as Rust writes a list; of other values the first, one below the other. A bundle holds one chart
    /// at most: of several, their text.
    fn bundle(&self) -> Bundle {
        let first = if self.len() > SEVERAL { HEAD } else { SEVERAL };
        let mut bundles = beginning(self, first, |value| vec![value.bundle()]);
        if !bundles.is_empty() && bundles.iter().all(|bundle| bundle.word) {
            return beside_each_other(self, &bundles);
        }
        if !bundles.is_empty() && are_alike(&bundles) {
            return beside_each_other(self, &bundles);
        }
        if first < SEVERAL {
            bundles = beginning(self, SEVERAL, |value| vec![value.bundle()]);
        }
        match &bundles[..] {
            [] => Bundle::word("(empty)"),
            [one] if self.len() == 1 => one.clone(),
            several => below_each_other(several, self.len()),
        }
    }

    /// One output, or with charts among the values one for each, so that charts stay charts.
    fn outputs(&self) -> Vec<Bundle> {
        let all = beginning(self, SEVERAL, Show::outputs);
        let nothing_to_see = all.is_empty() && !self.is_empty();
        match nothing_to_see || all.iter().any(|output| output.plotly.is_some()) {
            true => all,
            false => vec![self.bundle()],
        }
    }
}

/// What the first of `values` make, up to `most` of them, and no more than fills what is shown of a list: lists of
/// lists of lists would take long otherwise. Charts fill nothing.
fn beginning<T: Show>(values: &[T], most: usize, make: impl Fn(&T) -> Vec<Bundle>) -> Vec<Bundle> {
    let mut made: Vec<Bundle> = Vec::new();
    let mut length = 0;
    for value in values.iter().take(most) {
        let full = match made.iter().all(|bundle| bundle.word) {
            true => length > cut::MOST,
            false => length > PAGE,
        };
        if full {
            break;
        }
        for bundle in make(value) {
            length += if bundle.plotly.is_some() {
                0
            } else {
                bundle.text.chars().count()
            };
            made.push(bundle);
        }
    }
    made
}

/// Whether these are texts that would look like others one below the other: some have several lines, or none.
fn are_alike(bundles: &[Bundle]) -> bool {
    let is_no_line = |text: &str| text.trim().is_empty() || text.contains('\n');
    bundles.iter().all(|bundle| bundle.literal.is_some())
        && bundles.iter().any(|bundle| is_no_line(&bundle.text))
}

/// A list as Rust writes it; of a long one the ends and the length.
fn beside_each_other<T: Show>(values: &[T], words: &[Bundle]) -> Bundle {
    let inner = |bundle: &Bundle| match &bundle.literal {
        Some(literal) => literal.clone(),
        None => bundle.plain().replace('\n', "\n "),
    };
    let mut texts: Vec<String> = words.iter().map(inner).collect();
    let mut length = String::new();
    if values.len() > words.len() {
        let tail = &values[values.len().saturating_sub(TAIL).max(words.len())..];
        texts.push("…".to_owned());
        texts.extend(tail.iter().map(|value| inner(&value.bundle())));
        length = format!(" ({} values; {PRINT_LIST} prints all)", values.len());
    }
    // Lists in a list are its rows.
    let comma = if texts[0].starts_with('[') { ",\n " } else { ", " };
    let text = format!("[{}]{length}", texts.join(comma));
    let cut = shortened(&text, || format!("{} values", values.len()), PRINT_LIST);
    Bundle::word(cut.unwrap_or(text))
}

fn below_each_other(bundles: &[Bundle], all: usize) -> Bundle {
    let mut texts: Vec<String> = bundles.iter().map(|b| b.plain().to_owned()).collect();
    let part = |b: &Bundle| format!("<div style=\"margin-bottom:8px\">{}</div>", b.to_html());
    let mut html: String = bundles.iter().map(part).collect();
    let more = all - bundles.len();
    if more > 0 {
        let mut rest = format!("… and {more} more of {all}");
        if bundles.iter().all(|bundle| bundle.literal.is_some()) {
            rest += &format!("; {PRINT_LIST} prints all");
        }
        html += &format!(
            "<div style=\"opacity:0.65\">{}</div>",
            super::html::escape_html(&rest)
        );
        texts.push(rest);
    }
    Bundle::text(texts.join("\n")).html(html)
}

impl<T: Show> Show for Vec<T> {
    fn bundle(&self) -> Bundle {
        self.as_slice().bundle()
    }

    fn outputs(&self) -> Vec<Bundle> {
        self.as_slice().outputs()
    }
}

impl Show for Plot {
    fn bundle(&self) -> Bundle {
        let bundle = Bundle::text(String::new()).plot(self);
        let text = bundle.plotly.as_ref().map(describe).unwrap_or_default();
        Bundle { text, ..bundle }
    }
}

impl<S: Shape, E: Unit + Into<f64>, T> Show for Tensor<S, E, Cpu, T>
where
    Cpu: Storage<E>,
{
    fn bundle(&self) -> Bundle {
        let shape: Vec<usize> = dfdx::shapes::HasShape::shape(self).concrete().into();
        // dfdx panics when it copies out of an empty tensor.
        let values: Vec<f64> = match shape.contains(&0) {
            true => Vec::new(),
            false => self.as_vec().into_iter().map(Into::into).collect(),
        };
        let text = tensor_text(&shape, &values, std::any::type_name::<E>());
        let html = preformatted(&text);
        Bundle::text(text).html(html)
    }
}

/// Shape, range and mean, then the values, the middle of long axes left out.
fn tensor_text(shape: &[usize], values: &[f64], kind: &str) -> String {
    let mut out = format!("tensor {kind} {}", shape_text(shape));
    if values.is_empty() {
        return out + ", no values";
    }
    if values.len() > 1 {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let [low, high, mean] = [low, high, mean].map(readable_number);
        out += &format!(", {low} to {high}, mean {mean}");
        let broken = values.iter().filter(|v| !v.is_finite()).count();
        if broken > 0 {
            out += &format!(", {broken} not finite");
        }
    }
    let texts: Vec<String> = values.iter().map(|v| readable_number(*v)).collect();
    let most = if texts.len() > 200 { 3 } else { usize::MAX / 2 };
    let shown = kept(shape, &texts, most);
    let width = shown.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    out.push('\n');
    nested(shape, &texts, most, width, 0, &mut out);
    out
}

fn shape_text(shape: &[usize]) -> String {
    match shape {
        [] => "(one value)".into(),
        sides => sides.iter().map(usize::to_string).collect::<Vec<_>>().join(" × "),
    }
}

/// The indices of an axis that are shown: all, or `most` at each end around a gap.
fn shown_indices(n: usize, most: usize) -> Vec<Option<usize>> {
    match n > 2 * most + 1 {
        true => (0..most)
            .map(Some)
            .chain([None])
            .chain((n - most..n).map(Some))
            .collect(),
        false => (0..n).map(Some).collect(),
    }
}

fn kept<'a>(shape: &[usize], texts: &'a [String], most: usize) -> Vec<&'a str> {
    match shape {
        [] => texts.iter().map(String::as_str).collect(),
        [n, rest @ ..] => {
            let size = texts.len() / n.max(&1);
            let part = |i: usize| kept(rest, &texts[i * size..(i + 1) * size], most);
            shown_indices(*n, most)
                .into_iter()
                .flatten()
                .flat_map(part)
                .collect()
        }
    }
}

fn nested(shape: &[usize], texts: &[String], most: usize, width: usize, depth: usize, out: &mut String) {
    let Some((n, rest)) = shape.split_first() else {
        *out += &format!("{:>width$}", texts[0]);
        return;
    };
    let size = texts.len() / n.max(&1);
    out.push('[');
    for (place, index) in shown_indices(*n, most).into_iter().enumerate() {
        if place > 0 {
            *out += if rest.is_empty() { ", " } else { ",\n" };
            *out += &if rest.is_empty() {
                String::new()
            } else {
                " ".repeat(depth + 1)
            };
        }
        match index {
            Some(i) => nested(
                rest,
                &texts[i * size..(i + 1) * size],
                most,
                width,
                depth + 1,
                out,
            ),
            None => out.push('…'),
        }
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use dfdx::shapes::Const;
    use dfdx::tensor::{TensorFrom, ZerosTensor};

    use super::*;
    use crate::show::chart;

    #[test]
    fn a_tensor_shows_shape_range_and_values() {
        let cpu = Cpu::default();
        let tensor = cpu.tensor([[1.0f32, -2.5, 0.125], [10.0, f32::NAN, 3.0]]);
        let text = tensor.bundle().text;
        let expected = "tensor f32 2 × 3, -2.5 to 10, mean NaN, 1 not finite\n\
                        [[    1,  -2.5, 0.125],\n [   10,   NaN,     3]]";
        assert_eq!(text, expected);
        assert_eq!(cpu.tensor(2.0f64).bundle().text, "tensor f64 (one value)\n2");
    }

    #[test]
    fn a_large_tensor_is_abbreviated_on_every_axis_and_an_empty_one_says_so() {
        let cpu = Cpu::default();
        let large: Tensor<(usize, Const<50>), f32, Cpu> = cpu.zeros_like(&(1000, Const));
        let text = large.bundle().text;
        assert!(text.starts_with("tensor f32 1000 × 50, 0 to 0"), "{text}");
        assert_eq!(text.lines().count(), 8, "{text}");
        assert!(text.lines().nth(1).unwrap().contains("…"));
        let empty: Tensor<(usize, Const<5>), f32, Cpu> = cpu.zeros_like(&(0, Const));
        assert!(empty.bundle().text.contains("0 × 5, no values"));
    }

    #[test]
    fn a_chart_says_in_words_what_is_in_it() {
        let curve = chart::Curve {
            name: "a<b".into(),
            x: vec![1.0, 2.0],
            y: vec![0.5, f64::NAN],
            band: None,
        };
        let plot = chart::curves(["loss", "epoch", "value"], &[curve]);
        let bundle = plot.bundle();
        assert_eq!(
            bundle.text,
            "[chart] loss (value over epoch)\n  scatter a<b: 2 points, 0.5"
        );
        let figure = bundle.plotly.unwrap();
        assert_eq!(figure["data"][0]["y"], serde_json::json!([0.5, null]));
        assert_eq!(figure["data"][0]["name"], "a&lt;b");
        assert!(figure.get("frames").is_none());
    }

    #[test]
    fn numbers_show_as_rust_writes_them_alone_and_in_lists() {
        assert_eq!((1 + 1).bundle().text, "2");
        assert_eq!((0.5 + 0.5).bundle(), Bundle::word("1.0"));
        assert_eq!(
            ('a'.bundle().text, true.bundle().text),
            ("'a'".into(), "true".into())
        );
        assert_eq!([1, 2, 3].bundle().text, "[1, 2, 3]");
        assert_eq!(vec![0.5_f32].outputs(), [Bundle::word("[0.5]")]);
        assert_eq!(vec![Some(1_u32), None].bundle().text, "[Some(1), None]");
        assert_eq!(Some(7_u32).bundle().text, "Some(7)");
        let fine: crate::Result<f64> = Ok(0.25);
        assert_eq!(fine.bundle().text, "0.25");
        assert_eq!(
            vec![vec![1, 2], vec![3]].bundle(),
            Bundle::word("[[1, 2],\n [3]]")
        );
        let long: Vec<f32> = (0..1000_u16).map(f32::from).collect();
        let text = long.bundle().text;
        let end = "18.0, 19.0, …, 995.0, 996.0, 997.0, 998.0, 999.0] (1000 values; println!(\"{:?}\", …) prints all)";
        assert!(text.starts_with("[0.0, 1.0,") && text.ends_with(end), "{text}");
    }

    #[test]
    fn nothing_is_shown_of_unit_but_an_error_in_its_place_is() {
        assert!(().outputs().is_empty() && vec![(), ()].outputs().is_empty());
        let [fine, failed]: [crate::Result<()>; 2] = [Ok(()), Err(Error::data("found <x>"))];
        assert!(fine.outputs().is_empty());
        let [error] = &failed.outputs()[..] else {
            panic!("one output")
        };
        assert!(error.text == "error: found <x>" && error.to_html().contains("found &lt;x&gt;"));
    }

    #[test]
    fn different_values_do_not_look_the_same() {
        for (one, other) in [
            (Some("None").bundle(), None::<&str>.bundle()),
            (
                Ok::<&str, &str>("error: bad").bundle(),
                Err::<&str, &str>("bad").bundle(),
            ),
            (vec!["a\nb", "c"].bundle(), vec!["a", "b", "c"].bundle()),
            (vec!["", ""].bundle(), vec![""].bundle()),
        ] {
            assert_ne!(one.text, other.text);
        }
        assert_eq!(Some("None").bundle().text, "Some(\"None\")");
        assert_eq!(vec!["a\nb", "c"].bundle().text, "[\"a\\nb\", \"c\"]");
        let long = Some("x".repeat(7000)).bundle().text;
        assert!(long.contains("`println!(\"{:?}\", …)` prints all"), "{long}");
    }

    #[test]
    fn several_values_keep_their_order_and_an_error_is_escaped() {
        let text = vec!["one".to_owned(), "<two>".to_owned()].bundle();
        assert_eq!(text.text, "one\n<two>");
        assert!(text.to_html().find("one") < text.to_html().find("&lt;two&gt;"));
        let plots = vec![chart::curves([""; 3], &[]), chart::curves([""; 3], &[])];
        assert!(
            Some(&plots)
                .outputs()
                .iter()
                .all(|output| output.plotly.is_some())
        );
        assert_eq!(plots.outputs().len(), 2);
        assert_eq!(Vec::<String>::new().outputs()[0].text, "(empty)");
        let long = vec!["words"; 10_000];
        assert_eq!(long.outputs().len(), 1);
        assert!(long.bundle().text.contains("words\n… and 9950 more of 10000"));
        let failed: crate::Result<String> = Err(Error::data("found <x>").at("row 3"));
        let error = failed.bundle();
        assert!(error.to_html().contains("found &lt;x&gt;") && error.text.contains("where: row 3"));
    }
}
