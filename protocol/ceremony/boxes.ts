/** The boxes: every member's part of every dealing on its way to its receiver, and the transcript that covers them all. */
import { decodeBase64 } from '../../verifier/base64.ts';
import { dealtTo, isHolder } from './cast.ts';
import { isSamePlace, type PublicDealing } from './dealing.ts';
import { hasRightReceivers } from './dealt.ts';
import { fail } from './endings.ts';
import type { BoxToOpen, CeremonyState, CeremonyStep, StepContext } from './events.ts';
import { complete } from './inbox.ts';
import type { CeremonyMessageOf } from './messages.ts';
import type { Transcript } from './transcript.ts';
import { present } from '../wire/present.ts';

interface Dealt {
  readonly ceremony: string;
  /** The transcript, without its messages. */
  readonly draft: Transcript;
  readonly dealings: ReadonlyMap<string, readonly PublicDealing[]>;
}

/**
 * Goes on to the transcript with the boxes of all members: `undefined` while one is missing, a failure when they are for others than those
 * that their sender deals to.
 */
export function checkBoxes(context: StepContext, state: CeremonyState, phase: Dealt): CeremonyStep | undefined {
  const { cast, self } = context;
  const { ceremony } = phase;
  // Who only deals has done its part with its own boxes.
  if (!isHolder(cast, self)) return undefined;
  const boxes = complete({ ...cast, inbox: state.inbox }, 'boxes', ceremony);
  const messages = hashesOf(context, state, ceremony);
  if (boxes === undefined || messages === undefined) return undefined;
  const wrong = boxes.find(({ from, payload }) => !hasRightReceivers(cast, from, payload));
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

/** SHA-256 of what each speaker said, in their order; `undefined` while something is missing. */
function hashesOf(
  { cast }: StepContext,
  { inbox }: CeremonyState,
  ceremony: string,
): Transcript['messages'] | undefined {
  const said = { ...cast, inbox };
  const commits = complete(said, 'commit', ceremony);
  const reveals = complete(said, 'reveal', ceremony);
  const boxes = complete(said, 'boxes', ceremony);
  const hashes = cast.speakers.flatMap((speaker, index) => {
    const hello = cast.helloOf(inbox, speaker);
    const [commit, reveal, sealed] = [commits?.[index], reveals?.[index], boxes?.[index]];
    if (hello === undefined || commit === undefined || reveal === undefined || sealed === undefined) return [];
    return [{ hello, commit: commit.hash, reveal: reveal.hash, boxes: sealed.hash }];
  });
  return hashes.length === cast.speakers.length ? hashes : undefined;
}

function boxesFor(
  { cast, self }: StepContext,
  { dealings }: Dealt,
  boxes: readonly CeremonyMessageOf<'boxes'>[],
): BoxToOpen[] {
  return boxes.flatMap(({ from, payload }) => {
    const box = payload.boxes.find(({ to }) => to === Number(self.identifier));
    const places = dealtTo(cast, from, self);
    const common = present(dealings.get(from.key), 'what was revealed').filter((dealing) =>
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
export function refuseBox(context: StepContext, state: CeremonyState, from: string): CeremonyStep {
  const suspect = present(
    context.cast.speakers.find(({ key }) => key === from),
    'who sent the box',
  );
  const { name } = suspect;
  return fail(context, state, {
    code: 'bad-share',
    leave: 'suspicion',
    reason: `the box from ${name} does not open or its share does not fit what ${name} committed to; that is a suspicion, not a proof`,
    suspect,
  });
}
