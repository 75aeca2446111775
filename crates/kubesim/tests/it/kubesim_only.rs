//! What only a simulator can be asked: determinism, faults, virtual time, its own books.
