//! What a cell has taken with it of earlier ones, in a line each.

use crate::session::cell::edit::Named;
use crate::session::tell::aside::Unfit;
use crate::session::tell::sources::Sources;

/// The items that are there no more after a cell that was run as `named`, without those that did not fit it.
pub fn told(named: &Named, aside: &[Unfit], sources: &Sources) -> Vec<String> {
    let unfit = aside.iter().map(|unfit| {
        let place = sources.of_item(&unfit.text, 0);
        let place = place.map(|place| format!(" ({})", place.in_words()));
        // Whatever uses what is set aside is so, too.
        let used = aside
            .iter()
            .find(|other| unfit.why.contains(&format!("found module `{}`", other.name)));
        format!(
            "`{}`{} does not fit this cell and is set aside: {}; mend it and run its cell again",
            unfit.shown,
            place.unwrap_or_default(),
            used.map_or(unfit.why.clone(), |other| format!("it uses `{}`", other.shown)),
        )
    });
    let gone = named.gone.iter().map(|(item, with)| {
        format!(
            "`{item}` went with `{with}`, which this cell defines without it; where it is still wanted, run it again"
        )
    });
    let unmade = named.unmade.iter().map(|(name, call)| {
        format!(
            "`{name}` is gone: `{call}` made it, in the place of which this cell makes other things; where it is still \
             wanted, make it again"
        )
    });
    let lines = unfit.chain(gone).chain(unmade);
    lines.map(|line| format!("note: {line}\n")).collect()
}
