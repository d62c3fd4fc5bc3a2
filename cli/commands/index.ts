/** Every command by name, with the line that lists it and the door to its file: only the one that is asked for is loaded. */
import type { AnyCommand } from '../command.ts';
import { allowedExits, askingExits, type OtherExit } from '../exit-codes.ts';

/** A command as the help lists it. */
export interface CommandEntry {
  /** `['sign']` or `['participant', 'join']`. */
  readonly path: readonly string[];
  readonly summary: string;
  /** Exit codes besides those that every command has. */
  readonly exits?: readonly OtherExit[];
  /** Absent for `verify`, which reads its own arguments. */
  readonly load?: () => Promise<AnyCommand>;
}

/** Commands that only hold others. */
export const groupTable: Readonly<Record<string, string>> = {
  coordinator: 'run the coordinator: the server that holds no secret',
  participant: 'hold a share: join a group, serve, decide',
  requester: 'be somebody who asks for signatures',
  group: 'look at a group, export or import its key, change who may ask',
  evidence: 'judge who misbehaved',
};

/** In the order of the help. */
export const commandTable: readonly CommandEntry[] = [
  {
    path: ['coordinator', 'init'],
    summary: 'make its home and identity',
    load: async () => (await import('./coordinator/init.ts')).command,
  },
  {
    path: ['coordinator', 'admit'],
    summary: 'let the group of a charter use it',
    load: async () => (await import('./coordinator/admit.ts')).command,
  },
  {
    path: ['coordinator', 'serve'],
    summary: 'run it',
    load: async () => (await import('./coordinator/serve.ts')).command,
  },
  {
    path: ['coordinator', 'cancel'],
    summary: 'end a pending round of whoever asked for it',
    load: async () => (await import('./coordinator/cancel.ts')).command,
  },
  {
    path: ['coordinator', 'status'],
    summary: 'how the one that runs is',
    load: async () => (await import('./coordinator/status.ts')).command,
  },
  {
    path: ['coordinator', 'check'],
    summary: 'read and prove all that it stored',
    load: async () => (await import('./coordinator/check.ts')).command,
  },
  {
    path: ['coordinator', 'archive'],
    summary: 'take documents of old releases out of its store',
    load: async () => (await import('./coordinator/archive.ts')).command,
  },
  {
    path: ['participant', 'init'],
    summary: 'make a home and identity, print the card',
    load: async () => (await import('./participant/init.ts')).command,
  },
  {
    path: ['participant', 'card'],
    summary: 'print the card again',
    load: async () => (await import('./participant/card.ts')).command,
  },
  {
    path: ['participant', 'join'],
    summary: 'make the key together with the other members',
    exits: allowedExits,
    load: async () => (await import('./participant/join.ts')).command,
  },
  {
    path: ['participant', 'serve'],
    summary: 'run the daemon that signs what was approved',
    exits: allowedExits,
    load: async () => (await import('./participant/serve.ts')).command,
  },
  {
    path: ['participant', 'import-key'],
    exits: allowedExits,
    summary: 'make a one-time key for a share of a key that is imported',
    load: async () => (await import('./participant/import-key.ts')).command,
  },
  {
    path: ['participant', 'passphrase'],
    exits: allowedExits,
    summary: 'change the passphrase of its home',
    load: async () => (await import('./participant/passphrase.ts')).command,
  },
  {
    path: ['participant', 'backup'],
    exits: allowedExits,
    summary: 'write one file out of which it comes back',
    load: async () => (await import('./participant/backup.ts')).command,
  },
  {
    path: ['participant', 'restore'],
    exits: allowedExits,
    summary: 'bring it back out of its backup',
    load: async () => (await import('./participant/restore.ts')).command,
  },
  {
    path: ['participant', 'requests'],
    summary: 'list what waits for a decision',
    exits: allowedExits,
    load: async () => (await import('./participant/requests.ts')).command,
  },
  {
    path: ['participant', 'show'],
    summary: 'show exactly what would be signed',
    exits: allowedExits,
    load: async () => (await import('./participant/show.ts')).command,
  },
  {
    path: ['participant', 'approve'],
    summary: 'approve a request',
    exits: allowedExits,
    load: async () => (await import('./participant/approve.ts')).command,
  },
  {
    path: ['participant', 'refuse'],
    summary: 'refuse a request',
    exits: allowedExits,
    load: async () => (await import('./participant/refuse.ts')).command,
  },
  {
    path: ['participant', 'status'],
    summary: 'how the daemon stands',
    exits: allowedExits,
    load: async () => (await import('./participant/status.ts')).command,
  },
  {
    path: ['requester', 'init'],
    summary: 'make a home and identity, print the card',
    load: async () => (await import('./requester/init.ts')).command,
  },
  {
    path: ['requester', 'card'],
    summary: 'print the card again',
    load: async () => (await import('./requester/card.ts')).command,
  },
  {
    path: ['sign'],
    summary: 'ask for files to be signed, and wait for it',
    exits: askingExits,
    load: async () => (await import('./sign.ts')).command,
  },
  {
    path: ['rounds'],
    summary: 'list what was asked for',
    exits: allowedExits,
    load: async () => (await import('./rounds.ts')).command,
  },
  {
    path: ['round'],
    summary: 'show one of them',
    exits: allowedExits,
    load: async () => (await import('./round.ts')).command,
  },
  {
    path: ['audit'],
    summary: 'read and prove all that was ever asked, decided and signed',
    exits: allowedExits,
    load: async () => (await import('./audit.ts')).command,
  },
  {
    path: ['cancel'],
    summary: 'take a request back',
    exits: allowedExits,
    load: async () => (await import('./cancel.ts')).command,
  },
  {
    path: ['group', 'show'],
    summary: 'members, quorums, keys, delegations, requesters',
    exits: allowedExits,
    load: async () => (await import('./group/show.ts')).command,
  },
  {
    path: ['group', 'export'],
    summary: 'the public key in the form that a tool wants',
    exits: allowedExits,
    load: async () => (await import('./group/export.ts')).command,
  },
  {
    path: ['group', 'import'],
    summary: 'split a key that you have among the members',
    exits: allowedExits,
    load: async () => (await import('./group/import.ts')).command,
  },
  {
    path: ['group', 'requesters'],
    summary: 'have a new requesters document signed',
    exits: askingExits,
    load: async () => (await import('./group/requesters.ts')).command,
  },
  {
    path: ['group', 'renew'],
    summary: 'have a new delegation of a channel, or a new status, signed',
    exits: askingExits,
    load: async () => (await import('./group/renew.ts')).command,
  },
  {
    path: ['group', 'certify'],
    summary: 'have the certificates signed that stock tools want',
    exits: askingExits,
    load: async () => (await import('./group/certify.ts')).command,
  },
  {
    path: ['group', 'consent'],
    summary: 'agree, as the new group, to come after another',
    exits: askingExits,
    load: async () => (await import('./group/consent.ts')).command,
  },
  {
    path: ['group', 'endorse'],
    summary: 'say, once and for ever, which group comes after this one',
    exits: askingExits,
    load: async () => (await import('./group/endorse.ts')).command,
  },
  {
    path: ['group', 'revoke'],
    summary: "end a channel's key, or old releases, for every verifier",
    exits: askingExits,
    load: async () => (await import('./group/revoke.ts')).command,
  },
  {
    path: ['evidence', 'verify'],
    summary: 'who misbehaved, by files that members or the coordinator kept',
    exits: [3],
    load: async () => (await import('./evidence/verify.ts')).command,
  },
  {
    path: ['gpg'],
    summary: 'be the gpg with which git and rpmsign sign',
    exits: askingExits,
    load: async () => (await import('./gpg.ts')).command,
  },
  {
    path: ['ssh-keygen'],
    summary: 'be the ssh-keygen with which git signs',
    exits: askingExits,
    load: async () => (await import('./ssh-keygen.ts')).command,
  },
  { path: ['verify'], summary: 'check a file and its signature' },
];
