/** What an approver reads: all of it, and nothing that is not there. */
import { describe, expect, it } from 'vitest';
import { requestPage, requestsTable } from '../../cli/text/request.ts';
import { makeParticipant, makeWorld, now, release, requestFrame } from './members.ts';

const hostile = {
  'a bidirectional override': '\u202e',
  'an isolate': '\u2066',
  'a zero-width space': '\u200b',
  'a zero-width joiner': '\u200d',
  'a soft hyphen': '\u00ad',
  'an escape': '\u001b',
  'a carriage return': '\r',
  'a line break': '\n',
  'a tab': '\t',
  'a delete': '\u007f',
  'a C1 control': '\u009b',
  'a line separator': '\u2028',
  'a byte order mark': '\ufeff',
  'a tag character': '\u{e0041}',
  'a variation selector': '\ufe0f',
  'a Hangul filler': '\u3164',
  'a no-break space': '\u00a0',
  'a blank Braille pattern': '\u2800',
  'a private character': '\ue000',
} as const;

describe('what show displays (T36)', () => {
  it('is everything that will be signed, and how it stands', async () => {
    const world = await makeWorld({ tiers: ['admin', 'admin', 'build'], production: '{ admin: 2, build: 1 }' });
    const participant = await makeParticipant(world, 1);
    const request = release(world, {
      note: 'for the fair',
      source: { repo: 'https://git.example.org/tool', ref: 'refs/tags/v1', commit: 'ab'.repeat(20) },
    });
    await participant.receive(requestFrame(request));
    await participant.rounds.decide(request.digest, 'approve', null);
    const view = participant.rounds.show(request.digest.slice(0, 8));
    const text = requestPage(view, now).replaceAll(/\s+/g, ' ');
    const { artifacts } = request.payload;
    for (const shown of [
      request.digest,
      'production of acme',
      'channel production',
      world.live.epoch.groupKey,
      'asked by dev',
      world.requester.key,
      'tool',
      '1.0.0',
      'https://git.example.org/tool',
      'refs/tags/v1',
      'ab'.repeat(20),
      artifacts[0]!.name,
      '5 bytes',
      artifacts[0]!.sha256,
      artifacts[0]!.sha512,
      'for the fair',
      '2026-11-25T08:00:00Z',
      'admin-1 (admin): approve',
      'admin 2: 1 of 2 approved: admin-1; 1 missing of admin-2',
      'build 1: 0 of 1 approved; 1 missing of build-3',
    ])
      expect(text).toContain(shown);
    // It is the very statement, rebuilt here.
    expect(JSON.parse(view.signs[0]!)).toMatchObject({
      subject: [{ name: artifacts[0]!.name }],
      predicate: { requestDigest: request.digest, channel: 'production' },
    });
    expect(requestsTable(participant.rounds.list(false), now)).toContain(request.digest.slice(0, 8));
  });

  it.each(Object.entries(hostile))('escapes %s wherever a stranger may have put it', async (_name, character) => {
    const world = await makeWorld({ tiers: ['a', 'a'], production: '{ any: 2 }' });
    const participant = await makeParticipant(world, 1);
    const text = `a${character}b`;
    const request = release(world, {
      product: text,
      release: text,
      // A note may have lines; nothing else may.
      note: character === '\n' ? 'plain' : text,
      source: { repo: text, ref: text, commit: 'ab'.repeat(20) },
    });
    await participant.receive(requestFrame(request));
    const [summary] = participant.rounds.list(false);
    const view = {
      ...participant.rounds.show(request.digest),
      asker: text,
      policy: text,
      obstacle: text,
      decisions: [{ member: 'x', tier: 'a', decision: 'refuse' as const, reason: text, decidedAt: '' }],
    };
    for (const page of [requestPage(view, now), requestsTable([{ ...summary!, asker: text }], now)]) {
      expect(page.replaceAll('\n', '')).not.toContain(character);
      expect(page).toContain(`a\\u{${character.codePointAt(0)!.toString(16)}}b`);
    }
  });

  it('lists what begins alike only by enough of its id', async () => {
    const world = await makeWorld({ tiers: ['a', 'a'], production: '{ any: 2 }' });
    const participant = await makeParticipant(world, 1);
    const request = release(world);
    await participant.receive(requestFrame(request));
    expect(() => participant.rounds.show('0000')).toThrow(expect.objectContaining({ code: 'unknown-request' }));
    expect(participant.rounds.show(request.digest).id).toBe(request.digest);
    expect(participant.rounds.show(request.digest.slice(0, 8)).id).toBe(request.digest);
    expect(() => participant.rounds.find(request.digest.slice(0, 7))).toThrow('of which 8 will do');
  });
});
