//! How the parts of a recipe and the rows of a history show themselves.

use std::time::Duration;

use super::{Budget, Cause, Record, Rule};
use crate::show::{Bundle, Show, readable_number, readable_time, show_by_display};

show_by_display!(Budget, Cause, Rule);

impl Show for Record {
    fn bundle(&self) -> Bundle {
        let [epoch, rate, loss] = [self.epoch, self.rate, self.loss].map(readable_number);
        let mut text = format!("step {}, epoch {epoch}: rate {rate}, loss {loss}", self.step);
        if !self.held_out_loss.is_nan() {
            let loss = readable_number(self.held_out_loss);
            text += &format!(", held out: loss {loss}");
        }
        // Values have none.
        if !self.held_out_accuracy.is_nan() {
            text += &format!(", accuracy {:.1}%", 100.0 * self.held_out_accuracy);
        }
        let time = Duration::try_from_secs_f64(self.seconds).unwrap_or_default();
        Bundle::text(format!("{text}, {}", readable_time(time)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::RateSchedule;
    use super::*;

    #[test]
    fn rows_and_schedules_read_as_words() {
        let mut record = Record {
            step: 40,
            epoch: 2.5,
            rate: 0.05,
            loss: 0.25,
            held_out_loss: f64::NAN,
            held_out_accuracy: f64::NAN,
            seconds: 3.0,
        };
        let text = |record: Record| record.bundle().plain().to_owned();
        assert!(text(record).starts_with("step 40, epoch 2.5: rate 0.05, loss 0.25, 3"));
        (record.held_out_loss, record.held_out_accuracy) = (0.5, 0.875);
        assert!(text(record).contains("held out: loss 0.5, accuracy 87.5%"));
        assert_eq!(Some(&record).bundle().plain(), text(record));
        let every = Budget::Epochs(10);
        let schedule = RateSchedule::Stepped { factor: 0.5, every };
        assert_eq!(schedule.bundle().plain(), "times 0.5 every 10 epochs");
        assert_eq!(Rule::Sgd { rate: 0.1 }.bundle().plain(), "SGD 0.1");
    }
}
