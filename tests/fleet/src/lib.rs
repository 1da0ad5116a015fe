//! Whole-product flows: in process, over TCP, under faults.
