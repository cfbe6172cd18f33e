//! What the program says: help, mistakes, plans, summaries.
