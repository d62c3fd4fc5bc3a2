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
 * document of a release but the manifest of its artifacts unless it names it, as `document: git-tag`. Whether every rule can decide anything
 * in its group is judged in `policy-reach.ts`.
 */
import { production } from '../protocol/files/charter.ts';
import { documentKinds } from '../protocol/documents/index.ts';
import { maxReasonCharacters } from '../protocol/limits.ts';
import { requestKinds, type RequestPayload } from '../protocol/request/request.ts';
import { parseDuration } from '../protocol/wire/time.ts';
import { FieldReader } from '../protocol/files/field-reader.ts';
import { parseYaml, type YamlPath } from '../protocol/files/yaml.ts';
import { readFileBounded } from '../home/files.ts';
import {
  defaultExecSeconds,
  maxExecSeconds,
  maxPolicyBytes,
  maxPolicyRules,
  maxPolicyTextCharacters,
  maxUserNameCharacters,
} from './limits.ts';

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

/** What the patterns of one field of a rule are, and on which line of the file. */
interface FieldPatterns {
  readonly patterns: readonly string[];
  /** 1-based. */
  readonly line: number;
}

/** What a rule demands of a request: all fields that it names. */
export type RuleMatch = Readonly<Partial<Record<MatchField, FieldPatterns>>>;

/** One rule, decoded. */
export interface PolicyRule {
  /** `policy.yaml:12`, for people. */
  readonly place: string;
  /** 1-based. */
  readonly line: number;
  readonly match: RuleMatch;
  readonly action: PolicyAction;
  readonly reason: string | null;
  readonly exec: ExecRule | undefined;
}

/** A decoded policy. */
export interface Policy {
  readonly file: string;
  readonly rules: readonly PolicyRule[];
  /** What `status` shows. */
  readonly description: string;
}

/** Everything waits for a person. */
export const askAlways: Policy = {
  file: '',
  rules: [],
  description: 'no policy file: every request waits for a person',
};

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
  return { file, rules: decoded, description: `${file}: ${decoded.length} rule${decoded.length === 1 ? '' : 's'}` };
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
    return list.map((item) => this.text(item, path, maxPolicyTextCharacters));
  }
}

const matchFields = ['kind', 'channel', 'requester', 'product', 'repo', 'ref', 'artifacts', 'document'] as const;
type MatchField = (typeof matchFields)[number];
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
    line: reader.line(path),
    match: readMatch(reader, fields['match'] ?? {}, [...path, 'match']),
    action,
    reason,
    exec: fields['exec'] === undefined ? undefined : readExec(reader, fields['exec'], [...path, 'exec']),
  };
}

function readMatch(reader: PolicyReader, value: unknown, path: Path): RuleMatch {
  const fields = reader.record(value, path, matchFields);
  const named = matchFields.filter((name) => fields[name] !== undefined);
  const match: RuleMatch = Object.fromEntries(
    named.map((name): [MatchField, FieldPatterns] => [
      name,
      { patterns: reader.texts(fields[name], [...path, name]), line: reader.line([...path, name]) },
    ]),
  );
  for (const [name, known] of [
    ['kind', requestKinds],
    ['document', documentKinds],
  ] as const)
    if (match[name]?.patterns.every((kind) => known.some((one) => one === kind)) === false)
      reader.fail([...path, name], `${name} must be one of ${known.join(', ')}`);
  return match;
}

/** Whether a rule decides in a person's place that something is signed: it reaches less than one that refuses or asks (T33). */
export function isApproving({ action }: Pick<PolicyRule, 'action'>): boolean {
  return action === 'approve' || action === 'exec';
}

/** Whether this rule is for this request. */
export function ruleMatches(rule: PolicyRule, { payload, requester }: PolicySubject): boolean {
  const { kind, channel, product, repo, ref, artifacts, document } = rule.match;
  return (
    (!isApproving(rule) || isNamed(rule.match, payload)) &&
    fits(kind, payload.kind) &&
    fits(channel, payload.channel) &&
    fits(rule.match.requester, requester) &&
    fits(product, payload.product) &&
    fits(repo, payload.source?.repo ?? null) &&
    fits(ref, payload.source?.ref ?? null) &&
    (document === undefined || payload.documents.some((one) => document.patterns.includes(one.kind))) &&
    (artifacts === undefined ||
      (payload.artifacts.length > 0 && payload.artifacts.every(({ name }) => fits(artifacts, name))))
  );
}

/** What a rule that approves must name: another kind than a release, production, and a document that is more than a list of the files. */
function isNamed({ kind, channel, document }: RuleMatch, payload: RequestPayload): boolean {
  return (
    (kind !== undefined || payload.kind === 'release') &&
    (payload.channel !== production || channel?.patterns.includes(production) === true) &&
    (document !== undefined || payload.kind !== 'release' || isOfFilesAlone(payload))
  );
}

/** A release of files by their digests, with no document but their manifest. */
function isOfFilesAlone({ artifacts, documents }: RequestPayload): boolean {
  return artifacts.length > 0 && documents.every(({ kind }) => kind === 'manifest');
}

function fits(field: FieldPatterns | undefined, text: string | null): boolean {
  if (field === undefined) return true;
  return text !== null && field.patterns.some((pattern) => globMatches(pattern, text));
}

/** `*` is any characters, `?` is one; the rest means itself. Linear in practice: it goes back to the last `*` only. */
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
    user:
      fields['user'] === undefined ? undefined : reader.text(fields['user'], [...path, 'user'], maxUserNameCharacters),
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
