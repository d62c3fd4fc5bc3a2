/** The first step of a ceremony: everybody says hello under the same files, and with a hello of every member it begins. */
import type { Member } from '../files/charter.ts';
import { maxCeremoniesOfRun, maxHellosAnew } from '../limits.ts';
import { fail, isLate, leave, viewOf } from './endings.ts';
import {
  beforeSignature,
  stepContextOf,
  type CeremonyContext,
  type CeremonyEffect,
  type CeremonyState,
  type CeremonyStep,
  type StrangeHello,
} from './events.ts';
import { hellosOf, type Inbox } from './inbox.ts';
import { ceremonyId, type CeremonyMessageOf } from './messages.ts';
import { join } from './steps.ts';
import { at } from '../wire/present.ts';

/** What all members must have agreed to before any secret is made. */
function agreedIn({ charter, requesters, imported }: CeremonyContext) {
  return { charter: charter.hash, requesters, import: imported?.hash ?? null };
}

/** The own hello: the same nonce for as long as this run lasts, so that only who comes anew changes the ceremony's id. */
function helloOf(context: CeremonyContext, nonce: string): CeremonyEffect {
  return {
    kind: 'send',
    message: { kind: 'hello', payload: { ...agreedIn(context), nonce } },
  };
}

/** A run that went on with an earlier ceremony has said no hello yet: nothing of the next is said before this one is left. */
export function sayHello(context: CeremonyContext, step: CeremonyStep): CeremonyStep {
  const { state } = step;
  if (state.phase.kind !== 'hello' || state.inbox.hellos.has(context.self.key)) return step;
  return { state, effects: [...step.effects, helloOf(context, state.nonce)] };
}

/**
 * Files a hello, the newest of each member under the same files; one that was replaced counts no more. One under other files tells who has them, for as
 * long as there is none under the same: it may be the last word of a run that is over, and the relay chooses when it comes. Two under one nonce are a
 * proof, and end a run that has not said `stored`.
 */
export function receiveHello(
  context: CeremonyContext,
  state: CeremonyState,
  message: CeremonyMessageOf<'hello'>,
): CeremonyStep {
  const { key } = message.from;
  const { nonce } = message.payload;
  const known = state.inbox.hellos.get(key);
  const superseded = state.superseded.get(key) ?? [];
  if (known?.hash === message.hash || superseded.includes(nonce)) return { state, effects: [] };
  // The relay may still hold a hello of this member's earlier run.
  if (key === context.self.key && nonce !== state.nonce) return { state, effects: [] };
  if (known?.payload.nonce === nonce) return failAtHellos(context, state, [known, message]);
  const replaced = known !== undefined && strangenessOf(context, known) === undefined ? known : undefined;
  if (replaced !== undefined && strangenessOf(context, message) !== undefined) return { state, effects: [] };
  const inbox: Inbox = { ...state.inbox, hellos: new Map(state.inbox.hellos).set(key, message) };
  if (replaced === undefined) return answerHello(context, { ...state, inbox }, message);
  if (superseded.length >= maxHellosAnew) return failAtRestarts(context, state, message);
  const nonces = new Map(state.superseded).set(key, [...superseded, replaced.payload.nonce]);
  return answerHello(context, { ...state, inbox, superseded: nonces }, message);
}

/** Whoever begins anew without end would have the others begin ceremonies without end (T43). */
function failAtRestarts(
  context: CeremonyContext,
  state: CeremonyState,
  { from: suspect }: CeremonyMessageOf<'hello'>,
): CeremonyStep {
  if (isLate(state) || state.phase.kind === 'failed') return { state, effects: [] };
  return fail(stepContextOf(context), state, {
    code: 'too-many',
    leave: 'suspicion',
    reason: `${suspect.name} began anew ${maxHellosAnew} times; find out why, and run join again`,
    suspect,
  });
}

/** One nonce in two hellos is a lie; which ceremony it was meant for does not matter. */
function failAtHellos(
  context: CeremonyContext,
  state: CeremonyState,
  messages: readonly CeremonyMessageOf<'hello'>[],
): CeremonyStep {
  if (isLate(state) || state.phase.kind === 'failed')
    return { state, effects: [{ kind: 'evidence', view: viewOf(stepContextOf(context), state, messages) }] };
  return fail(stepContextOf(context), state, {
    code: 'conflict',
    leave: 'conflict',
    reason: `${at(messages, 0).from.name} signed two different hellos with one nonce`,
    also: messages,
  });
}

/** A new hello before the own transcript signature: the running ceremony can never finish, so it is left for one of the newest hellos. */
function answerHello(
  context: CeremonyContext,
  state: CeremonyState,
  { from }: CeremonyMessageOf<'hello'>,
): CeremonyStep {
  const ceremony = beforeSignature(state);
  if (ceremony !== undefined)
    return leave(state, { ceremony, code: 'restarted', reason: `${from.name} said hello anew`, suspect: null });
  const { phase } = state;
  const isAsked = phase.kind === 'done' && from.key !== context.self.key;
  return { state, effects: isAsked ? [{ kind: 'show', certificate: phase.certificate }] : [] };
}

/** The hellos here that no ceremony of this member can begin with (T18). */
export function strangeHellos(context: CeremonyContext, { inbox }: CeremonyState): StrangeHello[] {
  return hellosOf(context.charter, inbox).flatMap((hello) => strangenessOf(context, hello) ?? []);
}

function strangenessOf(
  context: CeremonyContext,
  { from: { name: from }, payload }: CeremonyMessageOf<'hello'>,
): StrangeHello | undefined {
  const { charter, requesters, imported } = context;
  if (payload.charter !== charter.hash) return { from, file: 'charter', theirs: payload.charter, ours: charter.hash };
  if (payload.requesters !== requesters) return { from, file: 'requesters', theirs: null, ours: null };
  const ours = imported?.hash ?? null;
  return payload.import === ours ? undefined : { from, file: 'import', theirs: payload.import, ours };
}

/** Members whose hello is not here, or is of other files. */
export function missingHellos(context: CeremonyContext, { inbox }: CeremonyState): Member[] {
  return context.charter.members.filter(({ key }) => {
    const hello = inbox.hellos.get(key);
    return hello === undefined || strangenessOf(context, hello) !== undefined;
  });
}

/** The id that the hellos come to; `undefined` while one is missing. */
export function idOfHellos(context: CeremonyContext, state: CeremonyState): string | undefined {
  if (missingHellos(context, state).length > 0) return undefined;
  const hellos = hellosOf(context.charter, state.inbox);
  return ceremonyId(
    agreedIn(context),
    hellos.map((hello) => hello.payload.nonce),
  );
}

/**
 * Enters the ceremony that the hellos of all members come to; `undefined` while one is missing, or if this member was in it before. One run enters so
 * many and no more: each is in the journal and in every backup for good (T43).
 */
export function beginCeremony(context: CeremonyContext, state: CeremonyState): CeremonyStep | undefined {
  const ceremony = idOfHellos(context, state);
  // One set of polynomials for one id: an id that was ever joined is never entered again (T16).
  if (ceremony === undefined || state.memory.joined.has(ceremony)) return undefined;
  if (state.begun < maxCeremoniesOfRun) return join(state, ceremony);
  const reason = `this run of join began ${maxCeremoniesOfRun} ceremonies, and none came to an end; find out who begins anew, and run it again`;
  return fail(stepContextOf(context), state, { code: 'too-many', leave: 'fault', reason });
}
