//! The statistics of batch norm that belong to an equal average of the parameters (Izmailov et al. 2018), or to that of a
//! schedule-free rule: those of the training belong to others.

use super::Work;
use crate::Result;
use crate::net::executor::How;
use crate::train::Ending;
use crate::train::watch::Watcher;

impl Work<'_> {
    /// Lets the running statistics become the mean over batches of all examples to learn from, with the parameters that
    /// are in the executor: augmented as in the epoch under way, without dropout. Without batch norm there is nothing to
    /// do.
    pub(super) fn recount(&mut self) -> Result<()> {
        if self.executor.buffers().is_empty() {
            return Ok(());
        }
        let epoch = self.state.counters.step / self.per_epoch as u64;
        let stream = &mut self.streams[0];
        let all = stream.sampling.training().to_vec();
        for (seen, rows) in all.chunks(stream.sampling.most()).enumerate() {
            // A last example alone has no variance.
            if seen > 0 && rows.len() == 1 {
                break;
            }
            let input = self.executor.input(rows.len());
            stream.gather.copy(rows, input);
            let (seed, changes) = (self.recipe.seed, &self.recipe.augmentations);
            stream.gather.augment((rows, epoch, seed), changes, input);
            self.executor.forward(How::count(seen))?;
        }
        Ok(())
    }

    /// Keeps an average with its own statistics where a training ended between two checks, as a check would have.
    pub(super) fn settle(&mut self, watchers: &[Box<dyn Watcher + '_>], ending: &Ending) -> Result<()> {
        let step = self.state.counters.step;
        let kept = self.state.kept.step == step || self.state.best_is_kept(self.watched);
        if !self.recipe.recounts() || kept || ending.is_diverged() || self.executor.buffers().is_empty() {
            return Ok(());
        }
        let Some(average) = self.stand_in(watchers) else {
            return Ok(());
        };
        let trained = (
            self.executor.parameters().to_vec(),
            self.executor.buffers().to_vec(),
        );
        self.executor.restore(&average, &trained.1);
        self.recount()?;
        self.state.kept.step = step;
        self.state.kept.parameters = average;
        self.state.kept.buffers = self.executor.buffers().to_vec();
        self.state.kept.learned = self
            .objective
            .learned()
            .iter()
            .map(|own| own.numbers.to_vec())
            .collect();
        self.executor.restore(&trained.0, &trained.1);
        Ok(())
    }
}
