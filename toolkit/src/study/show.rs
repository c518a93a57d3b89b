//! How the parts of a study show themselves.

use std::fmt;

use super::statistics::Paired;
use super::{Counts, Domain, Measured, Settings, StudyResult, Value};
use crate::show::{Align, Bundle, Show, Table, readable_number, show_by_display};

show_by_display!(Domain, Settings);

impl Show for Value {
    fn bundle(&self) -> Bundle {
        Bundle::word(self.to_string())
    }
}

impl Show for Counts {
    fn bundle(&self) -> Bundle {
        let done = self.computed + self.reused;
        let stopped = if self.stopped { ", stopped" } else { "" };
        Bundle::text(format!(
            "{done} of {} trials: {} computed, {} found{stopped}",
            self.planned, self.computed, self.reused
        ))
    }
}

impl Show for Measured {
    fn bundle(&self) -> Bundle {
        let mut table = Table::new(["metric", "value"]).align(1, Align::Right);
        for (name, value) in &self.metrics {
            table = table.row([name.clone(), readable_number(*value)]);
        }
        match &self.ending {
            Some(ending) => table.note(ending.clone()).bundle(),
            None => table.bundle(),
        }
    }
}

impl Show for Paired {
    fn bundle(&self) -> Bundle {
        let interval = self.interval.map(|(low, high)| {
            let (low, high) = (readable_number(low), readable_number(high));
            format!("{low} to {high}")
        });
        let table = Table::new(["", ""])
            .caption(format!("{} pairs", self.n))
            .row(["mean difference".to_owned(), readable_number(self.difference)]);
        self.rows(table, interval).align(1, Align::Right).bundle()
    }
}

impl Paired {
    /// What the pairs say beside their mean difference, as rows of a table; and below it what they cannot say.
    pub(super) fn rows(&self, mut table: Table, interval: Option<String>) -> Table {
        let number = |x: Option<f64>| x.map(readable_number);
        for (name, value) in [
            ("95% interval of it", interval),
            ("effect size d_z", number(self.effect_size)),
            ("p, paired t-test", number(self.p_value)),
            ("p, signed-rank test", number(self.p_wilcoxon)),
        ] {
            if let Some(value) = value {
                table = table.row([name.to_owned(), value]);
            }
        }
        let mut notes = Vec::new();
        if self.all_equal() {
            notes.push(format!("n = {}, all equal: no spread to judge by", self.n));
        }
        if self.p_wilcoxon.is_none() && !self.all_equal() {
            notes.push(
                "training parts overlap: interval and t-test are corrected (Nadeau and Bengio 2003)"
                    .to_owned(),
            );
        }
        if self.n < 6 && self.p_wilcoxon.is_some() {
            // 2 / 2^n.
            let least = readable_number(2.0 / f64::from(1_u32 << self.n));
            notes.push(format!(
                "with n = {} the signed-rank test cannot go below {least}",
                self.n
            ));
        }
        match notes.is_empty() {
            true => table,
            false => table.note(notes.join("; ")),
        }
    }
}

/// Its table; every number it holds is in [`StudyResult::frame`].
impl fmt::Debug for StudyResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::Study;

    const MARKUP: &str = "<script>alert(1)</script>";

    fn result() -> StudyResult {
        let study = Study::new(MARKUP).vary("<i>", [MARKUP, "b"]).seeds(2);
        let run = study
            .in_memory()
            .quiet()
            .run(|t| Ok(vec![("<b>score", t.seed() as f64)]));
        run.unwrap()
    }

    #[test]
    fn the_parts_of_a_study_read_as_words() {
        let result = result();
        assert_eq!(
            result.counts().bundle().plain(),
            "4 of 4 trials: 4 computed, 0 found"
        );
        assert_eq!(format!("{result:?}"), result.to_string());
        let settings = Settings::from([("rate", 0.5)]);
        assert_eq!(settings.bundle().plain(), "rate=0.5");
        assert_eq!(settings.values().bundle().plain(), "[0.5]");
        let measured = Measured::new().metric("accuracy", 0.75).ending("early");
        let text = measured.bundle().plain().to_owned();
        assert!(
            text.contains("accuracy   0.75") && text.ends_with("early"),
            "{text}"
        );
        let paired = Paired::of(&[(1.0, 0.5), (2.0, 1.0), (3.0, 2.5)]).unwrap();
        let text = paired.bundle().plain().to_owned();
        assert!(
            text.starts_with("3 pairs") && text.contains("mean difference"),
            "{text}"
        );
    }

    #[test]
    fn names_with_markup_stay_words() {
        let result = result();
        let trial = result.trials()[0].bundle();
        let compared = result.compare([("<i>", MARKUP)], [("<i>", "b")], "<b>score");
        let best = result.best("<b>score").unwrap().bundle();
        for bundle in [result.bundle(), trial, compared.unwrap().bundle(), best] {
            let html = bundle.to_html();
            assert!(
                !html.contains("<script") && !html.contains("<i>") && !html.contains("<b>"),
                "{html}"
            );
        }
        let chart = result.box_plot("<b>score").unwrap().bundle();
        let figure = chart.plotly.unwrap().to_string();
        assert!(!figure.contains("<script") && !figure.contains("<b>"), "{figure}");
    }
}
