/** The first step of a ceremony: everybody says hello under the same files, and with a hello of every member it begins. */
import { ProtocolError } from '../errors.ts';
import type { CeremonyContext, CeremonyEffect, CeremonyState, CeremonyStep } from './events.ts';
import { hellosOf, keyOf, type Inbox } from './inbox.ts';
import { ceremonyId, type CeremonyMessageOf } from './messages.ts';

/** What all members must have agreed to before any secret is made. */
export function agreedIn({ charter, requesters, imported }: CeremonyContext) {
  return { charter: charter.hash, requesters, import: imported?.hash ?? null };
}

export function helloOf(context: CeremonyContext, nonce: string): CeremonyEffect {
  return {
    kind: 'send',
    message: { kind: 'hello', payload: { ...agreedIn(context), nonce } },
  };
}

export function receiveHello(
  context: CeremonyContext,
  state: CeremonyState,
  message: CeremonyMessageOf<'hello'>,
): CeremonyStep {
  const { identifier } = message.from;
  // The relay may still hold a hello of this member's earlier run.
  if (identifier === context.self.identifier && message.payload.nonce !== state.nonce) return { state, effects: [] };
  const superseded = state.inbox.hello.get(keyOf(message));
  if (state.superseded.has(message.payload.nonce)) return { state, effects: [] };
  const inbox: Inbox = { ...state.inbox, hello: new Map(state.inbox.hello).set(keyOf(message), message) };
  const next =
    superseded === undefined
      ? state
      : { ...state, superseded: new Set([...state.superseded, superseded.payload.nonce]) };
  const mismatch = mismatchOf(context, message);
  if (mismatch !== undefined && state.phase.kind === 'hello') {
    return {
      state: { ...next, inbox, phase: { kind: 'failed', error: mismatch } },
      effects: [{ kind: 'failed', error: mismatch, evidence: [] }],
    };
  }
  return leaveFor(next, inbox);
}

export function mismatchOf(
  context: CeremonyContext,
  { from, payload }: CeremonyMessageOf<'hello'>,
): ProtocolError | undefined {
  if (payload.charter !== context.charter.hash) {
    return new ProtocolError(
      'bad-charter',
      `${from.name} joined with another charter (${payload.charter}); compare the files`,
      { culprits: [from.name] },
    );
  }
  if (payload.requesters !== context.requesters) {
    return new ProtocolError(
      'bad-requesters',
      `${from.name} joined with another requesters file (${payload.requesters}); compare the files`,
      { culprits: [from.name] },
    );
  }
  if (payload.import !== (context.imported?.hash ?? null)) {
    const what = payload.import === null ? 'without an import file' : `with another import file (${payload.import})`;
    const mine = context.imported === undefined ? 'there is none here' : `here it is ${context.imported.hash}`;
    return new ProtocolError(
      'bad-import',
      `${from.name} joined ${what}, and ${mine}; compare the files: whoever had the wrong one joins first, then the others`,
      {
        culprits: [from.name],
      },
    );
  }
  return undefined;
}

/** A new hello before the own transcript signature: the running ceremony can never finish, so a new one starts from the newest hellos. */
export function leaveFor(state: CeremonyState, inbox: Inbox): CeremonyStep {
  const { phase } = state;
  switch (phase.kind) {
    case 'dealing':
    case 'commit':
    case 'reveal':
    case 'sealing':
    case 'boxes':
    case 'storing':
      return {
        state: { ...state, inbox, left: new Set([...state.left, phase.ceremony]), phase: { kind: 'hello' } },
        effects: [{ kind: 'wipe', ceremony: phase.ceremony }],
      };
    case 'hello':
    case 'transcript':
    case 'certifying':
    case 'stored':
    case 'done':
    case 'failed':
      return { state: { ...state, inbox }, effects: [] };
  }
}

export function beginCeremony(context: CeremonyContext, state: CeremonyState): CeremonyStep | undefined {
  const hellos = hellosOf(context, state);
  if (hellos.length < context.charter.members.length) return undefined;
  const ceremony = ceremonyId(
    agreedIn(context),
    hellos.map((hello) => hello.payload.nonce),
  );
  // One set of polynomials for one id: an id that was left, joined or aborted is never entered again (T16).
  if (state.left.has(ceremony) || context.finished.has(ceremony)) return undefined;
  return {
    state: { ...state, phase: { kind: 'dealing', ceremony } },
    effects: [
      { kind: 'record', entry: { type: 'ceremony-joined', ceremony } },
      { kind: 'deal', ceremony },
    ],
  };
}
