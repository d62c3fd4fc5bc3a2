/** The end of a ceremony over real sockets, homes and age files: what the simulated network shows, where a user has it (T35, T45). */
import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Presence } from '../../coordinator/presence.ts';
import { openHome } from '../../home/home.ts';
import { loadIdentity } from '../../home/identity.ts';
import { boxesMessage, openCeremonyMessage } from '../../protocol/ceremony/messages.ts';
import { sealMessage } from '../../protocol/wire/envelope.ts';
import { frostmark } from '../cli/frostmark.ts';
import { TestGroup, useParticipants, type TestMember } from './support.ts';

useParticipants();
const flat = { tiers: ['a', 'a', 'a'], production: '{ any: 2 }' };

function evidenceIn({ home }: TestMember): string {
  const [file, another] = readdirSync(home).filter((name) => name.startsWith('evidence-'));
  expect(another).toBeUndefined();
  return join(home, file!);
}

describe('a ceremony over real sockets', () => {
  it('in which a liar and its coordinator split the view is judged from the honest members’ own homes (T13, T45)', async () => {
    await using group = await TestGroup.create(flat);
    const [one, two, liar] = group.members as [TestMember, TestMember, TestMember];
    const identity = await loadIdentity(await openHome('participant', liar.home));
    // The relay shows the second member another version of the liar's boxes, as only the liar could sign it.
    let split = 0;
    const { value: tellAll } = Object.getOwnPropertyDescriptor(Presence.prototype, 'tellAll') as {
      readonly value: (...args: Parameters<Presence['tellAll']>) => void;
    };
    vi.spyOn(Presence.prototype, 'tellAll').mockImplementation(function (this: Presence, hash, frame, except) {
      const message = frame.type === 'ceremony' ? openCeremonyMessage(frame.message, group.charter) : undefined;
      if (message?.kind !== 'boxes' || message.from.name !== liar.name) {
        tellAll.call(this, hash, frame, except);
        return;
      }
      split += 1;
      const { ceremony, boxes } = message.payload;
      const [, second] = group.charter.members;
      tellAll.call(this, hash, frame, second!.key);
      const other = sealMessage(boxesMessage, { boxes, ceremony }, identity);
      this.of(hash)
        .find(({ member }) => Number(member.identifier) === 2)
        ?.send({ type: 'ceremony', message: other });
    });
    onTestFinished(() => {
      vi.restoreAllMocks();
    });
    const ended = await Promise.allSettled(group.members.map((member) => group.join(member)));
    expect(split).toBe(1);
    for (const result of ended)
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'ceremony-failed', culprits: [] } });

    const files = [evidenceIn(one), evidenceIn(two)];
    for (const file of files) {
      const alone = await frostmark(['evidence', 'verify', file, '--json']);
      expect(alone.code).toBe(3);
      expect(JSON.parse(alone.stdout)).toMatchObject({ error: { code: 'nothing-proved', exitCode: 3 } });
    }
    const together = await frostmark(['evidence', 'verify', ...files, '--json']);
    expect([together.code, together.stdout.trim().split('\n').length]).toEqual([0, 1]);
    expect(JSON.parse(together.stdout)).toMatchObject({
      culprit: 'a-3',
      deed: 'signed two different boxes messages for one ceremony',
      charter: group.charter.hash,
    });
    // A file that is no evidence is told of, and keeps nobody from being judged.
    const broken = join(group.folder, 'broken.json');
    await writeFile(broken, '{}');
    const beside = await frostmark(['evidence', 'verify', broken, ...files]);
    expect(beside.code).toBe(0);
    expect(beside.stderr).toContain('broken.json');
    expect(beside.stdout).toContain('a-3 of acme signed two different boxes messages');
    expect((await frostmark(['evidence', 'verify', join(group.folder, 'none.json')])).code).toBe(1);

    // Nobody gave a share, so all of them can join again; with an honest relay there is a key.
    vi.restoreAllMocks();
    await group.joinAll();
  }, 60_000);
});
