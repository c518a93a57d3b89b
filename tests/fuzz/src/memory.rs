//! How much memory a piece of work holds at its peak, on its own thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, with a count of what each thread holds.
pub struct Counting;

thread_local! {
    static OWN: Cell<Count> = const { Cell::new(Count { held: 0, peak: 0 }) };
}

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
    let (_, held) = peak(|| drop(std::hint::black_box(vec![0u8; 1000])));
    held >= 1000
}

/// Does the work; also returns the most bytes that this thread held at a time beyond what it held before.
pub fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = OWN.get().held;
    OWN.set(Count {
        held: before,
        peak: before,
    });
    let done = work();
    (done, (OWN.get().peak - before).max(0) as usize)
}
