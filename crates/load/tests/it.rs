//! The drill against targets whose answers are known beforehand: does it report what was so?

#[path = "it/standstills.rs"]
mod standstills;
