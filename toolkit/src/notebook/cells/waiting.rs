//! A cell that waits for a future, and can be stopped while it does.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::interrupt;

/// How a cell that was stopped while it waited ends: the kernel knows the words.
pub const STOPPED: &str = "stopped while it waited for a future";

/// Between two looks for a stop request.
const LOOK: Duration = Duration::from_millis(50);

/// What a cell waits for, as it is; a stop request ends the wait in a panic with [`STOPPED`].
pub async fn stoppable<F: Future>(future: F) -> F::Output {
    Stoppable {
        future: pin!(future),
        bell: Bell::new(),
    }
    .await
}

struct Stoppable<'f, F> {
    future: Pin<&'f mut F>,
    bell: Bell,
}

impl<F: Future> Future for Stoppable<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if interrupt::requested() {
            panic!("{STOPPED}");
        }
        let polled = self.future.as_mut().poll(context);
        if polled.is_pending() {
            self.bell.wakes(context.waker());
        }
        polled
    }
}

/// Wakes whoever waits once a stop is asked for; until it is dropped.
struct Bell {
    waker: Arc<Mutex<Option<Waker>>>,
    is_over: Arc<AtomicBool>,
    /// Whether a thread listens already: what is there at once needs none.
    listens: bool,
}

impl Bell {
    fn new() -> Self {
        Self {
            waker: Arc::default(),
            is_over: Arc::default(),
            listens: false,
        }
    }

    fn wakes(&mut self, waker: &Waker) {
        let mut place = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some(waker.clone());
        if std::mem::replace(&mut self.listens, true) {
            return;
        }
        let (waker, is_over) = (self.waker.clone(), self.is_over.clone());
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Acquire) {
                if interrupt::requested() {
                    let waker = waker.lock().unwrap_or_else(PoisonError::into_inner).take();
                    waker.into_iter().for_each(Waker::wake);
                }
                std::thread::sleep(LOOK);
            }
        });
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_comes_through() {
        let mut context = Context::from_waker(Waker::noop());
        let mut ready = pin!(stoppable(async { 7 }));
        assert_eq!(ready.as_mut().poll(&mut context), Poll::Ready(7));
        let mut never = pin!(stoppable(std::future::pending::<()>()));
        assert_eq!(never.as_mut().poll(&mut context), Poll::Pending);
    }
}
