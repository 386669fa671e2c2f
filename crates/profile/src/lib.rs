//! Samples over time become one profile, and a profile becomes its formats: flame graph, speedscope, Firefox Profiler, pprof,
//! collapsed stacks, and a binary recording that can be replayed into any of them.
