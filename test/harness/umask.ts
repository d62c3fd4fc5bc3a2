/** Runs before every file of tests: what ran before it in the same process may have made new files its owner's alone, as daemons do. */
process.umask(0o022);
