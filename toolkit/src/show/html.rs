//! HTML that cannot break out of its cell.

/// `text` with the characters that mean something to HTML replaced, safe in elements and in attributes.
pub fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // No meaning in HTML, and some parsers stop at them.
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Plain text as a block that keeps its line breaks and alignment.
pub(crate) fn preformatted(text: &str) -> String {
    format!(
        "<pre style=\"margin:0;line-height:1.25;color:inherit;background:none\">{}</pre>",
        escape_html(text)
    )
}

#[cfg(test)]
mod tests {
    use plotly::Plot;

    use crate::Error;
    use crate::data::{Dataset, Shape};
    use crate::evaluate::Evaluation;
    use crate::show::{Bundle, ImageGrid, Progress, Show, Table, chart};

    const MARKUP: &str = "<script>alert('x')</script>";

    fn words(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("{MARKUP}{i}")).collect()
    }

    /// Labelled data whose every name is markup.
    fn data(shape: Shape) -> Dataset {
        let data = Dataset::new(MARKUP, shape, (0..32_u8).map(f32::from).collect()).unwrap();
        let labelled = data.with_labels(vec![0, 0, 0, 0, 1, 1, 1, 1], words(2)).unwrap();
        labelled.with_origin(MARKUP, MARKUP)
    }

    fn clean(bundle: &Bundle) {
        let html = bundle.to_html();
        assert!(
            !html.contains("<script") && html.contains("&lt;script&gt;"),
            "{html}"
        );
        if let Some(figure) = &bundle.plotly {
            let figure = figure.to_string();
            assert!(!figure.contains("<script"), "{figure}");
        }
    }

    #[test]
    fn names_that_look_like_markup_are_shown_letter_by_letter() {
        let image = Shape::Image {
            height: 2,
            width: 2,
            channels: 1,
        };
        let flat = data(Shape::Flat(4)).with_feature_names(words(4)).unwrap();
        clean(&flat.bundle());
        clean(&data(image).bundle());
        clean(&flat.split(0.25, 0).unwrap().bundle());
        clean(&flat.few_shot(2, 0).unwrap().bundle());

        let evaluation = Evaluation::of(&[1.0, 0.0, 0.0, 1.0], &[0, 0], &words(2)).unwrap();
        clean(&evaluation.bundle());
        clean(&evaluation.confusion.bundle());
        clean(&polars::df!(MARKUP => [MARKUP, "b"]).unwrap().bundle());
        let grid = ImageGrid::new((1, 1, 1), &[0.5], [MARKUP]).unwrap();
        clean(&grid.title(MARKUP).bundle());
        clean(&Table::new([MARKUP]).row([MARKUP]).note(MARKUP).bundle());
        clean(&Error::data(MARKUP).at(MARKUP).fix(MARKUP).bundle());
        clean(&MARKUP.bundle());
        clean(&words(3).bundle());
        clean(&Progress::new(MARKUP, 2).snapshot(1, MARKUP));
    }

    #[test]
    fn the_words_of_a_chart_are_no_markup_to_plotly() {
        let titles = [MARKUP; 3];
        let curve = chart::Curve {
            name: MARKUP.into(),
            x: vec![1.0],
            y: vec![2.0],
            band: None,
        };
        let plots: [Plot; 3] = [
            chart::curves(titles, &[curve]),
            chart::boxes(titles, &[(MARKUP, vec![1.0, 2.0])]),
            chart::heatmap(titles, &[MARKUP], &[MARKUP], &[vec![1.0]]),
        ];
        for plot in &plots {
            let bundle = plot.bundle();
            let figure = bundle.plotly.as_ref().unwrap().to_string();
            assert!(
                !figure.contains("<script") && figure.contains("&lt;script&gt;"),
                "{figure}"
            );
            assert!(bundle.plain().contains(MARKUP), "{}", bundle.plain());
        }
    }
}
