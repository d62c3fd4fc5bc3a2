/** Signed notes and checkpoints: what opens, who must have signed, and every way in which one is not the word of this coordinator on this log. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeBase64, encodeBase64 } from '../../../verifier/base64.ts';
import { preAuthEncoding } from '../../../verifier/dsse.ts';
import {
  assertOrigin,
  compareCheckpoints,
  openCheckpoint,
  originOf,
  parseOrigin,
  sealCheckpoint,
} from '../../../protocol/record/checkpoint.ts';
import { maxNoteBytes, maxNoteSignatures, maxTreeSize } from '../../../protocol/record/limits.ts';
import { encodeNoteKey, noteKeyId, openNote, signNote, type NoteKey } from '../../../protocol/record/note.ts';
import { person, type Person } from '../../harness/people.ts';
import { codeOf, flipped, utf8 } from '../support.ts';
import { leafHashesUpTo, PlainTree, vectors } from './support.ts';
import { coordinator, logName } from './written-log.ts';

const origin = originOf(logName);
const plain = new PlainTree(leafHashesUpTo(20));
const eve = person('eve');
const honest = sealCheckpoint(logName, plain.head(17), coordinator);
const root = encodeBase64(plain.root(0, 17));
const open = (note: string): unknown => openCheckpoint(note, coordinator.publicKey);

/** A note with any text, truly signed. */
const signed = (text: string, name = origin, signer: Person = coordinator): string => signNote(text, name, signer);

/** One line below a note. */
function signatureLine(name: string, bytes: Uint8Array): string {
  return `— ${name} ${encodeBase64(bytes)}\n`;
}

describe('a signed note', () => {
  const published = JSON.parse(readFileSync(join(vectors, 'signed-note.json'), 'utf8')) as {
    key: string;
    note: string;
  };
  const [name = '', , typed = ''] = published.key.split('+');
  const key: NoteKey = { name, publicKey: decodeBase64(typed).slice(1) };

  it('opens as published, beside a signature by somebody else (signed-note)', () => {
    expect(encodeNoteKey(key)).toBe(published.key);
    expect(openNote(published.note, key)).toBe(published.note.slice(0, published.note.indexOf('\n\n') + 1));
  });

  it('is refused with any bit of its text changed', () => {
    const bytes = utf8(published.note);
    for (let index = 0; index < published.note.indexOf('\n\n'); index += 1) {
      const changed = new TextDecoder().decode(flipped(bytes, index, 1));
      expect(['bad-signature', 'bad-checkpoint']).toContain(codeOf(() => openNote(changed, key)));
    }
  });

  it('may have empty lines in its text: the last one ends it', () => {
    const text = 'one\n\n— not a signature\n\nthree\n';
    expect(openNote(signNote(text, 'a.example', coordinator), { ...coordinator, name: 'a.example' })).toBe(text);
  });

  it('is of one name and one key: neither alone is enough', () => {
    const note = signNote('text\n', 'a.example', coordinator);
    expect(codeOf(() => openNote(note, { ...coordinator, name: 'b.example' }))).toBe('bad-checkpoint');
    expect(codeOf(() => openNote(note, { ...eve, name: 'a.example' }))).toBe('bad-checkpoint');
  });

  it('is refused when the id is that of the key and the signature is not by it', () => {
    const claimed = { ...coordinator, name: 'a.example' };
    const line = signatureLine('a.example', Uint8Array.from([...noteKeyId(claimed), ...eve.sign(utf8('text\n'))]));
    expect(codeOf(() => openNote(`text\n\n${line}`, claimed))).toBe('bad-signature');
    // One good signature does not excuse a bad one by the same key.
    expect(codeOf(() => openNote(signNote('text\n', 'a.example', coordinator) + line, claimed))).toBe('bad-signature');
  });

  it('passes over as many signatures by others as every reader must accept, and no more', () => {
    const other = signatureLine('witness.example', new Uint8Array(68));
    const note = signNote('text\n', 'a.example', coordinator);
    const own = { ...coordinator, name: 'a.example' };
    expect(openNote(note + other.repeat(maxNoteSignatures - 1), own)).toBe('text\n');
    expect(codeOf(() => openNote(note + other.repeat(maxNoteSignatures), own))).toBe('bad-checkpoint');
    expect(codeOf(() => openNote(`text\n\n${other}`, own))).toBe('bad-checkpoint');
  });

  const good = signNote('text\n', 'a.example', coordinator);
  it.each([
    ['nothing', ''],
    ['no signature', 'text\n\n'],
    ['no empty line', 'text\n'],
    ['no text', good.slice(good.indexOf('\n') + 1)],
    ['no line feed at the end', good.slice(0, -1)],
    ['an empty line at the end', `${good}\n`],
    ['something else below', `${good}hello\n`],
    ['a hyphen for the dash', good.replace('—', '-')],
    ['two spaces', good.replace('— ', '—  ')],
    ['a space in the name', good.replace('a.example', 'a example')],
    ['a space of another alphabet in the name', good.replace('a.example', 'a\u2003example')],
    ['a plus in the name', good.replace('a.example', 'a+example')],
    ['a carriage return', good.replaceAll('\n', '\r\n')],
    ['a tab in its text', good.replace('text', 'te\txt')],
    ['a zero byte in its text', good.replace('text', 'te\0xt')],
    ['a lone surrogate', good.replace('text', 'te\ud800xt')],
    ['base64 without padding', good.replace(/=+\n$/, '\n')],
    ['base64url', good.replaceAll('+', '-').replaceAll('/', '_')],
    ['a signature of four bytes', `text\n\n${signatureLine('a.example', new Uint8Array(4))}`],
    [
      'a signature of 63 bytes',
      `text\n\n${signatureLine('a.example', Uint8Array.from([...noteKeyId({ ...coordinator, name: 'a.example' }), ...new Uint8Array(63)]))}`,
    ],
  ])('is refused with %s', (_name, note) => {
    expect(note === good).toBe(false);
    expect(['bad-checkpoint', 'bad-signature']).toContain(
      codeOf(() => openNote(note, { ...coordinator, name: 'a.example' })),
    );
  });

  it('is refused past its bound, whatever is in it', () => {
    expect(codeOf(() => openNote('a'.repeat(maxNoteBytes + 1), key))).toBe('too-large');
    expect(codeOf(() => openNote('é'.repeat(maxNoteBytes / 2 + 1), key))).toBe('too-large');
  });

  it('is not made of what no reader would accept', () => {
    for (const text of ['', 'text', 'te\txt\n', 'te\ud800\n'])
      expect(codeOf(() => signNote(text, 'a.example', coordinator))).toBe('bad-checkpoint');
  });

  it('signs nothing that begins as an envelope does (T10)', () => {
    expect(new TextDecoder().decode(preAuthEncoding('', new Uint8Array()))).toMatch(/^DSSEv1 /);
    expect(honest.note).toMatch(/^frostmark\//);
  });
});

describe('a checkpoint', () => {
  it('opens as what was sealed', () => {
    expect(open(honest.note)).toEqual({ ...logName, tree: plain.head(17), note: honest.note });
    expect(honest.note).toMatch(new RegExp(`^${origin}\n17\n${root.replaceAll('+', '\\+')}\n\n— ${origin} \\S+\n$`));
  });

  it('is made again to the byte: the golden file', () => {
    expect(honest.note).toBe(readFileSync(join(vectors, 'checkpoint'), 'utf8'));
  });

  it.each([
    ['an empty log', signed(`${origin}\n0\n${root}\n`)],
    ['a size with a zero in front', signed(`${origin}\n017\n${root}\n`)],
    ['a size with a sign', signed(`${origin}\n+17\n${root}\n`)],
    ['a size with a fraction', signed(`${origin}\n17.0\n${root}\n`)],
    ['a size in hex', signed(`${origin}\n0x11\n${root}\n`)],
    ['a size in another alphabet', signed(`${origin}\n١٧\n${root}\n`)],
    ['a size past the bound', signed(`${origin}\n${maxTreeSize + 1}\n${root}\n`)],
    ['a size past what a number can say', signed(`${origin}\n${'9'.repeat(40)}\n${root}\n`)],
    ['no size', signed(`${origin}\n\n${root}\n`)],
    ['a root in hex', signed(`${origin}\n17\n${Buffer.from(root, 'base64').toString('hex')}\n`)],
    ['a root of 31 bytes', signed(`${origin}\n17\n${encodeBase64(new Uint8Array(31))}\n`)],
    ['a root of 33 bytes', signed(`${origin}\n17\n${encodeBase64(new Uint8Array(33))}\n`)],
    ['a root in two spellings', signed(`${origin}\n17\n${root.replace('=', '')}\n`)],
    ['no root', signed(`${origin}\n17\n`)],
    ['an extension line', signed(`${origin}\n17\n${root}\nmore\n`)],
    ['an empty line inside', signed(`${origin}\n17\n${root}\n\n`)],
    ['a space after the size', signed(`${origin}\n17 \n${root}\n`)],
    ['another name below than above', signed(`${origin}\n17\n${root}\n`, `${origin}x`)],
    ['an origin of something else', signed(`example.com/log\n17\n${root}\n`, 'example.com/log')],
    ['capital letters in its origin', signed(`${origin.toUpperCase()}\n17\n${root}\n`, origin.toUpperCase())],
    ['an origin too long', signed(`${origin}0\n17\n${root}\n`, `${origin}0`)],
    ['another signer', signed(`${origin}\n17\n${root}\n`, origin, eve)],
  ])('is refused with %s', (_name, note) => {
    expect(codeOf(() => open(note))).toBe('bad-checkpoint');
  });

  it.each([
    ['size', honest.note.replace('\n17\n', '\n16\n')],
    ['root', honest.note.replace(root, encodeBase64(plain.root(0, 16)))],
  ])('is refused with another %s than was signed', (_name, note) => {
    expect(note).not.toBe(honest.note);
    expect(codeOf(() => open(note))).toBe('bad-signature');
  });

  it('is not sealed for what is no log', () => {
    expect(codeOf(() => sealCheckpoint({ ...logName, log: 'x' }, plain.head(17), coordinator))).toBe('bad-checkpoint');
    expect(codeOf(() => sealCheckpoint(logName, plain.head(0), coordinator))).toBe('bad-checkpoint');
    expect(codeOf(() => sealCheckpoint(logName, { size: 1.5, root: plain.root(0, 1) }, coordinator))).toBe(
      'bad-checkpoint',
    );
  });

  it('names a log by the charter it was founded by and an id of its own', () => {
    expect(parseOrigin(origin)).toEqual(logName);
    for (const text of [
      '',
      'frostmark',
      `${origin}/`,
      ` ${origin}`,
      `${origin}\n`,
      origin.replace('frostmark', 'other'),
    ])
      expect(codeOf(() => parseOrigin(text))).toBe('bad-checkpoint');
  });
});

describe('two checkpoints of one log', () => {
  const at = (size: number): typeof honest => sealCheckpoint(logName, plain.head(size), coordinator);
  const forked = sealCheckpoint(logName, { size: 17, root: plain.root(0, 18) }, coordinator);

  it('are the same, or one is newer', () => {
    expect(compareCheckpoints(honest, at(17))).toBe('same');
    expect(compareCheckpoints(honest, at(18))).toBe('newer');
    expect(compareCheckpoints(honest, at(16))).toBe('older');
  });

  it('with two roots for one size contradict each other, and both are signed', () => {
    expect(compareCheckpoints(honest, forked)).toBe('contradiction');
    expect(open(forked.note)).toEqual(forked);
  });

  it.each([
    ['group', { ...logName, charter: 'c5'.repeat(32) }],
    ['life of the store', { ...logName, log: '11'.repeat(16) }],
  ])('are not compared when one is of another %s', (_name, name) => {
    const other = sealCheckpoint(name, plain.head(18), coordinator);
    expect(codeOf(() => compareCheckpoints(honest, other))).toBe('bad-checkpoint');
    expect(codeOf(() => assertOrigin(other, logName))).toBe('bad-checkpoint');
  });
});
