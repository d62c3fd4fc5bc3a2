/** The boxes: every member's part of every dealing on its way to its receiver, and the transcript that covers them all. */
import { decodeBase64 } from '../../verifier/base64.ts';
import type { Member } from '../files/charter.ts';
import { commonSharings, isSamePlace, sharingsDealtBy, type PublicDealing } from './dealing.ts';
import { fail } from './endings.ts';
import { originIn, type CeremonyContext, type CeremonyState, type CeremonyStep } from './events.ts';
import { complete, placeOf } from './inbox.ts';
import { transcriptOf } from './transcript.ts';

/** The members `member` must send a box to: those with whom it shares a sharing, in order of identifiers. */
export function receiversOf(context: CeremonyContext, member: Member): number[] {
  const holders = sharingsDealtBy(context.charter, member, originIn(context)).flatMap((place) => place.of.members);
  return [...new Set(holders)].filter((identifier) => identifier !== member.identifier).sort((a, b) => a - b);
}

export function checkBoxes(
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
