//! A schedule in words, as they stand behind the rate in a recipe's line.

use std::fmt;

use super::{Anneal, RateSchedule};
use crate::show::{Bundle, Show};

impl fmt::Display for RateSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => f.write_str("constant"),
            Self::Stepped { factor, every } => write!(f, "times {factor} every {every}"),
            Self::Exponential { factor, every } => write!(f, "times {factor} every {every}, without steps"),
            Self::InverseTime { decay, every } => write!(f, "divided by 1 + {decay} t / {every}"),
            Self::Linear { from, to } => write!(f, "linearly from times {from} to times {to}"),
            Self::Polynomial { end, power } => write!(f, "by power {power} to times {end}"),
            Self::Cosine { end } => write!(f, "by a cosine to times {end}"),
            Self::Restarts { end, first, growth } => {
                write!(f, "by cosines to times {end}, the first of {first}")?;
                match growth {
                    1 => Ok(()),
                    _ => write!(f, ", each {growth} times as long"),
                }
            }
            Self::OneCycle {
                rise,
                div_factor,
                final_div_factor,
                anneal,
                momentum,
            } => {
                f.write_str("in one cycle")?;
                if (*rise, *div_factor, *final_div_factor) != (0.3, 25.0, 1e4) {
                    write!(
                        f,
                        " (rising for {rise}, divided by {div_factor} and by {final_div_factor} more)"
                    )?;
                }
                if *anneal == Anneal::Linear {
                    f.write_str(" of straight lines")?;
                }
                match momentum {
                    Some((low, high)) => write!(f, ", momentum {high} to {low}"),
                    None => Ok(()),
                }
            }
            Self::Sequence(stages) => {
                for (i, stage) in stages.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", then ")?;
                    }
                    write!(f, "{}", stage.schedule)?;
                    if let Some(over) = stage.over {
                        write!(f, " for {over}")?;
                    }
                }
                Ok(())
            }
        }
    }
}

impl Show for RateSchedule {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.to_string())
    }
}
