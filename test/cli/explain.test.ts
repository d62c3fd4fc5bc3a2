import { describe, expect, it } from 'vitest';

import { ClientError, type ClientErrorCode } from '../../client/errors.ts';
import { HomeError, type HomeErrorCode } from '../../home/errors.ts';
import { ImporterError, type ImporterErrorCode } from '../../importer/errors.ts';
import { ParticipantError, type ParticipantErrorCode } from '../../participant/errors.ts';
import { JournalError } from '../../participant/journal.ts';
import { ProtocolError, protocolErrorCodes, type ProtocolErrorCode } from '../../protocol/errors.ts';
import { RequesterError, type RequesterErrorCode } from '../../requester/errors.ts';
import { VerifyError } from '../../verifier/errors.ts';
import { CommandError } from '../../cli/errors.ts';
import { commandTable } from '../../cli/commands/index.ts';
import { askingExits, exitLine } from '../../cli/exit-codes.ts';
import { explain } from '../../cli/explain.ts';

describe('the exit code', () => {
  it.each<[number, RequesterErrorCode]>([
    [1, 'bad-result'],
    [1, 'unproved'],
    [1, 'no-delegation'],
    [1, 'changed-file'],
    [1, 'not-found'],
    [1, 'not-written'],
    [2, 'output-is-input'],
    [2, 'output-exists'],
    [2, 'bad-artifact'],
    [2, 'bad-field'],
    [2, 'ambiguous'],
    [5, 'pending'],
    [6, 'refused'],
    [7, 'expired'],
    [7, 'cancelled'],
    [8, 'faulted'],
  ])('is %i for a request that ends as %s', (exitCode, code) => {
    expect(explain(new RequesterError(code, 'found'))).toMatchObject({ exitCode, code, message: 'found' });
  });

  it.each<[number, HomeErrorCode]>([
    [1, 'missing'],
    [1, 'locked'],
    [1, 'damaged'],
    [1, 'disk-full'],
    [2, 'bad-config'],
    [2, 'no-terminal'],
    [4, 'wrong-passphrase'],
  ])('is %i for a home that is %s', (exitCode, code) => {
    expect(explain(new HomeError(code, 'found')).exitCode).toBe(exitCode);
  });

  it.each<[number, ImporterErrorCode]>([
    [1, 'bad-key-file'],
    [1, 'cannot-sign'],
    [1, 'unsupported-key'],
    [1, 'other-openpgp'],
    [1, 'cancelled'],
    [2, 'no-such-subkey'],
    [4, 'wrong-passphrase'],
  ])('is %i for a key that is refused as %s', (exitCode, code) => {
    expect(explain(new ImporterError(code, 'found')).exitCode).toBe(exitCode);
  });

  it.each<[number, ParticipantErrorCode]>([
    [1, 'no-daemon'],
    [1, 'ceremony-failed'],
    [2, 'bad-socket'],
    [4, 'not-a-member'],
    [4, 'not-allowed'],
  ])('is %i for a participant that says %s', (exitCode, code) => {
    expect(explain(new ParticipantError(code, 'found')).exitCode).toBe(exitCode);
  });

  it.each<[number, ClientErrorCode]>([
    [1, 'unreachable'],
    [1, 'timeout'],
    [1, 'wrong-coordinator'],
    [1, 'bad-group'],
    [2, 'bad-url'],
    [2, 'insecure-url'],
    [2, 'bad-proxy'],
    [1, 'wrong-clock'],
    [4, 'not-authenticated'],
  ])('is %i for a coordinator that is %s', (exitCode, code) => {
    expect(explain(new ClientError(code, 'found')).exitCode).toBe(exitCode);
  });

  it.each<[number, number, string]>([
    [4, 403, 'not-a-requester'],
    [4, 403, 'not-allowed'],
    [4, 401, 'not-authenticated'],
    [4, 403, 'some-new-code'],
    [1, 429, 'too-many'],
    [1, 404, 'not-found'],
    [7, 409, 'expired'],
    [1, 500, 'failed'],
    [1, 500, '__proto__'],
    [1, 500, 'toString'],
  ])('is %i when the coordinator refuses with %i %s', (exitCode, status, code) => {
    const error = new ClientError('refused', 'no', { refusal: { status, code, message: 'no' } });
    expect(explain(error)).toMatchObject({ exitCode, code, message: 'the coordinator refused: no' });
  });

  it('is 1 for an answer that no coordinator gave, in words that blame none', () => {
    const refusal = { status: 404, code: 'unknown', message: 'who answers there is no coordinator' };
    expect(explain(new ClientError('refused', refusal.message, { refusal }))).toMatchObject({
      exitCode: 1,
      message: refusal.message,
    });
  });

  it('is 1 to 4 or 7 for everything the protocol refuses, and 4 for everything that is about rights', () => {
    const of = (code: ProtocolErrorCode): number => explain(new ProtocolError(code, 'found')).exitCode;
    expect(protocolErrorCodes.filter((code) => of(code) === 4)).toEqual([
      'bad-login',
      'not-a-member',
      'not-a-requester',
      'not-allowed',
      'rolled-back',
    ]);
    expect(protocolErrorCodes.filter((code) => ![1, 2, 4, 7].includes(of(code)))).toEqual([]);
  });

  it.each([
    [new VerifyError('wrong-digest', 'found'), 3],
    [new VerifyError('bad-key', 'found'), 2],
    [new VerifyError('missing-file', 'found'), 1],
    [new CommandError('usage', 'found'), 2],
    [new CommandError('declined', 'found'), 1],
    [new CommandError('no-terminal', 'found'), 2],
    [new CommandError('interrupted', 'found'), 130],
    [new CommandError('nothing-proved', 'found'), 3],
    [new JournalError('damaged', '/j', 'found'), 1],
    [new TypeError('found'), 1],
    ['found', 1],
    [undefined, 1],
  ])('of %s is %i', (error, exitCode) => {
    expect(explain(error).exitCode).toBe(exitCode);
  });
});

describe('what a person is told', () => {
  it('is what was found and what to do next', () => {
    expect(explain(new RequesterError('pending', 'the request is still pending'))).toMatchObject({
      message: 'the request is still pending',
      hint: expect.stringContaining('run the same command again') as string,
    });
  });

  it('is the hint of the command where it knows better', () => {
    expect(explain(new CommandError('usage', 'found', 'do this')).hint).toBe('do this');
  });

  it('has nothing that moves the cursor or turns the line around (T36)', () => {
    const { message } = explain(new RequesterError('refused', 'refused by bob (\u202e\u001b[2Jfine)'));
    expect(message).toBe('refused by bob (\\u{202e}\\u{1b}[2Jfine)');
  });

  it('names an error of ours as one, and where it is reported', () => {
    expect(explain(new TypeError('x is not a function'))).toMatchObject({
      code: 'internal',
      exitCode: 1,
      hint: expect.stringContaining('repository') as string,
    });
  });

  it.each([
    ['EADDRINUSE', { address: '127.0.0.1', port: 7443 }, '127.0.0.1:7443 is in use by another program'],
    ['EROFS', { path: '/ro/x' }, '/ro/x is on a file system that is read-only'],
    ['EACCES', { path: '/x' }, '/x is not allowed to this user'],
    ['ENOSPC', { syscall: 'write' }, "the system's write has no space left"],
    ['EMFILE', { path: '/x' }, '/x cannot be opened: too many files are open'],
    ['ENAMETOOLONG', { path: '/x' }, '/x has a name that is too long'],
  ])('tells %s of the system in ordinary words', (code, about, words) => {
    const { message, hint, code: said } = explain(Object.assign(new Error('x'), { code, ...about }));
    expect([said, message]).toEqual(['system', `${words} (${code})`]);
    expect(hint).not.toMatch(/report/);
  });
});

describe('the exit codes in the help', () => {
  const commands = commandTable.flatMap(({ path, exits = [], load }) =>
    load === undefined ? [] : [[path.join(' '), exits, load] as const],
  );

  it.each(commands)('of %s are those that it can end with', async (_name, exits, load) => {
    const { options } = await load();
    if ('wait' in options) expect(exits).toEqual(askingExits);
    else if (['coordinator', 'socket', 'passphrase-file'].some((name) => name in options) && !('listen' in options))
      expect(exits).toContain(4);
  });

  it('are in its help, and only where there are more than everybody has', () => {
    expect(exitLine([])).toBe(undefined);
    expect(exitLine([4])).toBe('Exit code: 0 done; 1 failed; 2 wrong usage; 4 not authenticated, or not allowed.');
  });
});
