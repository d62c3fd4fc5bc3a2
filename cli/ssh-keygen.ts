#!/usr/bin/env node
/** `frostmark-ssh-keygen`: `frostmark ssh-keygen` for tools that are told a program and no arguments, as git's `gpg.ssh.program` is. */
process.argv.splice(2, 0, 'ssh-keygen');
await import('./main.ts');
