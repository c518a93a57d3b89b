//! How many connections a channel has. Where all places are taken, one that has never said anything gives way to who
//! comes, by chance: nobody who only connects keeps others out, and nobody can say whom he drives away. Who has sent a
//! message stays, whoever he is: on the channels where clients listen there is nothing to know them by.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The places of a channel.
pub struct Places {
    limit: usize,
    next: AtomicU64,
    taken: Mutex<HashMap<u64, Arc<Guest>>>,
}

/// Who has one.
#[derive(Default)]
struct Guest {
    has_spoken: AtomicBool,
    gives_way: Notify,
}

/// A place, until it is dropped.
pub struct Place {
    number: u64,
    guest: Arc<Guest>,
    places: Arc<Places>,
}

impl Places {
    pub fn new(limit: usize) -> Arc<Places> {
        Arc::new(Places {
            limit,
            next: AtomicU64::new(0),
            taken: Mutex::default(),
        })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<u64, Arc<Guest>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, and whether another connection must give way for it; none when all have said something.
    pub fn take(self: &Arc<Places>) -> Option<(Place, bool)> {
        let mut taken = self.taken();
        let full = taken.len() >= self.limit;
        if full {
            let silent = |(number, guest): (&u64, &Arc<Guest>)| {
                (!guest.has_spoken.load(Ordering::Relaxed)).then_some(*number)
            };
            let silent: Vec<u64> = taken.iter().filter_map(silent).collect();
            let chance = uuid::Uuid::new_v4().as_u128() % (silent.len() as u128).max(1);
            let guest = taken.remove(silent.get(chance as usize)?)?;
            guest.gives_way.notify_one();
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let guest = Arc::new(Guest::default());
        taken.insert(number, guest.clone());
        let place = Place {
            number,
            guest,
            places: self.clone(),
        };
        Some((place, full))
    }
}

impl Place {
    /// Its connection has sent a whole message.
    pub fn has_spoken(&self) {
        self.guest.has_spoken.store(true, Ordering::Relaxed);
    }

    /// Waits until the place is another's.
    pub async fn is_wanted(&self) {
        self.guest.gives_way.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_silent_give_way_and_who_has_spoken_stays() {
        let places = Places::new(3);
        let (first, _) = places.take().unwrap();
        first.has_spoken();
        let (second, _) = places.take().unwrap();
        let (third, full) = places.take().unwrap();
        assert!(!full);
        let (newcomer, full) = places.take().unwrap();
        assert!(full && places.taken().len() == 3);
        tokio::select! {
            () = second.is_wanted() => {}
            () = third.is_wanted() => {}
            () = first.is_wanted() => panic!("it has spoken"),
        }
        newcomer.has_spoken();
        second.has_spoken();
        third.has_spoken();
        assert!(places.take().is_none());
        drop((second, third));
        assert!(places.take().is_some_and(|(_, full)| !full));
    }
}
