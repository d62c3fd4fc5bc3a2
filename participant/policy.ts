/**
 * The policy: ordered rules that decide requests in this member's place. The first rule that matches wins; without one a person is asked.
 *
 *     rules:
 *       - match: { channel: development, requester: [dave, erin], artifacts: ['*.tgz'] }
 *         action: approve
 *       - match: { channel: production, product: widget, repo: 'https://git.example.org/*', ref: 'refs/tags/*' }
 *         action: exec
 *         exec: { run: [/usr/local/bin/rebuild, --strict], timeout: 20m, memory: 4GiB, user: builder }
 *       - action: refuse
 *         reason: only tagged widgets are signed here
 *
 * In a pattern `*` stands for any characters and `?` for one. A rule that approves, by itself or by a program, is for `kind: release` and
 * for channels other than production unless it names them: nothing of production is approved by accident (T33). Likewise it is for no
 * document of a release but the manifest of its artifacts unless it names it, as `document: git-tag`.
 */
import { production } from '../protocol/files/charter.ts';
import { documentKinds } from '../protocol/documents/index.ts';
import { maxReasonCharacters } from '../protocol/limits.ts';
import { requestKinds, type RequestKind, type RequestPayload } from '../protocol/request/request.ts';
import { parseDuration } from '../protocol/wire/time.ts';
import { FieldReader } from '../protocol/files/field-reader.ts';
import { parseYaml, type YamlPath } from '../protocol/files/yaml.ts';
import { readFileBounded } from '../home/files.ts';
import { defaultExecSeconds, maxExecSeconds, maxPolicyBytes, maxPolicyRules } from './limits.ts';

/** A request as rules see it. */
export interface PolicySubject {
  /** Request digest, hex. */
  readonly digest: string;
  /** Name of the asker by the newest requesters document or the charter. */
  readonly requester: string;
  readonly payload: RequestPayload;
}

/** How one rule runs its program. Of `user` and `sandbox` at most one is there; neither means that the policy accepted the same user. */
export interface ExecRule {
  /** `policy.yaml:12`, for people. */
  readonly place: string;
  readonly run: readonly string[];
  readonly timeoutSeconds: number;
  /** Resident memory of the program and everything it started, together. */
  readonly memoryBytes: number | undefined;
  /** Name of the Unix user. */
  readonly user: string | undefined;
  /** What is put before `run`; `{folder}` in it stands for the run's own folder. */
  readonly sandbox: readonly string[] | undefined;
}

type PolicyAction = 'approve' | 'refuse' | 'ask' | 'exec';

interface PolicyRule {
  /** `policy.yaml:12`, for people. */
  readonly place: string;
  readonly action: PolicyAction;
  readonly reason: string | null;
  readonly exec: ExecRule | undefined;
  matches(subject: PolicySubject): boolean;
}

/** A decoded policy. */
export interface Policy {
  readonly rules: readonly PolicyRule[];
  /** What `status` shows. */
  readonly description: string;
}

/** Everything waits for a person. */
export const askAlways: Policy = { rules: [], description: 'no policy file: every request waits for a person' };

/** Throws `ProtocolError('bad-policy')` with file and line, or `HomeError` if the file cannot be read. */
export async function loadPolicy(path: string): Promise<Policy> {
  return decodePolicy(await readFileBounded(path, maxPolicyBytes), path);
}

/** Throws `ProtocolError('bad-policy')` with file and line. */
export function decodePolicy(bytes: Uint8Array, file: string): Policy {
  const yaml = parseYaml(bytes, file, 'bad-policy');
  const reader: PolicyReader = new PolicyReader(yaml, { file, code: 'bad-policy', what: 'the policy' });
  const fields = reader.record(yaml.value, [], ['rules']);
  const { rules } = fields;
  if (!Array.isArray(rules)) reader.fail(['rules'], 'rules must be a list');
  if (rules.length > maxPolicyRules) reader.fail(['rules'], `at most ${maxPolicyRules} rules`);
  const decoded = rules.map((rule: unknown, index) => readRule(reader, rule, ['rules', index]));
  return { rules: decoded, description: `${file}: ${decoded.length} rule${decoded.length === 1 ? '' : 's'}` };
}

type Path = YamlPath;

class PolicyReader extends FieldReader {
  text(value: unknown, path: Path, maxLength: number): string {
    if (typeof value !== 'string' || value.length < 1 || value.length > maxLength)
      this.fail(
        path,
        `${String(path.at(-1))} must be a text of 1 to ${maxLength} characters (in quotes, if it looks like something else)`,
      );
    return value;
  }

  /** One text, or a list of them. */
  texts(value: unknown, path: Path): string[] {
    const list = Array.isArray(value) ? (value as unknown[]) : [value];
    if (list.length === 0) this.fail(path, `${String(path.at(-1))} must not be empty`);
    return list.map((item) => this.text(item, path, 500));
  }
}

const matchFields = ['kind', 'channel', 'requester', 'product', 'repo', 'ref', 'artifacts', 'document'] as const;
const actions: readonly PolicyAction[] = ['approve', 'refuse', 'ask', 'exec'];

function readRule(reader: PolicyReader, value: unknown, path: Path): PolicyRule {
  const fields = reader.record(value, path, ['match', 'action', 'reason', 'exec']);
  const action = actions.find((known) => known === fields['action']);
  if (action === undefined) reader.fail([...path, 'action'], `action must be one of ${actions.join(', ')}`);
  if ((action === 'exec') !== (fields['exec'] !== undefined))
    reader.fail([...path, 'exec'], 'action exec needs exec, and no other action has it');
  const reason =
    fields['reason'] === undefined ? null : reader.text(fields['reason'], [...path, 'reason'], maxReasonCharacters);
  return {
    place: reader.place(path),
    action,
    reason,
    exec: fields['exec'] === undefined ? undefined : readExec(reader, fields['exec'], [...path, 'exec']),
    matches: readMatch(reader, fields['match'] ?? {}, [...path, 'match'], action === 'approve' || action === 'exec'),
  };
}

function readMatch(reader: PolicyReader, value: unknown, path: Path, approves: boolean): PolicyRule['matches'] {
  const fields = reader.record(value, path, matchFields);
  const patternsOf = (name: (typeof matchFields)[number]): string[] | undefined =>
    fields[name] === undefined ? undefined : reader.texts(fields[name], [...path, name]);
  const kinds = patternsOf('kind');
  const wrong = kinds?.find((kind) => !requestKinds.includes(kind as RequestKind));
  if (wrong !== undefined) reader.fail([...path, 'kind'], `kind must be one of ${requestKinds.join(', ')}`);
  const documents = patternsOf('document');
  const strange = documents?.find((kind) => !documentKinds.includes(kind));
  if (strange !== undefined) reader.fail([...path, 'document'], `document must be one of ${documentKinds.join(', ')}`);
  const [channel, requester, product, repo, ref, artifacts] = [
    patternsOf('channel'),
    patternsOf('requester'),
    patternsOf('product'),
    patternsOf('repo'),
    patternsOf('ref'),
    patternsOf('artifacts'),
  ];
  const named = (payload: RequestPayload): boolean =>
    (kinds?.includes(payload.kind) ?? payload.kind === 'release') &&
    (payload.channel !== production || channel?.includes(production) === true) &&
    (documents !== undefined || payload.kind !== 'release' || isOfFilesAlone(payload));
  return (subject) => {
    const { payload } = subject;
    return (
      (!approves || named(payload)) &&
      (kinds?.includes(payload.kind) ?? true) &&
      fits(channel, payload.channel) &&
      fits(requester, subject.requester) &&
      fits(product, payload.product) &&
      fits(repo, payload.source?.repo ?? null) &&
      fits(ref, payload.source?.ref ?? null) &&
      (documents === undefined || payload.documents.some(({ kind }) => documents.includes(kind))) &&
      (artifacts === undefined ||
        (payload.artifacts.length > 0 && payload.artifacts.every(({ name }) => fits(artifacts, name))))
    );
  };
}

/** A release of files by their digests, with no document but their manifest. */
function isOfFilesAlone({ artifacts, documents }: RequestPayload): boolean {
  return artifacts.length > 0 && documents.every(({ kind }) => kind === 'manifest');
}

function fits(patterns: readonly string[] | undefined, text: string | null): boolean {
  if (patterns === undefined) return true;
  return text !== null && patterns.some((pattern) => globMatches(pattern, text));
}

/** `*` is any characters, `?` is one; the rest stands for itself. Linear in practice: it goes back to the last `*` only. */
export function globMatches(pattern: string, text: string): boolean {
  const [wanted, found] = [Array.from(pattern), Array.from(text)];
  let [at, place, star, mark] = [0, 0, -1, 0];
  while (at < found.length) {
    if (wanted[place] === '*') [star, mark, place] = [place, at, place + 1];
    else if (wanted[place] === '?' || wanted[place] === found[at]) [at, place] = [at + 1, place + 1];
    else if (star !== -1) [mark, at, place] = [mark + 1, mark + 1, star + 1];
    else return false;
  }
  return wanted.slice(place).every((character) => character === '*');
}

function readExec(reader: PolicyReader, value: unknown, path: Path): ExecRule {
  const fields = reader.record(value, path, ['run', 'timeout', 'memory', 'user', 'sandbox', 'same-user']);
  const run = readArgv(reader, fields['run'], [...path, 'run']);
  const chosen = ['user', 'sandbox', 'same-user'].filter((name) => fields[name] !== undefined);
  if (chosen.length !== 1)
    reader.fail(
      path,
      'a program may run what a requester wrote: give user: NAME, sandbox: [COMMAND, …], or say same-user: accepted',
    );
  if (fields['same-user'] !== undefined && fields['same-user'] !== 'accepted')
    reader.fail([...path, 'same-user'], 'same-user can only be accepted');
  return {
    place: reader.place(path),
    run,
    timeoutSeconds: readTimeout(reader, fields['timeout'], [...path, 'timeout']),
    memoryBytes: readMemory(reader, fields['memory'], [...path, 'memory']),
    user: fields['user'] === undefined ? undefined : reader.text(fields['user'], [...path, 'user'], 64),
    sandbox: fields['sandbox'] === undefined ? undefined : readArgv(reader, fields['sandbox'], [...path, 'sandbox']),
  };
}

function readArgv(reader: PolicyReader, value: unknown, path: Path): string[] {
  if (!Array.isArray(value))
    reader.fail(path, `${String(path.at(-1))} must be a list: the program and its arguments, no shell`);
  const argv = reader.texts(value, path);
  if (argv.some((argument) => argument.includes('\0'))) reader.fail(path, 'an argument holds a zero byte');
  return argv;
}

function readTimeout(reader: PolicyReader, value: unknown, path: Path): number {
  if (value === undefined) return defaultExecSeconds;
  const seconds = typeof value === 'string' ? parseDuration(value) : undefined;
  if (seconds === undefined || seconds > maxExecSeconds)
    reader.fail(path, 'timeout must be a duration such as 90s or 20m, at most 24h');
  return seconds;
}

const memoryUnits: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

function readMemory(reader: PolicyReader, value: unknown, path: Path): number | undefined {
  if (value === undefined) return undefined;
  const match = /^([1-9][0-9]{0,6})(KiB|MiB|GiB)$/.exec(typeof value === 'string' ? value : '');
  const unit = memoryUnits[match?.[2] ?? ''];
  if (match === null || unit === undefined) reader.fail(path, 'memory must be an amount such as 512MiB or 4GiB');
  return Number(match[1]) * unit;
}
