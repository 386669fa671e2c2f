//! Helpers for the whole-program tests.
