#!/usr/bin/env node
/** `frostmark-gpg`: `frostmark gpg` for tools that are told a program and no arguments, as git's `gpg.program` is. */
process.argv.splice(2, 0, 'gpg');
await import('./main.ts');
