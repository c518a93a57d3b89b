//! How a [`Diagnosis`] reads: findings in plain words, each with how sure it is and the line that answers it.

use std::fmt;

use polars::prelude::{Column, DataFrame};

use super::{Diagnosis, Finding, Level};
use crate::show::{Bundle, Show, Table, escape_html};

impl Diagnosis {
    /// A row for each finding and remark as a polars frame, texts: level, illness, seen, sure, trick, line.
    pub fn frame(&self) -> DataFrame {
        let words = |of: fn(&Finding) -> String| -> Vec<String> { self.found.iter().map(of).collect() };
        let columns = vec![
            Column::new("level".into(), words(|f| level(f).to_owned())),
            Column::new("illness".into(), words(|f| f.illness.to_string())),
            Column::new("seen".into(), words(|f| f.seen.clone())),
            Column::new("sure".into(), words(|f| f.sure.to_string())),
            Column::new("trick".into(), words(|f| f.trick.clone())),
            Column::new("line".into(), words(|f| f.line.clone())),
        ];
        DataFrame::new(self.found.len(), columns).unwrap_or_default()
    }

    /// The line above the findings.
    fn heading(&self) -> String {
        let counted = |n: usize, what: &str| match n {
            0 => None,
            1 => Some(format!("1 {what}")),
            n => Some(format!("{n} {what}s")),
        };
        let counts = [
            counted(self.findings().len(), "finding"),
            counted(self.remarks().len(), "remark"),
        ];
        let counts: Vec<String> = counts.into_iter().flatten().collect();
        match counts.is_empty() {
            true => "nothing found".to_owned(),
            false => counts.join(", "),
        }
    }

    fn unseen_in_words(&self) -> String {
        let all = self
            .unseen
            .iter()
            .map(|unseen| format!("{} ({})", unseen.what, unseen.why));
        all.collect::<Vec<_>>().join("; ")
    }
}

fn level(finding: &Finding) -> &'static str {
    match finding.level {
        Level::Finding => "finding",
        Level::Remark => "remark",
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remark = if self.level == Level::Remark {
            " (remark)"
        } else {
            ""
        };
        writeln!(f, "{}{remark}: {}", self.illness, self.seen)?;
        writeln!(f, "  sure   {}", self.sure)?;
        writeln!(f, "  trick  {}", self.trick)?;
        write!(f, "  line   {}", self.line)
    }
}

impl Show for Finding {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.to_string())
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.heading())?;
        for found in &self.found {
            write!(f, "\n{found}")?;
        }
        match self.unseen.is_empty() {
            true => Ok(()),
            false => write!(f, "\nnot looked at: {}", self.unseen_in_words()),
        }
    }
}

impl Show for Diagnosis {
    fn bundle(&self) -> Bundle {
        let text = Bundle::text(self.to_string());
        let note = (!self.unseen.is_empty()).then(|| format!("not looked at: {}", self.unseen_in_words()));
        if self.found.is_empty() {
            let quiet = note.map(|note| format!("<div style=\"opacity:0.65\">{}</div>", escape_html(&note)));
            let heading = format!(
                "<div style=\"font-weight:600;margin:2px 0\">{}</div>",
                self.heading()
            );
            return text.html(heading + &quiet.unwrap_or_default());
        }
        let mut table = Table::new([
            "found",
            "what was seen",
            "how sure",
            "what answers it",
            "the line",
        ]);
        for found in &self.found {
            let mark = if found.level == Level::Remark {
                " (remark)"
            } else {
                ""
            };
            table = table.row([
                format!("{}{mark}", found.illness),
                found.seen.clone(),
                found.sure.to_string(),
                found.trick.clone(),
                found.line.clone(),
            ]);
        }
        let table = table.caption(self.heading());
        let table = match note {
            Some(note) => table.note(note),
            None => table,
        };
        text.html(table.to_html())
    }
}
