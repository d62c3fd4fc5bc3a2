/** What the relay of a succession keeps of each speaker (T41, T43). */
import { expect, test } from 'vitest';
import { maxBeginsPerMember, maxCeremoniesPerMember } from '../../coordinator/limits.ts';
import type { Decided, KnownGroup } from '../../coordinator/lineage.ts';
import type { StoreRecord } from '../../coordinator/records.ts';
import { Successions } from '../../coordinator/successions.ts';
import { storedMessage } from '../../protocol/ceremony/messages.ts';
import { memberByKey } from '../../protocol/files/charter.ts';
import { openingMessageType, type OpeningPayload } from '../../protocol/succession/messages.ts';
import { sealMessage, type Envelope } from '../../protocol/wire/envelope.ts';
import { decide, firstEpoch, nextCharter } from '../harness/coordinator-epochs.ts';

const first = await firstEpoch();
const { charter, people } = nextCharter(first);
const { plan, signed } = await decide(first, charter);
const decided = { plan, signed, digest: '', from: { epoch: first.epoch } } as unknown as Decided;
const [dave] = people;
const self = memberByKey(charter, dave!.key)!;
const hex = (number: number): string => number.toString(16).padStart(64, '0');
const named = { succession: plan.succession.hash, epoch: first.epoch.hash };

function relay() {
  const records: StoreRecord[] = [];
  const keep = (_: unknown, record: StoreRecord) => Promise.resolve(records.push(record));
  const successions = new Successions(keep, Date.now);
  return { records, successions, say: (envelope: Envelope) => successions.receive(decided, self, envelope) };
}

const hello = (serial: number): Envelope =>
  sealMessage(openingMessageType('hello'), { ...named, charter: charter.hash, serial, nonce: hex(serial) }, dave!);

const stored = (ceremony: number, transcript: number): Envelope =>
  sealMessage(storedMessage, { ceremony: hex(ceremony), transcript: hex(transcript) }, dave!);

function begin(counter: number): Envelope {
  const payload: OpeningPayload<'begin'> = {
    ...named,
    counter,
    dealers: [{ channel: 'production', identifiers: [1, 2] }],
    hellos: [hex(1), hex(2), hex(3)],
    without: [],
  };
  return sealMessage(openingMessageType('begin'), payload, dave!);
}

test('the newest hello alone counts, in whatever order they come, and a repeat is a no-op', async () => {
  const { records, successions, say } = relay();
  expect(await say(hello(2))).toBeDefined();
  for (const again of [hello(2), hello(1)]) expect(await say(again)).toBeUndefined();
  expect(await say(hello(3))).toBeDefined();
  expect(successions.backlog(decided)).toEqual([hello(3)]);
  expect(records).toHaveLength(2);
});

test('two versions of one step are kept, which are the proof, and a third is refused (T13)', async () => {
  const { successions, say } = relay();
  await say(stored(1, 1));
  await say(stored(1, 2));
  await expect(say(stored(1, 3))).rejects.toMatchObject({ code: 'too-many' });
  expect(successions.backlog(decided)).toEqual([stored(1, 1), stored(1, 2)]);
});

test('what was said on the way into an epoch is kept until the next one lives', async () => {
  const { successions, say } = relay();
  await say(hello(1));
  const next = { decided } as KnownGroup;
  const known = new Map([[named.succession, decided]]);
  for (const live of [decided.from, next]) {
    successions.forgetOver({ live, successions: known });
    expect(successions.backlog(decided)).toHaveLength(1);
  }
  successions.forgetOver({ live: { decided: { ...decided, from: next } } as KnownGroup, successions: known });
  expect(successions.backlog(decided)).toEqual([]);
});

test('begins and ceremonies without end push out only the oldest of whoever said them', async () => {
  const { successions, say } = relay();
  for (let count = 1; count <= maxBeginsPerMember + 2; count += 1) await say(begin(count));
  for (let count = 1; count <= maxCeremoniesPerMember + 2; count += 1) await say(stored(count, 1));
  const kept = successions.backlog(decided);
  expect(kept).toHaveLength(maxBeginsPerMember + maxCeremoniesPerMember);
  expect(kept[0]).toEqual(begin(3));
  expect(kept.at(-1)).toEqual(stored(maxCeremoniesPerMember + 2, 1));
});
