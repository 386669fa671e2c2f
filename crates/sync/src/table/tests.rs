//! Words that stand for themselves, several threads.
