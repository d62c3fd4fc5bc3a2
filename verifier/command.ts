/** The command line of the verifier, the same for `frostmark-verify` and `frostmark verify`. */
// As a whole: a Node that has no parseArgs could not even load the file, and should say that it is too old.
import * as util from 'node:util';

import { encodeBase64Url } from './base64.ts';
import { VerifyError, type VerifyErrorCode, type VerifyExitCode } from './errors.ts';
import { openEndorsement } from './endorsement.ts';
import { formatGroupKey } from './group-key.ts';
import { maxEndorsementFileBytes } from './limits.ts';
import { readSmallFile } from './open-file.ts';
import { readKeyArgument, type PinnedKey } from './key-file.ts';
import { isName, productionChannel } from './names.ts';
import { printable, printableJson } from './printable.ts';
import type { StatusInForce } from './status.ts';
import { parseTime } from './time.ts';
import { verifyFile, type FileQuestion, type VerifiedFile } from './verify-file.ts';
import { version } from './version.ts';

/** Where a command writes and what it knows of the world. */
export interface VerifyIo {
  /** How the command is called, for usage and help. */
  readonly program: string;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly nowUnixSeconds: () => number;
}

const options = {
  bundle: { type: 'string' },
  key: { type: 'string' },
  channel: { type: 'string' },
  product: { type: 'string' },
  'min-release': { type: 'string' },
  'any-name': { type: 'boolean' },
  at: { type: 'string' },
  status: { type: 'string' },
  'min-status': { type: 'string' },
  'status-max-age': { type: 'string' },
  endorsement: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const;

/** Help for a person, without a trailing blank line. */
function verifyHelp(program: string): string {
  return `Checks that a file was signed by the group whose key you pinned.

  ${program} FILE --key GROUP.pub

  --key KEY          the group public key: a line that begins with frostmark-group:,
                     or a file: GROUP.pub, or a PEM public key
  --bundle F         the signature (default: FILE.frostmark)
  --channel CHANNEL  the channel it must be signed for (default: production)
  --product P        the product it must be
  --min-release R    the oldest release to accept, such as 1.4.2
  --any-name         accept the file under another name than the signed one
  --at TIME          judge a delegation at this time (default: now), such as 2026-11-22T08:00:00Z
  --status F         refuse what the group revoked by this file, GROUP.status; without it
                     nothing is known of revocations
  --min-status N     refuse a status below this number
  --status-max-age D refuse a status older than this, such as 7d or 12h
  --endorsement      FILE says which key comes after this one: check and print it, follow nothing
  --json             one line of JSON on stdout, also when it fails
  --help, --version

Exit code: 0 verified, 1 could not be checked (a missing file), 2 wrong usage, 3 not valid.
`;
}

/** Runs the command with its arguments (without program and script) and returns its exit code: 0 to 3. Throws nothing. */
export async function runVerify(argv: readonly string[], io: VerifyIo): Promise<0 | VerifyExitCode> {
  const json = argv.includes('--json');
  try {
    return await run(argv, io);
  } catch (error) {
    const refusal = asVerifyError(error);
    const { code, message, exitCode } = refusal;
    if (json) io.stdout(`${printableJson({ verified: false, code, message, exitCode })}\n`);
    io.stderr(describeRefusal(refusal, io.program));
    return exitCode;
  }
}

async function run(argv: readonly string[], io: VerifyIo): Promise<0> {
  const { values, positionals } = parse(argv);
  if (values.help === true) return say(io, verifyHelp(io.program));
  if (values.version === true) return say(io, `${io.program} ${version}\n`);
  const [path] = positionals;
  if (path === undefined || path === '') throw new VerifyError('usage', 'no FILE was given');
  if (positionals.length > 1) throw new VerifyError('usage', 'more than one FILE was given');
  if (values.key === undefined)
    throw new VerifyError('usage', 'no --key was given: it takes GROUP.pub, the key that you pinned');
  const channel = values.channel ?? productionChannel;
  if (!isName(channel)) throw new VerifyError('usage', `${channel} is no name of a channel`);
  const at = values.at === undefined ? io.nowUnixSeconds() : parseAt(values.at);
  const pinned = await readKeyArgument(values.key);
  if (values.endorsement === true) return say(io, await endorsementText(path, pinned, values.json === true));
  const verified = await verifyFile({
    path,
    bundlePath: values.bundle,
    groupKey: pinned.key,
    groupName: pinned.name ?? undefined,
    channel,
    at,
    anyName: values['any-name'],
    product: values.product,
    minRelease: values['min-release'],
    status: parseStatus(values, io),
  }).catch((error: unknown) => {
    throw naming(path, error);
  });
  return say(io, values.json === true ? `${printableJson(toJson(verified, pinned))}\n` : describe(verified, pinned));
}

async function endorsementText(path: string, { name, key }: PinnedKey, isJson: boolean): Promise<string> {
  const file = await readSmallFile(path, maxEndorsementFileBytes, 'bad-endorsement');
  const { group, successor, at } = openEndorsement(file, key);
  const line = formatGroupKey(successor);
  if (isJson)
    return `${printableJson({ verified: true, endorsement: { group: formatGroupKey(group), successor: line, at } })}\n`;
  return `ENDORSED ${line}
  by ${name ?? group.name} at ${at}; both keys signed this. Nothing is pinned by it: to follow, pin that line yourself.
`;
}

function parse(argv: readonly string[]) {
  try {
    return util.parseArgs({ args: [...argv], options, allowPositionals: true });
  } catch (cause) {
    if (argv.some((arg) => /^--group(=|$)/.test(arg)))
      throw new VerifyError('usage', 'there is no --group here: the key that you pinned is --key GROUP.pub', { cause });
    // Node's first sentence names the argument; what follows explains how Node's own parser could be told otherwise.
    const message = cause instanceof Error ? (cause.message.split(/\.\s/)[0] ?? cause.message) : String(cause);
    throw new VerifyError('usage', message, { cause });
  }
}

function parseAt(text: string): number {
  const unixSeconds = parseTime(text);
  if (unixSeconds === undefined) throw new VerifyError('usage', `--at ${text} is no time such as 2026-11-22T08:00:00Z`);
  return unixSeconds;
}

type StatusValues = Readonly<Partial<Record<'status' | 'min-status' | 'status-max-age', string | undefined>>>;

function parseStatus(values: StatusValues, { nowUnixSeconds }: VerifyIo): FileQuestion['status'] {
  const { status: path, 'min-status': least, 'status-max-age': age } = values;
  if (path === undefined && (least ?? age) === undefined) return undefined;
  if (path === undefined) throw new VerifyError('usage', 'no --status was given: it takes GROUP.status');
  const [, count = '', unit = ''] = /^([1-9]\d{0,5})([smhd])$/.exec(age ?? '1s') ?? [];
  if (unit === '') throw new VerifyError('usage', `--status-max-age ${age ?? ''} is no time such as 7d or 12h`);
  if (!/^[1-9]\d{0,14}$/.test(least ?? '1'))
    throw new VerifyError('usage', `--min-status ${least ?? ''} is no number from 1 on`);
  const seconds = Number(count) * { s: 1, m: 60, h: 3600, d: 86_400 }[unit as 's' | 'm' | 'h' | 'd'];
  return {
    path,
    minNumber: Number(least ?? 1),
    maxAgeSeconds: age === undefined ? undefined : seconds,
    nowUnixSeconds: nowUnixSeconds(),
  };
}

function say(io: VerifyIo, text: string): 0 {
  io.stdout(text);
  return 0;
}

function describe({ file, statement, delegation, status, subject }: VerifiedFile, { name, key }: PinnedKey): string {
  const { product, release, source, createdAt } = statement;
  const rows: readonly (readonly [string, string | null])[] = [
    ['group', name ?? encodeBase64Url(key)],
    ['channel', statement.channel + (delegation === null ? '' : `, until ${delegation.until}`)],
    ['signed as', subject.name === file.name ? null : subject.name],
    ['product', product],
    ['release', release],
    ['source', source === null ? null : `${source.repo} ${source.ref}`],
    ['commit', source === null ? null : source.commit],
    ['requested', createdAt],
    ['sha256', file.sha256],
    ['status', status === null ? null : statusText(status)],
  ];
  const lines = rows.flatMap(([label, text]) => (text === null ? [] : [`  ${label.padEnd(9)}  ${printable(text)}\n`]));
  return `VERIFIED ${printable(file.path)}\n${lines.join('')}`;
}

function statusText({ number, at, ofThisNumber }: StatusInForce): string {
  const others = ofThisNumber === 1 ? '' : `; ${ofThisNumber} different ones have this number: ask the group why`;
  return `number ${number} of ${at} revokes nothing of it${others}`;
}

function toJson(
  { file, bundlePath, statement, delegation, status, subject }: VerifiedFile,
  { name, key }: PinnedKey,
): unknown {
  const { channel, product, release, requestDigest, source, createdAt, subjects } = statement;
  return {
    verified: true,
    file,
    bundle: bundlePath,
    group: { name, key: encodeBase64Url(key) },
    channel,
    product,
    release,
    requestDigest,
    source,
    createdAt,
    delegation:
      delegation === null
        ? null
        : { channelKey: encodeBase64Url(delegation.channelKey), from: delegation.from, until: delegation.until },
    revocation:
      status === null
        ? { checked: false }
        : { checked: true, number: status.number, at: status.at, ofThisNumber: status.ofThisNumber },
    subject,
    subjects,
  };
}

function describeRefusal({ code, message, exitCode }: VerifyError, program: string): string {
  const verdict = { 1: 'NOT CHECKED', 2: 'WRONG USAGE', 3: 'NOT VALID' }[exitCode];
  return `${verdict} ${printable(message)} (${code})\n  ${adviceFor(code, program)}\n`;
}

function adviceFor(code: VerifyErrorCode, program: string): string {
  switch (code) {
    case 'usage':
      return `${program} --help shows how to ask.`;
    case 'bad-key':
      return 'Get GROUP.pub again, from where you trust it.';
    case 'missing-file':
      return 'Check the path; the bundle is looked for beside the file unless --bundle says where it is.';
    case 'unreadable':
      return 'Check what it is and that you may read it.';
    case 'internal':
      return `Nothing is known of the file. Please report this, with what runs it (${runtime()}).`;
    case 'changed-file':
      return 'Let whatever writes it finish, then verify again.';
    case 'bad-base64':
    case 'bad-json':
    case 'bad-envelope':
    case 'bad-payload-type':
    case 'bad-bundle':
    case 'bad-statement':
    case 'bad-delegation':
    case 'too-large':
      return 'Do not use the file. Fetch it and its bundle again; if this stays, tell whoever published them.';
    case 'bad-endorsement':
      return 'Pin no key because of it. Ask the group for its endorsement again.';
    case 'bad-status':
      return 'Get GROUP.status again, from where the group publishes it; one of a newer version wants a newer program.';
    case 'stale-status':
      return 'Get the newest GROUP.status, if the clock of this machine is right. Somebody may be keeping it from you.';
    case 'revoked':
      return 'Do not use the file: the group itself says so. Get a newer one.';
    case 'bad-signature':
      return 'Do not use the file. Either it was not signed by this group, or its bundle was changed.';
    case 'wrong-group':
      return 'Do not use the file. It belongs to another group than the one you pinned.';
    case 'wrong-digest':
      return 'Do not use the file. It was changed, damaged on the way, or belongs to another bundle.';
    case 'wrong-name':
      return 'If you renamed it yourself, give it its name back or say --any-name.';
    case 'wrong-channel':
      return 'Do not use the file for this. Only say --channel if you want builds of that channel.';
    case 'wrong-product':
      return 'Do not use the file for this: it is a good signature of something else.';
    case 'old-release':
      return 'Do not use the file for this: somebody may be offering an old release as the new one.';
    case 'delegation-expired':
      return 'Get a newer build, if the clock of this machine is right; to judge a time in the past, say --at TIME.';
    case 'delegation-not-yet-valid':
      return 'Check the clock of this machine; to judge another time, say --at TIME.';
  }
}

// What could not be read is named already; of what is not valid a person with several files wants to know which one it is.
function naming(path: string, error: unknown): unknown {
  if (!(error instanceof VerifyError) || error.exitCode !== 3) return error;
  return new VerifyError(error.code, `${path}: ${error.message}`, { cause: error });
}

function runtime(): string {
  const { bun, deno, node } = process.versions as NodeJS.ProcessVersions & {
    readonly bun?: string;
    readonly deno?: string;
  };
  if (bun !== undefined) return `Bun ${bun}`;
  return deno === undefined ? `Node.js ${node}` : `Deno ${deno}`;
}

// Whatever else went wrong is neither a valid nor an invalid release, nor the file's fault; it is said, not thrown at a person as a stack.
function asVerifyError(error: unknown): VerifyError {
  if (error instanceof VerifyError) return error;
  return new VerifyError('internal', error instanceof Error ? error.message : String(error), { cause: error });
}
