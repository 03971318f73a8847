//! Sessions, pacing and budgets: one image to many hubs at once.
