/** The boxes: every member's part of every dealing on its way to its receiver, and the transcript that covers them all. */
import { decodeBase64 } from '../../verifier/base64.ts';
import { commonSharings, hasRightReceivers, isSamePlace, type PublicDealing } from './dealing.ts';
import { fail } from './endings.ts';
import { originIn, type BoxToOpen, type CeremonyContext, type CeremonyState, type CeremonyStep } from './events.ts';
import { complete } from './inbox.ts';
import type { CeremonyMessageOf } from './messages.ts';
import type { Transcript } from './transcript.ts';
import { at, present } from '../wire/present.ts';

interface Dealt {
  readonly ceremony: string;
  /** The transcript, without its messages. */
  readonly draft: Transcript;
  readonly dealings: ReadonlyMap<number, readonly PublicDealing[]>;
}

/**
 * Goes on to the transcript with the boxes of all members: `undefined` while one is missing, a failure when they are for others than those
 * that their sender deals to.
 */
export function checkBoxes(context: CeremonyContext, state: CeremonyState, phase: Dealt): CeremonyStep | undefined {
  const { charter } = context;
  const { ceremony } = phase;
  const boxes = complete({ charter, inbox: state.inbox }, 'boxes', ceremony);
  const messages = hashesOf(context, state, ceremony);
  if (boxes === undefined || messages === undefined) return undefined;
  const wrong = boxes.find(({ from, payload }) => !hasRightReceivers(charter, from, payload, originIn(context)));
  if (wrong !== undefined) {
    const reason = `${wrong.from.name} sent boxes for other members than those it deals to`;
    return fail(context, state, { code: 'bad-ceremony-message', leave: 'fault', reason });
  }
  const transcript = { ...phase.draft, messages };
  return {
    state: { ...state, phase: { kind: 'storing', ceremony, transcript } },
    effects: [{ kind: 'open-and-store', ceremony, transcript, boxes: boxesFor(context, phase, boxes) }],
  };
}

/** SHA-256 of what each member said, in order of identifiers; `undefined` while something is missing. */
function hashesOf(
  { charter }: CeremonyContext,
  { inbox }: CeremonyState,
  ceremony: string,
): Transcript['messages'] | undefined {
  const commits = complete({ charter, inbox }, 'commit', ceremony);
  const reveals = complete({ charter, inbox }, 'reveal', ceremony);
  const boxes = complete({ charter, inbox }, 'boxes', ceremony);
  const hashes = charter.members.flatMap(({ identifier }, index) => {
    const hello = inbox.hellos.get(identifier);
    const [commit, reveal, sealed] = [commits?.[index], reveals?.[index], boxes?.[index]];
    if (hello === undefined || commit === undefined || reveal === undefined || sealed === undefined) return [];
    return [{ hello: hello.hash, commit: commit.hash, reveal: reveal.hash, boxes: sealed.hash }];
  });
  return hashes.length === charter.members.length ? hashes : undefined;
}

function boxesFor(
  context: CeremonyContext,
  { dealings }: Dealt,
  boxes: readonly CeremonyMessageOf<'boxes'>[],
): BoxToOpen[] {
  return boxes.flatMap(({ from, payload }) => {
    const box = payload.boxes.find(({ to }) => to === Number(context.self.identifier));
    const places = commonSharings(context.charter, context.self, from, originIn(context));
    const common = present(dealings.get(from.identifier), 'what was revealed').filter((dealing) =>
      places.some((place) => isSamePlace(place, dealing)),
    );
    return box === undefined ? [] : [{ from, box: decodeBox(box.box), dealings: common }];
  });
}

/** What is no base64 is a box that does not open: its receiver says so, and nobody waits for it. */
function decodeBox(text: string): Uint8Array {
  try {
    return decodeBase64(text);
  } catch {
    return new Uint8Array(0);
  }
}

/** A box that did not open, or a share in it that is wrong: only its receiver can see it, so it is a suspicion and no proof (T17). */
export function refuseBox(context: CeremonyContext, state: CeremonyState, from: number): CeremonyStep {
  const suspect = at(context.charter.members, from - 1).name;
  return fail(context, state, {
    code: 'bad-share',
    leave: 'suspicion',
    reason: `the box from ${suspect} does not open or its share does not fit what ${suspect} committed to; that is a suspicion, not a proof`,
    suspect,
  });
}
