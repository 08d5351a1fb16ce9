//! The study view: record now, explain later.
