//! The generator against targets whose answers are known beforehand: does it report what was so?

#[path = "it/answers.rs"]
mod answers;
#[path = "it/standstills.rs"]
mod standstills;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held by each test: what measures must not run beside what works.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
