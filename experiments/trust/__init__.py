"""Does it keep its word: damaged files, killed processes, long runs, other versions."""
