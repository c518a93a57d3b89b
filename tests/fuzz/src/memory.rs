//! How much memory a piece of work holds at its peak.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::{Mutex, MutexGuard};

/// The system's allocator, with a count of what is held: by each thread, and by all.
pub struct Counting;

thread_local! {
    static OWN: Cell<Count> = const { Cell::new(Count { held: 0, peak: 0 }) };
}
static HELD: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);

/// In bytes. Signed: what one thread has taken, another may give back.
#[derive(Clone, Copy)]
struct Count {
    held: isize,
    peak: isize,
}

fn count(bytes: isize) {
    // A thread that ends has no count any more.
    let _ = OWN.try_with(|own| {
        let held = own.get().held + bytes;
        let peak = own.get().peak.max(held);
        own.set(Count { held, peak });
    });
    let held = HELD.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(held, Ordering::Relaxed);
}

// SAFETY: the system's allocator does the work; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are the system's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: the caller's promises are the system's.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promises are the system's.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Whether this program has the allocator.
pub fn is_counted() -> bool {
    let (_, held) = peak(false, || drop(std::hint::black_box(vec![0u8; 1000])));
    held >= 1000
}

/// Held while a target runs that must be the only one.
pub fn turn(alone: bool) -> Option<MutexGuard<'static, ()>> {
    static TURN: Mutex<()> = Mutex::new(());
    alone.then(|| TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
}

/// Does the work; also returns the most bytes held at a time beyond what was held before.
pub fn peak<T>(every_thread: bool, work: impl FnOnce() -> T) -> (T, usize) {
    let before = if every_thread {
        let held = HELD.load(Ordering::Relaxed);
        PEAK.store(held, Ordering::Relaxed);
        held
    } else {
        let held = OWN.get().held;
        OWN.set(Count { held, peak: held });
        held
    };
    let done = work();
    let peak = if every_thread {
        PEAK.load(Ordering::Relaxed)
    } else {
        OWN.get().peak
    };
    (done, (peak - before).max(0) as usize)
}
