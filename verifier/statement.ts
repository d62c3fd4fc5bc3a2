/**
 * What the native format signs about a release: an in-toto Statement v1 in canonical JSON
 * (github.com/in-toto/attestation, spec/v1/statement.md).
 */
import { encodeBase64Url } from './base64.ts';
import { VerifyError, within } from './errors.ts';
import { decodeCanonicalJson, encodeCanonicalJson, readFields, readKey, readString } from './json.ts';
import { maxDepth, maxPayloadBytes, maxSourceBytes, maxSubjects, maxTextBytes } from './limits.ts';
import { isCommit, isName, isSha256, isSubjectName, isText } from './names.ts';
import { isTime } from './time.ts';

const code = 'bad-statement';

/** DSSE payload type of a statement. */
export const statementPayloadType = 'application/vnd.in-toto+json';

const statementType = 'https://in-toto.io/Statement/v1';
const predicateType = 'urn:frostmark:release:v1';

/** One artifact of a release. */
export interface Subject {
  /** Base name, unique in its statement. */
  readonly name: string;
  /** 64 lower-case hexadecimal digits. */
  readonly sha256: string;
}

/** Where a release was built from, as its requester said. */
export interface Source {
  /** Address of the repository; null when there is none but the requester's own. */
  readonly repo: string | null;
  /** Branch or tag; null when the commit was on none. */
  readonly ref: string | null;
  /** 40 or 64 lower-case hexadecimal digits. */
  readonly commit: string;
}

/** A release, as a quorum signs it. */
export interface Statement {
  /** 1 to 1024. */
  readonly subjects: readonly Subject[];
  /** 32 bytes; the group public key, whichever channel signs. */
  readonly groupKey: Uint8Array;
  readonly channel: string;
  readonly product: string | null;
  readonly release: string | null;
  /** SHA-256 of the request, 64 lower-case hexadecimal digits. */
  readonly requestDigest: string;
  readonly source: Source | null;
  /** RFC 3339, UTC, whole seconds: the request's time, which its requester chose. */
  readonly createdAt: string;
}

/** The payload to sign. Throws `bad-statement` (or `bad-json`, `too-large`) for fields that `decodeStatement` would refuse. */
export function encodeStatement(statement: Statement): Uint8Array {
  const { source } = statement;
  const payload = encodeCanonicalJson({
    _type: statementType,
    subject: statement.subjects.map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
    predicateType,
    predicate: {
      groupKey: encodeBase64Url(statement.groupKey),
      channel: statement.channel,
      product: statement.product,
      release: statement.release,
      requestDigest: statement.requestDigest,
      source: source === null ? null : { repo: source.repo, ref: source.ref, commit: source.commit },
      createdAt: statement.createdAt,
    },
  });
  decodeStatement(payload);
  return payload;
}

/** Inverse of `encodeStatement`. Throws `bad-statement`, `bad-json` or `too-large`. */
export function decodeStatement(payload: Uint8Array): Statement {
  return within('statement', () => {
    const value = decodeCanonicalJson(payload, { maxBytes: maxPayloadBytes, maxDepth });
    const fields = readFields(value, ['_type', 'subject', 'predicateType', 'predicate'], code, 'statement');
    if (fields._type !== statementType) throw new VerifyError(code, `_type is not ${statementType}`);
    if (fields.predicateType !== predicateType) throw new VerifyError(code, `predicateType is not ${predicateType}`);
    return { subjects: decodeSubjects(fields.subject), ...decodePredicate(fields.predicate) };
  });
}

function decodeSubjects(value: unknown): readonly Subject[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > maxSubjects) {
    throw new VerifyError(code, `subject is not a list of 1 to ${maxSubjects}`);
  }
  const subjects = value.map(decodeSubject);
  if (new Set(subjects.map(({ name }) => name)).size !== subjects.length) {
    throw new VerifyError(code, 'two subjects have one name');
  }
  return subjects;
}

function decodeSubject(value: unknown): Subject {
  const { name, digest } = readFields(value, ['name', 'digest'], code, 'subject');
  const { sha256 } = readFields(digest, ['sha256'], code, 'digest');
  return {
    name: readString(name, isSubjectName, code, 'name of a subject'),
    sha256: readString(sha256, isSha256, code, 'SHA-256 of a subject'),
  };
}

function decodePredicate(value: unknown): Omit<Statement, 'subjects'> {
  const names = ['groupKey', 'channel', 'product', 'release', 'requestDigest', 'source', 'createdAt'] as const;
  const fields = readFields(value, names, code, 'predicate');
  return {
    // Compared with the key that was pinned, and never used.
    groupKey: readKey(fields.groupKey, code, 'groupKey'),
    channel: readString(fields.channel, isName, code, 'channel'),
    product: readTextOrNull(fields.product, maxTextBytes, 'product'),
    release: readTextOrNull(fields.release, maxTextBytes, 'release'),
    requestDigest: readString(fields.requestDigest, isSha256, code, 'requestDigest'),
    source: decodeSource(fields.source),
    createdAt: readString(fields.createdAt, isTime, code, 'createdAt'),
  };
}

function readTextOrNull(value: unknown, maxBytes: number, what: string): string | null {
  return value === null ? null : readString(value, (it) => isText(it, maxBytes), code, what);
}

function decodeSource(value: unknown): Source | null {
  if (value === null) return null;
  const fields = readFields(value, ['repo', 'ref', 'commit'], code, 'source');
  return {
    repo: readTextOrNull(fields.repo, maxSourceBytes, 'repo'),
    ref: readTextOrNull(fields.ref, maxSourceBytes, 'ref'),
    commit: readString(fields.commit, isCommit, code, 'commit'),
  };
}
