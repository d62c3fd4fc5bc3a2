import { describe, expect, it } from 'vitest';
import { Output, type TextStream } from '../../../cli/output.ts';
import { daemonLog, eventText } from '../../../cli/text/daemon-log.ts';

const round = 'ab'.repeat(32);
const line = `{"time":"2026-11-27T08:00:00.000Z","level":"warn","event":"disconnected","reason":"nobody listens\u202e"}\n`;

function said(isTTY: boolean, wish?: string): string {
  let text = '';
  const stderr: TextStream = { isTTY, write: (more) => (text += more) };
  daemonLog(new Output({ stdout: stderr, stderr, json: false, environment: { NO_COLOR: '1' } }), wish)(line);
  return text;
}

describe('what a daemon says', () => {
  it('is words for a person on a terminal, and JSON lines elsewhere', () => {
    expect(said(true)).toMatch(/^\d\d:\d\d:\d\d {2}warn: not connected: nobody listens\\u\{202e\} \(trying again\)\n$/);
    expect(said(false)).toBe(line);
  });

  it('is what --log says, wherever it goes', () => {
    expect(said(true, 'json')).toBe(line);
    expect(said(false, 'text')).toContain('not connected');
    expect(() => said(true, 'xml')).toThrow('--log xml is none');
  });

  it.each([
    [
      'request',
      { round, kind: 'release', channel: 'production' },
      /^request abababababab: release on production;.*show abababababab$/,
    ],
    ['decided', { round, decision: 'approve', policy: undefined }, /^request abababababab: approve$/],
    ['decided', { round, decision: 'approve', policy: 'policy.yaml:2' }, /: approve, by policy\.yaml:2$/],
    ['round-over', { round, outcome: 'signed' }, /^request abababababab: signed$/],
    ['member-connected', { member: 'alice', group: 'acme' }, /^alice of acme is here$/],
    ['policy-refused', { message: 'p:1: x', policy: 'p: 1 rule' }, /^p:1: x; the old policy stays \(p: 1 rule\)$/],
    ['no-room', { round, message: 'too many' }, /^no room \(request abababababab\): too many$/],
    [
      'exec-ended',
      { round, rule: 'p:3', outcome: 'approved', ms: 12 },
      /^exec ended \(request abababababab\) \(rule p:3, outcome approved, ms 12\)$/,
    ],
    ['store-failed', { code: 'store-failed', failure: 'EIO' }, /^store failed: EIO$/],
  ])('of %s is a sentence', (event, fields, words) => {
    expect(eventText(event, fields)).toMatch(words);
  });

  it('is said once: what another line says already is left out', () => {
    expect(eventText('login-failed', { message: 'x' })).toBe(undefined);
  });
});
