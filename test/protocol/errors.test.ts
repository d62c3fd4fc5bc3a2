/** The closed list of error codes, against the sources. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ProtocolError, protocolErrorCodes } from '../../protocol/errors.ts';

const root = join(import.meta.dirname, '..', '..');

/** Everything that may refuse with a protocol code, but for the list itself. */
function sources(): string {
  const rooms = ['protocol', 'home', 'client', 'coordinator', 'participant', 'requester'];
  return rooms
    .flatMap((room) =>
      readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).map((name) => join(room, name)),
    )
    .filter((name) => name.endsWith('.ts') && !name.endsWith('errors.ts'))
    .map((name) => readFileSync(join(root, name), 'utf8'))
    .join('\n');
}

describe('the error codes', () => {
  it('are each used by some source', () => {
    const text = sources();
    expect(protocolErrorCodes.filter((code) => !text.includes(`'${code}'`))).toEqual([]);
  });

  it('are each there once', () => {
    expect(new Set(protocolErrorCodes).size).toBe(protocolErrorCodes.length);
  });
});

describe('a protocol error', () => {
  it('says file and line first, and keeps cause and culprits', () => {
    const cause = new Error('why');
    const error = new ProtocolError('bad-charter', 'there is a hole', {
      file: 'charter.yaml',
      line: 7,
      cause,
      culprits: ['bob'],
    });
    expect(error).toMatchObject({
      name: 'ProtocolError',
      code: 'bad-charter',
      file: 'charter.yaml',
      line: 7,
      culprits: ['bob'],
      cause,
    });
    expect(error.message).toBe('charter.yaml:7: there is a hole');
    expect(new ProtocolError('bad-charter', 'is not UTF-8 text', { file: 'charter.yaml' }).message).toBe(
      'charter.yaml: is not UTF-8 text',
    );
    expect(new ProtocolError('bad-charter', 'no')).toMatchObject({
      message: 'no',
      file: undefined,
      line: undefined,
      culprits: [],
    });
  });
});
