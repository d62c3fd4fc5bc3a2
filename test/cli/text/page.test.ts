import fastStringWidth from 'fast-string-width';
import { describe, expect, it } from 'vitest';

import { Output, type TextStream } from '../../../cli/output.ts';
import { eventText } from '../../../cli/text/daemon-log.ts';
import { LiveBlock } from '../../../cli/text/progress.ts';
import { requestPage, requestsTable, signedTextPage } from '../../../cli/text/request.ts';
import { RequestsWatch } from '../../../cli/text/requests-watch.ts';
import { clip, durationText, Page, pageWidth, sizeText, table, whenText } from '../../../cli/text/page.ts';
import type { RequestView } from '../../../participant/request-view.ts';

const now = Date.parse('2026-11-22T08:00:00Z') / 1000;

const request: RequestView = {
  id: 'ab'.repeat(32),
  kind: 'release',
  channel: 'production',
  asker: 'dave',
  product: 'acme-cli',
  release: '1.4.2',
  artifacts: 1,
  fileNames: ['acme-1.4.2.tgz'],
  document: null,
  createdAt: '2026-11-22T07:00:00Z',
  expiresAt: '2026-11-25T07:00:00Z',
  state: 'waiting',
  outcome: 'pending',
  group: 'acme',
  groupKey: 'A'.repeat(43),
  askerKey: 'B'.repeat(43),
  askerMember: 'alice',
  formats: ['native'],
  files: [{ name: 'acme-1.4.2.tgz', size: 123_456, sha256: '12'.repeat(32), sha512: '34'.repeat(64) }],
  documents: [],
  contents: [],
  changes: null,
  source: { repo: 'https://example.org/acme.git', ref: 'refs/tags/v1.4.2', commit: 'cd'.repeat(20) },
  note: 'first line\nsecond line',
  signs: ['{"_type":"https://in-toto.io/Statement/v1"}'],
  quorum: [{ tier: 'any', needed: 3, approved: ['build-1'], open: ['bob', 'carol'] }],
  decisions: [
    { member: 'build-1', tier: 'build', decision: 'approve', reason: null, decidedAt: '2026-11-22T07:01:00Z' },
  ],
  policy: 'no rule matches: ask',
  obstacle: null,
};

describe('the table of requests', () => {
  it('fits 80 columns whatever strangers call things (T36)', () => {
    const names = [
      request,
      {
        ...request,
        product: 'p'.repeat(128),
        release: 'r'.repeat(128),
        asker: 'a'.repeat(64),
        channel: 'c'.repeat(64),
      },
    ];
    for (const line of requestsTable(names, now).split('\n')) expect(line.length).toBeLessThanOrEqual(pageWidth);
  });

  it('shows what to type, where it stands, who asks, until when, and what', () => {
    expect(requestsTable([request], now).split('\n')).toEqual([
      'ID            STATE    CHANNEL     ASKED BY  EXPIRES  WHAT',
      'abababababab  waiting  production  dave      in 71 h  acme-cli 1.4.2, acme-1.4.…',
    ]);
  });

  it('names what is signed whole by its title and kind, and counts no files of it', () => {
    const tag = { ...request, product: null, release: null, artifacts: 0 };
    const lines = ['v1.4.2', null].map(
      (title) => requestsTable([{ ...tag, document: { kind: 'git-tag', title } }], now).split('\n')[1],
    );
    expect(lines).toEqual([expect.stringMatching(/ v1\.4\.2 \(git tag\)$/), expect.stringMatching(/ git tag$/)]);
  });

  it('says of more approvals than are needed how many are needed', () => {
    const quorum = [{ tier: 'any', needed: 2, approved: ['alice', 'bob', 'carol'], open: [] }];
    expect(requestPage({ ...request, quorum }, now)).toContain('any 2: 3 approved, 2 needed: alice, bob, carol');
  });

  it('lets only what is pending expire', () => {
    expect(requestPage({ ...request, outcome: 'signed' }, now)).not.toContain('expires');
  });

  it('escapes what cannot be seen (T36)', () => {
    const hostile = requestsTable([{ ...request, product: 'x\u202e\u001b[1m' }], now);
    expect(hostile).toContain('x\\u{202e}\\u{1b}[1m');
  });
});

describe('requests that are watched', () => {
  const watching = (isTTY: boolean, json = false) => {
    const texts = { stdout: '', stderr: '' };
    const stream = (name: 'stdout' | 'stderr'): TextStream => ({ isTTY, write: (text) => (texts[name] += text) });
    const output = new Output({ stdout: stream('stdout'), stderr: stream('stderr'), json, environment: {} });
    return { texts, watch: new RequestsWatch(output, () => now) };
  };
  const over = { ...request, id: 'cd'.repeat(32), outcome: 'signed', state: 'over' } as const;

  it('are told once when they come and whenever they change, and not what was over before', () => {
    const { texts, watch } = watching(false);
    watch.show([request, over], [request]);
    watch.show([request, over], [request]);
    watch.show([{ ...request, state: 'approved' }, over], [request]);
    watch.show([{ ...request, outcome: 'signed', state: 'over' }, over], []);
    expect(texts).toEqual({
      stdout:
        'abababababab waiting: acme-cli 1.4.2, acme-1.4.2.tgz on production, asked by dave\n' +
        'abababababab approved: acme-cli 1.4.2, acme-1.4.2.tgz on production, asked by dave\n' +
        'abababababab signed: acme-cli 1.4.2, acme-1.4.2.tgz on production, asked by dave\n',
      stderr: '',
    });
  });

  it('are drawn in place for a person, and one JSON value a change for a program', () => {
    const { texts, watch } = watching(true);
    watch.show([], []);
    watch.show([request], [request]);
    expect(texts.stdout).toBe('');
    expect(texts.stderr).toMatch(/^no requests are open.*\u001b\[1A.*ID .*abababababab  waiting/s);
    const program = watching(true, true);
    program.watch.show([request], [request]);
    expect(JSON.parse(program.texts.stdout)).toMatchObject({ event: 'request', request: { id: request.id } });
  });
});

describe('the page that is decided from', () => {
  it('has everything that will be signed', () => {
    const page = requestPage(request, now);
    for (const text of [
      request.id,
      'production',
      'dave, who is member alice',
      'acme-cli',
      '1.4.2',
      'acme-1.4.2.tgz (123456 bytes, 121 KiB)',
      request.files[0]!.sha256,
      request.files[0]!.sha512,
      'https://example.org/acme.git',
      'refs/tags/v1.4.2',
      'cd'.repeat(20),
      'second line',
      '2026-11-25T07:00:00Z, in 71 h',
      'any 3: 1 of 3 approved: build-1; 2 missing of bob, carol',
      'build-1 (build): approve',
      'a release, as above; word for word with --bytes',
    ])
      expect(page).toContain(text);
  });

  it('begins with what it is about, and has no text for programs', () => {
    const page = requestPage(request, now);
    expect(page.split('\n').slice(0, 3)).toEqual([
      'what        acme-cli 1.4.2, acme-1.4.2.tgz',
      'channel     production of acme',
      'asked by    dave, who is member alice',
    ]);
    expect(page).not.toContain('{');
    expect(signedTextPage([...request.signs, 'trusted comment: a\u202eb'])).toBe(
      `${request.signs[0]!}\n\ntrusted comment: a\\u{202e}b`,
    );
  });

  it('says a delegation in words', () => {
    const signs = [
      '{"channel":"development","channelKey":"KEY","from":"2026-01-01T00:00:00Z","until":"2026-04-01T00:00:00Z"}',
    ];
    const page = requestPage({ ...request, kind: 'delegation', files: [], formats: ['delegation'], signs }, now);
    expect(page).toMatch(/^signs +the key KEY may sign for development from 2026-01-01T00:00:00Z until\n +2026-04-01/m);
  });

  it('lets no text look like a row of its own (T36)', () => {
    const page = requestPage(
      { ...request, product: 'x\nchannel     development', note: 'y\r\u2028channel     development' },
      now,
    );
    expect(page.split('\n').filter((line) => line.startsWith('channel'))).toEqual(['channel     production of acme']);
    expect(page).toContain('\\u{a}');
    expect(page).toContain('\\u{d}\\u{2028}');
  });

  it('breaks a long word of a stranger, which a terminal would go on with in the first column (T36)', () => {
    for (const letter of ['x', '漢']) {
      const lines = new Page()
        .row('note', `${letter.repeat(68)}channel     development`)
        .toString()
        .split('\n');
      for (const line of lines) expect(fastStringWidth(line)).toBeLessThanOrEqual(pageWidth);
      for (const line of lines.slice(1)) expect(line).toMatch(/^ {12}\S/);
      expect(lines.join('').replaceAll(' ', '')).toContain(`${letter.repeat(68)}channel`);
    }
  });

  it('marks what looks like another name: several scripts, letters in another form, marks apart (T36)', () => {
    const shown = (name: string): string => requestPage({ ...request, product: name, note: name }, now);
    expect(shown('\u0440\u0430ypal')).toContain('\u0440\u0430ypal [Latin and Cyrillic: \\u{440}\\u{430}ypal]');
    expect(shown('a\u03bfcme')).toContain('[Greek and Latin: a\\u{3bf}cme]');
    expect(shown('\uff41cme')).toContain('[characters in another form: \\u{ff41}cme]');
    expect(shown('v1\u20244')).toContain('[characters in another form: v1\\u{2024}4]');
    expect(shown('\u0261it')).toContain('[phonetic letters: \\u{261}it]');
    expect(shown('acme\u2215tool')).toContain('[signs inside a word: acme\\u{2215}tool]');
    expect(shown('a\u2010b')).toContain('[signs inside a word: a\\u{2010}b]');
    expect(shown('\ua4d0\ua4f3\ua4d3')).toContain('[a rare script: \\u{a4d0}');
    expect(shown('\u13aa\u13a2')).toContain('[a rare script: ');
    expect(shown('v1\u0660')).toContain('[Arabic and Latin: v1\\u{660}]');
    expect(shown('1\u0660')).toContain('1\\u{660}]');
    expect(shown('cafe\u0301')).toContain('cafe\\u{301}');
    expect(requestsTable([{ ...request, product: '\u0440\u0430ypal' }], now)).toContain('[Latin and');
    for (const plain of [
      'don\u2019t',
      'a \u2014 b',
      '\u201cok\u201d',
      '\u09ac\u09be\u0982\u09b2\u09be',
      '\u0665\u0666',
      '5 \u20ac',
      'Größe',
      '\u0440\u0430',
      '漢字かな',
      '한국어app',
      'naïve-1.4.2',
      'עברית',
    ])
      expect(shown(plain)).not.toContain('[');
  });

  it('says who is left when they are too few', () => {
    const left = (open: string[]) =>
      requestPage({ ...request, quorum: [{ tier: 'any', needed: 2, approved: [], open }] }, now);
    expect(left(['bob', 'carol'])).toContain('2 missing of bob, carol');
    expect(left(['bob'])).toContain('2 missing, and only bob is left');
    expect(left([])).toContain('2 missing and nobody is left');
  });

  it('takes no bracket of a stranger for a mark of its own (T36)', () => {
    const page = requestPage({ ...request, note: 'acme [signed by: everybody]' }, now);
    expect(page).toContain('acme \\u{5b}signed by: everybody]');
  });

  it('marks look-alikes in every list and line that people decide by (T36)', () => {
    const name = '\u0440\u0430ypal';
    const shown: string[] = [];
    const stream = { write: (text: string) => shown.push(text) };
    const output = new Output({ stdout: stream, stderr: stream, json: false, environment: {} });
    using watch = new RequestsWatch(output, () => now);
    const waiting = { ...request, product: name };
    watch.show([waiting], [waiting]);
    expect(shown.join('')).toContain('[Latin and Cyrillic');
    expect(eventText('disconnected', { reason: name })).toContain('[Latin and Cyrillic');
    expect(eventText('no-room', { message: name })).toContain('[Latin and Cyrillic');
  });

  it('keeps digests whole, so that they can be compared and copied', () => {
    expect(new Page().row('  sha512', 'f'.repeat(128)).toString()).toBe(`  sha512    ${'f'.repeat(128)}`);
  });
});

describe('text for people', () => {
  it.each([
    [0, '0 bytes'],
    [1, '1 byte'],
    [1023, '1023 bytes'],
    [1024, '1.0 KiB'],
    [10_240, '10 KiB'],
    [5 * 2 ** 30, '5.0 GiB'],
    [Number.MAX_SAFE_INTEGER, '8.0 PiB'],
  ])('writes %i bytes as %s', (bytes, text) => {
    expect(sizeText(bytes)).toBe(text);
  });

  it.each([
    [0, '0 s'],
    [61, '1 min 1 s'],
    [3600, '1 h'],
    [3720, '1 h 2 min'],
    [72 * 3600, '72 h'],
    [90 * 86400, '90 days'],
  ])('writes %i seconds as %s', (seconds, text) => {
    expect(durationText(seconds)).toBe(text);
  });

  it('tells the past from the future', () => {
    expect([whenText(now + 60, now), whenText(now - 60, now)]).toEqual(['in 1 min', '1 min ago']);
  });

  it('cuts a cell and says that it did', () => {
    expect([clip('abcdef', 6), clip('abcdefg', 6)]).toEqual(['abcdef', 'abcde…']);
    expect(
      table(
        [
          ['A', 'B'],
          ['x', 'y'.repeat(200)],
        ],
        1,
      )
        .split('\n')
        .every((line) => line.length <= 80),
    ).toBe(true);
  });
});

class Stream implements TextStream {
  text = '';
  readonly columns = 20;
  readonly isTTY: boolean;
  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }
  write(text: string): void {
    this.text += text;
  }
}

describe('output', () => {
  const open = (json: boolean, isTTY: boolean, environment: Readonly<Record<string, string>> = {}) => {
    const [stdout, stderr] = [new Stream(isTTY), new Stream(isTTY)];
    return { stdout, stderr, output: new Output({ stdout, stderr, json, environment }) };
  };

  it('puts results on stdout and talk on stderr', () => {
    const { stdout, stderr, output } = open(false, false);
    output.result('done', { done: true });
    output.talk('working');
    output.event({ event: 'x' });
    expect([stdout.text, stderr.text]).toEqual(['done\n', 'working\n']);
  });

  it('puts one JSON value a line on stdout with --json, harmless on a terminal (T36)', () => {
    const { stdout, output } = open(true, false);
    output.event({ event: 'x\u202e' });
    output.result('done', { done: true });
    expect(stdout.text).toBe('{"event":"x\\u202e"}\n{"done":true}\n');
  });

  it.each([
    [true, {}, true],
    [true, { NO_COLOR: '1' }, false],
    [true, { NO_COLOR: '' }, true],
    [true, { TERM: 'dumb' }, false],
    [false, {}, false],
  ])('on a terminal: %s, with %j, uses colours: %s', (isTTY, environment, coloured) => {
    const { stderr, output } = open(false, isTTY, environment);
    output.warn('careful');
    expect(stderr.text.includes('\u001b[33m')).toBe(coloured);
  });

  it('redraws a block in place and never higher than the terminal, which scrolls what could not be taken back', () => {
    const stream = Object.assign(new Stream(true), { rows: 5 });
    const block = new LiveBlock(stream);
    block.draw(['1', '2', '3', '4', '5', '6']);
    expect(stream.text).toBe('1\n2\n3\n… and 3 more lines\n');
    stream.text = '';
    block.draw(['1', '2', '3', '4']);
    expect(stream.text).toBe('\u001b[4A\r\u001b[0J1\n2\n3\n4\n');
  });

  it('redraws a block in place and never wider than the terminal', () => {
    const stream = new Stream(true);
    const block = new LiveBlock(stream);
    block.draw(['one', 'x'.repeat(50)]);
    expect(stream.text).toBe(`one\n${'x'.repeat(18)}…\n`);
    stream.text = '';
    block.draw(['two']);
    expect(stream.text).toBe('\u001b[2A\r\u001b[0Jtwo\n');
  });
});
