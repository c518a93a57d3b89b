//! Which way a metric is better: as set, else by its name.

/// What the user said of metrics, the last word of a metric counting.
#[derive(Clone, Debug, Default)]
pub(super) struct Goals(Vec<(String, bool)>);

impl Goals {
    pub(super) fn set(&mut self, metric: String, less_is_better: bool) {
        self.0.retain(|(name, _)| *name != metric);
        self.0.push((metric, less_is_better));
    }

    pub(super) fn less_is_better(&self, metric: &str) -> bool {
        let set = self.0.iter().find(|(name, _)| name == metric);
        set.map_or_else(|| less_by_name(metric), |(_, less)| *less)
    }

    /// For beside a best value: which way it was looked for.
    pub(super) fn words(&self, metric: &str) -> &'static str {
        match self.less_is_better(metric) {
            true => "less is better",
            false => "more is better",
        }
    }
}

fn less_by_name(metric: &str) -> bool {
    const LOW: [&str; 11] = [
        "loss",
        "error",
        "err",
        "seconds",
        "time",
        "mse",
        "rmse",
        "mae",
        "nll",
        "perplexity",
        "ece",
    ];
    let whole = |word: &str| LOW.contains(&word.to_lowercase().as_str());
    metric.contains("loss")
        || metric.contains("error")
        || metric.split(|c: char| !c.is_alphanumeric()).any(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_speaks_until_the_user_does() {
        let mut goals = Goals::default();
        for (metric, less) in [
            ("log_loss", true),
            ("test RMSE", true),
            ("held_out_error", true),
            ("seconds", true),
            ("accuracy", false),
            ("timeliness", false),
            ("regret", false),
        ] {
            assert_eq!(goals.less_is_better(metric), less, "{metric}");
        }
        goals.set("regret".to_owned(), true);
        goals.set("log_loss".to_owned(), false);
        assert_eq!(goals.words("regret"), "less is better");
        assert_eq!(goals.words("log_loss"), "more is better");
        goals.set("regret".to_owned(), false);
        assert!(!goals.less_is_better("regret"));
    }
}
