/**
 * Key generation, one member's side, as a pure machine: PedPop (Komlo and Goldberg 2020, Figure 1) over all sharings of all channels at once,
 * with hash commitments first and one transcript that all members sign. Secrets stay in the vault; here are only public values.
 */
import { decodeBase64 } from '../../verifier/base64.ts';
import {
  ceremonyId,
  type CeremonyKind,
  type CeremonyMessage,
  type CeremonyMessageOf,
  type CeremonyPayload,
} from './messages.ts';
import { buildCertificate, type Certificate } from './certificate.ts';
import { channelKeysOf, transcriptOf, transcriptHash, verifyShareProofs, type Transcript } from './transcript.ts';
import type { Charter, Member } from '../files/charter.ts';
import {
  commonSharings,
  isSamePlace,
  sharingsDealtBy,
  verifyReveal,
  type Origin,
  type PublicDealing,
  type SharingPlace,
} from './dealing.ts';
import { hexToBytes } from '../wire/bytes.ts';
import type { Envelope } from '../wire/envelope.ts';
import { ProtocolError, type ProtocolErrorCode } from '../errors.ts';
import type { Group } from '../frost/group.ts';
import type { Import } from './import.ts';
import { maxMembers } from '../limits.ts';

/** What never changes while one `join` runs. */
export interface CeremonyContext {
  readonly charter: Charter;
  /** SHA-256 of the requesters payload, hex. */
  readonly requesters: string;
  /** The production key comes from here instead of from the members. */
  readonly imported: Import | undefined;
  readonly self: Member;
  readonly group: Group;
  /** Ceremonies that an earlier run joined or aborted; never joined again (T16). */
  readonly finished: ReadonlySet<string>;
}

/** The newest hello of each member by identifier; every other message by ceremony and identifier. */
type Inbox = { readonly [K in CeremonyKind]: ReadonlyMap<string, CeremonyMessageOf<K>> };

/** Messages of one kind that are kept: enough for a few ceremonies of the largest charter; the oldest goes first. */
const maxKept = 8 * maxMembers;

export type CeremonyPhase =
  /** Waiting for a hello of every member. */
  | { readonly kind: 'hello' }
  /** The vault makes this ceremony's secrets. */
  | { readonly kind: 'dealing'; readonly ceremony: string }
  | { readonly kind: 'commit'; readonly ceremony: string; readonly own: CeremonyPayload<'reveal'> }
  | { readonly kind: 'reveal'; readonly ceremony: string }
  /** The vault seals one box for each receiver. */
  | {
      readonly kind: 'sealing';
      readonly ceremony: string;
      readonly dealings: ReadonlyMap<number, readonly PublicDealing[]>;
    }
  | {
      readonly kind: 'boxes';
      readonly ceremony: string;
      readonly dealings: ReadonlyMap<number, readonly PublicDealing[]>;
    }
  /** The vault opens boxes, checks and stores the share, and proves it. */
  | { readonly kind: 'storing'; readonly ceremony: string; readonly transcript: Transcript }
  /** The own transcript signature is out: from here only a certificate or somebody's signed abort ends this ceremony. */
  | { readonly kind: 'transcript'; readonly ceremony: string; readonly transcript: Transcript }
  /** The certificate is being stored. */
  | { readonly kind: 'certifying'; readonly ceremony: string; readonly certificate: Certificate }
  | { readonly kind: 'stored'; readonly ceremony: string; readonly certificate: Certificate }
  | { readonly kind: 'done'; readonly ceremony: string; readonly certificate: Certificate }
  | { readonly kind: 'failed'; readonly error: ProtocolError };

export interface CeremonyState {
  /** Own nonce, hex. */
  readonly nonce: string;
  /** Ceremonies this run left; never joined again. */
  readonly left: ReadonlySet<string>;
  /** Nonces of hellos that a newer one replaced: said again, they count no more. */
  readonly superseded: ReadonlySet<string>;
  readonly inbox: Inbox;
  readonly phase: CeremonyPhase;
}

export type CeremonyEvent =
  /** Begins with a fresh nonce of 32 bytes, hex. */
  | { readonly kind: 'start'; readonly nonce: string }
  /** An earlier run crashed inside this ceremony before it signed the transcript. */
  | { readonly kind: 'abort-earlier'; readonly ceremony: string }
  /** An earlier run signed this transcript; its share is stored. */
  | { readonly kind: 'resume-signed'; readonly transcript: Transcript; readonly nonce: string }
  | { readonly kind: 'resume-certified'; readonly certificate: Certificate }
  | { readonly kind: 'message'; readonly message: CeremonyMessage }
  | {
      readonly kind: 'dealt';
      readonly ceremony: string;
      readonly reveal: CeremonyPayload<'reveal'>;
      readonly revealHash: string;
    }
  | { readonly kind: 'sealed'; readonly ceremony: string; readonly boxes: CeremonyPayload<'boxes'>['boxes'] }
  | {
      readonly kind: 'share-stored';
      readonly ceremony: string;
      readonly proofs: CeremonyPayload<'transcript'>['proofs'];
    }
  /** A box did not open, or a share in it was wrong: suspicion, never proof. */
  | { readonly kind: 'box-refused'; readonly ceremony: string; readonly from: number }
  | { readonly kind: 'certificate-stored'; readonly ceremony: string };

export interface BoxToOpen {
  readonly from: Member;
  readonly box: Uint8Array;
  /** What the box must hold, in charter order: the sender's dealings of sharings that both hold. */
  readonly dealings: readonly PublicDealing[];
}

export type CeremonyEffect =
  | {
      readonly kind: 'send';
      readonly message: {
        [K in CeremonyKind]: { readonly kind: K; readonly payload: CeremonyPayload<K> };
      }[CeremonyKind];
    }
  /** Stored and synced before the effects behind it. `signed` and `aborted` exclude each other for one ceremony. */
  | { readonly kind: 'record'; readonly entry: CeremonyRecord }
  | { readonly kind: 'deal'; readonly ceremony: string }
  | {
      readonly kind: 'seal';
      readonly ceremony: string;
      readonly receivers: readonly {
        readonly to: Member;
        readonly key: Uint8Array;
        readonly places: readonly SharingPlace[];
      }[];
    }
  | {
      readonly kind: 'open-and-store';
      readonly ceremony: string;
      readonly transcript: Transcript;
      readonly boxes: readonly BoxToOpen[];
    }
  | { readonly kind: 'store-certificate'; readonly ceremony: string; readonly certificate: Certificate }
  /** Forget this ceremony's secrets; a stored share stays. */
  | { readonly kind: 'wipe'; readonly ceremony: string }
  | { readonly kind: 'progress'; readonly waitingFor: readonly string[]; readonly step: CeremonyKind }
  | { readonly kind: 'done'; readonly certificate: Certificate; readonly stored: readonly Envelope[] }
  | { readonly kind: 'failed'; readonly error: ProtocolError; readonly evidence: readonly Envelope[] };

export type CeremonyRecord =
  | { readonly type: 'ceremony-joined'; readonly ceremony: string }
  | { readonly type: 'ceremony-aborted'; readonly ceremony: string }
  | { readonly type: 'ceremony-signed'; readonly ceremony: string; readonly transcript: string }
  /** Somebody else's signed abort frees this member from its transcript signature. */
  | { readonly type: 'ceremony-released'; readonly ceremony: string; readonly abort: Envelope }
  | { readonly type: 'ceremony-certified'; readonly ceremony: string; readonly certificate: string };

export interface CeremonyStep {
  readonly state: CeremonyState;
  readonly effects: readonly CeremonyEffect[];
}

export const ceremonyStart: CeremonyState = {
  nonce: '',
  left: new Set(),
  superseded: new Set(),
  inbox: emptyInbox(),
  phase: { kind: 'hello' },
};

function emptyInbox(): Inbox {
  return {
    hello: new Map(),
    commit: new Map(),
    reveal: new Map(),
    boxes: new Map(),
    transcript: new Map(),
    stored: new Map(),
    abort: new Map(),
  };
}

/** One event in, the next state and what to do out. Effects run in order, each finished before the next. */
export function stepCeremony(context: CeremonyContext, state: CeremonyState, event: CeremonyEvent): CeremonyStep {
  const first = apply(context, state, event);
  return advance(context, first);
}

function apply(context: CeremonyContext, state: CeremonyState, event: CeremonyEvent): CeremonyStep {
  const { phase } = state;
  switch (event.kind) {
    case 'start':
      return { state: { ...state, nonce: event.nonce }, effects: [helloOf(context, event.nonce)] };
    case 'abort-earlier':
      return {
        state: { ...state, left: new Set([...state.left, event.ceremony]) },
        effects: abortEffects(
          event.ceremony,
          'restarted',
          'the member restarted before it signed the transcript',
          null,
        ),
      };
    case 'resume-signed':
      // No hello: members that have not signed yet would leave the ceremony that this member can no longer leave.
      return {
        state: {
          ...state,
          nonce: event.nonce,
          phase: { kind: 'transcript', ceremony: event.transcript.ceremony, transcript: event.transcript },
        },
        effects: [],
      };
    case 'resume-certified':
      return {
        state: {
          ...state,
          phase: { kind: 'stored', ceremony: event.certificate.ceremony, certificate: event.certificate },
        },
        effects: [],
      };
    case 'message':
      return receive(context, state, event.message);
    case 'dealt':
      if (phase.kind !== 'dealing' || phase.ceremony !== event.ceremony) return { state, effects: [] };
      return {
        state: { ...state, phase: { kind: 'commit', ceremony: event.ceremony, own: event.reveal } },
        effects: [
          {
            kind: 'send',
            message: { kind: 'commit', payload: { ceremony: event.ceremony, reveal: event.revealHash } },
          },
        ],
      };
    case 'sealed':
      if (phase.kind !== 'sealing' || phase.ceremony !== event.ceremony) return { state, effects: [] };
      return {
        state: { ...state, phase: { kind: 'boxes', ceremony: event.ceremony, dealings: phase.dealings } },
        effects: [
          { kind: 'send', message: { kind: 'boxes', payload: { ceremony: event.ceremony, boxes: event.boxes } } },
        ],
      };
    case 'share-stored':
      if (phase.kind !== 'storing' || phase.ceremony !== event.ceremony) return { state, effects: [] };
      return signTranscript(state, phase.transcript, event.proofs);
    case 'box-refused': {
      if (phase.kind !== 'storing' || phase.ceremony !== event.ceremony) return { state, effects: [] };
      const suspect = context.charter.members[event.from - 1]?.name ?? '?';
      return fail(
        state,
        event.ceremony,
        'suspicion',
        'bad-share',
        `the box from ${suspect} does not open or its share does not fit what ${suspect} committed to; that is a suspicion, not a proof`,
        suspect,
        [],
      );
    }
    case 'certificate-stored':
      if (phase.kind !== 'certifying' || phase.ceremony !== event.ceremony) return { state, effects: [] };
      return {
        state: { ...state, phase: { ...phase, kind: 'stored' } },
        effects: [
          {
            kind: 'record',
            entry: { type: 'ceremony-certified', ceremony: event.ceremony, certificate: phase.certificate.hash },
          },
          {
            kind: 'send',
            message: {
              kind: 'stored',
              payload: {
                ceremony: event.ceremony,
                transcript: phase.certificate.transcriptHash,
                certificate: phase.certificate.hash,
              },
            },
          },
        ],
      };
  }
}

/** What all members must have agreed to before any secret is made. */
function agreedIn({ charter, requesters, imported }: CeremonyContext) {
  return { charter: charter.hash, requesters, import: imported?.hash ?? null };
}

function originIn({ imported }: CeremonyContext): Origin {
  return imported === undefined ? 'generated' : 'imported';
}

function helloOf(context: CeremonyContext, nonce: string): CeremonyEffect {
  return {
    kind: 'send',
    message: { kind: 'hello', payload: { ...agreedIn(context), nonce } },
  };
}

/** Files one message: repeats are no-ops, a hello replaces the last, and two different ones of another kind are a fault with proof. */
function receive(context: CeremonyContext, state: CeremonyState, message: CeremonyMessage): CeremonyStep {
  const key = keyOf(message);
  const held = state.inbox[message.kind].get(key);
  if (held?.hash === message.hash) return { state, effects: [] };
  if (message.kind === 'hello') return receiveHello(context, state, message);
  if (held !== undefined) {
    // An abort may be said twice in other words; everything else has one version.
    if (message.kind === 'abort' || message.payload.ceremony !== ceremonyOf(state)) return { state, effects: [] };
    const what = `${message.from.name} signed two different ${message.kind} messages for one ceremony`;
    const proof = [held.envelope, message.envelope];
    return fail(state, message.payload.ceremony, 'conflict', 'conflict', what, message.from.name, proof);
  }
  const kept = new Map<string, CeremonyMessage>(state.inbox[message.kind]).set(key, message);
  const [oldest] = kept.keys();
  if (kept.size > maxKept && oldest !== undefined) kept.delete(oldest);
  return { state: { ...state, inbox: { ...state.inbox, [message.kind]: kept } }, effects: [] };
}

function keyOf(message: CeremonyMessage): string {
  return placeOf(message.kind, message.kind === 'hello' ? '' : message.payload.ceremony, message.from);
}

/** Where the inbox keeps a member's message of one kind. */
function placeOf(kind: CeremonyKind, ceremony: string, member: Member): string {
  return kind === 'hello' ? `${member.identifier}` : `${ceremony}/${member.identifier}`;
}

function receiveHello(
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

function mismatchOf(
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
function leaveFor(state: CeremonyState, inbox: Inbox): CeremonyStep {
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

function ceremonyOf(state: CeremonyState): string | undefined {
  return 'ceremony' in state.phase ? state.phase.ceremony : undefined;
}

function signTranscript(
  state: CeremonyState,
  transcript: Transcript,
  proofs: CeremonyPayload<'transcript'>['proofs'],
): CeremonyStep {
  const { ceremony } = transcript;
  const hash = transcriptHash(transcript);
  return {
    state: { ...state, phase: { kind: 'transcript', ceremony, transcript } },
    effects: [
      // From the moment this is on disk the ceremony can no longer be aborted by us, so nothing may be sent before.
      { kind: 'record', entry: { type: 'ceremony-signed', ceremony, transcript: hash } },
      { kind: 'send', message: { kind: 'transcript', payload: { ceremony, transcript: hash, proofs } } },
    ],
  };
}

type AbortCode = CeremonyPayload<'abort'>['code'];

function abortEffects(ceremony: string, code: AbortCode, reason: string, suspect: string | null): CeremonyEffect[] {
  return [
    // Stored first: a member that aborted never signs this transcript, whatever happens next.
    { kind: 'record', entry: { type: 'ceremony-aborted', ceremony } },
    { kind: 'send', message: { kind: 'abort', payload: { ceremony, code, reason, suspect } } },
    { kind: 'wipe', ceremony },
  ];
}

/** Ends this run: with a signed abort when the own transcript signature is not out, without one when it is. */
function fail(
  state: CeremonyState,
  ceremony: string,
  abort: AbortCode,
  code: ProtocolErrorCode,
  reason: string,
  culprit: string | null,
  evidence: readonly Envelope[],
): CeremonyStep {
  const error = new ProtocolError(code, reason, { culprits: culprit === null ? [] : [culprit] });
  const signed =
    state.phase.kind === 'transcript' || state.phase.kind === 'certifying' || state.phase.kind === 'stored';
  return {
    state: { ...state, phase: { kind: 'failed', error } },
    effects: [...(signed ? [] : abortEffects(ceremony, abort, reason, culprit)), { kind: 'failed', error, evidence }],
  };
}

/** Moves on for as long as what is in the inbox allows. */
function advance(context: CeremonyContext, step: CeremonyStep): CeremonyStep {
  let { state } = step;
  const effects = [...step.effects];
  for (;;) {
    const next = progress(context, state);
    if (next === undefined) return { state, effects: [...effects, ...waiting(context, state)] };
    state = next.state;
    effects.push(...next.effects);
  }
}

const phaseKind: Partial<Record<CeremonyPhase['kind'], CeremonyKind>> = {
  hello: 'hello',
  commit: 'commit',
  reveal: 'reveal',
  boxes: 'boxes',
  transcript: 'transcript',
  stored: 'stored',
};

function waiting(context: CeremonyContext, state: CeremonyState): CeremonyEffect[] {
  const step = phaseKind[state.phase.kind];
  if (step === undefined) return [];
  const ceremony = ceremonyOf(state) ?? '';
  const missing = context.charter.members.filter((member) => !state.inbox[step].has(placeOf(step, ceremony, member)));
  return [{ kind: 'progress', step, waitingFor: missing.map((member) => member.name) }];
}

function progress(context: CeremonyContext, state: CeremonyState): CeremonyStep | undefined {
  const { phase } = state;
  const aborted = abortOf(state);
  if (aborted !== undefined) return leaveAborted(context, state, aborted);
  switch (phase.kind) {
    case 'hello':
      return beginCeremony(context, state);
    case 'commit':
      return revealSecrets(context, state, phase);
    case 'reveal':
      return checkReveals(context, state, phase.ceremony);
    case 'boxes':
      return checkBoxes(context, state, phase);
    case 'transcript':
      return certify(context, state, phase);
    case 'stored':
      return finish(context, state, phase);
    case 'dealing':
    case 'sealing':
    case 'storing':
    case 'certifying':
    case 'done':
    case 'failed':
      return undefined;
  }
}

/** Somebody's signed abort of the running ceremony, for as long as that can still matter. */
function abortOf(state: CeremonyState): CeremonyMessageOf<'abort'> | undefined {
  const { phase } = state;
  if (phase.kind === 'certifying' || phase.kind === 'stored' || phase.kind === 'done' || phase.kind === 'failed')
    return undefined;
  const ceremony = ceremonyOf(state);
  return ceremony === undefined
    ? undefined
    : [...state.inbox.abort.values()].find((abort) => abort.payload.ceremony === ceremony);
}

function leaveAborted(context: CeremonyContext, state: CeremonyState, abort: CeremonyMessageOf<'abort'>): CeremonyStep {
  const { ceremony } = abort.payload;
  const released: CeremonyEffect[] =
    state.phase.kind === 'transcript'
      ? [{ kind: 'record', entry: { type: 'ceremony-released', ceremony, abort: abort.envelope } }]
      : [];
  const left = new Set([...state.left, ceremony]);
  const wipe: CeremonyEffect = { kind: 'wipe', ceremony };
  if (abort.payload.code === 'restarted') {
    const hello = state.inbox.hello.has(placeOf('hello', '', context.self)) ? [] : [helloOf(context, state.nonce)];
    return { state: { ...state, left, phase: { kind: 'hello' } }, effects: [...released, wipe, ...hello] };
  }
  const suspect = abort.payload.suspect === null ? '' : ` and suspects ${abort.payload.suspect}`;
  const error = new ProtocolError(
    'bad-ceremony-message',
    `${abort.from.name} stopped the ceremony${suspect}: ${abort.payload.reason}`,
    { culprits: [] },
  );
  return {
    state: { ...state, left, phase: { kind: 'failed', error } },
    effects: [...released, wipe, { kind: 'failed', error, evidence: [abort.envelope] }],
  };
}

/** All members' messages of one kind for the running ceremony, in order of identifiers; `undefined` while one is missing. */
function complete<K extends Exclude<CeremonyKind, 'hello'>>(
  context: CeremonyContext,
  state: CeremonyState,
  kind: K,
  ceremony: string,
): CeremonyMessageOf<K>[] | undefined {
  const messages: CeremonyMessageOf<K>[] = [];
  for (const member of context.charter.members) {
    const message: CeremonyMessage | undefined = (state.inbox[kind] as ReadonlyMap<string, CeremonyMessage>).get(
      placeOf(kind, ceremony, member),
    );
    if (message === undefined) return undefined;
    messages.push(message as CeremonyMessageOf<K>);
  }
  return messages;
}

/** The hellos that are here, in order of identifiers. */
function hellosOf(context: CeremonyContext, state: CeremonyState): CeremonyMessageOf<'hello'>[] {
  return context.charter.members.flatMap((member) => state.inbox.hello.get(placeOf('hello', '', member)) ?? []);
}

function beginCeremony(context: CeremonyContext, state: CeremonyState): CeremonyStep | undefined {
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

function revealSecrets(
  context: CeremonyContext,
  state: CeremonyState,
  phase: { readonly ceremony: string; readonly own: CeremonyPayload<'reveal'> },
): CeremonyStep | undefined {
  if (complete(context, state, 'commit', phase.ceremony) === undefined) return undefined;
  return {
    state: { ...state, phase: { kind: 'reveal', ceremony: phase.ceremony } },
    effects: [{ kind: 'send', message: { kind: 'reveal', payload: phase.own } }],
  };
}

function checkReveals(context: CeremonyContext, state: CeremonyState, ceremony: string): CeremonyStep | undefined {
  const commits = complete(context, state, 'commit', ceremony);
  const reveals = complete(context, state, 'reveal', ceremony);
  if (commits === undefined || reveals === undefined) return undefined;
  const dealings = new Map<number, readonly PublicDealing[]>();
  for (const [index, reveal] of reveals.entries()) {
    const commit = commits[index];
    const proof = commit === undefined ? [] : [commit.envelope, reveal.envelope];
    if (commit?.payload.reveal !== reveal.hash) {
      return fail(
        state,
        ceremony,
        'fault',
        'bad-ceremony-message',
        `${reveal.from.name} revealed something else than it had committed to`,
        reveal.from.name,
        proof,
      );
    }
    const verified = verifyReveal(context.group, context.charter, reveal.from, reveal.payload, originIn(context));
    if (typeof verified === 'string') {
      return fail(
        state,
        ceremony,
        'fault',
        'bad-ceremony-message',
        `${reveal.from.name}: ${verified}`,
        reveal.from.name,
        [...proof, ...hellosOf(context, state).map(({ envelope }) => envelope)],
      );
    }
    dealings.set(reveal.from.identifier, verified);
  }
  const transcript = transcriptOf(context.group, context.charter, { ...context, ceremony, dealings, messages: [] });
  if (typeof transcript === 'string')
    return fail(state, ceremony, 'suspicion', 'bad-ceremony-message', transcript, null, []);
  const receivers = reveals.flatMap(({ from, payload }) => {
    const places =
      from.identifier === context.self.identifier
        ? []
        : commonSharings(context.charter, context.self, from, originIn(context));
    return places.length === 0 ? [] : [{ to: from, key: hexToBytes(payload.encryptionKey), places }];
  });
  return {
    state: { ...state, phase: { kind: 'sealing', ceremony, dealings } },
    effects: [{ kind: 'seal', ceremony, receivers }],
  };
}

/** The members `member` must send a box to: those with whom it shares a sharing, in order of identifiers. */
function receiversOf(context: CeremonyContext, member: Member): number[] {
  const holders = sharingsDealtBy(context.charter, member, originIn(context)).flatMap((place) => place.of.members);
  return [...new Set(holders)].filter((identifier) => identifier !== member.identifier).sort((a, b) => a - b);
}

function checkBoxes(
  context: CeremonyContext,
  state: CeremonyState,
  phase: { readonly ceremony: string; readonly dealings: ReadonlyMap<number, readonly PublicDealing[]> },
): CeremonyStep | undefined {
  const { ceremony, dealings } = phase;
  const boxes = complete(context, state, 'boxes', ceremony);
  const commits = complete(context, state, 'commit', ceremony);
  const reveals = complete(context, state, 'reveal', ceremony);
  if (boxes === undefined || commits === undefined || reveals === undefined) return undefined;
  for (const { from, payload, envelope } of boxes) {
    if (payload.boxes.map((box) => box.to).join() !== receiversOf(context, from).join()) {
      return fail(
        state,
        ceremony,
        'fault',
        'bad-ceremony-message',
        `${from.name} sent boxes for other members than those it deals to`,
        from.name,
        [envelope],
      );
    }
  }
  const hashes = context.charter.members.map((member, index) => ({
    hello: state.inbox.hello.get(placeOf('hello', '', member))?.hash ?? '',
    commit: commits[index]?.hash ?? '',
    reveal: reveals[index]?.hash ?? '',
    boxes: boxes[index]?.hash ?? '',
  }));
  const transcript = transcriptOf(context.group, context.charter, { ...context, ceremony, dealings, messages: hashes });
  if (typeof transcript === 'string')
    return fail(state, ceremony, 'suspicion', 'bad-ceremony-message', transcript, null, []);
  const toOpen = boxes.flatMap(({ from, payload }) => {
    const box = payload.boxes.find(({ to }) => to === Number(context.self.identifier));
    const places = commonSharings(context.charter, context.self, from, originIn(context));
    const common = (dealings.get(from.identifier) ?? []).filter((dealing) =>
      places.some((place) => isSamePlace(place, dealing)),
    );
    return box === undefined ? [] : [{ from, box: decodeBase64(box.box), dealings: common }];
  });
  return {
    state: { ...state, phase: { kind: 'storing', ceremony, transcript } },
    effects: [{ kind: 'open-and-store', ceremony, transcript, boxes: toOpen }],
  };
}

function certify(
  context: CeremonyContext,
  state: CeremonyState,
  phase: { readonly ceremony: string; readonly transcript: Transcript },
): CeremonyStep | undefined {
  const { ceremony, transcript } = phase;
  const own = transcriptHash(transcript);
  const split = [...state.inbox.transcript.values()].find(
    (message) => message.payload.ceremony === ceremony && message.payload.transcript !== own,
  );
  if (split !== undefined) {
    const what = `${split.from.name} saw another transcript of this ceremony: somebody sent different messages to different members`;
    return fail(state, ceremony, 'conflict', 'conflict', what, null, [split.envelope]);
  }
  const signatures = complete(context, state, 'transcript', ceremony);
  if (signatures === undefined) return undefined;
  const channels = channelKeysOf(context.group, context.charter, transcript);
  for (const { from, payload, envelope } of signatures) {
    const problem = verifyShareProofs(context.group, context.charter, transcript, channels, from, payload.proofs);
    if (problem !== undefined) {
      return fail(state, ceremony, 'fault', 'bad-ceremony-message', `${from.name}: ${problem}`, from.name, [envelope]);
    }
  }
  const certificate = buildCertificate(
    transcript,
    signatures.map((message) => message.envelope),
  );
  return {
    state: { ...state, phase: { kind: 'certifying', ceremony, certificate } },
    effects: [{ kind: 'store-certificate', ceremony, certificate }],
  };
}

function finish(
  context: CeremonyContext,
  state: CeremonyState,
  phase: { readonly ceremony: string; readonly certificate: Certificate },
): CeremonyStep | undefined {
  const { ceremony, certificate } = phase;
  for (const message of state.inbox.stored.values()) {
    if (message.payload.ceremony === ceremony && message.payload.certificate !== certificate.hash) {
      return fail(
        state,
        ceremony,
        'conflict',
        'conflict',
        `${message.from.name} stored another certificate of this ceremony`,
        null,
        [message.envelope],
      );
    }
  }
  const stored = complete(context, state, 'stored', ceremony);
  if (stored === undefined) return undefined;
  return {
    state: { ...state, phase: { kind: 'done', ceremony, certificate } },
    effects: [{ kind: 'done', certificate, stored: stored.map((message) => message.envelope) }],
  };
}
